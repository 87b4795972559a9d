"""Which statements of a migration drop or rewrite data that is there. Pure.

What a function or a `do` block does inside is not looked at: only the text of the migration can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.schema.sql import Statement, statements_in

_DROPPED = (
    "table",
    "schema",
    "database",
    "owned",
    "materialized",
    "type",
    "domain",
    "extension",
    "foreign",
    "sequence",
)
_WRITING = ("delete", "update", "merge")
_UPSERT = re.compile(r"\bdo\s+update\b", re.IGNORECASE)
_HARMLESS_AFTER_DROP = ("constraint", "default", "not", "identity", "expression")
_ALTERED = ("table", "foreign", "domain", "type", "materialized")


@dataclass(frozen=True, kw_only=True)
class Destruction:
    """`line` counts from 1; `what` are the statement's first words."""

    line: int
    what: str


def destructions(pieces: Iterable[str]) -> Iterator[Destruction]:
    """Every statement of a text, which comes in pieces, that drops or rewrites data."""
    for text, statement in statements_in(pieces):
        if _destroys(statement) or _overwrites(text, statement):
            yield Destruction(line=statement.line, what=_shown(text, statement))


def _destroys(statement: Statement) -> bool:
    words = statement.words
    first, rest = (words[0] if words else ""), words[1:]
    if first in ("truncate", *_WRITING):
        return True
    if first == "drop":
        return bool(rest) and rest[0] in _DROPPED
    if first == "with":
        return any(word in _WRITING for word in rest)
    if first == "alter" and rest and rest[0] in _ALTERED:
        return _alters_data(rest)
    return False


def _overwrites(text: str, statement: Statement) -> bool:
    # Behind the data, which is not looked at word by word. Such words within the data cost a dump too many.
    return statement.begins("insert") and bool(_UPSERT.search(text, statement.start, statement.end))


def _alters_data(words: tuple[str, ...]) -> bool:
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        # `drop "x"` ends in nothing, because quoted names are not among the words: a column.
        if word == "drop" and following not in _HARMLESS_AFTER_DROP:
            return True
        if word == "type" and index > 0 and "alter" in words[:index]:
            return True
    return False


def _shown(text: str, statement: Statement) -> str:
    shown = " ".join(text[statement.start : min(statement.end, statement.start + 200)].split())
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
