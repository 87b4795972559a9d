"""Schemas: https://www.postgresql.org/docs/current/sql-createschema.html."""

from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import OperationError, Server
from local.toolchain.pulumi_resource_postgresql.statements import Connection, execute, membership, one
from local.toolchain.pulumi_resource_postgresql.values import Properties


def identity(properties: Properties) -> str:
    """Give the resource's id: database.schema."""
    return f"{properties['database']}.{properties['name']}"


def from_id(resource_id: str, _server: Server) -> Properties:
    """Give the properties that an id holds, for an import."""
    database, dot, name = resource_id.partition(".")
    if not dot or not name:
        raise OperationError(f"the id {resource_id!r} of a schema has to be <database>.<schema>")
    return {"database": database, "name": name}


def create(server: Server, new: Properties) -> None:
    """Create the schema, or with ifNotExists take the one that is there, and set its owner."""
    name, owner = sql.Identifier(str(new["name"])), new.get("owner")
    with server.connect(str(new["database"])) as connection:
        roles = [_database_owner(connection), *([str(owner)] if owner else [])]
        with membership(connection, server, roles):
            exists = one(connection, "select 1 from pg_namespace where nspname = %s", (str(new["name"]),))
            if exists is None or not new.get("ifNotExists", True):
                execute(connection, "create schema {name}", name=name)
            if owner:
                execute(
                    connection,
                    "alter schema {name} owner to {to}",
                    name=name,
                    to=sql.Identifier(str(owner)),
                )


def update(server: Server, old: Properties, new: Properties, changed: set[str]) -> None:
    """Bring name and owner of an existing schema in line."""
    name = sql.Identifier(str(new["name"]))
    roles = [str(bag["owner"]) for bag in (old, new) if bag.get("owner")]
    with server.connect(str(new["database"])) as connection, membership(connection, server, roles):
        if "name" in changed:
            execute(
                connection,
                "alter schema {old} rename to {name}",
                old=sql.Identifier(str(old["name"])),
                name=name,
            )
        if "owner" in changed:
            execute(
                connection,
                "alter schema {name} owner to {to}",
                name=name,
                to=sql.Identifier(str(new["owner"])),
            )


def delete(server: Server, old: Properties) -> None:
    """Drop the schema; what is in it as well with dropCascade."""
    if read(server, old) is None:
        return
    name = sql.Identifier(str(old["name"]))
    roles = [str(old["owner"])] if old.get("owner") else []
    with server.connect(str(old["database"])) as connection, membership(connection, server, roles):
        if old.get("dropCascade"):
            execute(connection, "drop schema {name} cascade", name=name)
        else:
            execute(connection, "drop schema {name} restrict", name=name)


def read(server: Server, known: Properties) -> Properties | None:
    """Read the schema; None also where its database is gone."""
    with server.connect() as connection:
        if one(connection, "select 1 from pg_database where datname = %s", (str(known["database"]),)) is None:
            return None
    with server.connect(str(known["database"])) as connection:
        row = one(
            connection,
            "select pg_get_userbyid(nspowner) from pg_namespace where nspname = %s",
            (str(known["name"]),),
        )
    if row is None:
        return None
    return {
        "name": known["name"],
        "database": known["database"],
        "owner": str(row[0]),
        "ifNotExists": bool(known.get("ifNotExists", True)),
        "dropCascade": bool(known.get("dropCascade", False)),
    }


def _database_owner(connection: Connection) -> str:
    row = one(
        connection, "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    )
    return str(row[0]) if row is not None else ""
