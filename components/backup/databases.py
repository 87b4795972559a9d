"""Databases made, removed, and put in another's place.

A database that takes another's place gets what lies outside of a dump: owner, encoding, locale and rights as the other
one has them, and the settings that the backup has kept.
"""

# ruff: noqa: S608 - names are quoted, texts are literals

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.backup.postgres_tools import Row, Session, identifier, literal

LONGEST_NAME: Final = 63
"""Bytes of a name in PostgreSQL."""

_ENCODING: Final = "UTF8"
_PROVIDERS: Final = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a database gets that is made where none was: its owner, and role to its rights on the database."""

    owner: str
    rights: Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What `alter database ... set` has set, or, of a role, `alter role ... in database ... set`; a role or empty."""

    role: str
    name: str
    value: str


def derived_name(database: str, purpose: str) -> str:
    """Another database's name that says what it is for: the first one's, cut where it would be too long."""
    ending = f"_{purpose}"
    kept = database.encode()[: LONGEST_NAME - len(ending.encode())].decode(errors="ignore")
    return f"{kept}{ending}"


def exists(session: Session, database: str) -> bool:
    """Whether the server has a database of that name."""
    return bool(session.rows(f"select from pg_database where datname = {literal(database)}"))


def settings_of(session: Session, database: str) -> tuple[Setting, ...]:
    """A database's own settings.

    :raises BackupError: with the server's own words.
    """
    rows = session.rows(
        "select coalesce(r.rolname, '') as role, split_part(c, '=', 1) as name,"
        " substr(c, strpos(c, '=') + 1) as value"
        " from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase"
        " left join pg_roles r on r.oid = s.setrole, lateral unnest(s.setconfig) c"
        f" where d.datname = {literal(database)} order by 1, 2"
    )
    return tuple(Setting(**{key: str(value) for key, value in row.items()}) for row in rows)


def setting_statement(database: str, setting: Setting) -> str:
    """Gives a database a setting. Pure."""
    of = f"database {identifier(database)}"
    if setting.role:
        of = f"role {identifier(setting.role)} in {of}"
    parameter = ".".join(map(identifier, setting.name.split(".")))
    # From the session, because a list's elements are quoted one by one, and the server knows which are lists.
    return (
        f"begin; select set_config({literal(setting.name)}, {literal(setting.value)}, true);"
        f" alter {of} set {parameter} from current; commit"
    )


def create_beside(session: Session, database: str, *, like: str) -> None:
    """Makes an empty database with the encoding and the locale of another one, owned by the session's user.

    :raises BackupError: when the server refuses.
    """
    found = session.rows(
        "select pg_encoding_to_char(encoding) as encoding, to_jsonb(d) as properties from pg_database d"
        f" where datname = {literal(like)}"
    )
    session.execute(create_statement(database, found[0] if found else None))


def give_outside(session: Session, database: str, *, like: str, defaults: Defaults) -> None:
    """Gives a database the rights and the owner of another one, or the defaults where that is not there.

    :raises BackupError: when the server refuses.
    """
    for statement in _as_outside(session, database, like, defaults):
        session.execute(statement)


def is_ours(session: Session, database: str) -> bool:
    """Whether the session's user may do with a database what its owner may, or it is not there."""
    return not session.rows(
        f"select from pg_database where datname = {literal(database)} and not pg_has_role(datdba, 'member')"
    )


def create_statement(database: str, like: Row | None) -> str:
    """`create database` with the encoding and the locale of another one. Pure.

    :param like: its ``encoding``, and as ``properties`` its row of `pg_database`, whose columns for locales differ
        between versions.
    """
    words = [f"create database {identifier(database)} template template0"]
    if like is None:
        return f"{words[0]} encoding '{_ENCODING}'"
    found = like["properties"]
    properties = json.loads(found) if isinstance(found, str) else found
    assert isinstance(properties, dict)  # noqa: S101 (a row as JSON)
    words.append(f"encoding {literal(str(like['encoding']))}")
    words += [
        f"{clause} {literal(str(properties[column]))}"
        for clause, column in (("lc_collate", "datcollate"), ("lc_ctype", "datctype"))
        if properties.get(column)
    ]
    provider = str(properties.get("datlocprovider") or "c")
    locale = properties.get("datlocale") or properties.get("daticulocale")
    if provider != "c" and locale:
        words.append(f"locale_provider {_PROVIDERS[provider]}")
        words.append(f"{'icu' if provider == 'i' else 'builtin'}_locale {literal(str(locale))}")
    return " ".join(words)


def _as_outside(session: Session, database: str, like: str, defaults: Defaults) -> list[str]:
    name = identifier(database)
    found = session.rows(
        "select pg_get_userbyid(datdba) as owner, datacl is not null as has_rights from pg_database"
        f" where datname = {literal(like)}"
    )
    if not found:
        return [
            f"alter database {name} owner to {identifier(defaults.owner)}",
            *(
                f"grant {', '.join(rights)} on database {name} to {identifier(role)}"
                for role, rights in defaults.rights.items()
            ),
        ]
    [former] = found
    statements = []
    rights = session.rows(
        "select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee,"
        " a.privilege_type as privilege, a.is_grantable as grantable"
        " from pg_database d, lateral aclexplode(d.datacl) a"
        f" where d.datname = {literal(like)} and a.grantee <> d.datdba"
    )
    if former["has_rights"]:
        statements.append(f"revoke all on database {name} from public")
    statements += [
        f"grant {right['privilege']} on database {name} to {right['grantee']}"
        + (" with grant option" if right["grantable"] else "")
        for right in rights
    ]
    # Last: an owner who is not the login's own role may let it do no more.
    statements.append(f"alter database {name} owner to {identifier(str(former['owner']))}")
    return statements


def drop(session: Session, database: str) -> None:
    """Removes a database if it is there, with its sessions.

    :raises BackupError: when the server refuses.
    """
    session.execute(_end_sessions([database]))
    session.execute(f"drop database if exists {identifier(database)}")


def _end_sessions(databases: Sequence[str]) -> str:
    return (
        "do $$ begin perform pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname in ({', '.join(map(literal, databases))}) and pid <> pg_backend_pid(); end $$"
    )


def swap(session: Session, places: Mapping[str, tuple[str, str]]) -> list[str]:
    """Puts databases in the place of others, all of them or none, and ends the sessions in both.

    :param places: name to the database that takes it, and to the name under which the one that has it is kept.
    :returns: the names under which former databases are kept.
    :raises BackupError: when the server refuses; every name is as it was then, and the databases take sessions
        again by `open_statements`.
    """
    there = [name for name in places if exists(session, name)]
    involved = [*there, *(fresh for fresh, _ in places.values())]
    for name in involved:
        session.execute(f"alter database {identifier(name)} with allow_connections false")
    session.execute(_end_sessions(involved))
    renames = [f"alter database {identifier(name)} rename to {identifier(places[name][1])}" for name in there]
    renames += [
        f"alter database {identifier(fresh)} rename to {identifier(name)}"
        for name, (fresh, _) in places.items()
    ]
    opened = [f"alter database {identifier(name)} with allow_connections true" for name in places]
    opened += [f"alter database {identifier(places[name][1])} with allow_connections true" for name in there]
    session.execute("; ".join(["begin", *renames, *opened, "commit"]))
    return [places[name][1] for name in there]


def open_statements(places: Mapping[str, tuple[str, str]]) -> list[str]:
    """What lets sessions in again after a swap that did not happen. Pure."""
    return [f"alter database {identifier(name)} with allow_connections true" for name in places]
