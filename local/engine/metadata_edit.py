"""Single changes of metadata in canonical form: track, permit, relate, add a source. Pure.

Each function gives the changed tree; the tree that it was given stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from local.engine.errors import EngineError, parse_failed
from local.engine.json_types import Json, JsonObject
from local.engine.metadata_tree import (
    Operation,
    canonical_permission,
    canonical_source,
    canonical_table,
    qualified_name,
    table_key,
)
from local.engine.model import shown

_ARGS = "$.args"


def clear(metadata: JsonObject) -> JsonObject:
    """Nothing but the source `default`, emptied, where there is one."""
    default = next((each for each in _sources(metadata) if each["name"] == "default"), None)
    sources: list[Json] = []
    if default is not None:
        kept: JsonObject = {key: copy.deepcopy(default[key]) for key in ("name", "kind", "configuration")}
        sources.append({**kept, "tables": []})
    return {"version": 3, "sources": sources}


def add_source(metadata: JsonObject, args: JsonObject, kind: str) -> JsonObject:
    """`pg_add_source`."""
    name = text(args, "name")
    result = copy.deepcopy(metadata)
    existing = next((each for each in _sources(result) if each["name"] == name), None)
    if existing is not None and args.get("replace_configuration") is not True:
        raise EngineError("already-exists", f'source with name "{name}" already exists', path=_ARGS)
    source = canonical_source({"tables": [], **(existing or {}), "kind": kind, **_given(args)}, _ARGS)
    others: list[Json] = [each for each in _sources(result) if each["name"] != name]
    result["sources"] = sorted([*others, source], key=_name)
    return result


def _given(args: JsonObject) -> JsonObject:
    return {
        key: args[key] for key in ("name", "configuration", "customization", "health_check") if key in args
    }


def drop_source(metadata: JsonObject, args: JsonObject) -> JsonObject:
    """`pg_drop_source`."""
    name = text(args, "name")
    result = copy.deepcopy(metadata)
    find_source(result, name, _ARGS)
    result["sources"] = [each for each in _sources(result) if each["name"] != name]
    return result


def track_table(metadata: JsonObject, args: JsonObject) -> JsonObject:
    """`pg_track_table`."""
    result = copy.deepcopy(metadata)
    source = find_source(result, _source_name(args))
    bare: JsonObject = {"table": {key: args[key] for key in ("schema", "name") if key in args}}
    given = args if "table" in args else bare
    table = canonical_table(
        {key: given[key] for key in ("table", "configuration", "is_enum") if key in given}, _ARGS
    )
    key = table_key(table["table"])
    if find_table(source, key) is not None:
        raise EngineError("already-tracked", f'view/table already tracked: "{shown(key)}"', path=_ARGS)
    tables: list[Json] = [*_tables(source), table]
    source["tables"] = sorted(tables, key=_table_order)
    return result


def untracked_table(metadata: JsonObject, args: JsonObject) -> tuple[str, tuple[str, str]]:
    """Source and table of a `pg_untrack_table`. Raises EngineError where the table is not tracked."""
    source = find_source(metadata, _source_name(args))
    key = _table_of(args)
    if find_table(source, key) is None:
        raise EngineError("already-untracked", f'view/table already untracked: "{shown(key)}"', path=_ARGS)
    return str(source["name"]), key


def without_table(metadata: JsonObject, source_name: str, key: tuple[str, str]) -> JsonObject:
    """The metadata without a table's entry, where there is one."""
    result = copy.deepcopy(metadata)
    source = find_source(result, source_name)
    source["tables"] = [each for each in _tables(source) if table_key(each["table"]) != key]
    return result


def customize_table(metadata: JsonObject, args: JsonObject) -> JsonObject:
    """`pg_set_table_customization`."""

    def edit(table: JsonObject) -> JsonObject:
        changed = {key: each for key, each in table.items() if key != "configuration"}
        return {**changed, "configuration": args.get("configuration")}

    return _edit_table(metadata, args, edit)


def create_permission(metadata: JsonObject, args: JsonObject, operation: Operation) -> JsonObject:
    """`pg_create_<operation>_permission`."""
    permission = canonical_permission(operation, args, _ARGS)
    key, role = f"{operation}_permissions", permission["role"]

    def edit(table: JsonObject) -> JsonObject:
        entries = _entries(table, key)
        if any(each["role"] == role for each in entries):
            where = shown(table_key(table["table"]))
            message = f'{operation} permission already defined on table "{where}" with role "{role}"'
            raise EngineError("already-exists", message, path=_ARGS)
        return {**table, key: [*entries, permission]}

    return _edit_table(metadata, args, edit)


def drop_permission(metadata: JsonObject, args: JsonObject, operation: Operation) -> JsonObject:
    """`pg_drop_<operation>_permission`."""
    key, role = f"{operation}_permissions", text(args, "role")

    def edit(table: JsonObject) -> JsonObject:
        entries = _entries(table, key)
        kept = [each for each in entries if each["role"] != role]
        if len(kept) == len(entries):
            where = shown(table_key(table["table"]))
            message = f'{operation} permission on table "{where}" for role "{role}" does not exist'
            raise EngineError("permission-denied", message, path=_ARGS)
        return {**table, key: [*kept]}

    return _edit_table(metadata, args, edit)


def create_relationship(metadata: JsonObject, args: JsonObject, kind: str) -> JsonObject:
    """`pg_create_object_relationship`, `pg_create_array_relationship`."""
    name = text(args, "name")
    if "using" not in args:
        raise parse_failed('key "using" not found', _ARGS)
    entry: JsonObject = {"name": name, "using": args["using"]}
    if args.get("comment") is not None:
        entry["comment"] = args["comment"]

    def edit(table: JsonObject) -> JsonObject:
        taken = [*_entries(table, "object_relationships"), *_entries(table, "array_relationships")]
        if any(each["name"] == name for each in taken):
            raise EngineError("already-exists", f'relationship "{name}" already exists', path=_ARGS)
        key = f"{kind}_relationships"
        return {**table, key: [*_entries(table, key), entry]}

    return _edit_table(metadata, args, edit)


def drop_relationship(metadata: JsonObject, args: JsonObject) -> JsonObject:
    """`pg_drop_relationship`."""
    name = text(args, "relationship")

    def edit(table: JsonObject) -> JsonObject:
        result = dict(table)
        found = False
        for key in ("object_relationships", "array_relationships"):
            entries = _entries(table, key)
            kept: list[Json] = [each for each in entries if each["name"] != name]
            found = found or len(kept) < len(entries)
            result[key] = kept
        if not found:
            raise EngineError("not-exists", f'relationship "{name}" does not exist', path=_ARGS)
        return result

    return _edit_table(metadata, args, edit)


def find_source(metadata: JsonObject, name: str, path: str = _ARGS) -> JsonObject:
    """The source of this name. Raises EngineError where there is none."""
    for source in _sources(metadata):
        if source["name"] == name:
            return source
    raise EngineError("not-exists", f'source with name "{name}" does not exist', path=path)


def find_table(source: JsonObject, key: tuple[str, str]) -> JsonObject | None:
    """The entry of a table in a source."""
    return next((each for each in _tables(source) if table_key(each["table"]) == key), None)


def text(args: JsonObject, key: str) -> str:
    """A required text argument."""
    value = args.get(key)
    if key not in args:
        raise parse_failed(f'key "{key}" not found', _ARGS)
    if not isinstance(value, str):
        raise parse_failed(f"expected a string for {key}", f"{_ARGS}.{key}")
    return value


def _edit_table(
    metadata: JsonObject, args: JsonObject, edit: Callable[[JsonObject], JsonObject]
) -> JsonObject:
    result = copy.deepcopy(metadata)
    source = find_source(result, _source_name(args))
    key = _table_of(args)
    table = find_table(source, key)
    if table is None:
        message = f'table "{shown(key)}" does not exist in source: {source["name"]}'
        raise EngineError("not-exists", message, path=_ARGS)
    changed = canonical_table(edit(table), _ARGS)
    source["tables"] = [changed if each is table else each for each in _tables(source)]
    return result


def _source_name(args: JsonObject) -> str:
    return str(args.get("source") or "default")


def _table_of(args: JsonObject) -> tuple[str, str]:
    if "table" not in args:
        raise parse_failed('key "table" not found', _ARGS)
    return table_key(qualified_name(args["table"], f"{_ARGS}.table"))


def _entries(table: JsonObject, key: str) -> list[JsonObject]:
    value = table.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _sources(metadata: JsonObject) -> list[JsonObject]:
    return _entries(metadata, "sources")


def _tables(source: JsonObject) -> list[JsonObject]:
    return _entries(source, "tables")


def _name(value: Json) -> str:
    return str(value["name"]) if isinstance(value, dict) else ""


def _table_order(value: Json) -> tuple[str, str]:
    schema, name = table_key(value["table"]) if isinstance(value, dict) else ("", "")
    return name, schema
