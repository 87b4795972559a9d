"""Which columns say whose a row is, as far as metadata tells. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from components.clerk.claims import USER_ID
from components.hasura.json_types import Json, JsonObject
from components.schema.permissions import EVERY, permissions

NAMES: Final = frozenset(
    {
        "user_id",
        "owner_id",
        "author_id",
        "member_id",
        "customer_id",
        "clerk_id",
        "clerk_user_id",
        "created_by",
        "created_by_id",
    }
)
"""Columns that say it by their name, beside those that are compared with a user's id somewhere."""

RELATIONSHIPS: Final = frozenset({"user", "owner", "author", "creator"})
"""Object relationships whose column says it."""

TABLES: Final = {"users": "id", "user": "id", "profiles": "id"}
"""Tables that hold users themselves: name without schema to column."""


def user_columns(metadata: JsonObject) -> dict[tuple[str, str], list[str]]:
    """The columns by source and table (as `canonical.table_key` writes it), sorted; only tables that have one.

    A column counts where a permission of any role compares it with `X-Hasura-User-Id` or sets it to that, where its
    name says it (`NAMES`), where an object relationship leads from it to a user (`RELATIONSHIPS`), and in a table of
    users (`TABLES`). Metadata does not hold all columns of a table: one that no permission and no relationship names
    is not seen.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in permissions(metadata):
        place = (one.source, one.table)
        for part in ("filter", "check"):
            found[place].update(_compared(one.body.get(part)))
        presets = one.body.get("set")
        if isinstance(presets, dict):
            found[place].update(name for name, value in presets.items() if _is_user_id(value))
        found[place].update(name for name in _columns(one.body) if name in NAMES)
        table = one.table.rsplit(".", 1)[-1]
        if table in TABLES:
            found[place].add(TABLES[table])
    for place, relationships in _relationships(metadata):
        for name, body in relationships.items():
            column = _foreign_key(body)
            if name in RELATIONSHIPS and column is not None:
                found[place].add(column)
    return {place: sorted(columns) for place, columns in sorted(found.items()) if columns}


def _compared(expression: Json, column: str = "") -> Iterator[str]:
    """Columns of the table itself that an expression compares with the user's id."""
    if isinstance(expression, list):
        for part in expression:
            yield from _compared(part)
    if not isinstance(expression, dict):
        return
    for key, inner in expression.items():
        if key[:1] in ("_", "$"):
            if key[1:] in ("and", "or", "not"):
                yield from _compared(inner)
            elif column and _is_user_id(inner):
                yield column
        elif _is_user_id(inner):
            yield key
        elif isinstance(inner, dict) and all(name[:1] in ("_", "$") for name in inner):
            yield from _compared(inner, key)


def _is_user_id(value: Json) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and text.lower() == USER_ID for text in texts)


def _columns(body: JsonObject) -> list[str]:
    columns = body.get("columns")
    return [str(name) for name in columns if name != EVERY] if isinstance(columns, list) else []


def _relationships(metadata: JsonObject) -> Iterator[tuple[tuple[str, str], Mapping[str, Json]]]:
    for source, body in _objects(metadata.get("sources")).items():
        for table, entry in _objects(body.get("tables")).items():
            yield (source, table), _objects(entry.get("object_relationships"))


def _foreign_key(relationship: Json) -> str | None:
    using = relationship.get("using") if isinstance(relationship, dict) else None
    column = using.get("foreign_key_constraint_on") if isinstance(using, dict) else None
    return column if isinstance(column, str) else None


def _objects(value: Json) -> dict[str, JsonObject]:
    return (
        {key: inner for key, inner in value.items() if isinstance(inner, dict)}
        if isinstance(value, dict)
        else {}
    )
