"""Deployers among faults: another deployer, lost answers, an engine or a Postgres that dies in mid-apply."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from components.hasura.client import AnswerLost, EngineUnreachable
from components.schema.ledger import Timeouts
from components.schema.maintenance import forget
from components.schema.problems import SchemaError
from components.schema.provider import MigrationsProvider
from tests.schema_faults.deployer import deploy, deployer, inputs, preview
from tests.schema_faults.project import Project, assert_all_once, ran
from tests.schema_faults.proxy import Proxy, proxy
from tests.schema_faults.stage import ADMIN_SECRET, Stage, poll, staged

SEED = 20261124


def fill(project: Project, *, newest: int = 12, sleep: float = 0.0) -> None:
    project.first()
    for version in range(2, newest + 1):
        project.counted(version, sleep=sleep)


def recorded(stage: Stage) -> int:
    """How many rows the ledger has."""
    if stage.database.rows("select to_regclass('migration_ledger.migration')") == [(None,)]:
        return 0
    return int(str(stage.database.rows("select count(*) from migration_ledger.migration")[0][0]))


def test_two_deployers_at_once(stage: Stage, project: Project, tmp_path: Path) -> None:
    """One applies; the other says that it waits, and finds nothing to do."""
    fill(project, newest=40, sleep=0.05)
    with (
        deployer(project.root, tmp_path / "one", stage.endpoint, ADMIN_SECRET) as one,
        deployer(project.root, tmp_path / "two", stage.endpoint, ADMIN_SECRET) as two,
    ):
        one.start()
        poll(lambda: recorded(stage) > 3, "the first deployer is at work")
        two.start()
        ended = [one.wait(), two.wait()]
    assert [each.code for each in ended] == [0, 0], ended
    assert [each.log.count("applied default/") for each in ended] == [40, 0]
    assert "another deployment is at work" in ended[1].log
    assert "waiting" in ended[1].log
    assert_all_once(stage, 40)


@pytest.mark.parametrize("isolation", ["read-committed", "repeatable-read", "serializable"])
def test_two_deployers_that_begin_together(
    stage: Stage, project: Project, tmp_path: Path, isolation: str
) -> None:
    """Also where the source's transactions see the database as it was when they began to wait."""
    stage.isolate(isolation)
    fill(project, newest=30)
    with (
        deployer(project.root, tmp_path / "one", stage.endpoint, ADMIN_SECRET) as one,
        deployer(project.root, tmp_path / "two", stage.endpoint, ADMIN_SECRET) as two,
    ):
        for each in (one, two):
            each.start()
        ended = [one.wait(), two.wait()]
    assert [each.code for each in ended] == [0, 0], ended
    told = [line for each in ended for line in each.log.splitlines() if line.startswith("applied default/")]
    assert len(told) == len(set(told)) == 30
    assert_all_once(stage, 30)


def test_waits_for_a_deployer_that_died(stage: Stage, project: Project, tmp_path: Path) -> None:
    """Whoever waits takes over what a killed one did not get to."""
    fill(project, newest=12, sleep=0.05)
    with (
        deployer(project.root, tmp_path / "one", stage.endpoint, ADMIN_SECRET) as one,
        deployer(project.root, tmp_path / "two", stage.endpoint, ADMIN_SECRET) as two,
    ):
        one.start()
        poll(lambda: recorded(stage) > 2, "the first deployer is at work")
        for version in range(13, 16):
            project.counted(version)
        two.start()
        assert one.kill().code == -9
        ended = two.wait()
        assert ended.code == 0, ended.log
        assert "applied default/000015_m" in ended.log
    assert_all_once(stage, 15)


def test_killed_between_commit_and_catalog_state(stage: Stage, project: Project, tmp_path: Path) -> None:
    """Where the Hasura CLI loses the record and would run the migrations again."""
    fill(project)
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        way.swallow = b'"set_catalog_state"'
        one.start()
        poll(lambda: way.swallowed > 0, "the deployer writes the catalog state")
        assert one.kill().code == -9
        way.swallow = None
        with stage.client() as client:
            assert "migrations" not in client.get_catalog_state()
        assert recorded(stage) == 12
        ended = one.run()
        assert ended.code == 0, ended.log
        assert "applied" not in ended.log
    assert_all_once(stage, 12)


def test_killed_between_roll_back_and_catalog_state(stage: Stage, project: Project, tmp_path: Path) -> None:
    """The catalog state still names what is gone; nobody takes that for the Hasura CLI's work."""
    fill(project, newest=3)
    project.write(4, "insert into ran (version) values (4);\n", "insert into ran (version) values (-4);\n")
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        ended = one.run()
        assert ended.code == 0, ended.log
        taken_away = project.root.parent / "000004_m"
        folder = (project.root / "migrations/default/000004_m").rename(taken_away)
        way.swallow = b'"set_catalog_state"'
        one.start(rollback="down")
        poll(lambda: way.swallowed > 0, "the deployer writes the catalog state")
        assert one.kill().code == -9
        way.swallow = None
        with stage.client() as client:
            assert "4" in client.get_catalog_state()["migrations"]["default"]  # type: ignore[index,call-overload]
        ended = one.run(rollback="down")
        assert ended.code == 0, ended.log
        assert ran(stage) == {-4: 1, 2: 1, 3: 1, 4: 1}
        with stage.client() as client:
            assert client.get_catalog_state()["migrations"] == {
                "default": {"1": False, "2": False, "3": False}
            }
        # Rolled back for good: when it comes back it runs again.
        folder.rename(project.root / "migrations/default/000004_m")
        ended = one.run(rollback="down")
        assert ended.code == 0, ended.log
    assert ran(stage) == {-4: 1, 2: 1, 3: 1, 4: 2}


@pytest.mark.parametrize("what", ["request", "answer"])
def test_each_exchange_lost_in_turn(stage: Stage, project: Project, tmp_path: Path, what: str) -> None:
    """Whatever is lost, once, the deployment comes to its end."""
    fill(project)
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        ended = one.run()
        assert ended.code == 0, ended.log
        exchanges = way.exchanges
        assert exchanges >= 8
        for lost in range(1, exchanges + 1):
            stage.reset()
            lose = way.lose_requests if what == "request" else way.lose_answers
            lose.add(way.exchanges + lost)
            before = way.lost
            ended = one.run()
            assert way.lost == before + 1
            assert ended.code == 0, f"{what} {lost} of {exchanges} was lost:\n{ended.log}"
            assert_all_once(stage, 12)


def test_many_answers_lost(stage: Stage, project: Project, tmp_path: Path) -> None:
    """One in four: then a deployment may give up, with a reason, and never does harm."""
    fill(project)
    chance = random.Random(SEED)
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        way.lose_answers = {number for number in range(2, 2000) if chance.random() < 0.25}
        for _ in range(5):
            ended = one.run()
            assert ended.code == 0 or "the answer was lost" in ended.log, ended.log
            assert set(ran(stage).values()) <= {1}
        assert way.lost > 0
        way.lose_answers = set()
        ended = one.run()
        assert ended.code == 0, ended.log
    assert_all_once(stage, 12)


def break_engine(stage: Stage, way: Proxy) -> None:
    stage.kill_engine()
    stage.start_engine()
    way.point_at(stage.endpoint)


@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(break_engine, id="engine killed"),
        pytest.param(lambda stage, _: stage.database.restart(), id="Postgres restarted"),
        pytest.param(lambda stage, _: stage.database.crash(), id="Postgres killed"),
    ],
)
def test_interrupted_in_mid_apply(
    stage: Stage, project: Project, tmp_path: Path, interrupt: Callable[[Stage, Proxy], None]
) -> None:
    """The deployer waits until all answer again, looks at the ledger, and does what is left."""
    fill(project, newest=40, sleep=0.05)
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        one.start()
        poll(lambda: recorded(stage) > 5, "the deployer is at work")
        interrupt(stage, way)
        assert recorded(stage) < 40
        ended = one.wait()
        assert ended.code == 0, ended.log
        assert "looking at the ledger" in ended.log
    assert_all_once(stage, 40)
    assert preview(inputs(stage.endpoint, ADMIN_SECRET)) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes in life."""
    for name in ("REQUEST_TIMEOUT", "PREVIEW_TIMEOUT", "ENGINE_WITHIN"):
        monkeypatch.setattr(f"components.schema.provider.{name}", 2.0)
    for name in ("LOST_AFTER", "SETTLE_SECONDS"):
        monkeypatch.setattr(f"components.schema.deployment.{name}", 2.0)
    monkeypatch.setattr("components.schema.deployment.IDLE_ROUNDS", 1)
    monkeypatch.setattr("components.schema.deployment.PROGRESS_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "what", ["get_catalog_state", '"bulk"', "set_catalog_state", "set in_catalog = true"]
)
def test_one_request_is_swallowed(stage: Stage, project: Project, what: str) -> None:
    """A way that takes a request and never answers: after a stated time the deployment goes on, to its end."""
    fill(project)
    with proxy(stage.endpoint) as way:
        # The preview asks as well, and would meet it.
        wanted = inputs(way.endpoint, ADMIN_SECRET)
        assert preview(wanted) == []
        way.swallow, way.swallow_once = what.encode(), True
        MigrationsProvider().create(wanted)
        assert way.swallowed == 1
    assert_all_once(stage, 12)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("swallow", "says"),
    [
        # Not even the state can be read.
        pytest.param(b"", "the answer was lost: timed out", id="everything"),
        # The engine answers whatever is asked meanwhile.
        pytest.param(
            b'"bulk"', "migrations: the engine does not answer in time, again and again", id="the bulk"
        ),
    ],
)
def test_a_way_that_swallows_everything(
    stage: Stage, project: Project, capsys: pytest.CaptureFixture[str], swallow: bytes, says: str
) -> None:
    fill(project)
    with proxy(stage.endpoint) as way:
        way.swallow = swallow
        with pytest.raises((SchemaError, AnswerLost, EngineUnreachable)) as caught:
            MigrationsProvider().create(inputs(way.endpoint, ADMIN_SECRET))
        assert says in str(caught.value)
        if swallow:
            assert "something between here and there has swallowed them" in capsys.readouterr().err
        assert recorded(stage) == 0
        way.swallow = None
        deploy(inputs(way.endpoint, ADMIN_SECRET))
    assert_all_once(stage, 12)


def test_killed_during_a_concurrent_index(stage: Stage, project: Project, tmp_path: Path) -> None:
    """It is told as unfinished, with the index that it has left INVALID, and is repaired by a command."""
    stage.database.rows("create table items (id int); insert into items values (1)")
    project.write(1, "-- no-transaction\ncreate index concurrently items_id on items (id);\n")
    with (
        deployer(project.root, tmp_path / "logs", stage.endpoint, ADMIN_SECRET) as one,
        psycopg.connect(stage.database.url("app")) as blocking,
    ):
        # The build waits for the end of whoever writes to the table.
        blocking.execute("update items set id = 2")
        one.start()
        building = (
            "select count(*) from pg_stat_activity where state = 'active' "
            "and query like '%create index concurrently%'"
        )
        poll(
            lambda: stage.database.rows(f"{building} and pid <> pg_backend_pid()") == [(1,)],
            "the index is being built",
        )
        assert one.kill().code == -9
        stage.kill_engine()
        stage.database.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where query like '%create index concurrently%' and pid <> pg_backend_pid()"
        )
        blocking.rollback()
    stage.start_engine()
    [said] = preview(inputs(stage.endpoint, ADMIN_SECRET))
    assert "migrations/default/000001_m/up.sql: ran outside a transaction" in said
    assert "INVALID now: items_id" in said
    assert (
        "repair --source default --done 1` if its change is there, or `... --forget 1` to run it again"
        in said
    )
    stage.database.rows("drop index items_id")
    with stage.client() as client:
        forget(client, "default", 1, Timeouts())
    with deployer(project.root, tmp_path / "again", stage.endpoint, ADMIN_SECRET) as one:
        ended = one.run()
        assert ended.code == 0, ended.log
    valid = "select indisvalid from pg_index where indexrelid = 'items_id'::regclass"
    assert stage.database.rows(valid) == [(True,)]


def test_a_full_disk(project: Project, tmp_path: Path) -> None:
    """Postgres says so, the error passes it on, nothing is half-applied; with room again the same command goes on."""
    project.first()
    project.counted(2)
    project.write(
        3, "create table large as select repeat(n::text, 100) from generate_series(1, 2000000) n;\n"
    )
    with (
        staged(disk="200m") as stage,
        deployer(project.root, tmp_path / "logs", stage.endpoint, ADMIN_SECRET) as one,
    ):
        ended = one.run()
        assert ended.code == 1
        assert "No space left on device" in ended.log
        assert "migrations/default/000003_m/up.sql" in ended.log
        assert "Done before it: applied default/000001_m, applied default/000002_m." in ended.log
        assert recorded(stage) == 2
        (project.root / "migrations/default/000003_m/up.sql").write_text(
            "insert into ran (version) values (3);\n"
        )
        ended = one.run()
        assert ended.code == 0, ended.log
        assert_all_once(stage, 3)
