"""What a role may do with a table, in words, and what a change of it means. Pure; takes the shape that
`canonical.keyed` gives.

Permissions: https://hasura.io/docs/2.0/api-reference/metadata-api/permission/. An absent list of root fields
allows all of them, an absent `check` of an update checks nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import with_lists
from components.schema.expressions import compared, condition, operand, presets, rows
from components.schema.words import code, names, value

Operation = Literal["select", "insert", "update", "delete"]
Effect = Literal["widens", "narrows", "shifts", "keeps"]
"""What a change does to a role: it may do more, less, something else (or it is not certain), or the same."""

OPERATIONS: Final[Mapping[str, Operation]] = {
    "select_permissions": "select",
    "insert_permissions": "insert",
    "update_permissions": "update",
    "delete_permissions": "delete",
}
EVERY: Final = "*"
"""How a permission says all columns, also those that come later."""

_WITH_COLUMN: Final[Mapping[Operation, str]] = {
    "select": "read {}",
    "insert": "set {} in new rows",
    "update": "change {}",
    "delete": "delete {}",
}
_ROWS_VERB: Final[Mapping[Operation, str]] = {
    "select": "see",
    "insert": "insert",
    "update": "change",
    "delete": "delete",
}
_ROOT_FIELDS: Final = {"query_root_fields": "query", "subscription_root_fields": "subscribe to"}
_ROWS_EFFECT: Final[Mapping[str, Effect]] = {
    "same": "keeps",
    "wider": "widens",
    "narrower": "narrows",
    "other": "shifts",
}


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What one role may do with one table. `table` as `canonical.table_key` writes it; `body` as the keyed tree
    has it, with lists for sets of names."""

    source: str
    table: str
    role: str
    operation: Operation
    body: JsonObject


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that changes in a permission. `part` is the path within its body, empty for the whole."""

    part: tuple[str, ...]
    words: str
    effect: Effect


def permissions(metadata: JsonObject) -> Iterator[Permission]:
    """Every permission on a table of a keyed tree, by source, table, operation and role."""
    for source, body in sorted(_objects(_object(with_lists(metadata)).get("sources")).items()):
        for table, entry in sorted(_objects(body.get("tables")).items()):
            for key, operation in OPERATIONS.items():
                for role, permission in sorted(_objects(entry.get(key)).items()):
                    yield Permission(
                        source=source, table=table, role=role, operation=operation, body=permission
                    )


def may(operation: Operation, body: JsonObject) -> str:
    """What a permission allows, as it follows "may": "read `id` of rows where ..."."""
    chosen = rows(body.get("check" if operation == "insert" else "filter", {})).removeprefix("only ")
    columns = _columns(body.get("columns", []))
    match operation:
        case "select":
            said = f"read {_with_computed(columns, body)} of {chosen}"
        case "insert":
            said = f"insert {_any(chosen)}, setting {columns}"
        case "update":
            said = f"change {columns} of {chosen}"
        case "delete":
            said = f"delete {chosen}"
    return said + "".join(f", {extra}" for extra in _extras(operation, body))


def _with_computed(columns: str, body: JsonObject) -> str:
    computed = _texts(body.get("computed_fields"))
    return f"{columns} and the computed fields {names(computed)}" if computed else columns


def _extras(operation: Operation, body: JsonObject) -> Iterator[str]:
    if operation == "update" and "check" in body:
        yield f"and leave them {_left(body['check'])}"
    if set_ := _object(body.get("set")):
        yield f"with {presets(set_)}"
    if body.get("allow_aggregations") is True:
        yield "and count and aggregate them"
    if "limit" in body:
        yield f"at most {value(body['limit'])} a request"
    for key, verb in _ROOT_FIELDS.items():
        if key in body:
            yield f"which it may {verb} {_by_fields(body[key])}"
    if body.get("backend_only") is True:
        yield "only with the admin secret, from a back end"
    if "validate_input" in body:
        yield f"after {_validation(body['validate_input'])}"


def differences(
    operation: Operation, before: JsonObject | None, after: JsonObject | None
) -> list[Difference]:
    """What changes for a role; None stands for no permission at all."""
    if before is None and after is None:
        return []
    if before is None:
        said = f"may now {may(operation, cast(JsonObject, after))}"
        return [Difference(part=(), words=said, effect="widens")]
    if after is None:
        anything = {"select": "read anything", "insert": "insert", "update": "change anything"}
        said = f"may no longer {anything.get(operation, 'delete')} (could: {may(operation, before)})"
        return [Difference(part=(), words=said, effect="narrows")]
    found: list[Difference] = []
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key), after.get(key)
        if (key in before) != (key in after) or old != new:
            found += _part(operation, key, before, after)
    return found


def _part(operation: Operation, key: str, before: JsonObject, after: JsonObject) -> list[Difference]:
    old, new = before.get(key), after.get(key)
    found: Difference
    match key:
        case "columns":
            return _of_columns(operation, old, new)
        case "computed_fields":
            return _of_list(key, "read the computed fields {}", old, new)
        case "set" if isinstance(old, dict | None) and isinstance(new, dict | None):
            return _of_presets(operation, old or {}, new or {}, after.get("columns"))
        case "filter":
            found = _of_rows(key, _ROWS_VERB[operation], old, new)
        case "check":
            found = _of_rows(key, "insert", old, new) if operation == "insert" else _of_check(old, new)
        case "limit":
            found = _of_limit(old, new)
        case "allow_aggregations":
            found = _of_aggregations(new)
        case "backend_only":
            found = _of_backend_only(new)
        case "validate_input":
            found = _of_validation(old, new)
        case "query_root_fields" | "subscription_root_fields":
            found = _of_root_fields(key, key in before, old, key in after, new)
        case _:
            effect: Effect = "keeps" if key == "comment" else "shifts"
            found = Difference(part=(key,), words=f"{_readable(key)}: {_from_to(old, new)}", effect=effect)
    return [found]


def _of_columns(operation: Operation, old: Json, new: Json) -> list[Difference]:
    verb = _WITH_COLUMN[operation]
    if new == EVERY:
        said = f"may now {verb.format('every column (also later ones)')} (was: {_columns(old)})"
        return [Difference(part=("columns",), words=said, effect="widens")]
    if old == EVERY:
        said = f"may now {verb.format(f'only {_columns(new)}')} (was: every column)"
        return [Difference(part=("columns",), words=said, effect="narrows")]
    return _of_list("columns", verb, old, new)


def _of_list(key: str, verb: str, old: Json, new: Json) -> list[Difference]:
    before, after = _texts(old), _texts(new)
    gained = [name for name in after if name not in before]
    lost = [name for name in before if name not in after]
    found = []
    if gained:
        words = f"may now also {verb.format(names(gained))}"
        found.append(Difference(part=(key,), words=words, effect="widens"))
    if lost:
        words = f"may no longer {verb.format(names(lost))}"
        found.append(Difference(part=(key,), words=words, effect="narrows"))
    if not found:
        words = f"{_readable(key)}: {_from_to(old, new)}"
        found.append(Difference(part=(key,), words=words, effect="shifts"))
    return found


def _of_rows(key: str, verb: str, old: Json, new: Json) -> Difference:
    # An absent expression is not metadata that the engine takes; what it would mean is not guessed.
    effect = _ROWS_EFFECT[compared(old, new)]
    if effect == "keeps":
        said = f"may {verb} the same rows as before, written otherwise: {_any(rows(new), verb)}"
    else:
        said = f"may now {verb} {_any(rows(new), verb)} (was: {_any(rows(old), verb)})"
    return Difference(part=(key,), words=said, effect=effect)


def _of_check(old: Json, new: Json) -> Difference:
    effect = _ROWS_EFFECT[compared({} if old is None else old, {} if new is None else new)]
    said = f"may now leave a changed row {_left(new)} (was: {_left(old)})"
    return Difference(part=("check",), words=said, effect=effect)


def _left(check: Json) -> str:
    """How a row may be after an update: its `check`, which may be absent."""
    if check is None or rows(check) == "every row":
        return "in any way"
    return f"only so that {condition(check)}"


def _of_presets(operation: Operation, old: JsonObject, new: JsonObject, columns: Json) -> list[Difference]:
    place = "new rows" if operation == "insert" else "rows that it changes"
    found = []
    for column in sorted(set(old) | set(new)):
        part = ("set", column)
        if column not in old:
            said, effect = f"{code(column)} is now set to {operand(new[column])} in {place}", "shifts"
        elif column not in new:
            free = columns == EVERY or column in _texts(columns)
            said = f"{code(column)} is no longer set to {operand(old[column])} in {place}"
            said, effect = (f"{said}: the role chooses it", "widens") if free else (said, "shifts")
        elif old[column] != new[column]:
            said = f"{code(column)} is now set to {operand(new[column])} in {place} (was: {operand(old[column])})"
            effect = "shifts"
        else:
            continue
        found.append(Difference(part=part, words=said, effect=cast(Effect, effect)))
    # One side may hold an empty object that the other leaves out.
    return found or [
        Difference(part=("set",), words=_from_to(cast(Json, old), cast(Json, new)), effect="keeps")
    ]


def _of_limit(old: Json, new: Json) -> Difference:
    was = "any number" if old is None else f"at most {value(old)}"
    now = "any number of rows" if new is None else f"at most {value(new)} rows"
    more = new is None or (isinstance(old, int) and isinstance(new, int) and new > old)
    effect: Effect = "widens" if more else "narrows"
    return Difference(part=("limit",), words=f"may now read {now} a request (was: {was})", effect=effect)


def _of_aggregations(new: Json) -> Difference:
    part, what = ("allow_aggregations",), "count and aggregate the rows that it sees"
    if new is True:
        return Difference(part=part, words=f"may now {what}", effect="widens")
    return Difference(part=part, words=f"may no longer {what}", effect="narrows")


def _of_backend_only(new: Json) -> Difference:
    part = ("backend_only",)
    if new is True:
        words = "may now do it only with the admin secret, from a back end (was: from every client)"
        return Difference(part=part, words=words, effect="narrows")
    words = "may now do it from every client (was: only with the admin secret, from a back end)"
    return Difference(part=part, words=words, effect="widens")


def _of_validation(old: Json, new: Json) -> Difference:
    part = ("validate_input",)
    if old is None:
        return Difference(part=part, words=f"may now do it only after {_validation(new)}", effect="narrows")
    if new is None:
        return Difference(part=part, words=f"may now do it without {_validation(old)}", effect="widens")
    return Difference(part=part, words=f"may now do it after another {_validation(new)}", effect="shifts")


def _validation(body: Json) -> str:
    url = _object(_object(body).get("definition")).get("url")
    return f"a check of its input by {code(str(url))}" if url is not None else "a check of its input"


def _of_root_fields(key: str, had: bool, old: Json, has: bool, new: Json) -> Difference:
    verb = _ROOT_FIELDS[key]
    before, after = set(_texts(old)), set(_texts(new))
    effect: Effect
    if not has or (had and after >= before):
        effect = "widens"
    elif not had or before >= after:
        effect = "narrows"
    else:
        effect = "shifts"
    now = _by_fields(new) if has else "by every root field"
    was = _by_fields(old) if had else "by every root field"
    return Difference(part=(key,), words=f"may now {verb} the table {now} (was: {was})", effect=effect)


def _by_fields(fields: Json) -> str:
    listed = _texts(fields)
    return f"only by {names(listed)}" if listed else "only through relationships"


def _any(chosen: str, verb: str = "insert") -> str:
    return "any row" if verb == "insert" and chosen == "every row" else chosen


def _columns(columns: Json) -> str:
    if columns == EVERY:
        return "every column (also later ones)"
    listed = _texts(columns)
    return names(listed) if listed else "no column"


def _from_to(old: Json, new: Json) -> str:
    return f"now {value(new)} (was: {value(old)})"


def _readable(key: str) -> str:
    return key.replace("_", " ")


def _texts(of: Json) -> Sequence[str]:
    return [str(entry) for entry in of] if isinstance(of, list) else []


def _object(of: Json) -> JsonObject:
    return of if isinstance(of, dict) else {}


def _objects(of: Json) -> dict[str, JsonObject]:
    return (
        {key: inner for key, inner in of.items() if isinstance(inner, dict)} if isinstance(of, dict) else {}
    )
