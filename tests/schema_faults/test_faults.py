"""Deployers among faults: another deployer, lost answers, an engine or a Postgres that dies in mid-apply."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.schema_faults.deployer import deployer, inputs, preview
from tests.schema_faults.project import Project, assert_all_once, ran
from tests.schema_faults.proxy import Proxy, proxy
from tests.schema_faults.stage import ADMIN_SECRET, Stage, poll

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
