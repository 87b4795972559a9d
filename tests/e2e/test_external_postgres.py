"""A stack on a Postgres that somebody else runs: TLS with an authority of its own, and PgBouncer in transaction mode.

The stack has a passphrase of its own, since the local stack's would show the database's password to everybody.
"""

from __future__ import annotations

import secrets
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from project_copy import ProjectCopy, Run

from tests.external_postgres.certificates import Authority
from tests.external_postgres.servers import External, bridge_address, pgbouncer, postgres_image, tls_postgres
from tests.images.containers import docker
from tests.local_engine.engines import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

AUTHORITY, ANOTHER = Authority("the one"), Authority("another")
PASSPHRASE = f"canary-passphrase-{secrets.token_hex(8)}"
PASSWORD = f"canary/password@{secrets.token_hex(8)}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stack, the server that it uses by way of the pooler, and what the first update said."""

    project: ProjectCopy
    server: External
    bouncer: External
    said: str

    def pulumi(self, *arguments: str) -> Run:
        run = self.project.pulumi(*arguments, PULUMI_CONFIG_PASSPHRASE=PASSPHRASE)
        assert "canary" not in run.text
        return run

    def set(self, key: str, value: str) -> None:
        _set(self.project, key, value, secret=key == "databaseUrl")


def _set(project: ProjectCopy, key: str, value: str, *, secret: bool) -> None:
    """As a person does it: by standard input, not by an argument."""
    kind = "--secret" if secret else "--plaintext"
    command = ("pulumi", "config", "set", kind, key, "--stack", project.stack, "--non-interactive")
    environment = project.environment | {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
    subprocess.run(
        command, cwd=project.folder, check=True, capture_output=True, text=True, input=value, env=environment
    )


def url(server: External, *, password: str = PASSWORD, host: str | None = None) -> str:
    text = server.url("app", password, "shop")
    return text.replace(server.host, host) + f"?hostaddr={server.host}" if host else text


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stack, up."""
    pair = AUTHORITY.server(bridge_address())
    project = ProjectCopy(tmp_path_factory.mktemp("project"), f"e2e{uuid.uuid4().hex[:6]}")
    with tls_postgres(pair) as server:
        server.run(f"create role app login password '{PASSWORD}'")
        for database in ("shop", "catalog", "catalog_of_another"):
            server.run(f"create database {database}")
            server.run(f"grant create on database {database} to app")
            server.run("create extension pgcrypto; grant usage, create on schema public to app", database)
        with pgbouncer(server, pair, {"app": PASSWORD}) as bouncer:
            begin(project, bouncer, catalog="catalog")
            try:
                said = project.pulumi(
                    "up", "--yes", "--skip-preview", PULUMI_CONFIG_PASSPHRASE=PASSPHRASE
                ).ok()
                yield Stage(project=project, server=server, bouncer=bouncer, said=said)
                project.pulumi("destroy", "--yes", PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
                assert project.left() == []
                assert server.run("select count(*) from users", "shop") == "0", "what is not ours stays"
            finally:
                project.remove()


def begin(project: ProjectCopy, bouncer: External, *, catalog: str) -> None:
    """Makes the stack, with a passphrase of its own."""
    file = project.folder / f"Pulumi.{project.stack}.yaml"
    file.write_text(
        "".join(line for line in file.read_text().splitlines(True) if "encryptionsalt" not in line)
    )
    project.pulumi("stack", "init", PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
    for key, value in {
        "databaseUrl": url(bouncer),
        "metadataDatabaseName": catalog,
        "databaseCaCertificate": AUTHORITY.certificate,
        "databasePooler": "true",
    }.items():
        _set(project, key, value, secret=key == "databaseUrl")


@pytest.fixture
def outputs(stage: Stage) -> dict[str, str]:
    return stage.project.outputs(PULUMI_CONFIG_PASSPHRASE=PASSPHRASE)


def test_migrations_metadata_and_the_proof_run_through_the_pooler(stage: Stage) -> None:
    assert "Row isolation is proven" in stage.said
    assert "canary" not in stage.said
    assert stage.server.run("select tableowner from pg_tables where tablename = 'users'", "shop") == "app"
    assert stage.server.run("select count(*) from hdb_catalog.hdb_metadata", "catalog") == "1"
    transactions = (
        docker("logs", stage.bouncer.name)
        + subprocess.run(
            ["docker", "logs", stage.bouncer.name], capture_output=True, text=True, check=True
        ).stderr
    )
    assert "tls=TLSv1." in transactions, "clients of the pooler speak TLS"


def test_there_is_no_container_of_ones_own(stage: Stage) -> None:
    own = f"clerk-hasura-{stage.project.stack}"
    assert set(stage.project.left()) == {own, f"{own}-hasura", f"{own}-clerk", f"{own}-hasura-files"}
    exported = stage.pulumi("stack", "export").ok()
    assert "postgresql:index" not in exported


def test_the_outputs_are_complete(stage: Stage, outputs: dict[str, str]) -> None:
    assert outputs["databaseUrl"] == f"{url(stage.bouncer)}?sslmode=verify-full"
    assert {"graphqlUrl", "adminSecret", "provenAt"} <= set(outputs)


def test_sessions_change_hands_under_load_without_an_error(stage: Stage, outputs: dict[str, str]) -> None:
    query = {"query": "{ users_aggregate { aggregate { count } } users(limit: 3) { id name } }"}
    headers = {"x-hasura-admin-secret": outputs["adminSecret"]}
    with (
        httpx.Client(headers=headers, limits=httpx.Limits(max_connections=8)) as client,
        ThreadPoolExecutor(8) as many,
    ):
        answers = list(many.map(lambda _: client.post(outputs["graphqlUrl"], json=query).json(), range(200)))
    assert [answer for answer in answers if "data" not in answer] == []


def test_a_backup_needs_the_server_itself_and_restores(
    stage: Stage, outputs: dict[str, str], tmp_path: Path
) -> None:
    def back_up(*arguments: str) -> Run:
        run = stage.project.run(
            *(".venv/bin/python", "-m", "components.backup", *arguments, "--image", postgres_image()),
            PULUMI_STACK=stage.project.stack,
            PULUMI_CONFIG_PASSPHRASE=PASSPHRASE,
        )
        assert "canary" not in run.text
        return run

    make = ("make", "--folder", str(tmp_path))
    assert "a pooler in transaction mode" in back_up(*make).failed()
    direct = ("--address", f"{stage.server.host}:{stage.server.port}")
    assert "alter role app createdb" in back_up(*make, *direct).failed()
    assert list(tmp_path.iterdir()) == []
    stage.server.run("alter role app createdb")
    stage.server.run("insert into users (id, name) values ('kept', 'kept')", "shop")
    back_up(*make, *direct).ok()
    [file] = tmp_path.glob("*.tar")
    stage.server.run("drop table users; create table later ()", "shop")
    restore = ("restore", str(file), "--yes", *direct)
    assert 'alter database "shop" owner to "app"' in back_up(*restore).failed()
    stage.server.run("alter database shop owner to app; alter database catalog owner to app")
    said = back_up(*restore).ok()
    assert "The engine has read its metadata anew" in said
    assert stage.server.run("select name from users", "shop") == "kept"
    assert stage.server.run("select tableowner from pg_tables where tablename = 'users'", "shop") == "app"
    query = {"query": "{ users { name } }"}
    answer = httpx.post(
        outputs["graphqlUrl"], json=query, headers={"x-hasura-admin-secret": outputs["adminSecret"]}
    )
    assert answer.json() == {"data": {"users": [{"name": "kept"}]}}
    stage.server.run("delete from users", "shop")


def test_a_second_update_changes_nothing(stage: Stage) -> None:
    stage.pulumi("refresh", "--yes").ok()
    stage.pulumi("preview", "--expect-no-changes").ok()


VERSION = "1900000000900"
GATE = """\
create table made_once ();
do $$ begin
  while not exists (select from gate) loop
    perform pg_sleep(0.1);
  end loop;
end $$;
"""
"""A migration that ends when somebody has put a row into the table gate."""


@contextmanager
def update(project: ProjectCopy, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An update that goes on by itself, and what it says in a file."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", project.stack],
            cwd=project.folder,
            env=project.environment | {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_two_stacks_on_one_database_at_once(stage: Stage, tmp_path: Path) -> None:
    """An update of the one is in the midst of a migration when the other is deployed for the first time. That says that
    it waits, and then has nothing to do."""
    folder = stage.project.folder / "migrations" / "default" / f"{VERSION}_gate"
    folder.mkdir()
    (folder / "up.sql").write_text(GATE)
    stage.server.run("create table gate (); grant select on gate to app", "shop")
    ports = dict.fromkeys(("hasuraPort", "postgresPort", "localClerkPort"))
    other = stage.project.beside(f"e2e{uuid.uuid4().hex[:6]}", {**ports, "proof": "false"})
    logs = tmp_path / "one", tmp_path / "other"
    at_work = "select count(*) from pg_locks where locktype = 'advisory' and granted"
    try:
        begin(other, stage.bouncer, catalog="catalog_of_another")
        with update(stage.project, logs[0]) as one, update(other, logs[1]) as second:
            # It has to make its containers first.
            until(lambda: stage.server.run(at_work, "shop") != "0", "the one is at work", deadline=180)
            waits = "another deployment is at work"
            until(lambda: waits in logs[1].read_text(), "the other waits", deadline=300)
            stage.server.run("insert into gate default values", "shop")
            codes = [process.wait(timeout=300) for process in (one, second)]
        told = [log.read_text() for log in logs]
        assert codes == [0, 0], told
        assert [f"applied default/{VERSION}_gate" in said for said in told] == [True, False], told
        ran = f"select count(*) from migration_ledger.migration where version = {VERSION}"
        assert stage.server.run(ran, "shop") == "1"
        other.pulumi("preview", "--expect-no-changes", PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
    finally:
        other.remove()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("databaseCaCertificate", ANOTHER.certificate, "certificate verify failed"),
        ("databaseUrl", {"host": "db.example.com"}, "does not match host name"),
        ("databaseTls", "disable", "pulumi config rm databaseTls"),
        ("databaseUrl", {"password": "canary-wrong"}, "SASL authentication failed"),
    ],
    ids=["another authority", "another host name", "no TLS", "another password"],
)
def test_what_the_server_would_refuse_is_told_before_anything_is_touched(
    stage: Stage, key: str, value: str | dict[str, str], told: str
) -> None:
    file = stage.project.folder / f"Pulumi.{stage.project.stack}.yaml"
    before, containers = file.read_text(), docker("ps", "--quiet", "--no-trunc")
    if key == "databaseTls":
        stage.pulumi("config", "rm", "databaseCaCertificate").ok()
    stage.set(key, value if isinstance(value, str) else url(stage.bouncer, **value))
    try:
        said = stage.pulumi("up", "--yes", "--skip-preview").failed()
    finally:
        file.write_text(before)
    assert told in said
    assert "nothing was touched" in said
    own = f"clerk-hasura-{stage.project.stack}-hasura"
    assert docker("ps", "--quiet", "--no-trunc", f"--filter=name={own}") in containers


def test_a_database_that_only_its_engine_reaches_is_passed_over(stage: Stage) -> None:
    file = stage.project.folder / f"Pulumi.{stage.project.stack}.yaml"
    before = file.read_text()
    stage.set("databaseUrl", url(stage.bouncer).replace(f":{stage.bouncer.port}/", ":1/"))
    try:
        said = stage.pulumi("preview").ok()
    finally:
        file.write_text(before)
    assert "was not looked at, since it cannot be reached from here" in said
