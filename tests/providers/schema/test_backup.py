"""A dump before a migration that destroys: made by the database's own pg_dump, or nothing runs."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import httpx
import pytest

from components.hasura.client import HasuraClient, HasuraError
from components.schema.backup import back_up
from components.schema.deployment import read_states
from components.schema.migrations import read_migrations
from components.schema.plan import Plan, make_plan
from components.schema.problems import SchemaError
from components.schema.provider import MigrationsProvider
from tests.providers.schema.conftest import ADMIN_SECRET, Engine, Project
from tests.providers.schema.test_deployment import USERS, run
from tests.providers.schema.test_provider import migration_inputs


class Cut(httpx.HTTPTransport):
    """Ends a dump in its middle, as a proxy may that gives up."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.url.path != "/v1alpha1/pg_dump":
            return answer
        dump = answer.read()
        return httpx.Response(answer.status_code, content=dump[: len(dump) // 2])


def plan_of(client: HasuraClient) -> Plan:
    migrations = read_migrations(Path("migrations"), shown_as="migrations")
    plan, problems = make_plan(migrations, read_states(client, ["default"]))
    assert problems == ()
    return plan


@pytest.fixture(autouse=True)
def _users(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS + "insert into users values ('a', 'Zoë');")
    run(engine)


def test_dump(engine: Engine, project: Project) -> None:
    project.migration("2_more", "alter table users add column email text;")
    project.migration("3_drop", "select 1;\nalter table users drop column name;")
    with engine.client() as client:
        (made,) = back_up(client, plan_of(client), project.root / "dumps", stack="prod")
    assert made.reason == "migrations/default/3_drop/up.sql:2: alter table users drop column name"
    assert made.path.name.startswith("prod-default-20")
    assert "a\tZoë\n" in made.path.read_text()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_nothing_to_dump(engine: Engine, project: Project) -> None:
    project.migration("2_more", "alter table users add column email text;")
    with engine.client() as client:
        assert back_up(client, plan_of(client), project.root / "dumps", stack="prod") == []
    assert not (project.root / "dumps").exists()


def test_dump_that_was_cut_off(engine: Engine, project: Project) -> None:
    project.migration("2_drop", "drop table users;")
    with (
        HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Cut()) as client,
        pytest.raises(SchemaError, match="pg_dump's last line is missing"),
    ):
        back_up(client, plan_of(client), project.root / "dumps", stack="prod")
    assert list((project.root / "dumps").iterdir()) == []


def test_engine_without_pg_dump(engine: Engine, project: Project) -> None:
    project.migration("2_drop", "drop table users;")

    class Without(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1alpha1/pg_dump":
                return httpx.Response(
                    404, json={"error": "resource does not exist", "code": "not-found", "path": "$"}
                )
            return super().handle_request(request)

    with (
        HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Without()) as client,
        pytest.raises(SchemaError) as caught,
    ):
        back_up(client, plan_of(client), project.root / "dumps", stack="prod")
    assert "a dump is due before migrations/default/2_drop/up.sql:1: drop table users" in str(caught.value)
    assert engine.rows("select count(*) from users") == [(1,)]


def test_a_pg_dump_that_fails_is_told_in_its_words(engine: Engine, project: Project) -> None:
    project.migration("2_drop", "drop table users;")
    with engine.client() as client, pytest.raises(HasuraError) as caught:
        client.pg_dump(io.BytesIO(), "default", options=("--no-such-option",))
    assert "no-such-option" in str(caught.value.internal)


def test_no_dump_no_migration(engine: Engine, project: Project) -> None:
    """Through the provider: a folder that cannot be written to, then one that can."""
    project.migration("2_drop", "drop table users;")
    (project.root / "dumps").write_text("not a folder")
    inputs = migration_inputs(engine.endpoint, backup="dumps")
    with pytest.raises(SchemaError, match="no dump could be made"):
        MigrationsProvider().create(inputs)
    assert engine.rows("select count(*) from users") == [(1,)]
    (project.root / "dumps").unlink()
    MigrationsProvider().create(inputs)
    (made,) = (project.root / "dumps").iterdir()
    assert "a\tZoë\n" in made.read_text()
    assert engine.rows("select to_regclass('users')") == [(None,)]


def test_a_source_that_the_engine_does_not_know_yet(engine: Engine, project: Project) -> None:
    """It is added first, since what its database holds may be destroyed as well."""
    engine.rows("create table theirs (id int); insert into theirs values (7)", "second")
    databases = project.root / "hasura_metadata/databases/databases.yaml"
    second = databases.read_text().replace("default\n", "second\n").replace("default/", "second/")
    second = second.replace("HASURA_GRAPHQL_DATABASE_URL", "SECOND_DATABASE_URL")
    databases.write_text(databases.read_text() + second)
    project.metadata("databases/second/tables/tables.yaml", "[]\n")
    project.migration("1_drop", "drop table theirs;", source="second")
    MigrationsProvider().create(migration_inputs(engine.endpoint, backup="dumps"))
    (made,) = (project.root / "dumps").iterdir()
    assert made.name.startswith("test-second-")
    assert "\n7\n" in made.read_text()
    assert engine.rows("select to_regclass('theirs')", "second") == [(None,)]
