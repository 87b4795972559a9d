"""How two metadata trees differ, in the words of people. Pure; takes the shape that `canonical.keyed`
gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import SETS

Kind = Literal["added", "removed", "changed"]
Leaves = dict[tuple[str, ...], Json]

_NAMES = {
    "sources": "source",
    "tables": "table",
    "functions": "function",
    "object_relationships": "object relationship",
    "array_relationships": "array relationship",
    "remote_relationships": "remote relationship",
    "computed_fields": "computed field",
    "event_triggers": "event trigger",
    "select_permissions": "select permission of role",
    "insert_permissions": "insert permission of role",
    "update_permissions": "update permission of role",
    "delete_permissions": "delete permission of role",
    "permissions": "permission of role",
    "logical_models": "logical model",
    "native_queries": "native query",
    "remote_schemas": "remote schema",
    "query_collections": "query collection",
    "allowlist": "allow list entry",
    "actions": "action",
    "cron_triggers": "cron trigger",
    "rest_endpoints": "REST endpoint",
    "inherited_roles": "inherited role",
}
_COLLECTIONS_AT_TOP = (
    "sources",
    "remote_schemas",
    "query_collections",
    "allowlist",
    "actions",
    "cron_triggers",
    "rest_endpoints",
    "inherited_roles",
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference: `path` in the keyed tree, `where` in words, `what` the values when they say more."""

    kind: Kind
    path: tuple[str, ...]
    where: str
    what: str = ""

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        return f"{sign} {self.where}{': ' + self.what if self.what else ''}"


def changes(before: JsonObject, after: JsonObject) -> tuple[Change, ...]:
    """Every difference between two keyed trees; a thing that comes or goes as a whole is one change."""
    return tuple(_compare((), before, after))


def _compare(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and not _is_expression(path):
        for key in sorted(set(before) | set(after)):
            inner = (*path, key)
            if key not in before:
                yield from _whole("added", inner, after[key])
            elif key not in after:
                yield from _whole("removed", inner, before[key])
            else:
                yield from _compare(inner, before[key], after[key])
    elif _texts(before) is not None and _texts(after) is not None:
        old, new = _texts(before) or [], _texts(after) or []
        for text in old:
            if text not in new:
                yield Change(kind="removed", path=path, where=_words(path), what=text)
        for text in new:
            if text not in old:
                yield Change(kind="added", path=path, where=_words(path), what=text)
    else:
        what = f"{_short(_listed(path, before))} -> {_short(_listed(path, after))}"
        yield Change(kind="changed", path=path, where=_words(path), what=what)


def _whole(kind: Kind, path: tuple[str, ...], value: Json) -> Iterator[Change]:
    if _is_collection(path) and isinstance(value, dict):
        for key in sorted(value):
            yield from _whole(kind, (*path, key), value[key])
        if value:
            return
    if _is_set(path[:-1]):
        yield Change(kind=kind, path=path, where=_words(path[:-1]), what=path[-1])
        return
    named = len(path) >= 2 and _is_collection(path[:-1])
    what = "" if named else _short(_listed(path, value))
    yield Change(kind=kind, path=path, where=_words(path), what=what)


def _is_set(path: tuple[str, ...]) -> bool:
    if not path or path[-1] not in SETS or _is_expression(path):
        return False
    # A thing within a collection may be named as a set is.
    return not _is_collection(path) and not _is_collection(path[:-1])


def _listed(path: tuple[str, ...], value: Json) -> Json:
    return list(value) if _is_set(path) and isinstance(value, dict) else value


def _is_collection(path: tuple[str, ...]) -> bool:
    if not path:
        return False
    if len(path) == 1:
        return path[0] in _COLLECTIONS_AT_TOP
    return path[0] == "sources" and path[-1] in _NAMES and not _is_expression(path)


def _is_expression(path: tuple[str, ...]) -> bool:
    return any(part in ("filter", "check", "set", "using", "definition", "configuration") for part in path)


def _words(path: tuple[str, ...]) -> str:
    parts: list[str] = []
    index = 0
    while index < len(path):
        if _is_collection(path[: index + 1]) and index + 1 < len(path):
            parts.append(f"{_NAMES[path[index]]} {path[index + 1]}")
            index += 2
        else:
            parts.append(path[index].replace("_", " "))
            index += 1
    return ", ".join(parts)


def _texts(value: Json) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return [str(entry) for entry in value]
    return None


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 160 else text[:157] + "..."


def leaves(tree: Json, path: tuple[str, ...] = ()) -> Leaves:
    """Every value that is not an object, by its path; an empty object counts as a value."""
    if isinstance(tree, dict) and tree:
        found: Leaves = {}
        for key, value in tree.items():
            found |= leaves(value, (*path, key))
        return found
    return {path: tree}


def unforeseen(seen: JsonObject, found: JsonObject, wanted: JsonObject) -> tuple[Change, ...]:
    """What differs between `seen` and `found` although it is not on the way to `wanted`.

    A value that somebody else has already brought to what is wanted does no harm.
    """
    old, new, goal = leaves(seen), leaves(found), leaves(wanted)
    strange = {
        path
        for path in set(old) | set(new)
        if old.get(path) != new.get(path) and new.get(path) != goal.get(path)
    }
    return tuple(
        change
        for change in changes(seen, found)
        if any(path[: len(change.path)] == change.path for path in strange)
    )
