"""Grants: https://www.postgresql.org/docs/current/sql-grant.html.

As with the vendor's plugin, a grant owns all privileges of its role on its objects: they are revoked and
granted anew in one transaction.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import OperationError, Server
from local.toolchain.pulumi_resource_postgresql.statements import Connection, membership, one
from local.toolchain.pulumi_resource_postgresql.values import Properties

_ALL: Mapping[str, frozenset[str]] = {
    "database": frozenset({"CREATE", "CONNECT", "TEMPORARY"}),
    "schema": frozenset({"CREATE", "USAGE"}),
    "table": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}),
    "sequence": frozenset({"USAGE", "SELECT", "UPDATE"}),
    "function": frozenset({"EXECUTE"}),
    "procedure": frozenset({"EXECUTE"}),
    "routine": frozenset({"EXECUTE"}),
    "foreign_data_wrapper": frozenset({"USAGE"}),
    "foreign_server": frozenset({"USAGE"}),
    "column": frozenset({"SELECT", "INSERT", "UPDATE", "REFERENCES"}),
}
"""What ALL means, for each type. MAINTAIN (PostgreSQL 17) is left out: older servers do not know it."""

_WORDS: Mapping[str, tuple[LiteralString, LiteralString]] = {
    "table": ("TABLE", "TABLES"),
    "column": ("TABLE", "TABLES"),
    "sequence": ("SEQUENCE", "SEQUENCES"),
    "function": ("FUNCTION", "FUNCTIONS"),
    "procedure": ("PROCEDURE", "PROCEDURES"),
    "routine": ("ROUTINE", "ROUTINES"),
    "database": ("DATABASE", ""),
    "schema": ("SCHEMA", ""),
    "foreign_data_wrapper": ("FOREIGN DATA WRAPPER", ""),
    "foreign_server": ("FOREIGN SERVER", ""),
}

_RELATIONS: LiteralString = """
    select c.relname::text, format('%%I.%%I', n.nspname, c.relname), c.relacl, c.relowner, {kind}::"char"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relkind = any({kinds})
      and (cardinality(%(objects)s::text[]) = 0 or c.relname = any(%(objects)s::text[]))
"""
_ROUTINES: LiteralString = """
    select case when p.proname = any(%(objects)s::text[]) then p.proname::text
                else format('%%s(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)) end,
           format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
           p.proacl, p.proowner, 'f'::"char"
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = %(schema)s and p.prokind::text = any({kinds})
      and (cardinality(%(objects)s::text[]) = 0 or p.proname = any(%(objects)s::text[])
           or format('%%s(%%s)', p.proname, pg_get_function_identity_arguments(p.oid))
              = any(%(objects)s::text[]))
"""
_COLUMNS: LiteralString = """
    select a.attname::text, format('%%I.%%I', n.nspname, c.relname), a.attacl, c.relowner, 'c'::"char"
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relname = any(%(objects)s::text[])
      and a.attname = any(%(columns)s::text[]) and not a.attisdropped
"""
_CATALOGS: Mapping[str, LiteralString] = {
    "table": _RELATIONS.format(kind="'r'", kinds="'{r,v,m,f,p}'"),
    "sequence": _RELATIONS.format(kind="'s'", kinds="'{S}'"),
    "function": _ROUTINES.format(kinds="'{f,a,w}'"),
    "procedure": _ROUTINES.format(kinds="'{p}'"),
    "routine": _ROUTINES.format(kinds="'{f,a,w,p}'"),
    "column": _COLUMNS,
    "database": """
        select datname::text, format('%%I', datname), datacl, datdba, 'd'::"char" from pg_database
        where datname = %(database)s
    """,
    "schema": """
        select nspname::text, format('%%I', nspname), nspacl, nspowner, 'n'::"char" from pg_namespace
        where nspname = %(schema)s
    """,
    "foreign_data_wrapper": """
        select fdwname::text, format('%%I', fdwname), fdwacl, fdwowner, 'F'::"char"
        from pg_foreign_data_wrapper
        where fdwname = any(%(objects)s::text[])
    """,
    "foreign_server": """
        select srvname::text, format('%%I', srvname), srvacl, srvowner, 'S'::"char" from pg_foreign_server
        where srvname = any(%(objects)s::text[])
    """,
}
"""For each type a query of its objects: the name that a program may use, the quoted name, the access control
list, the owner, and the object class in `acldefault`."""


def identity(properties: Properties) -> str:
    """Give the resource's id: its properties, joined as the vendor's plugin joins them."""
    object_type = str(properties["objectType"])
    parts = [str(properties["role"]), str(properties["database"])]
    if object_type not in ("database", "foreign_data_wrapper", "foreign_server"):
        parts.append(str(properties.get("schema", "")))
    parts.append(object_type)
    return "_".join([*parts, *_texts(properties, "objects"), *_texts(properties, "columns")])


def from_id(resource_id: str, _server: Server) -> Properties:
    """Refuse an import: the id cannot be taken apart, and the vendor's plugin has no import of grants."""
    raise OperationError(f"the grant {resource_id!r} cannot be imported; let the program create it")


def create(server: Server, new: Properties) -> None:
    """Revoke what the role has on the objects and grant what is wanted, in one transaction."""
    with _objects(server, new) as (connection, objects):
        _revoke(connection, new, objects)
        if privileges := _texts(new, "privileges"):
            statement = _statement(
                "grant {privileges} on {objects} to {role}", new, objects, privileges=privileges
            )
            if new.get("withGrantOption"):
                statement += sql.SQL(" with grant option")
            if objects:
                connection.execute(statement)


def update(server: Server, _old: Properties, new: Properties, _changed: set[str]) -> None:
    """Do what `create` does: only the privileges can have changed."""
    create(server, new)


def delete(server: Server, old: Properties) -> None:
    """Revoke all privileges of the role on the objects."""
    if read(server, old) is not None:
        with _objects(server, old) as (connection, objects):
            _revoke(connection, old, objects)


def read(server: Server, known: Properties) -> Properties | None:
    """Read the privileges; None where the role, the database or the schema is gone.

    Objects that differ from each other give no privileges at all, so that the next update sets them right.
    """
    role, database = str(known["role"]), str(known["database"])
    with server.connect() as connection:
        if role != "public" and one(connection, "select 1 from pg_roles where rolname = %s", (role,)) is None:
            return None
        if one(connection, "select 1 from pg_database where datname = %s", (database,)) is None:
            return None
    with server.connect(database) as connection:
        schema = known.get("schema")
        if (
            schema
            and one(connection, "select 1 from pg_namespace where nspname = %s", (str(schema),)) is None
        ):
            return None
        # The catalog query is a constant of this module.
        rows = connection.execute(
            sql.SQL(
                """
                select coalesce(array_agg(a.privilege_type) filter (
                         where a.grantee = case when %(role)s = 'public' then 0
                                           else (select oid from pg_roles where rolname = %(role)s) end
                       ), '{}')
                from ("""
            )
            + sql.SQL(_CATALOGS[str(known["objectType"])])
            + sql.SQL(
                """) as object (name, quoted, acl, owner, class)
                left join lateral aclexplode(coalesce(acl, acldefault(class, owner))) a on true
                group by quoted, name
                """
            ),
            _parameters(known) | {"role": role},
        ).fetchall()
    found = {_privileges(row[0], str(known["objectType"])) for row in rows}
    wanted = _privileges(known.get("privileges", []), str(known["objectType"]))
    state: Properties = {
        name: known[name]
        for name in ("role", "database", "schema", "objectType", "objects", "columns")
        if known.get(name)
    }
    if found <= {wanted}:
        state["privileges"] = list(_texts(known, "privileges"))
    elif len(found) == 1:
        state["privileges"] = [*sorted(next(iter(found)))]
    else:
        state["privileges"] = [] if wanted else ["ALL"]
    state["withGrantOption"] = bool(known.get("withGrantOption", False))
    return state


@contextmanager
def _objects(server: Server, grant: Properties) -> Iterator[tuple[Connection, list[str]]]:
    """Open a transaction in the grant's database as a member of its objects' owners; give their quoted names.

    Raises OperationError where a named object does not exist.
    """
    with server.connect(str(grant["database"])) as connection:
        rows = connection.execute(
            sql.SQL("select name, quoted, pg_get_userbyid(owner) from (")
            + sql.SQL(_CATALOGS[str(grant["objectType"])])
            + sql.SQL(") as object (name, quoted, acl, owner, class) order by quoted"),
            _parameters(grant),
        ).fetchall()
        names = {str(row[0]) for row in rows}
        named = _texts(grant, "columns") or _texts(grant, "objects")
        if missing := sorted(set(named) - names):
            raise OperationError(
                f"there is no {grant['objectType']} {', '.join(missing)} in schema {grant.get('schema', '')} "
                f"of database {grant['database']} to grant on"
            )
        with membership(connection, server, [str(row[2]) for row in rows]):
            yield connection, list(dict.fromkeys(str(row[1]) for row in rows))


def _revoke(connection: Connection, grant: Properties, objects: list[str]) -> None:
    if objects:
        connection.execute(
            _statement("revoke {privileges} on {objects} from {role}", grant, objects, privileges=["ALL"])
        )


def _statement(
    template: LiteralString, grant: Properties, objects: list[str], *, privileges: list[str]
) -> sql.Composed:
    object_type = str(grant["objectType"])
    word = sql.SQL(_WORDS[object_type][0])
    columns = sql.SQL("")
    if object_type == "column":
        names = sql.SQL(", ").join(sql.Identifier(column) for column in _texts(grant, "columns"))
        columns = sql.SQL(" ({})").format(names)  # type: ignore[assignment]
    role = str(grant["role"])
    return sql.SQL(template).format(
        privileges=sql.SQL(", ").join(_privilege(name, object_type) + columns for name in privileges),
        # PostgreSQL itself has quoted these names.
        objects=word + sql.SQL(" ") + sql.SQL(", ").join(sql.SQL(name) for name in objects),
        role=sql.SQL("public") if role == "public" else sql.Identifier(role),
    )


def _privilege(name: str, object_type: str) -> sql.SQL:
    known = {"ALL", "TEMP", "MAINTAIN", *_ALL[object_type]}
    if name.upper() not in known:
        raise OperationError(
            f"{name} is no privilege on a {object_type}; "
            f"there are {', '.join(sorted(_ALL[object_type]))} and ALL"
        )
    return sql.SQL(name.upper())


def _privileges(names: object, object_type: str) -> frozenset[str]:
    given = {str(name).upper() for name in names} if isinstance(names, Iterable) else set()
    if "TEMP" in given:
        given = (given - {"TEMP"}) | {"TEMPORARY"}
    if "ALL" in given or _ALL[object_type] <= given:
        return _ALL[object_type]
    return frozenset(given)


def _parameters(grant: Properties) -> dict[str, str | list[str]]:
    return {
        "schema": str(grant.get("schema", "")),
        "database": str(grant["database"]),
        "objects": _texts(grant, "objects"),
        "columns": _texts(grant, "columns"),
    }


def _texts(properties: Properties, name: str) -> list[str]:
    values = properties.get(name)
    return sorted(str(value) for value in values) if isinstance(values, list) else []
