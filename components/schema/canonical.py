"""Metadata in one form, whoever wrote it: the directory, the Hasura CLI or the engine's own export. Pure.

Two trees mean the same to the engine if and only if their canonical forms are equal: lists whose order means
nothing are sorted, values that the engine fills in or leaves out are left out. `keyed` gives the same
in the shape in which people think: lists of named things as objects by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

from components.hasura.json_types import Json, JsonObject

PERMISSIONS = ("select_permissions", "insert_permissions", "update_permissions", "delete_permissions")
RELATIONSHIPS = ("object_relationships", "array_relationships", "remote_relationships", "computed_fields")

_PASSWORD_IN_URL = re.compile(r"^([a-z][a-z0-9+.-]*://[^/@:\s]*:)[^/\s]+@")
_EMPTY: tuple[Json, ...] = (None, [], {})
_DEFAULT_CONNECTION: JsonObject = {"isolation_level": "read-committed", "use_prepared_statements": False}
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
_OPAQUE = frozenset({"check", "configuration", "filter", "presets", "set", "using"})
"""What lies beneath these is shown as it is: a key there may have the name of a set and be none."""


def canonical(metadata: JsonObject) -> JsonObject:
    """The canonical form, still metadata that the engine takes. Idempotent."""
    result: JsonObject = {"version": 3}
    result["sources"] = [
        _source(source) for source in _sorted(_objects(metadata.get("sources")), _name("name"))
    ]
    for key, value in metadata.items():
        if key in ("version", "sources"):
            continue
        made = _top_level(key, value)
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


def table_key(table: Json) -> str:
    """`schema.name` of a table or function, quoted where a name holds a dot; other shapes as JSON text."""
    if isinstance(table, str):
        return f"public.{_quoted(table)}"
    if isinstance(table, dict) and isinstance(table.get("name"), str):
        schema = table.get("schema") or table.get("dataset") or "public"
        return f"{_quoted(str(schema))}.{_quoted(str(table['name']))}"
    return json.dumps(table, sort_keys=True)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if "." in name or '"' in name else name


def _source(source: JsonObject) -> JsonObject:
    result: JsonObject = {}
    kind = source.get("kind", "postgres")
    postgres = kind in ("postgres", "citus", "cockroach", "alloy")
    for key, value in source.items():
        made: Json = value
        if key == "configuration" and postgres:
            made = _configuration(value)
        elif key == "tables":
            made = [_table(entry) for entry in _sorted(_objects(value), lambda e: table_key(e.get("table")))]
        elif key == "functions":
            made = [_function(e) for e in _sorted(_objects(value), lambda e: table_key(e.get("function")))]
        elif key in ("logical_models", "native_queries"):
            field = "name" if key == "logical_models" else "root_field_name"
            made = cast(Json, _sorted(_objects(value), _name(field)))
        elif key in ("customization", "query_tags", "health_check"):
            made = _pruned(value)
        if made not in _EMPTY:
            result[key] = made
    result.setdefault("kind", "postgres")
    result["tables"] = result.get("tables", [])
    return {key: result[key] for key in sorted(result)}


def _configuration(value: Json) -> Json:
    if not isinstance(value, dict):
        return value
    result = dict(value)
    if isinstance(result.get("connection_info"), dict):
        result["connection_info"] = _connection(result["connection_info"])
    if isinstance(result.get("read_replicas"), list):
        result["read_replicas"] = [
            _connection(entry) for entry in cast("list[Json]", result["read_replicas"])
        ]
    # The engine's own default, which its export leaves out.
    if result.get("extensions_schema") == "public":
        del result["extensions_schema"]
    return _without_empty(result)


def _connection(value: Json) -> Json:
    if not isinstance(value, dict):
        return value
    return _without_empty(
        {
            key: entry
            for key, entry in value.items()
            if key not in _DEFAULT_CONNECTION or entry != _DEFAULT_CONNECTION[key]
        }
    )


def _table(entry: JsonObject) -> JsonObject:
    result: JsonObject = {}
    for key, value in entry.items():
        made: Json = value
        if key == "table":
            made = _qualified(value)
        elif key in PERMISSIONS:
            made = [_permission(p, key) for p in _sorted(_objects(value), _name("role"))]
        elif key in RELATIONSHIPS:
            made = [_relationship(r) for r in _sorted(_objects(value), _name("name"))]
        elif key == "event_triggers":
            made = [_event_trigger(t) for t in _sorted(_objects(value), _name("name"))]
        elif key == "configuration":
            made = _pruned(value)
        elif key == "is_enum" and value is False:
            made = None
        if made not in _EMPTY:
            result[key] = made
    return {key: result[key] for key in sorted(result)}


def _qualified(value: Json) -> Json:
    if isinstance(value, str):
        return {"name": value, "schema": "public"}
    if isinstance(value, dict) and set(value) <= {"name", "schema"}:
        return {"name": value.get("name"), "schema": value.get("schema", "public")}
    return value


def _permission(entry: JsonObject, kind: str) -> JsonObject:
    body = entry.get("permission")
    result: JsonObject = {"role": entry.get("role")}
    if entry.get("comment") not in (None, ""):
        result["comment"] = entry["comment"]
    if not isinstance(body, dict):
        return {**result, "permission": body}
    made: JsonObject = {}
    for key, value in body.items():
        if key in ("columns", "computed_fields", "query_root_fields", "subscription_root_fields"):
            sorted_ = _sorted_texts(value)
            # An empty list of root fields hides all of them; an absent one hides none.
            if value is None or (sorted_ == [] and key == "computed_fields"):
                continue
            made[key] = sorted_
        elif (
            (key in ("allow_aggregations", "backend_only") and value is False)
            or (key in ("set", "presets") and value in _EMPTY)
            or (key in ("limit", "validate_input") and value is None)
            or (key == "check" and value is None and kind == "update_permissions")
        ):
            continue
        else:
            made[key] = value
    if kind == "insert_permissions":
        # The engine reads an absent list as all columns.
        made.setdefault("columns", "*")
    result["permission"] = {key: made[key] for key in sorted(made)}
    return result


def _relationship(entry: JsonObject) -> JsonObject:
    result = {key: value for key, value in entry.items() if key != "comment" or value not in (None, "")}
    using = result.get("using")
    if isinstance(using, dict):
        manual = using.get("manual_configuration")
        key = using.get("foreign_key_constraint_on")
        made = dict(using)
        if isinstance(manual, dict):
            made["manual_configuration"] = _without_empty(
                {
                    **manual,
                    "remote_table": _qualified(manual.get("remote_table")),
                }
            )
        if isinstance(key, dict):
            foreign: JsonObject = {**key, "table": _qualified(key.get("table"))}
            columns = foreign.get("columns")
            if isinstance(columns, list) and len(columns) == 1:
                foreign["column"] = columns[0]
                del foreign["columns"]
            made["foreign_key_constraint_on"] = foreign
        elif isinstance(key, list) and len(key) == 1:
            made["foreign_key_constraint_on"] = key[0]
        result["using"] = made
    return result


def _event_trigger(entry: JsonObject) -> JsonObject:
    result = {key: value for key, value in entry.items() if value not in _EMPTY}
    definition = result.get("definition")
    if isinstance(definition, dict):
        made: JsonObject = {}
        for key, value in definition.items():
            if isinstance(value, dict):
                made[key] = {
                    k: _sorted_texts(v) if k in ("columns", "payload") else v for k, v in value.items()
                }
            elif not (key == "enable_manual" and value is False):
                made[key] = value
        result["definition"] = made
    return result


def _function(entry: JsonObject) -> JsonObject:
    result: JsonObject = {}
    for key, value in entry.items():
        made: Json = value
        if key == "function":
            made = _qualified(value)
        elif key == "permissions":
            made = cast(Json, _sorted(_objects(value), _name("role")))
        elif key == "configuration":
            made = _pruned(value)
        if made not in _EMPTY and not (key == "comment" and made == ""):
            result[key] = made
    return {key: result[key] for key in sorted(result)}


def _top_level(key: str, value: Json) -> Json:
    if key in _BY_NAME and isinstance(value, list):
        entries = [_without_empty_text(entry) for entry in _objects(value)]
        if key == "inherited_roles":
            entries = [{**e, "role_set": _sorted_texts(e.get("role_set"))} for e in entries]
        if key == "query_collections":
            entries = [_collection(entry) for entry in entries]
        if key == "actions":
            entries = [_action(entry) for entry in entries]
        if key == "rest_endpoints":
            entries = [
                {**e, "methods": _sorted_texts(e["methods"])} if "methods" in e else e for e in entries
            ]
        return cast(Json, _sorted(entries, _name(_BY_NAME[key])))
    if key == "custom_types" and isinstance(value, dict):
        return {
            kind: cast(Json, _sorted([_without_empty_text(e) for e in _objects(entries)], _name("name")))
            for kind, entries in sorted(value.items())
            if entries not in _EMPTY
        }
    if key == "graphql_schema_introspection" and isinstance(value, dict):
        return _pruned({k: _sorted_texts(v) for k, v in value.items()})
    if key in ("network", "api_limits", "backend_configs", "opentelemetry", "metrics_config"):
        return _pruned(value)
    return value


def _collection(entry: JsonObject) -> JsonObject:
    definition = entry.get("definition")
    if not isinstance(definition, dict):
        return entry
    queries = _sorted(_objects(definition.get("queries")), _name("name"))
    return {**entry, "definition": {**definition, "queries": cast(Json, queries)}}


def _action(entry: JsonObject) -> JsonObject:
    result = dict(entry)
    if isinstance(result.get("permissions"), list):
        result["permissions"] = cast(Json, _sorted(_objects(result["permissions"]), _name("role")))
    definition = result.get("definition")
    if isinstance(definition, dict):
        # What the engine's export writes out although it is the default.
        defaults: JsonObject = {"kind": "synchronous", "type": "mutation"}
        result["definition"] = {
            key: value
            for key, value in definition.items()
            if value not in _EMPTY and (key not in defaults or value != defaults[key])
        }
    return result


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
    queries = [_with_uniform_text(query) for query in _objects(definition.get("queries"))]
    shaped: JsonObject = {**definition, "queries": _by(cast(Json, queries), "name")}
    return {**entry, "definition": shaped}


def _with_uniform_text(query: JsonObject) -> JsonObject:
    # `hasura metadata export` writes documents in its own format, the engine keeps them as they came.
    # Imported here: few projects have query collections, and the import takes longer than all the rest.
    from graphql import GraphQLError, parse, print_ast  # noqa: PLC0415

    text = query.get("query")
    try:
        return {**query, "query": print_ast(parse(text))} if isinstance(text, str) else query
    except GraphQLError:
        return query


def _by(value: Json, field: str) -> Json:
    return {
        str(entry.get(field)): {key: inner for key, inner in entry.items() if key != field}
        for entry in _objects(value)
    }


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _sorted(entries: list[JsonObject], key: Callable[[JsonObject], str]) -> list[JsonObject]:
    return sorted(entries, key=lambda entry: (key(entry), json.dumps(entry, sort_keys=True)))


def _name(field: str) -> Callable[[JsonObject], str]:
    return lambda entry: str(entry.get(field))


def _sorted_texts(value: Json) -> Json:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return cast(Json, sorted(set(cast("list[str]", value))))
    return value


def _without_empty(value: Mapping[str, Json]) -> JsonObject:
    return {key: entry for key, entry in sorted(value.items()) if entry not in _EMPTY}


def _without_empty_text(value: JsonObject) -> JsonObject:
    return {key: entry for key, entry in value.items() if entry not in (None, "") or key == "name"}


def _pruned(value: Json) -> Json:
    """Without empty values at any depth."""
    if isinstance(value, dict):
        kept: JsonObject = {}
        for key in sorted(value):
            inner = _pruned(value[key])
            if inner not in _EMPTY and inner != "":
                kept[key] = inner
        return kept
    return value
