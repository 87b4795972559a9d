"""How two metadata trees differ, in the words of people. Pure; takes the shape that `canonical.keyed`
gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import with_lists
from components.schema.permissions import OPERATIONS, Difference, Effect, Operation, differences
from components.schema.words import code, names, value

Kind = Literal["added", "removed", "changed"]
Leaves = dict[tuple[str, ...], Json]
_Thing = Callable[[tuple[str, ...], Json, Json], "Iterator[Change]"]
_Roles = Callable[[str, "JsonObject | None", "JsonObject | None"], "list[Change]"]

HIDDEN: Final = "***"
"""What stands for a value that may be a secret."""

_UNDER_A_TABLE: Final = {
    "object_relationships": "object relationship",
    "array_relationships": "array relationship",
    "remote_relationships": "remote relationship",
    "computed_fields": "computed field",
    "event_triggers": "event trigger",
}
_AT_TOP: Final = {
    "remote_schemas": "remote schema",
    "query_collections": "query collection",
    "allowlist": "allow list entry",
    "actions": "action",
    "cron_triggers": "cron trigger",
    "rest_endpoints": "REST endpoint",
    "inherited_roles": "inherited role",
}
_UNDER_A_SOURCE: Final = {
    "logical_models": "logical model",
    "native_queries": "native query",
}
_IN_URL: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#\s]*@", re.IGNORECASE)
_QUERY_VALUE: Final = re.compile(r"([?&][^=&#\s]+=)[^&#\s]+")
_SENT_TO: Final = ("webhook", "webhook_from_env", "handler", "url", "url_from_env")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference: `path` in the keyed tree, `words` as a sentence without an end.

    `role`, `table` (with its source where that is not `default`) and `operation` are filled in for permissions;
    `inherited_by` are the roles that have the permission through `role`. `effect` is what the change does to
    those who use the API. `before` and `after` are the values, without what may be secret.
    """

    kind: Kind
    path: tuple[str, ...]
    words: str
    effect: Effect = "keeps"
    role: str = ""
    table: str = ""
    operation: Operation | Literal[""] = ""
    inherited_by: tuple[str, ...] = ()
    before: Json = None
    after: Json = None

    def __str__(self) -> str:
        if not self.inherited_by:
            return self.words
        return f"{self.words} (so it is for {names(self.inherited_by)}, by inheritance)"


def changes(before: JsonObject, after: JsonObject) -> tuple[Change, ...]:
    """Every difference between two keyed trees, a thing that comes or goes as a whole and each of its
    permissions as one change."""
    before, after = cast(JsonObject, with_lists(before)), cast(JsonObject, with_lists(after))
    found: list[Change] = []
    for key in sorted(set(before) | set(after)):
        if key == "sources":
            found += _collection(("sources",), before.get(key), after.get(key), _source)
        elif key in _AT_TOP:
            found += _collection((key,), before.get(key), after.get(key), _named_at_top)
        else:
            found += _values((key,), before, after)
    heirs = inheritance(after)
    return tuple(_with_heirs(change, heirs, after) for change in found)


def inheritance(metadata: JsonObject) -> dict[str, frozenset[str]]:
    """Role to the roles that inherit from it, directly or not, of a keyed tree."""
    parents = {
        role: frozenset(_texts(_object(entry).get("role_set")) or [])
        for role, entry in _object(_object(with_lists(metadata)).get("inherited_roles")).items()
    }
    heirs: dict[str, set[str]] = {}
    for heir in parents:
        waiting = [heir]
        seen: set[str] = set()
        while waiting:
            for parent in parents.get(waiting.pop(), frozenset()) - seen:
                seen.add(parent)
                waiting.append(parent)
        for parent in seen - {heir}:
            heirs.setdefault(parent, set()).add(heir)
    return {role: frozenset(found) for role, found in heirs.items()}


def _with_heirs(change: Change, heirs: Mapping[str, frozenset[str]], after: JsonObject) -> Change:
    """A permission of a role is one of the roles that inherit from it, unless they have one of their own."""
    if not change.operation or change.role not in heirs:
        return change
    own = _object(_at(after, change.path[:5]))
    inherited = tuple(sorted(role for role in heirs[change.role] if role not in own))
    return replace(change, inherited_by=inherited)


def _source(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    old, new = _object(before), _object(after)
    named = f"source {code(path[-1])}"
    if before is None:
        yield Change(kind="added", path=path, words=f"{named} is added")
    elif after is None:
        words = f"{named} is removed: the API loses its tables, the database keeps them"
        yield Change(kind="removed", path=path, words=words, effect="narrows")
    yield from _collection((*path, "tables"), old.get("tables"), new.get("tables"), _table)
    yield from _collection((*path, "functions"), old.get("functions"), new.get("functions"), _function)
    if before is None or after is None:
        return
    for key in sorted((set(old) | set(new)) - {"tables", "functions"}):
        if key in _UNDER_A_SOURCE:
            yield from _collection((*path, key), old.get(key), new.get(key), _logical)
        else:
            yield from _values((*path, key), old, new)


def _table(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    old, new = _object(before), _object(after)
    if before is None:
        words = f"table {_called(path)} becomes a part of the API (tracked){_with_what(new)}"
        yield Change(kind="added", path=path, words=words, table=_named(path))
    elif after is None:
        words = f"table {_called(path)} leaves the API (untracked), which alone does not drop it"
        yield Change(kind="removed", path=path, words=words, effect="narrows", table=_named(path))
    for key in sorted(set(old) | set(new)):
        inner = (*path, key)
        if key in OPERATIONS:
            yield from _collection(inner, old.get(key), new.get(key), _permission)
        elif before is None or after is None:
            if key == "event_triggers":
                yield from _collection(inner, old.get(key), new.get(key), _under_a_table)
        elif key in _UNDER_A_TABLE:
            yield from _collection(inner, old.get(key), new.get(key), _under_a_table)
        else:
            yield from _values(inner, old, new)


def _with_what(table: JsonObject) -> str:
    said = [
        f"{what} {code(name)}"
        for key, what in _UNDER_A_TABLE.items()
        if key != "event_triggers"
        for name in sorted(_object(table.get(key)))
    ]
    return f", with {', '.join(said)}" if said else ""


def _permission(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    operation, role = OPERATIONS[path[4]], path[5]
    about = f"role {code(role)} on {_called(path)}"
    for difference in differences(
        operation,
        None if before is None else _object(before),
        None if after is None else _object(after),
    ):
        yield _change(path, about, difference, before, after, role=role, operation=operation)


def _change(
    path: tuple[str, ...],
    about: str,
    difference: Difference,
    before: Json,
    after: Json,
    *,
    role: str,
    operation: Operation,
) -> Change:
    return Change(
        kind="added" if before is None else "removed" if after is None else "changed",
        path=(*path, *difference.part),
        words=f"{about}: {difference.words}",
        effect=difference.effect,
        role=role,
        table=_named(path),
        operation=operation,
        before=shown(_at(before, difference.part), difference.part),
        after=shown(_at(after, difference.part), difference.part),
    )


def _under_a_table(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    named = f"table {_called(path)}: {_UNDER_A_TABLE[path[4]]} {code(path[5])}"
    if path[4] == "event_triggers":
        yield from _sending(path, named, before, after, f"its rows go to {_destination(after)}")
    else:
        yield from _whole_or_values(path, named, before, after)


def _sending(path: tuple[str, ...], named: str, before: Json, after: Json, said: str) -> Iterator[Change]:
    """Something by which data leaves: another destination is more than another value."""
    if before is None:
        words = f"{named} is added: {said}"
        yield Change(kind="added", path=path, words=words, effect="widens", table=_named(path))
        return
    for change in _whole_or_values(path, named, before, after):
        elsewhere = len(change.path) > len(path) and change.path[len(path)] in _SENT_TO
        yield replace(change, effect="shifts" if elsewhere else change.effect)


def _destination(thing: Json) -> str:
    found = _object(thing)
    for key in _SENT_TO:
        if key in found:
            where = found[key]
            return (
                f"the address in {code(str(where))}" if key.endswith("_from_env") else code(str(shown(where)))
            )
    return "a webhook"


def _function(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    named = f"function {_called(path)}"
    yield from _whole_or_values(path, named, before, after, without=("permissions",))
    inner = (*path, "permissions")
    yield from _collection(inner, _at(before, ["permissions"]), _at(after, ["permissions"]), _calls(named))


def _calls(named: str) -> _Thing:
    def of(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
        role = code(path[-1])
        if before is None or after is None:
            gained = before is None
            yield Change(
                kind="added" if gained else "removed",
                path=path,
                words=f"role {role} {'may now' if gained else 'may no longer'} call the {named}",
                effect="widens" if gained else "narrows",
                role=path[-1],
            )
        else:
            words = f"role {role} may call the {named} as before: {value(after)} (was: {value(before)})"
            yield Change(kind="changed", path=path, words=words, role=path[-1])

    return of


def _logical(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    named = f"{_UNDER_A_SOURCE[path[2]]} {code(path[3])}"
    yield from _whole_or_values(path, named, before, after, without=("select_permissions",))
    yield from _by_role(
        (*path, "select_permissions"),
        before,
        after,
        lambda role, old, new: [
            Change(
                kind="changed",
                path=(*path, "select_permissions"),
                words=f"role {code(role)} on {named}: {d.words}",
                effect=d.effect,
                role=role,
            )
            for d in differences("select", _body(old), _body(new))
        ],
    )


def _body(entry: JsonObject | None) -> JsonObject | None:
    if entry is None:
        return None
    return {key: inner for key, inner in entry.items() if key not in ("role", "permission")} | _object(
        entry.get("permission")
    )


def _named_at_top(path: tuple[str, ...], before: Json, after: Json) -> Iterator[Change]:
    key, name = path
    named = f"{_AT_TOP[key]} {code(name)}"
    match key:
        case "inherited_roles":
            yield from _inherited_role(path, named, before, after)
        case "actions":
            yield from _whole_or_values(path, named, before, after, without=("permissions",))
            inner = (*path, "permissions")
            for change in _collection(inner, _roles(before), _roles(after), _calls(named)):
                # In the tree they are one list.
                yield replace(change, path=inner)
        case "remote_schemas":
            yield from _whole_or_values(path, named, before, after, without=("permissions",))
            yield from _by_role((*path, "permissions"), before, after, _of_remote_schema(path, named))
        case "cron_triggers":
            yield from _sending(path, named, before, after, f"it calls {_destination(after)}")
        case _:
            yield from _whole_or_values(path, named, before, after)


def _inherited_role(path: tuple[str, ...], named: str, before: Json, after: Json) -> Iterator[Change]:
    old, new = _texts(_object(before).get("role_set")) or [], _texts(_object(after).get("role_set")) or []
    kind: Kind
    if before is None:
        kind, words, effect = "added", f"{named} is added: it may do what {names(new)} may", "widens"
        yield Change(kind=kind, path=path, words=words, effect=cast(Effect, effect), role=path[1])
        return
    if after is None:
        words = f"{named} is removed (it could do what {names(old)} may)"
        yield Change(kind="removed", path=path, words=words, effect="narrows", role=path[1])
        return
    for role in sorted(set(old) ^ set(new)):
        gained = role in new
        yield Change(
            kind="changed",
            path=(*path, "role_set"),
            words=f"{named} {'may now also' if gained else 'may no longer'} do what {code(role)} may",
            effect="widens" if gained else "narrows",
            role=path[1],
        )
    rest = [key for key in sorted(set(_object(before)) | set(_object(after))) if key != "role_set"]
    for key in rest:
        yield from _values((*path, key), _object(before), _object(after))


def _of_remote_schema(path: tuple[str, ...], named: str) -> _Roles:
    def of(role: str, old: JsonObject | None, new: JsonObject | None) -> list[Change]:
        effect: Effect = "widens" if old is None else "narrows" if new is None else "shifts"
        what = (
            "may now use"
            if old is None
            else "may no longer use"
            if new is None
            else "may now use another part of"
        )
        return [
            Change(
                kind="changed",
                path=(*path, "permissions"),
                words=f"role {code(role)} {what} the {named}",
                effect=effect,
                role=role,
                before=shown(cast(Json, old)),
                after=shown(cast(Json, new)),
            )
        ]

    return of


def _by_role(path: tuple[str, ...], before: Json, after: Json, of: _Roles) -> Iterator[Change]:
    """Permissions that stand in a list, which the keyed tree leaves as it is."""
    old, new = (
        {str(entry.get("role")): entry for entry in _entries(_object(side).get(path[-1]))}
        for side in (before, after)
    )
    for role in sorted(set(old) | set(new)):
        if old.get(role) != new.get(role):
            yield from of(role, old.get(role), new.get(role))


def _roles(action: Json) -> JsonObject:
    return {str(entry.get("role")): entry for entry in _entries(_object(action).get("permissions"))}


def _collection(path: tuple[str, ...], before: Json, after: Json, of: _Thing) -> Iterator[Change]:
    """What `of` says of each named thing that differs."""
    old, new = _object(before), _object(after)
    for name in sorted(set(old) | set(new)):
        if (name in old) != (name in new) or old[name] != new[name]:
            yield from of((*path, name), old.get(name), new.get(name))


def _whole_or_values(
    path: tuple[str, ...], named: str, before: Json, after: Json, *, without: tuple[str, ...] = ()
) -> Iterator[Change]:
    if before is None:
        yield Change(kind="added", path=path, words=f"{named} is added", table=_named(path))
    elif after is None:
        words = f"{named} is removed"
        yield Change(kind="removed", path=path, words=words, effect="narrows", table=_named(path))
    else:
        old, new = _object(before), _object(after)
        for key in sorted((set(old) | set(new)) - set(without)):
            yield from _values((*path, key), old, new)


def _values(path: tuple[str, ...], before: JsonObject, after: JsonObject) -> Iterator[Change]:
    """What differs at `path`, whose last part is a key of both objects: value by value."""
    key = path[-1]
    if key not in before:
        yield _value_change("added", path, None, after[key], f"is now {_value(after[key], path)}")
        return
    if key not in after:
        yield _value_change(
            "removed", path, before[key], None, f"is not set any more (was: {_value(before[key], path)})"
        )
        return
    old, new = before[key], after[key]
    if old == new:
        return
    before_texts, after_texts = _texts(old), _texts(new)
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        for inner in sorted(set(old) | set(new)):
            yield from _values((*path, inner), old, new)
    elif before_texts is not None and after_texts is not None and set(before_texts) != set(after_texts):
        for text in before_texts:
            if text not in after_texts:
                yield _value_change("removed", path, text, None, f"no longer holds {value(text)}")
        for text in after_texts:
            if text not in before_texts:
                yield _value_change("added", path, None, text, f"now also holds {value(text)}")
    else:
        said = f"is now {_value(new, path)} (was: {_value(old, path)})"
        yield _value_change("changed", path, old, new, said)


def _value_change(kind: Kind, path: tuple[str, ...], old: Json, new: Json, said: str) -> Change:
    return Change(
        kind=kind,
        path=path,
        words=f"{_place(path)} {said}",
        table=_named(path),
        before=shown(old, path),
        after=shown(new, path),
    )


def _place(path: tuple[str, ...]) -> str:
    """Where a value stands, in words."""
    if path[0] == "sources" and len(path) > 3 and path[2] == "tables":
        start, rest = f"table {_called(path)}:", path[4:]
        if rest and rest[0] in _UNDER_A_TABLE and len(rest) > 1:
            start, rest = f"{start} {_UNDER_A_TABLE[rest[0]]} {code(rest[1])}:", rest[2:]
    elif path[0] == "sources" and len(path) > 3 and path[2] == "functions":
        start, rest = f"function {_called(path)}:", path[4:]
    elif path[0] == "sources" and len(path) > 3 and path[2] in _UNDER_A_SOURCE:
        start, rest = f"{_UNDER_A_SOURCE[path[2]]} {code(path[3])}:", path[4:]
    elif path[0] == "sources" and len(path) > 1:
        start, rest = f"source {code(path[1])}:", path[2:]
    elif path[0] in _AT_TOP and len(path) > 1:
        start, rest = f"{_AT_TOP[path[0]]} {code(path[1])}:", path[2:]
    else:
        return code(".".join(path))
    return f"{start} {code('.'.join(rest))}" if rest else start.removesuffix(":")


def _named(path: tuple[str, ...]) -> str:
    """The table of a path as people name it, or nothing."""
    if len(path) < 4 or path[0] != "sources" or path[2] not in ("tables", "functions"):
        return ""
    return table_name(path[1], path[3])


def _called(path: tuple[str, ...]) -> str:
    return code(_named(path))


def table_name(source: str, table: str) -> str:
    """A table without the schema `public`, and with its source where that is not `default`."""
    name = table.removeprefix("public.")
    return name if source == "default" else f"{source}: {name}"


def shown(of: Json, path: tuple[str, ...] = ()) -> Json:
    """A value without what may be secret in it: values of headers, passwords and query values in addresses."""
    if isinstance(of, dict):
        if "value" in of and "name" in of and "headers" in path:
            return {**of, "value": HIDDEN}
        return {
            key: HIDDEN if key == "password" and isinstance(inner, str) else shown(inner, (*path, key))
            for key, inner in of.items()
        }
    if isinstance(of, list):
        return [shown(entry, path) for entry in of]
    if isinstance(of, str) and "://" in of:
        return _QUERY_VALUE.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1{HIDDEN}@", of))
    return of


def _value(of: Json, path: tuple[str, ...]) -> str:
    return value(shown(of, path))


def _texts(of: Json) -> list[str] | None:
    if isinstance(of, list) and all(isinstance(entry, str) for entry in of):
        return [str(entry) for entry in of]
    return None


def _object(of: Json) -> JsonObject:
    return of if isinstance(of, dict) else {}


def _entries(of: Json) -> list[JsonObject]:
    return [entry for entry in of if isinstance(entry, dict)] if isinstance(of, list) else []


def _at(tree: Json, path: Iterable[str]) -> Json:
    for part in path:
        tree = _object(tree).get(part)
    return tree


def leaves(tree: Json, path: tuple[str, ...] = ()) -> Leaves:
    """Every value that is not an object, by its path; an empty object counts as a value."""
    if isinstance(tree, dict) and tree:
        found: Leaves = {}
        for key, inner in tree.items():
            found |= leaves(inner, (*path, key))
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
