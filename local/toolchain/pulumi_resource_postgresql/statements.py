"""Statements on a connection, and what they are made in the name of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import Server

Parameter = str | int | bool | list[str] | None
Row = tuple[object, ...]
Connection = psycopg.Connection[Row]


def one(connection: Connection, query: LiteralString, parameters: Sequence[Parameter] = ()) -> Row | None:
    """Give the first row of a query, None where there is none."""
    return connection.execute(query, parameters).fetchone()


def execute(connection: Connection, statement: LiteralString, **parts: sql.Composable) -> None:
    """Run a statement with identifiers and literals put into its `{named}` places."""
    connection.execute(sql.SQL(statement).format(**parts))


@contextmanager
def membership(connection: Connection, server: Server, roles: Sequence[str]) -> Iterator[None]:
    """Be a member of `roles` while something is done in their name, where the user is no superuser."""
    granted = []
    me = sql.Identifier(server.effective_user)
    if not server.superuser:
        for role in dict.fromkeys(roles):
            row = one(connection, "select pg_has_role(%s, %s, 'USAGE')", (server.effective_user, role))
            if role != server.effective_user and row is not None and row[0] is False:
                execute(connection, "grant {role} to {me}", role=sql.Identifier(role), me=me)
                granted.append(role)
    try:
        yield
    except BaseException:
        # A transaction that fails takes the membership back by itself.
        if connection.autocommit:
            _revoke(connection, granted, me)
        raise
    _revoke(connection, granted, me)


def _revoke(connection: Connection, roles: Sequence[str], member: sql.Identifier) -> None:
    for role in roles:
        execute(connection, "revoke {role} from {member}", role=sql.Identifier(role), member=member)
