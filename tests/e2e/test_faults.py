"""A stack on a bad day, with the real CLI: killed, interrupted, locked, its state lost; and a life of random steps."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml
from long_run import LongRun
from project_copy import ProjectCopy

from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY, publishable_key_for
from components.hasura.client import HasuraClient
from components.schema.ledger import LOCK_KEYS
from local.clerk.server import serving
from tests.images.containers import docker
from tests.load.generator import load
from tests.local_engine.engines import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

STEPS = int(os.environ.get("SOAK_STEPS", "8"))
SEED = int(os.environ.get("SOAK_SEED", "1797"))
PORTS = ("hasuraPort", "postgresPort", "localClerkPort")
UP = ("up", "--yes", "--skip-preview")


@dataclass(frozen=True, kw_only=True)
class First:
    """A stack, and what its first deployment said that went to its end."""

    project: ProjectCopy
    said: str


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    """A stack with a proof, up, after a first deployment that died while it made the databases. Its ports follow from
    its name: they are out of the range from which this machine takes ports for connections, so that nobody has one of
    them while a container is away."""
    config = {**dict.fromkeys(PORTS), "healthIntervalSeconds": "1"}
    project = ProjectCopy(tmp_path_factory.mktemp("project"), f"e2e{uuid.uuid4().hex[:6]}", config)
    try:
        project.run("pulumi", "stack", "init", project.stack).ok()
        die_while_databases_are_made(project)
        yield First(project=project, said=project.up().ok())
    finally:
        project.remove()


@pytest.fixture(scope="module")
def up(first: First) -> ProjectCopy:
    """The stack, up."""
    return first.project


def die_while_databases_are_made(project: ProjectCopy) -> None:
    """Kills an update after Postgres has made a database, and before Pulumi hears of it."""
    without = "--exclude=**:Database::*"
    project.pulumi(*UP, without, "--exclude-dependents").ok()

    def ask(query: str) -> str:
        return docker("exec", container(project, "postgres"), "psql", "-U", "postgres", "-Atc", query)

    # Whoever makes a database waits for this lock; whoever logs in to one does not.
    lock = "begin; lock table pg_database in share mode; select pg_sleep(600)"
    holder = subprocess.Popen(
        ["docker", "exec", container(project, "postgres"), "psql", "-U", "postgres", "-c", lock]
    )
    waiting = "select count(*) from pg_locks where relation = 'pg_database'::regclass and {} granted and mode = '{}'"
    until(lambda: ask(waiting.format("", "ShareLock")) == "1", "the lock is held")
    update = started(project)
    until(
        lambda: update.poll() is not None or ask(waiting.format("not", "RowExclusiveLock")) != "0",
        "the update makes a database",
        deadline=180,
    )
    assert update.poll() is None, update.communicate()[0]
    update.send_signal(signal.SIGSTOP)
    ask("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)'")
    holder.wait(timeout=60)
    made = "select count(*) from pg_database where datname not in ('postgres', 'template0', 'template1')"
    until(lambda: ask(made) != "0", "a database is made")
    os.killpg(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    project.pulumi("cancel", "--yes").ok()


def started(project: ProjectCopy) -> subprocess.Popen[str]:
    """An update that goes on by itself."""
    return subprocess.Popen(
        ["pulumi", *UP, "--non-interactive", "--color=never", "--stack", project.stack],
        cwd=project.folder,
        env=project.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def rows(project: ProjectCopy, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(project.outputs()["databaseUrl"], autocommit=True) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload]


def migration(project: ProjectCopy, version: int) -> str:
    """A migration whose second run would fail. What to ask for how often it ran."""
    folder = project.folder / "migrations" / "default" / f"{version}_fault"
    folder.mkdir(parents=True)
    (folder / "up.sql").write_text(f"create table fault_{version} ();\n")
    return (
        f"select count(*), to_regclass('fault_{version}') is not null "
        f"from migration_ledger.migration where version = {version} and state = 'done' and in_catalog"
    )


class Interrupted:
    """An update that stands still in the middle of its SQL, because somebody else holds the deployment lock."""

    def __init__(self, project: ProjectCopy) -> None:
        self._holder = psycopg.connect(project.outputs()["databaseUrl"], autocommit=True)
        self._holder.execute("select pg_advisory_lock(%s, %s)", LOCK_KEYS)
        self.process = started(project)
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        until(
            lambda: self.process.poll() is not None or self._holder.execute(waiting).fetchone() == (1,),
            "the update waits for the lock",
            deadline=180,
        )
        assert self.process.poll() is None, self.process.communicate()[0]

    def go_on(self) -> str:
        """Lets the SQL run, and waits for the end of the update; what it said."""
        self._holder.close()
        return self.process.communicate(timeout=180)[0]


def test_a_first_deployment_that_died_while_it_made_the_databases_is_finished_by_the_next(
    first: First,
) -> None:
    assert re.search(r"the database \w+ is left over from an update that died; it makes way", first.said)
    assert "Row isolation is proven" in first.said


def test_an_interrupt_lets_the_step_end_and_a_second_update_is_refused_meanwhile(up: ProjectCopy) -> None:
    ran = migration(up, 1900000000101)
    first = Interrupted(up)
    second = up.pulumi(*UP).failed()
    assert "the stack is currently locked by 1 lock(s)" in second
    assert "pulumi cancel" in second
    first.process.send_signal(signal.SIGINT)
    said = first.go_on()
    assert first.process.returncode != 0, said
    assert "Traceback" not in said
    assert rows(up, ran)[0][1] is True
    up.up().ok()
    assert rows(up, ran) == [(1, True)]


@pytest.mark.parametrize("way", ["killed", "interrupted twice"])
def test_an_update_that_dies_in_its_sql(up: ProjectCopy, way: str) -> None:
    """The engine goes on with what it was sent. The next update sees by the ledger that it has run."""
    ran = migration(up, 1900000000102 if way == "killed" else 1900000000103)
    update = Interrupted(up)
    if way == "killed":
        update.process.kill()
    else:
        update.process.send_signal(signal.SIGINT)
        assert update.process.stdout is not None
        for line in update.process.stdout:
            if "press ^C again" in line or "ancelling" in line:
                break
        update.process.send_signal(signal.SIGINT)
    update.process.wait(timeout=180)
    update.go_on()
    assert update.process.returncode != 0
    up.pulumi("cancel", "--yes")
    up.up().ok()
    assert rows(up, ran) == [(1, True)]


def test_a_state_of_yesterday_loses_nothing(up: ProjectCopy, tmp_path: Path) -> None:
    """Also: killed after the commit, before Pulumi wrote its checkpoint. The ledger decides, nothing runs twice."""
    up.pulumi("stack", "export", "--file", str(tmp_path / "yesterday.json")).ok()
    engine = engine_of(up)
    ran = migration(up, 1900000000104)
    up.pulumi("config", "set", "jwtTemplateLifetime", "90").ok()
    up.up().ok()
    up.pulumi("stack", "import", "--file", str(tmp_path / "yesterday.json")).ok()
    said = up.pulumi(*UP, "--refresh").ok()
    assert "applied default/1900000000104" not in said
    assert rows(up, ran) == [(1, True)]
    up.pulumi("preview", "--refresh", "--expect-no-changes").ok()
    assert engine_of(up) == engine


def test_a_state_that_was_lost_comes_back_from_its_copy(up: ProjectCopy) -> None:
    [state] = (up.folder / ".local").rglob(f"stacks/*/{up.stack}.json")
    copy = state.with_name(f"{state.name}.bak")
    assert copy.exists()
    engine = engine_of(up)
    state.unlink()
    lost = up.run("make", "up").failed()
    assert "its state was lost" in lost
    assert "Nothing was touched" in lost
    shutil.copy(copy, state)
    up.pulumi(*UP, "--refresh").ok()
    assert engine_of(up) == engine


def test_a_jwks_that_cannot_be_read_is_refused_while_the_engine_serves(
    up: ProjectCopy, tmp_path: Path
) -> None:
    """By a preview and by an update, with one that is read for a twin."""
    outputs, engine = up.outputs(), engine_of(up)
    own = up.folder / f"Pulumi.{up.stack}.yaml"
    before = own.read_text()
    as_administrator = {"X-Hasura-Admin-Secret": outputs["adminSecret"]}
    with serving(tmp_path) as clerk:

        def use(jwks: str) -> None:
            clerks = {
                "localClerk": "false",
                "clerkApiUrl": clerk.url,
                "clerkPublishableKey": publishable_key_for(clerk.url.removeprefix("http://")),
                "jwksUrl": jwks,
            }
            found = yaml.safe_load(before)
            found["config"] |= {f"clerk-hasura:{key}": value for key, value in clerks.items()}
            own.write_text(yaml.safe_dump(found))

        key = {"CLERK_SECRET_KEY": clerk.secret_key}
        try:
            use(f"{clerk.url}/.well-known/jwks.json")
            up.pulumi("preview", **key).ok()
            use("http://127.0.0.1:9/jwks.json")
            with load(
                outputs["graphqlUrl"], "{ users { id } }", headers=as_administrator, connections=1
            ) as seen:
                for command in (("preview",), UP):
                    said = up.pulumi(*command, **key).failed()
                    assert "jwksUrl: the JWKS at http://127.0.0.1:9/jwks.json cannot be read" in said
                    assert "nothing was touched" in said
        finally:
            own.write_text(before)
    assert seen.requests > 0 and (seen.failed, seen.errors) == (0, {}), seen.report
    assert engine_of(up) == engine


def test_what_a_refresh_cannot_see_is_brought_in_line_by_the_same_update(up: ProjectCopy) -> None:
    """Engine and local Clerk are away when the refresh comes to them, and somebody had changed what is in them."""
    outputs = up.outputs()
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        version, before = hasura.export_metadata()
        changed = json.loads(json.dumps(before))
        [permission] = changed["sources"][0]["tables"][0]["select_permissions"]
        permission["permission"]["filter"] = {}
        hasura.replace_metadata(changed, version)
        hasura.set_catalog_state({})
    with ClerkClient(outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        [template] = clerk.jwt_templates()
        clerk.delete_jwt_template(template.id)
    docker("rm", "--force", container(up, "hasura"))
    docker("stop", container(up, "clerk"))
    said = up.pulumi(*UP, "--refresh").ok()
    assert "not refreshed: metadata: " in said and "not refreshed: migrations: " in said
    assert "has metadata that the refresh could not see, which is replaced: role `user` on `users`" in said
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        assert hasura.export_metadata()[1] == before
    with ClerkClient(outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        assert [again.name for again in clerk.jwt_templates()] == [template.name]
    up.pulumi("preview", "--refresh", "--expect-no-changes").ok()


def engine_of(project: ProjectCopy) -> str:
    """The id of the engine's container."""
    return docker("inspect", "--format={{.Id}}", container(project, "hasura"))


def container(project: ProjectCopy, part: str) -> str:
    """The name of the container of a part."""
    return f"clerk-hasura-{project.stack}-{part}"


def test_a_long_run(up: ProjectCopy, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happens to it, the next `up` brings the stack to what its files say."""

    def tell(text: str) -> None:
        if STEPS > 20:
            with capsys.disabled():
                print(text, flush=True)

    life = LongRun(project=up, chance=random.Random(SEED), tell=tell)
    life.run(STEPS)
    with capsys.disabled():
        print(f"\n{STEPS} steps (seed {SEED}): {dict(sorted(life.counts.items()))}")
