"""The first migration of a database that nobody migrated: its schema, as pg_dump tells it, as a file that runs. Pure.

pg_dump writes for psql, into an empty database, as a superuser
(https://www.postgresql.org/docs/current/app-pgdump.html). A migration runs through the engine, in one transaction, in a
database that has a schema `public`, as the engine's role.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components.hasura.json_types import Json, JsonObject
from components.schema import ledger
from components.schema.sql import Statement, Unterminated, statements

NAME: Final = "baseline"
"""What such a migration is called: its folder is `<version>_baseline`."""

_HASURAS: Final = "hdb_catalog"
SCHEMA_OPTIONS: Final = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    f"--exclude-schema={_HASURAS}",
    f"--exclude-schema={ledger.SCHEMA}",
)
"""Of pg_dump, for everything that migrations would have made."""
ROWS_OPTIONS: Final = ("--data-only", "--column-inserts", "--no-owner", "--no-privileges")
"""Of pg_dump, for the rows of single tables, each named by `--table`."""

_FOR_PSQL: Final = re.compile(r"^\\(?:un)?restrict [A-Za-z0-9]+$\n?", re.MULTILINE)
_HASURAS_TRIGGER: Final = re.compile(r'create\s+trigger\s+"?notify_hasura_', re.IGNORECASE)
_HASURAS_EXTENSION: Final = re.compile(rf"with\s+schema\s+\"?{_HASURAS}\b", re.IGNORECASE)
_DROPPED: Final = (
    # The session is the engine's, and what these set is its default, or says how names are found while it runs.
    ("set",),
    ("select", "pg_catalog", "set_config"),
    # There in every database.
    ("create", "schema", "public"),
    ("comment", "on", "schema", "public"),
    # Theirs alone who made the extension.
    ("comment", "on", "extension"),
)
_ROUTINES: Final = (("create", "function"), ("create", "procedure"))
_BODIES_UNCHECKED: Final = "set local check_function_bodies = off;"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The text of an up.sql, empty where the database holds nothing; `remarks` are what it does not carry."""

    text: str
    remarks: tuple[str, ...]


def baseline(schema: str, rows: str = "") -> Baseline:
    """Make one of two dumps, by `SCHEMA_OPTIONS` and by `ROWS_OPTIONS`.

    :raises ValueError: when a dump does not end where it should.
    """
    try:
        made = [*_kept(schema), *_kept(rows)]
    except Unterminated as error:
        raise ValueError(f"line {error.line} of the dump: {error}") from None
    texts = [text for _, text in made]
    if any(statement.words[: len(words)] == words for statement, _ in made for words in _ROUTINES):
        # A function may come before the tables that it reads.
        texts.insert(0, _BODIES_UNCHECKED)
    remarks = [
        f"{what} in it; {why}"
        for words, what, why in (
            (
                ("create", "materialized", "view"),
                "there are materialized views",
                "a new environment has to refresh them",
            ),
            (
                ("create", "event", "trigger"),
                "there are event triggers of Postgres",
                "only a superuser can make them",
            ),
            (
                ("create", "policy"),
                "there are row security policies",
                "roles that they name have to be there in a new environment",
            ),
        )
        if any(statement.begins(*words) for statement, _ in made)
    ]
    return Baseline(text="\n\n".join(texts) + "\n" if texts else "", remarks=tuple(remarks))


def _kept(dump: str) -> list[tuple[Statement, str]]:
    text = _FOR_PSQL.sub("", dump)
    found = [(statement, text[statement.start : statement.end]) for statement in statements(text)]
    return [(statement, f"{sql};") for statement, sql in found if not _is_dropped(statement, sql)]


def _is_dropped(statement: Statement, sql: str) -> bool:
    if any(statement.begins(*words) for words in _DROPPED):
        return True
    if statement.begins("create", "extension"):
        return _HASURAS_EXTENSION.search(sql) is not None
    # The engine makes the triggers of its event triggers itself, when it is given the metadata.
    return _HASURAS_TRIGGER.match(sql) is not None


def enum_tables(source: JsonObject) -> tuple[str, ...]:
    """The tables of a source whose rows are part of the schema, as patterns for pg_dump's `--table`: those that the
    metadata says are enums, which the engine takes no empty ones for."""
    tables = source.get("tables")
    found = []
    for entry in tables if isinstance(tables, list) else []:
        if isinstance(entry, dict) and entry.get("is_enum") is True:
            found.append(_pattern(entry.get("table")))
    return tuple(filter(None, found))


def _pattern(table: Json) -> str:
    if isinstance(table, str):
        return _quoted(("public", table))
    if isinstance(table, dict):
        return _quoted((str(table.get("schema") or "public"), str(table.get("name"))))
    return ""


def _quoted(parts: Sequence[str]) -> str:
    # Within quotes nothing is a pattern: psql's rules, which pg_dump's options follow.
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
