"""Logins of the engine on a real server: made, used, taken over and removed."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pulumi.runtime import rpc

from components.postgres.logins import (
    EngineLoginProvider,
    RetiredLoginsProvider,
    make_login,
    retire_logins,
)
from components.postgres.roles import DATABASE_PRIVILEGES, SCHEMA_PRIVILEGES, login_name
from components.postgres.server import Server, WrongPassword
from tests.local_engine.engines import Postgres

pytestmark = pytest.mark.docker

ROLE, OWNER = "engine", "engine_owner"
FIRST, SECOND = login_name(ROLE, "first"), login_name(ROLE, "second")


@pytest.fixture
def database(running: Postgres) -> Iterator[str]:
    """A database as a stack makes it: an owner that cannot log in, and the engine's role with its rights."""
    with running.database() as name:
        with psycopg.connect(running.url(name), autocommit=True) as connection:
            for role in (OWNER, ROLE):
                connection.execute(f"create role {role}")
            connection.execute(f"alter database {name} owner to {OWNER}")
            connection.execute(f"grant {', '.join(DATABASE_PRIVILEGES)} on database {name} to {ROLE}")
            connection.execute(f"grant {', '.join(SCHEMA_PRIVILEGES)} on schema public to {ROLE}")
        yield name
        with psycopg.connect(running.url(name), autocommit=True) as connection:
            rows = connection.execute("select rolname from pg_roles where rolname like 'engine%'").fetchall()
            roles = sorted((str(row[0]) for row in rows), key=len, reverse=True)
            for role in roles:
                connection.execute(f"reassign owned by {role} to postgres")
                connection.execute(f"drop owned by {role}")
            for role in roles:
                connection.execute(f"drop role {role}")


def session(
    running: Postgres, database: str, login: str, password: str
) -> psycopg.Connection[tuple[object, ...]]:
    url = running.url(database).replace(f"postgres:{running.password}@", f"{login}:{password}@")
    return psycopg.connect(url, autocommit=True)


def test_a_session_acts_as_the_role_and_cannot_drop_its_database(
    running: Postgres, server: Server, database: str
) -> None:
    make_login(server, running.password, role=ROLE, login=FIRST, password="one")
    with session(running, database, FIRST, "one") as connection:
        connection.execute("create table made (id int)")
        connection.execute("create schema hdb_catalog")
        connection.execute("create extension pgcrypto")
        owner = connection.execute("select tableowner from pg_tables where tablename = 'made'").fetchone()
        assert owner == (ROLE,)
        for forbidden in (
            f"drop database {database}",
            f"alter database {database} connection limit 1",
            "create database other",
            "create role other",
            "alter role current_user superuser",
            "copy made from program 'id'",
            "select pg_read_file('/etc/passwd')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_two_logins_work_until_the_first_is_retired(running: Postgres, server: Server, database: str) -> None:
    make_login(server, running.password, role=ROLE, login=FIRST, password="one")
    old = session(running, database, FIRST, "one")
    old.execute("create table before (id int)")
    make_login(server, running.password, role=ROLE, login=SECOND, password="two")
    with session(running, database, SECOND, "two") as new:
        new.execute("insert into before values (1)")
        old.execute("insert into before values (2)")
        session(running, database, FIRST, "one").close()
        retire = {"role": ROLE, "login": SECOND, "databases": [database]}
        assert retire_logins(server, running.password, **retire) == [FIRST]
        with pytest.raises(psycopg.OperationalError):
            old.execute("select 1")
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            session(running, database, FIRST, "one")
        assert new.execute("select count(*) from before").fetchone() == (2,)
        assert retire_logins(server, running.password, **retire) == []


def test_what_a_login_made_in_its_own_name_becomes_the_roles(
    running: Postgres, server: Server, database: str
) -> None:
    make_login(server, running.password, role=ROLE, login=FIRST, password="one")
    with session(running, database, FIRST, "one") as connection:
        connection.execute("reset role; set role none; create table own_name (id int)")
    make_login(server, running.password, role=ROLE, login=SECOND, password="two")
    retire_logins(server, running.password, role=ROLE, login=SECOND, databases=[database])
    with session(running, database, SECOND, "two") as connection:
        owner = connection.execute("select tableowner from pg_tables where tablename = 'own_name'").fetchone()
    assert owner == (ROLE,)


def test_the_providers_repeat_after_a_death(running: Postgres, server: Server, database: str) -> None:
    login_props: dict[str, object] = {
        "host": "127.0.0.1",
        "port": float(running.port),
        "superuser_password": running.password,
        "role": ROLE,
        "login": FIRST,
        "password": "one",
        "__provider": "x",
    }
    provider = EngineLoginProvider()
    for _ in range(2):
        outs = provider.create(dict(login_props)).outs or {}
    assert "__provider" not in outs
    assert not provider.diff("id", outs, login_props).changes
    assert provider.diff("id", outs, login_props | {"superuser_password": rpc.UNKNOWN}).changes
    assert provider.read("id", dict(outs)).outs == outs
    news = login_props | {"login": SECOND, "password": "two"}
    for _ in range(2):
        outs = provider.update("id", outs, dict(news)).outs or {}
    retirement = {key: news[key] for key in ("host", "port", "superuser_password", "role", "login")} | {
        "databases": [database],
        "engine": "2",
    }
    retired = RetiredLoginsProvider()
    for _ in range(2):
        kept = retired.update("id", {}, dict(retirement)).outs or {}
    assert not retired.diff("id", kept, retirement).changes
    assert retired.diff("id", kept, retirement | {"engine": "3"}).changes
    assert server.takes("two", user=SECOND)
    assert not server.takes("one", user=FIRST)


def test_a_refresh_sees_a_login_that_is_gone(running: Postgres, server: Server, database: str) -> None:
    make_login(server, running.password, role=ROLE, login=FIRST, password="one")
    props: dict[str, object] = {
        "host": "127.0.0.1",
        "port": float(running.port),
        "superuser_password": running.password,
        "role": ROLE,
        "login": FIRST,
        "password": "one",
    }
    with psycopg.connect(running.url(), autocommit=True) as connection:
        connection.execute(f"drop role {FIRST}")
    seen = EngineLoginProvider().read("id", dict(props)).outs or {}
    assert seen == {**props, "password": ""}


def test_a_wrong_password_of_the_superuser_is_told_without_it(server: Server) -> None:
    with pytest.raises(WrongPassword) as caught:
        make_login(server, "canary", role=ROLE, login=FIRST, password="canary-two")
    assert "canary" not in repr(caught.value)
