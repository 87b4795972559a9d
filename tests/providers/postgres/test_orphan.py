"""What an update that died has left in a real server makes way; anything else is refused with a command that helps."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from components.postgres.orphan import make_way_for_database, make_way_for_role
from components.postgres.server import Server
from components.provider_error import ProviderError
from tests.images.containers import docker
from tests.local_engine.engines import Postgres

pytestmark = pytest.mark.docker


@pytest.fixture
def name(running: Postgres) -> Iterator[str]:
    """A name that needs quotes, for a role and a database."""
    name = f'made "{uuid.uuid4().hex[:6]}'
    yield name
    for each in (name, f"{name}_before"):
        sql(running, f"drop database if exists {quoted(each)}")
        sql(running, f"drop role if exists {quoted(each)}")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def sql(running: Postgres, statement: str, database: str = "postgres") -> None:
    with psycopg.connect(running.url(database), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def there(running: Postgres, name: str) -> list[str]:
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        found = connection.execute(
            "select 'database' from pg_database where datname = %s union all "
            "select 'role' from pg_roles where rolname = %s order by 1",
            (name, name),
        ).fetchall()
    return [str(kind) for (kind,) in found]


def run(running: Postgres, error: ProviderError) -> None:
    """Runs the command that an error names, as it stands there."""
    word, *arguments = shlex.split(str(error).splitlines()[-1])
    assert word == "docker"
    docker(*arguments)


def test_a_database_as_it_was_made_makes_way(running: Postgres, server: Server, name: str) -> None:
    make_way_for_database(server, running.password, name, container=running.name)
    sql(running, f"create database {quoted(name)} template template0")
    with psycopg.connect(f"{running.url('postgres')}", dbname=name):
        make_way_for_database(server, running.password, name, container=running.name)
    assert there(running, name) == []


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("create table kept ()", "table kept"),
        ("create view kept as select 1", "view kept"),
        ("create schema kept", "schema kept"),
        ("create function kept() returns int language sql as 'select 1'", "function kept()"),
        ("create extension pgcrypto", "extension pgcrypto"),
        ("create type kept as enum ('one')", "type kept"),
        ("select lo_create(0)", "large object"),
    ],
)
def test_a_database_with_something_in_it_is_kept(
    running: Postgres, server: Server, name: str, made: str, told: str
) -> None:
    sql(running, f"create database {quoted(name)} template template0")
    with psycopg.connect(running.url("postgres"), dbname=name, autocommit=True) as connection:
        connection.execute(made)  # type: ignore[call-overload]
    with pytest.raises(ProviderError, match="which this stack has not made") as raised:
        make_way_for_database(server, running.password, name, container=running.name)
    assert told in str(raised.value)
    run(running, raised.value)
    assert there(running, name) == [] and there(running, f"{name}_before") == ["database"]
    make_way_for_database(server, running.password, name, container=running.name)


def test_a_role_on_which_nothing_depends_makes_way(running: Postgres, server: Server, name: str) -> None:
    make_way_for_role(server, running.password, name, container=running.name)
    sql(running, f"create role {quoted(name)}")
    make_way_for_role(server, running.password, name, container=running.name)
    assert there(running, name) == []


def test_a_role_that_owns_something_is_kept(running: Postgres, server: Server, name: str) -> None:
    sql(running, f"create role {quoted(name)}")
    sql(running, f"create database {quoted(name)} owner {quoted(name)}")
    with pytest.raises(ProviderError, match="owner of database") as raised:
        make_way_for_role(server, running.password, name, container=running.name)
    run(running, raised.value)
    assert there(running, name) == ["database"] and there(running, f"{name}_before") == ["role"]
    make_way_for_role(server, running.password, name, container=running.name)
