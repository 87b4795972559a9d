"""What a migration leaves in its session must reach neither the next one nor the engine's own requests."""

from __future__ import annotations

import pytest

from components.hasura.client import HasuraError
from components.schema import ledger
from components.schema.ledger import Timeouts
from components.schema.problems import SchemaError
from tests.providers.schema.conftest import PASSWORD, Engine, Project
from tests.providers.schema.test_deployment import USERS, run

ROLE = "session_role"
LEFT = {
    "search path": "select pg_catalog.set_config('search_path', '', false); create table public.a ();",
    "role": f"set role {ROLE}; create table a ();",
    "role of the transaction": f"set local role {ROLE}; create table a ();",
    "session authorization": f"set session authorization {ROLE}; create table a ();",
    "row security": "set row_security = off; create table a ();",
    "triggers off": "set session_replication_role = replica; create table a ();",
    "read only": "create table a (); set default_transaction_read_only = on;",
    "a time-out": "set lock_timeout = 0; set statement_timeout = 600001; create table a ();",
    "messages": "set client_min_messages = debug5; create table a ();",
    "everything reset": "reset all; create table a ();",
    "temporary table": "create temporary table b (id int); create table a ();",
    "open cursor": "declare b cursor with hold for select 1; create table a ();",
}
FEW_RIGHTS = (
    "do $$ begin create role few_rights login; exception when duplicate_object then null; end $$;"
    f"alter role few_rights password '{PASSWORD}';"
)
NEXT = "create temporary table b (); declare b cursor for select 1; create table next ();"
SETTINGS = (
    "select string_agg(name || '=' || setting, ' ' order by name) as settings from pg_settings "
    "where source = 'session' and name <> 'client_encoding' and setting is distinct from reset_val"
)


@pytest.fixture(autouse=True)
def _role(engine: Engine) -> None:
    engine.rows(
        f"do $$ begin create role {ROLE}; exception when duplicate_object then null; end $$;"
        f"grant create, usage on schema public to {ROLE}"
    )


def session(engine: Engine) -> list[tuple[str, ...]]:
    with engine.client() as client:
        user = client.run_sql("select current_user, session_user, current_schema()").rows
        return [*user, *client.run_sql(SETTINGS).rows]


@pytest.mark.parametrize("name", LEFT)
def test_left_behind(engine: Engine, project: Project, name: str) -> None:
    project.migration("1_nothing", "select 1;")
    run(engine)
    before = session(engine)
    project.migration("2_leaves", LEFT[name])
    project.migration("3_next", NEXT)
    run(engine)
    assert engine.rows("select to_regclass('public.a')::text, to_regclass('public.next')::text") == [
        ("a", "next")
    ]
    assert session(engine) == before


def test_left_behind_within_one_transaction(engine: Engine, project: Project) -> None:
    before = session(engine)
    project.migration("1_leaves", LEFT["search path"] + f"set local role {ROLE};")
    project.migration("2_next", "create table next ();")
    run(engine, transaction="all")
    assert engine.rows("select tableowner from pg_tables where tablename = 'next'") == [("postgres",)]
    assert session(engine) == before


def test_left_behind_by_others(engine: Engine, project: Project) -> None:
    """By the console, or the Hasura CLI."""
    with engine.client() as client:
        client.run_sql(f"set role {ROLE}; select set_config('search_path', '', false)")
        project.migration("1_a", "create table a ();")
        try:
            run(engine)
        finally:
            client.run_sql("reset role; reset all")
    assert engine.rows("select tableowner from pg_tables where tablename = 'a'") == [("postgres",)]


@pytest.mark.parametrize(
    "text", ["delete from migration_ledger.migration;", "truncate migration_ledger.migration;"]
)
def test_its_own_record_is_not_a_migrations_to_take(engine: Engine, project: Project, text: str) -> None:
    project.migration("1_users", USERS)
    run(engine)
    project.migration("2_a", "create table a ();" + text)
    with pytest.raises(SchemaError, match="took the record of version 2 out of the ledger"):
        run(engine)
    assert engine.rows("select version from migration_ledger.migration") == [(1,)]
    assert engine.rows("select to_regclass('a')") == [(None,)]


def test_a_ledger_that_is_there_needs_no_right_to_make_one(engine: Engine) -> None:
    """An administrator may have made it for a user who may make neither schemas nor comments."""
    with engine.client() as client:
        client.run_sql(ledger.create_seeds(Timeouts()))
    engine.rows(
        FEW_RIGHTS + "revoke create on database first from public, few_rights;"
        "grant usage on schema migration_ledger to few_rights;"
        "grant select, insert, update, delete on all tables in schema migration_ledger to few_rights"
    )
    with engine.connect(user="few_rights") as connection:
        connection.execute(ledger.create_seeds(Timeouts()))
        connection.execute(ledger.insert("default", 1, "a", "0", stack="test", down=None))
    assert engine.rows("select version from migration_ledger.migration") == [(1,)]


def test_a_role_that_may_make_no_schema_and_see_no_queries(engine: Engine, project: Project) -> None:
    url = f"postgres://few_rights:{PASSWORD}@postgres:5432/second"
    few = {"few": {"kind": "postgres", "configuration": {"connection_info": {"database_url": url}}}}
    engine.rows(FEW_RIGHTS + "grant all on schema public to few_rights", "second")
    project.migration("1_a", "create table a (id int);", source="few")
    remedy = "`create schema migration_ledger authorization <the engine's role>`"
    with pytest.raises(SchemaError, match="permission denied for database second") as caught:
        run(engine, configurations=few)
    assert remedy in str(caught.value)
    engine.rows("create schema migration_ledger authorization few_rights", "second")
    assert run(engine, configurations=few).done == ["applied few/1_a"]

    project.migration("2_b", "alter table a add b int;", source="few")
    with engine.connect("second") as other, pytest.raises(SchemaError) as caught:
        pid, other.autocommit = other.info.backend_pid, False
        other.execute("select * from a")
        run(engine, configurations=few, timeouts=Timeouts(lock=0.5))
    text = str(caught.value)
    assert f"blocked by: pid {pid}, user postgres (what it does, roles in pg_read_all_stats may see)" in text


@pytest.mark.parametrize(("column", "value"), [("state", "postponed"), ("origin", "imported")])
def test_a_row_that_nobody_understands_is_not_taken_for_done(
    engine: Engine, project: Project, column: str, value: str
) -> None:
    project.migration("1_users", USERS)
    run(engine)
    engine.rows(f"update migration_ledger.migration set {column} = '{value}'")
    with pytest.raises(SchemaError, match=f"version 1 has the {column} '{value}', which means nothing here"):
        run(engine)


def test_an_engine_that_hides_the_reason_is_told_so(engine: Engine, project: Project) -> None:
    from components.schema.deployment import read_states

    class Silent:
        def run_sql(self, *_: object, **__: object) -> object:
            raise HasuraError(status=400, code="postgres-error", path="$", message="query execution failed")

    with pytest.raises(SchemaError, match="HASURA_GRAPHQL_ADMIN_INTERNAL_ERRORS must be true"):
        read_states(Silent(), ["default"])  # type: ignore[arg-type]
