"""Metadata in one form, whoever wrote it: the directory, the Hasura CLI or the engine's own export. Pure.

Two trees mean the same to the engine if and only if their canonical forms are equal. `keyed` gives the same in the
shape in which people think: lists of named things as objects by name.
"""

from __future__ import annotations

import re
from typing import cast

from components.hasura.json_types import Json, JsonObject
from components.schema.engine_forms import TOP_LEVEL, as_written, table_key

PERMISSIONS = ("select_permissions", "insert_permissions", "update_permissions", "delete_permissions")
RELATIONSHIPS = ("object_relationships", "array_relationships", "remote_relationships", "computed_fields")

_PASSWORD_IN_URL = re.compile(r"^([a-z][a-z0-9+.-]*://[^/@:\s]*:)[^/\s]+@")
_EMPTY: tuple[Json, ...] = (None, [], {})
_BY_NAME = {
    "remote_schemas": "name",
    "query_collections": "name",
    "allowlist": "collection",
    "actions": "name",
    "cron_triggers": "name",
    "rest_endpoints": "name",
    "inherited_roles": "role_name",
}
SETS = frozenset(
    {
        "columns",
        "computed_fields",
        "disabled_for_roles",
        "methods",
        "payload",
        "query_root_fields",
        "role_set",
        "subscription_root_fields",
    }
)
"""Keys whose value is a set of names."""
_OPAQUE = frozenset(
    {
        "backend_configs",
        "check",
        "configuration",
        "cron_triggers",
        "filter",
        "presets",
        "remote_field",
        "set",
        "using",
    }
)
"""What lies beneath these is shown as it is: a key there may have the name of a set and be none."""


def canonical(metadata: JsonObject) -> JsonObject:
    """The canonical form. Idempotent."""
    result: JsonObject = {"version": 3, "sources": []}
    for key, value in metadata.items():
        if key != "version":
            made = TOP_LEVEL.get(key, as_written)(value)
            if made not in _EMPTY:
                result[key] = made
    return cast(JsonObject, _keys_sorted(result))


def _keys_sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _keys_sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_keys_sorted(entry) for entry in value]
    return value


def keyed(metadata: JsonObject) -> JsonObject:
    """The canonical form with sources, tables, roles, columns and the like as keys. For comparing and showing."""
    made = canonical(metadata)
    result: JsonObject = {"version": made["version"]}
    sources: JsonObject = {}
    for source in _objects(made["sources"]):
        rest = {key: value for key, value in source.items() if key not in ("name", "tables", "functions")}
        if "configuration" in rest:
            rest["configuration"] = without_passwords(rest["configuration"])
        tables = {
            table_key(entry.get("table")): _keyed_table(entry) for entry in _objects(source.get("tables"))
        }
        if tables:
            rest["tables"] = cast(Json, tables)
        functions = {
            table_key(entry.get("function")): _keyed_function(entry)
            for entry in _objects(source.get("functions"))
        }
        if functions:
            rest["functions"] = cast(Json, functions)
        for key, field in (("logical_models", "name"), ("native_queries", "root_field_name")):
            if key in rest:
                rest[key] = _by(rest[key], field)
        sources[str(source.get("name"))] = rest
    result["sources"] = sources
    for key, value in made.items():
        if key in ("version", "sources"):
            continue
        result[key] = _by(value, _BY_NAME[key]) if key in _BY_NAME else value
        if key == "query_collections" and isinstance(result[key], dict):
            result[key] = {
                name: _keyed_collection(entry) for name, entry in cast(JsonObject, result[key]).items()
            }
        if key == "custom_types" and isinstance(value, dict):
            result[key] = {kind: _by(entries, "name") for kind, entries in value.items()}
    return cast(JsonObject, with_sets(result))


def with_sets(tree: Json) -> Json:
    """A keyed tree in which sets of names are objects (`{"email": True}`), so that a name more is one line more.

    Idempotent. An empty set stays an empty list.
    """
    if isinstance(tree, dict):
        return {
            key: value if key in _OPAQUE else _members(value) if key in SETS else with_sets(value)
            for key, value in tree.items()
        }
    return tree


def with_lists(tree: Json) -> Json:
    """The inverse of `with_sets`: a keyed tree with sets of names as sorted lists."""
    if isinstance(tree, dict):
        return {
            key: value if key in _OPAQUE else _names(value) if key in SETS else with_lists(value)
            for key, value in tree.items()
        }
    return tree


def _names(value: Json) -> Json:
    if isinstance(value, dict) and value and all(entry is True for entry in value.values()):
        return cast(Json, sorted(value))
    return with_lists(value)


def _members(value: Json) -> Json:
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return {str(entry): True for entry in value}
    return with_sets(value)


def password_paths(configuration: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where in a source's configuration a password is written out."""
    if isinstance(configuration, str):
        return [path] if _PASSWORD_IN_URL.search(configuration) else []
    found: list[tuple[str | int, ...]] = []
    if isinstance(configuration, dict):
        for key, value in configuration.items():
            if key == "password" and isinstance(value, str) and value:
                found.append((*path, key))
            else:
                found += password_paths(value, (*path, key))
    elif isinstance(configuration, list):
        for index, value in enumerate(configuration):
            found += password_paths(value, (*path, index))
    return found


def without_passwords(configuration: Json) -> Json:
    """The same with written-out passwords as ***: this goes into plain state and onto screens."""
    if isinstance(configuration, str):
        return _PASSWORD_IN_URL.sub(r"\1***@", configuration)
    if isinstance(configuration, dict):
        return {
            key: "***" if key == "password" and isinstance(value, str) else without_passwords(value)
            for key, value in configuration.items()
        }
    if isinstance(configuration, list):
        return [without_passwords(value) for value in configuration]
    return configuration


def _keyed_table(entry: JsonObject) -> JsonObject:
    result: JsonObject = {}
    for key, value in entry.items():
        if key == "table":
            continue
        if key in PERMISSIONS:
            result[key] = {str(p.get("role")): _flat_permission(p) for p in _objects(value)}
        elif key in RELATIONSHIPS or key == "event_triggers":
            result[key] = _by(value, "name")
        else:
            result[key] = value
    return result


def _flat_permission(entry: JsonObject) -> JsonObject:
    body = entry.get("permission")
    made: JsonObject = dict(body) if isinstance(body, dict) else {"permission": body}
    if "comment" in entry:
        made["comment"] = entry["comment"]
    return made


def _keyed_function(entry: JsonObject) -> JsonObject:
    result = {key: value for key, value in entry.items() if key != "function"}
    if "permissions" in result:
        result["permissions"] = _by(result["permissions"], "role")
    return result


def _keyed_collection(entry: Json) -> Json:
    definition = entry.get("definition") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(definition, dict):
        return entry
    shaped: JsonObject = {**definition, "queries": _by(definition.get("queries"), "name")}
    return {**entry, "definition": shaped}


def _by(value: Json, field: str) -> Json:
    return {
        str(entry.get(field)): {key: inner for key, inner in entry.items() if key != field}
        for entry in _objects(value)
    }


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
