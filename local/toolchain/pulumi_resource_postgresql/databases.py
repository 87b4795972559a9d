"""Databases: https://www.postgresql.org/docs/current/sql-createdatabase.html."""

from psycopg import sql

from local.toolchain.pulumi_resource_postgresql.server import Server
from local.toolchain.pulumi_resource_postgresql.statements import execute, membership, one
from local.toolchain.pulumi_resource_postgresql.values import Properties

_DEFAULT = sql.SQL("DEFAULT")


def identity(properties: Properties) -> str:
    """Give the resource's id."""
    return str(properties["name"])


def from_id(resource_id: str, _server: Server) -> Properties:
    """Give the properties that an id holds, for an import."""
    return {"name": resource_id}


def create(server: Server, new: Properties) -> None:
    """Create the database, from template0 in UTF8 where nothing else is said."""
    owner = str(new.get("owner") or server.effective_user)
    parts: list[sql.Composable] = [
        sql.SQL("create database {}").format(sql.Identifier(str(new["name"]))),
        sql.SQL("owner {}").format(sql.Identifier(owner)),
        sql.SQL("template {}").format(_named(new.get("template") or "template0")),
        sql.SQL("encoding {}").format(_literal(new.get("encoding") or "UTF8")),
    ]
    for name, clause in (("lcCollate", sql.SQL("lc_collate {}")), ("lcCtype", sql.SQL("lc_ctype {}"))):
        if new.get(name):
            parts.append(clause.format(_literal(new[name])))
    if new.get("tablespaceName"):
        parts.append(sql.SQL("tablespace {}").format(_named(new["tablespaceName"])))
    parts += [
        sql.SQL("allow_connections {}").format(sql.Literal(new.get("allowConnections", True))),
        sql.SQL("connection limit {}").format(sql.Literal(new.get("connectionLimit", -1))),
        sql.SQL("is_template {}").format(sql.Literal(new.get("isTemplate", False))),
    ]
    with server.connect(autocommit=True) as connection, membership(connection, server, [owner]):
        connection.execute(sql.SQL(" ").join(parts))


def update(server: Server, old: Properties, new: Properties, changed: set[str]) -> None:
    """Bring the changed properties of an existing database in line."""
    old_owner = str(old.get("owner") or server.effective_user)
    owner = str(new.get("owner") or old_owner)
    name = sql.Identifier(str(new["name"]))
    with server.connect(autocommit=True) as connection, membership(connection, server, [old_owner, owner]):
        if "name" in changed:
            execute(
                connection,
                "alter database {old} rename to {name}",
                old=sql.Identifier(str(old["name"])),
                name=name,
            )
        if "owner" in changed:
            execute(connection, "alter database {name} owner to {to}", name=name, to=sql.Identifier(owner))
        if "tablespaceName" in changed:
            to = _named(new.get("tablespaceName") or "pg_default")
            execute(connection, "alter database {name} set tablespace {to}", name=name, to=to)
        for key, statement in (
            ("connectionLimit", sql.SQL("alter database {} connection limit {}")),
            ("allowConnections", sql.SQL("alter database {} allow_connections {}")),
            ("isTemplate", sql.SQL("alter database {} is_template {}")),
        ):
            if key in changed:
                absent = {"connectionLimit": -1, "allowConnections": True, "isTemplate": False}[key]
                connection.execute(statement.format(name, sql.Literal(new.get(key, absent))))
    if "owner" in changed and new.get("alterObjectOwnership") and owner != old_owner:
        with (
            server.connect(str(new["name"])) as connection,
            membership(connection, server, [old_owner, owner]),
        ):
            execute(
                connection,
                "reassign owned by {old} to {new}",
                old=sql.Identifier(old_owner),
                new=sql.Identifier(owner),
            )


def delete(server: Server, old: Properties) -> None:
    """Drop the database and end the sessions in it."""
    name = sql.Identifier(str(old["name"]))
    owner = str(old.get("owner") or server.effective_user)
    with server.connect(autocommit=True) as connection:
        row = one(connection, "select datistemplate from pg_database where datname = %s", (str(old["name"]),))
        if row is None:
            return
        with membership(connection, server, [owner]):
            if row[0]:
                execute(connection, "alter database {name} is_template false", name=name)
            execute(connection, "drop database {name} with (force)", name=name)


def read(server: Server, known: Properties) -> Properties | None:
    """Read the database. The template it was made from is not kept by PostgreSQL."""
    with server.connect() as connection:
        row = one(
            connection,
            """
            select pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
                   t.spcname, d.datconnlimit, d.datallowconn, d.datistemplate
            from pg_database d join pg_tablespace t on t.oid = d.dattablespace where d.datname = %s
            """,
            (str(known["name"]),),
        )
    if row is None:
        return None
    return {
        "name": known["name"],
        "owner": str(row[0]),
        "encoding": _kept(known, "encoding", str(row[1])),
        "lcCollate": _kept(known, "lcCollate", str(row[2])),
        "lcCtype": _kept(known, "lcCtype", str(row[3])),
        "tablespaceName": _kept(known, "tablespaceName", str(row[4])),
        "connectionLimit": int(str(row[5])),
        "allowConnections": bool(row[6]),
        "isTemplate": bool(row[7]),
        "template": known.get("template") or "template0",
        "alterObjectOwnership": bool(known.get("alterObjectOwnership", False)),
    }


def _kept(known: Properties, name: str, actual: str) -> str:
    """DEFAULT is an answer that only the program knows; it stays what the state says."""
    value = known.get(name)
    return value if isinstance(value, str) and value.upper() == "DEFAULT" else actual


def _named(value: object) -> sql.Composable:
    return _DEFAULT if str(value).upper() == "DEFAULT" else sql.Identifier(str(value))


def _literal(value: object) -> sql.Composable:
    return _DEFAULT if str(value).upper() == "DEFAULT" else sql.Literal(str(value))
