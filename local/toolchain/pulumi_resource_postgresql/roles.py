"""Roles: https://www.postgresql.org/docs/current/sql-createrole.html."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import OperationError, Server
from local.toolchain.pulumi_resource_postgresql.statements import Connection, execute, membership, one
from local.toolchain.pulumi_resource_postgresql.values import Properties, Value

_FLAGS = {
    "superuser": "SUPERUSER",
    "createDatabase": "CREATEDB",
    "createRole": "CREATEROLE",
    "inherit": "INHERIT",
    "login": "LOGIN",
    "replication": "REPLICATION",
    "bypassRowLevelSecurity": "BYPASSRLS",
}
_SETTINGS = {
    "statementTimeout": "statement_timeout",
    "idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout",
    "assumeRole": "role",
}


def identity(properties: Properties) -> str:
    """Give the resource's id."""
    return str(properties["name"])


def from_id(resource_id: str, _server: Server) -> Properties:
    """Give the properties that an id holds, for an import."""
    return {"name": resource_id}


def create(server: Server, new: Properties) -> None:
    """Create the role with all its properties, in one transaction."""
    with server.connect() as connection:
        execute(connection, "create role {name}", name=_name(new))
        _apply(connection, new, set(new))


def update(server: Server, old: Properties, new: Properties, changed: set[str]) -> None:
    """Bring the changed properties of an existing role in line, in one transaction."""
    with server.connect() as connection:
        if "name" in changed:
            execute(
                connection,
                "alter role {old} rename to {new}",
                old=sql.Identifier(str(old["name"])),
                new=_name(new),
            )
        _apply(connection, new, changed)


def delete(server: Server, old: Properties) -> None:
    """Give what the role owns in the provider's database to the provider's user, and drop the role."""
    name = sql.Identifier(str(old["name"]))
    with server.connect() as connection:
        if one(connection, "select 1 from pg_roles where rolname = %s", (str(old["name"]),)) is None:
            return
        if not old.get("skipReassignOwned"):
            with membership(connection, server, [str(old["name"])]):
                execute(
                    connection,
                    "reassign owned by {name} to {me}",
                    name=name,
                    me=sql.Identifier(server.effective_user),
                )
                execute(connection, "drop owned by {name}", name=name)
        if not old.get("skipDropRole"):
            execute(connection, "drop role {name}", name=name)


def read(server: Server, known: Properties) -> Properties | None:
    """Read the role. What PostgreSQL does not tell (the password) is taken from `known`."""
    with server.connect() as connection:
        row = one(
            connection,
            """
            select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
                   rolbypassrls, rolconnlimit, coalesce(rolvaliduntil::text, 'infinity'),
                   coalesce(rolconfig, '{}'),
                   array(select pg_get_userbyid(m.roleid) from pg_auth_members m
                         where m.member = r.oid order by 1)
            from pg_roles r where rolname = %s
            """,
            (str(known["name"]),),
        )
        if row is None:
            return None
        flags = dict(
            zip(
                ("superuser", "inherit", "createRole", "createDatabase", "login", "replication",
                 "bypassRowLevelSecurity"),
                row[:7],
                strict=True,
            )
        )  # fmt: skip
        valid_until = _spelling(connection, str(row[8]), known.get("validUntil"))
    settings = dict(entry.split("=", maxsplit=1) for entry in _strings(row[9]))
    state: Properties = {
        "name": known["name"],
        **{name: bool(value) for name, value in flags.items()},
        "connectionLimit": int(str(row[7])),
        "encryptedPassword": True,
        "validUntil": valid_until,
        "skipDropRole": bool(known.get("skipDropRole", False)),
        "skipReassignOwned": bool(known.get("skipReassignOwned", False)),
    }
    if roles := _strings(row[10]):
        state["roles"] = list(roles)
    if "search_path" in settings:
        state["searchPaths"] = [part.strip().strip('"') for part in settings["search_path"].split(",")]
    for name in ("statementTimeout", "idleInTransactionSessionTimeout"):
        if (value := settings.get(_SETTINGS[name])) is not None:
            state[name] = int(value)
    if "role" in settings:
        state["assumeRole"] = settings["role"]
    for name in ("password", "passwordWoVersion"):
        if name in known:
            state[name] = known[name]
    return state


def _apply(connection: Connection, new: Properties, changed: set[str]) -> None:
    name = _name(new)
    options: list[sql.Composable] = [
        sql.SQL(word if new.get(key, key == "inherit") else f"NO{word}")
        for key, word in _FLAGS.items()
        if key in changed
    ]
    if "connectionLimit" in changed:
        limit = new.get("connectionLimit", -1)
        options.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(limit)))
    if "validUntil" in changed:
        until = new.get("validUntil") or "infinity"
        options.append(
            sql.SQL("VALID UNTIL {}").format(sql.Literal("infinity" if until == "NULL" else until))
        )
    if "password" in changed or "passwordWoVersion" in changed:
        options.append(_password(connection, new))
    if options:
        connection.execute(sql.SQL("alter role {} with ").format(name) + sql.SQL(" ").join(options))
    if "roles" in changed:
        _set_memberships(connection, str(new["name"]), _strings(new.get("roles", [])))
    if "searchPaths" in changed:
        _set(
            connection, name, "search_path", [sql.Identifier(p) for p in _strings(new.get("searchPaths", []))]
        )
    for key, setting in _SETTINGS.items():
        if key in changed:
            value = new.get(key)
            _set(connection, name, setting, [sql.Literal(value)] if value else [])


def _password(connection: Connection, new: Properties) -> sql.Composable:
    """Give the PASSWORD clause. The password is hashed here, so it never stands in a statement or a log."""
    password = str(new.get("passwordWo") or new.get("password") or "")
    if not password or password.upper() == "NULL":
        return sql.SQL("PASSWORD NULL")
    if password.startswith(("SCRAM-SHA-256$", "md5")):
        return sql.SQL("PASSWORD {}").format(sql.Literal(password))
    try:
        hashed = connection.pgconn.encrypt_password(password.encode(), str(new["name"]).encode())
    except psycopg.Error:
        raise OperationError("the role's password could not be hashed by libpq") from None
    return sql.SQL("PASSWORD {}").format(sql.Literal(hashed.decode()))


def _set(connection: Connection, role: sql.Identifier, setting: str, values: list[sql.Composable]) -> None:
    target = sql.Identifier(setting)
    if values:
        clause = sql.SQL("set {} to ").format(target) + sql.SQL(", ").join(values)
    else:
        clause = sql.SQL("reset {}").format(target)
    connection.execute(sql.SQL("alter role {} ").format(role) + clause)


def _set_memberships(connection: Connection, role: str, wanted: list[str]) -> None:
    rows = connection.execute(
        "select pg_get_userbyid(roleid) from pg_auth_members where member = %s::regrole",
        (sql.Identifier(role).as_string(connection),),
    ).fetchall()
    present = {str(row[0]) for row in rows}
    member = sql.Identifier(role)
    for other in sorted(present - set(wanted)):
        execute(connection, "revoke {other} from {member}", other=sql.Identifier(other), member=member)
    for other in sorted(set(wanted) - present):
        execute(connection, "grant {other} to {member}", other=sql.Identifier(other), member=member)


def _spelling(connection: Connection, actual: str, known: Value) -> Value:
    """Keep the program's spelling of a moment that is the same as PostgreSQL's."""
    if not isinstance(known, str) or known == actual:
        return actual
    try:
        row = one(connection, "select %s::timestamptz = %s::timestamptz", (known, actual))
    except psycopg.errors.DataError:
        return actual
    return known if row is not None and row[0] else actual


def _name(properties: Properties) -> sql.Identifier:
    return sql.Identifier(str(properties["name"]))


def _strings(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, Iterable) else []
