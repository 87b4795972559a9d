"""Roles and databases that an update which died has made in a stack's own Postgres and Pulumi does not know of.

They are made in a moment, and only then does the state hear of them. Whoever kills an update in between leaves one
whose name the next update cannot have. What such an update leaves is as it was made: nothing depends on the role, and
nobody has put anything into the database. Only then does it make way.
"""

from __future__ import annotations

from typing import Final

import psycopg
import pulumi
from psycopg import sql

from components.postgres.roles import SUPERUSER
from components.postgres.server import Server, execute
from components.provider_error import ProviderError

_MADE_BY_SOMEBODY: Final = """
    select format('%s %s', case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, oid::regclass)
    from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and oid >= 16384
    union all
    select format('schema %s', nspname) from pg_namespace where oid >= 16384 and nspname !~ '^pg_'
    union all
    select format('function %s', oid::regprocedure) from pg_proc where oid >= 16384
    union all
    select format('extension %s', extname) from pg_extension where oid >= 16384
    union all
    select format('type %s', oid::regtype) from pg_type where oid >= 16384 and typtype in ('d', 'e', 'r')
    union all
    select format('large object %s', oid) from pg_largeobject_metadata
    order by 1 limit 3
"""
"""What is in a database that was not in it from the start: PostgreSQL gives ids from 16384 on to what comes later.
https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT
"""


def make_way_for_database(server: Server, password: str, name: str, *, container: str) -> None:
    """Drops a database of that name in which there is nothing, and refuses to touch any other.

    :param password: the superuser's.
    :param container: name of Postgres's container, for the message.
    :raises ProviderError: when the name cannot be had; the text says what to do.
    """
    with server.session([password]) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
    if known is None:
        return
    with server.session([password], database=name) as connection:
        found = [str(row[0]) for row in connection.execute(_MADE_BY_SOMEBODY).fetchall()]
    if found:
        raise ProviderError(
            f"Postgres has a database {name} already, which this stack has not made, and there is something in it "
            f"({', '.join(found)}). Keep it under another name, then deploy again:\n"
            f"    {_rename(container, 'database', name)}"
        )
    pulumi.log.info(f"the database {name} is left over from an update that died; it makes way for a new one")
    with server.session([password]) as connection:
        connection.autocommit = True
        execute(connection, "drop database {name} with (force)", name=sql.Identifier(name))


def make_way_for_role(server: Server, password: str, name: str, *, container: str) -> None:
    """Drops a role of that name on which nothing depends, and refuses to touch any other.

    :param password: the superuser's.
    :param container: name of Postgres's container, for the message.
    :raises ProviderError: when the name cannot be had; the text says what to do.
    """
    with server.session([password]) as connection:
        known = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        if known is None:
            return
        try:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
        except psycopg.errors.DependentObjectsStillExist as error:
            raise ProviderError(
                f"Postgres has a role {name} already, which this stack has not made, and something depends on it "
                f"({'; '.join((error.diag.message_detail or '').splitlines()[:3])}). Keep it under another name, then "
                f"deploy again:\n    {_rename(container, 'role', name)}"
            ) from None
        pulumi.log.info(f"the role {name} is left over from an update that died; it makes way for a new one")


def _rename(container: str, what: str, name: str) -> str:
    quoted, other = (text.replace('"', '""') for text in (name, f"{name}_before"))
    return f'docker exec {container} psql -U {SUPERUSER} -c \'alter {what} "{quoted}" rename to "{other}"\''
