"""What the engine logs in to a stack's own Postgres as: one login for each rotation, and no other for long.

See `components/postgres/roles.py` for why there are several.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from components.postgres.roles import retired
from components.postgres.server import Server, Unreachable, WrongPassword, execute, verifier
from components.provider_error import ProviderError, telling_plainly, warn

_LOGIN_PROPS = ("host", "port", "superuser_password", "role", "login", "password")
_RETIREMENT_PROPS = ("host", "port", "superuser_password", "role", "login", "databases", "engine")

_told_plainly = telling_plainly(ProviderError, WrongPassword)


def make_login(server: Server, superuser_password: str, *, role: str, login: str, password: str) -> None:
    """Makes the login, or makes it what it should be. Safe to repeat.

    :raises WrongPassword: when the superuser's password is another.
    :raises ProviderError: when the server does not answer, or refuses.
    """
    from psycopg import sql

    names = {"login": sql.Identifier(login), "role": sql.Identifier(role)}
    with server.session([superuser_password]) as connection:
        there = connection.execute("select 1 from pg_roles where rolname = %s", (login,)).fetchone()
        if there is None:
            execute(connection, "create role {login}", **names)
        execute(
            connection,
            "alter role {login} login inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls "
            "password {verifier}",
            **names,
            verifier=verifier(connection, login, password),
        )
        execute(connection, "grant {role} to {login}", **names)
        # So that whatever a session makes belongs to the role, which stays, and not to the login, which goes.
        execute(connection, "alter role {login} set role {role}", **names)


def retire_logins(
    server: Server, superuser_password: str, *, role: str, login: str, databases: Sequence[str]
) -> list[str]:
    """Removes every other login of the role, with its sessions. Safe to repeat.

    :param databases: where a login may have made something under its own name; that becomes the role's.
    :returns: the logins that were removed.
    :raises WrongPassword: when the superuser's password is another.
    :raises ProviderError: when the server does not answer, or refuses.
    """
    from psycopg import sql

    with server.session([superuser_password]) as connection:
        existing = [str(row[0]) for row in connection.execute("select rolname from pg_roles").fetchall()]
        others = retired(role, login, existing)
        for other in others:
            execute(connection, "alter role {other} nologin password null", other=sql.Identifier(other))
    if not others:
        return []
    with server.session([superuser_password]) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = any(%s)", (others,)
        )
    for database in databases:
        with server.session([superuser_password], database=database) as connection:
            for other in others:
                names = {"other": sql.Identifier(other), "role": sql.Identifier(role)}
                execute(connection, "reassign owned by {other} to {role}", **names)
                execute(connection, "drop owned by {other}", **names)
    with server.session([superuser_password]) as connection:
        for other in others:
            execute(connection, "drop role {other}", other=sql.Identifier(other))
    return others


class EngineLoginProvider(ResourceProvider):
    """Inputs: ``host``, ``port``, ``superuser_password``; ``role``, ``login``, ``password``. Outputs are the
    inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Makes the login."""
        return CreateResult(id_=str(props["role"]), outs=self._make(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Makes the next login beside the one that is in use."""
        return UpdateResult(outs=self._make(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Anything that differs, so that the state keeps no password that is no longer in force."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in _LOGIN_PROPS))

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """The login, with its password if that still opens the server."""
        found = {key: props[key] for key in _LOGIN_PROPS}
        try:
            if not Server.of(props).takes(str(props["password"]), user=str(props["login"])):
                found["password"] = ""
        except Unreachable as error:
            warn(f"{error} The engine's login is taken to be as it was.")
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: the login goes with the volume."""

    @staticmethod
    def _make(props: dict[str, object]) -> dict[str, object]:
        make_login(
            Server.of(props),
            str(props["superuser_password"]),
            role=str(props["role"]),
            login=str(props["login"]),
            password=str(props["password"]),
        )
        return {key: props[key] for key in _LOGIN_PROPS}


class EngineLogin(Resource, module="postgres", name="EngineLogin"):
    """The engine can log in."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: str,
        port: int,
        superuser_password: pulumi.Input[str],
        role: pulumi.Input[str],
        login: str,
        password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in; the passwords are Pulumi secrets."""
        super().__init__(
            EngineLoginProvider(),
            resource_name,
            {
                "host": host,
                "port": port,
                "superuser_password": superuser_password,
                "role": role,
                "login": login,
                "password": password,
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["superuser_password", "password"])
            ),
        )


class RetiredLoginsProvider(ResourceProvider):
    """Inputs: ``host``, ``port``, ``superuser_password``; ``role``; ``login`` (the one that stays); ``databases``;
    ``engine`` (what says that another engine serves). Outputs are the inputs. The state refers to this class by its
    import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Removes what logins there are beside the one in use."""
        return CreateResult(id_=str(props["role"]), outs=self._retire(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Removes the login of the engine that was."""
        return UpdateResult(outs=self._retire(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another login, another engine, and another password of the superuser, which the state keeps."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in _RETIREMENT_PROPS))

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: what was removed stays removed."""

    @staticmethod
    def _retire(props: dict[str, object]) -> dict[str, object]:
        databases = props["databases"]
        retire_logins(
            Server.of(props),
            str(props["superuser_password"]),
            role=str(props["role"]),
            login=str(props["login"]),
            databases=[str(each) for each in databases] if isinstance(databases, list) else [],
        )
        return {key: props[key] for key in _RETIREMENT_PROPS}


class RetiredLogins(Resource, module="postgres", name="RetiredLogins"):
    """No login but the engine's own is left. Depends on an engine that is healthy with the new one."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: str,
        port: int,
        superuser_password: pulumi.Input[str],
        role: pulumi.Input[str],
        login: str,
        databases: Sequence[str],
        engine: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in; the password is a Pulumi secret."""
        super().__init__(
            RetiredLoginsProvider(),
            resource_name,
            {
                "host": host,
                "port": port,
                "superuser_password": superuser_password,
                "role": role,
                "login": login,
                "databases": list(databases),
                "engine": engine,
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["superuser_password"])
            ),
        )
