"""Extensions: https://www.postgresql.org/docs/current/sql-createextension.html."""

from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import OperationError, Server
from local.toolchain.pulumi_resource_postgresql.statements import execute, one
from local.toolchain.pulumi_resource_postgresql.values import Properties


def identity(properties: Properties) -> str:
    """Give the resource's id: database.extension."""
    return f"{properties['database']}.{properties['name']}"


def from_id(resource_id: str, _server: Server) -> Properties:
    """Give the properties that an id holds, for an import."""
    database, dot, name = resource_id.partition(".")
    if not dot or not name:
        raise OperationError(f"the id {resource_id!r} of an extension has to be <database>.<extension>")
    return {"database": database, "name": name}


def create(server: Server, new: Properties) -> None:
    """Create the extension where it is not there yet."""
    name = sql.Identifier(str(new["name"]))
    parts: list[sql.Composable] = [sql.SQL("create extension if not exists {}").format(name)]
    if new.get("schema"):
        parts.append(sql.SQL("schema {}").format(sql.Identifier(str(new["schema"]))))
    if new.get("version"):
        parts.append(sql.SQL("version {}").format(sql.Literal(str(new["version"]))))
    if new.get("createCascade"):
        parts.append(sql.SQL("cascade"))
    with server.connect(str(new["database"])) as connection:
        connection.execute(sql.SQL(" ").join(parts))


def update(server: Server, _old: Properties, new: Properties, changed: set[str]) -> None:
    """Bring schema and version of an existing extension in line."""
    name = sql.Identifier(str(new["name"]))
    with server.connect(str(new["database"])) as connection:
        if "schema" in changed:
            execute(
                connection,
                "alter extension {name} set schema {to}",
                name=name,
                to=sql.Identifier(str(new["schema"])),
            )
        if "version" in changed:
            execute(
                connection,
                "alter extension {name} update to {to}",
                name=name,
                to=sql.Literal(str(new["version"])),
            )


def delete(server: Server, old: Properties) -> None:
    """Drop the extension; what depends on it as well with dropCascade."""
    if read(server, old) is None:
        return
    name = sql.Identifier(str(old["name"]))
    with server.connect(str(old["database"])) as connection:
        if old.get("dropCascade"):
            execute(connection, "drop extension {name} cascade", name=name)
        else:
            execute(connection, "drop extension {name} restrict", name=name)


def read(server: Server, known: Properties) -> Properties | None:
    """Read the extension; None also where its database is gone."""
    with server.connect() as connection:
        if one(connection, "select 1 from pg_database where datname = %s", (str(known["database"]),)) is None:
            return None
    with server.connect(str(known["database"])) as connection:
        row = one(
            connection,
            """
            select n.nspname, e.extversion from pg_extension e join pg_namespace n on n.oid = e.extnamespace
            where e.extname = %s
            """,
            (str(known["name"]),),
        )
    if row is None:
        return None
    return {
        "name": known["name"],
        "database": known["database"],
        "schema": str(row[0]),
        "version": str(row[1]),
        "createCascade": bool(known.get("createCascade", False)),
        "dropCascade": bool(known.get("dropCascade", False)),
    }
