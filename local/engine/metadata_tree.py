"""The canonical form of metadata (version 3): what an export gives back for what a replace took. Pure.

Unknown keys, false flags and empty lists are left out, lists are sorted by what names their items, source
connections always name isolation level and prepared statements, update permissions always name `check`.
Parts that the stand-in does not execute are kept as they were written.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, TypeAlias

from local.engine.errors import EngineError, parse_failed
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject

Operation: TypeAlias = Literal["insert", "select", "update", "delete"]
OPERATIONS: tuple[Operation, ...] = ("insert", "select", "update", "delete")

_ISOLATION_LEVELS = ("read-committed", "repeatable-read", "serializable")

_PERMISSION_KEYS: dict[Operation, tuple[str, ...]] = {
    "insert": ("check", "set", "columns", "backend_only", "validate_input"),
    "select": (
        "columns",
        "computed_fields",
        "filter",
        "limit",
        "allow_aggregations",
        "query_root_fields",
        "subscription_root_fields",
    ),
    "update": ("columns", "filter", "check", "set", "backend_only", "validate_input"),
    "delete": ("filter", "backend_only", "validate_input"),
}
_REQUIRED: dict[Operation, tuple[str, ...]] = {
    "insert": ("check",),
    "select": ("columns", "filter"),
    "update": ("columns", "filter"),
    "delete": ("filter",),
}
# Kept although empty: an empty list of root fields means "none", its absence means "all".
_KEPT_EMPTY = frozenset({"columns", "filter", "check", "query_root_fields", "subscription_root_fields"})

# Parts of the root that are lists, with the key that sorts them.
_ROOT_LISTS = (
    ("remote_schemas", "name"),
    ("query_collections", "name"),
    ("allowlist", "collection"),
    ("actions", "name"),
    ("cron_triggers", "name"),
    ("rest_endpoints", "url"),
    ("inherited_roles", "role_name"),
)
_ROOT_OBJECTS = (
    "custom_types",
    "api_limits",
    "metrics_config",
    "graphql_schema_introspection",
    "network",
    "backend_configs",
    "opentelemetry",
)
_TABLE_LISTS = (
    ("object_relationships", "name"),
    ("array_relationships", "name"),
    ("computed_fields", "name"),
    ("remote_relationships", "name"),
)
_KEPT_ONLY = (
    "is_enum",
    "computed_fields",
    "remote_relationships",
    "event_triggers",
    "apollo_federation_config",
    "logical_model",
)
_EMPTY_TABLE_CONFIGURATION: JsonObject = {
    "column_config": {},
    "custom_column_names": {},
    "custom_root_fields": {},
}


def default_source() -> JsonObject:
    """The source that a new catalog has where HASURA_GRAPHQL_DATABASE_URL is set."""
    return {
        "name": "default",
        "kind": "postgres",
        "tables": [],
        "configuration": {
            "connection_info": {
                "database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"},
                "isolation_level": "read-committed",
                "use_prepared_statements": False,
            }
        },
    }


def canonical_metadata(value: Json, path: str) -> JsonObject:
    """The canonical form of a whole tree. `path` is where it stands in the request, for error messages.

    Raises EngineError `parse-failed` where a part has the wrong shape.
    """
    document = _object(value, "Metadata", path)
    version = document.get("version", 1)
    if version != 3:
        raise EngineError(
            "not-supported", f"the stand-in takes metadata of version 3, not {version}", path=path
        )
    sources = _list(_required(document, "sources", path), "Sources", f"{path}.sources")
    by_name: dict[str, JsonObject] = {}
    for index, source in enumerate(sources):
        canonical = canonical_source(source, f"{path}.sources[{index}]")
        name = str(canonical["name"])
        if name in by_name:
            raise parse_failed(f"multiple definitions for source {name!r}", f"{path}.sources")
        by_name[name] = canonical
    result: JsonObject = {"version": 3, "sources": [by_name[name] for name in sorted(by_name)]}
    for key, sorted_by in _ROOT_LISTS:
        _put(result, key, _named_list(document, key, sorted_by, path))
    for key in _ROOT_OBJECTS:
        if not _says_nothing(document.get(key)):
            _put(result, key, copy.deepcopy(document.get(key)))
    types = result.get("custom_types")
    if isinstance(types, dict):
        result["custom_types"] = {
            key: [_enum(entry) for entry in each] if key == "enums" and isinstance(each, list) else each
            for key, each in types.items()
            if not _says_nothing(each)
        }
    return result


def _enum(value: Json) -> Json:
    """An enum, whose values name what they do not have."""
    values = value.get("values") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(values, list):
        return value
    named = [
        {"description": None, "is_deprecated": None, **each} for each in values if isinstance(each, dict)
    ]
    return {**value, "values": [*named]}


def not_executed(metadata: JsonObject) -> list[str]:
    """The parts of canonical metadata that the stand-in keeps but does nothing with."""
    found = {key for key in metadata if key not in ("version", "sources")}
    sources = metadata.get("sources")
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, dict):
            found |= {key for key in source if key not in ("name", "kind", "tables", "configuration")}
            tables = source.get("tables")
            for table in tables if isinstance(tables, list) else []:
                found |= {key for key in _KEPT_ONLY if isinstance(table, dict) and key in table}
    return sorted(found)


def canonical_source(value: Json, path: str) -> JsonObject:
    """The canonical form of one source."""
    source = _object(value, "SourceMetadata", path)
    name = _text(_required(source, "name", path), f"{path}.name")
    kind = _text(source.get("kind", "postgres"), f"{path}.kind")
    if kind in ("pg", "postgres"):
        kind = "postgres"
    tables: dict[tuple[str, str], JsonObject] = {}
    for index, entry in enumerate(_list(_required(source, "tables", path), "Tables", f"{path}.tables")):
        table = canonical_table(entry, f"{path}.tables[{index}]")
        tables[table_key(table["table"])] = table
    result: JsonObject = {
        "name": name,
        "kind": kind,
        "tables": [tables[key] for key in sorted(tables, key=lambda key: (key[1], key[0]))],
    }
    functions = _list(source.get("functions") or [], "Functions", f"{path}.functions")
    _put(result, "functions", [*sorted(map(_function, functions), key=_function_key)])
    for key, sorted_by in (
        ("native_queries", "root_field_name"),
        ("stored_procedures", "stored_procedure"),
        ("logical_models", "name"),
    ):
        _put(result, key, _named_list(source, key, sorted_by, path))
    configuration = _required(source, "configuration", path)
    result["configuration"] = (
        _configuration(configuration, f"{path}.configuration") if kind == "postgres" else configuration
    )
    for key in ("query_tags", "customization", "health_check"):
        _put(result, key, copy.deepcopy(source.get(key)))
    return result


def canonical_table(value: Json, path: str) -> JsonObject:
    """The canonical form of one tracked table."""
    table = _object(value, "TableMetadata", path)
    result: JsonObject = {"table": qualified_name(_required(table, "table", path), f"{path}.table")}
    _put(result, "is_enum", table.get("is_enum"))
    _put(result, "configuration", table_configuration(table.get("configuration")))
    for key, sorted_by in _TABLE_LISTS:
        _put(result, key, _named_list(table, key, sorted_by, path))
    for operation in OPERATIONS:
        key = f"{operation}_permissions"
        entries = _list(table.get(key) or [], "Permissions", f"{path}.{key}")
        permissions: dict[str, JsonObject] = {}
        for index, entry in enumerate(entries):
            permission = canonical_permission(operation, entry, f"{path}.{key}[{index}]")
            permissions[str(permission["role"])] = permission
        _put(result, key, [permissions[role] for role in sorted(permissions)])
    _put(result, "event_triggers", _named_list(table, "event_triggers", "name", path))
    for key in ("apollo_federation_config", "logical_model"):
        _put(result, key, copy.deepcopy(table.get(key)))
    return result


def canonical_permission(operation: Operation, value: Json, path: str) -> JsonObject:
    """The canonical form of one permission entry: role, permission, comment."""
    entry = _object(value, "PermDef", path)
    role = _text(_required(entry, "role", path), f"{path}.role")
    where = f"{path}.permission"
    permission = _object(_required(entry, "permission", path), "Permission", where)
    body: JsonObject = {}
    for key in _REQUIRED[operation]:
        _required(permission, key, where)
    for key in _PERMISSION_KEYS[operation]:
        if key not in permission:
            continue
        if key in _KEPT_EMPTY and permission[key] is not None:
            body[key] = copy.deepcopy(permission[key])
        else:
            _put(body, key, copy.deepcopy(permission[key]))
    _check_permission(body, where)
    if operation == "update":
        body.setdefault("check", None)
    result: JsonObject = {"role": role, "permission": body}
    _put(result, "comment", entry.get("comment"))
    return result


def _check_permission(body: JsonObject, path: str) -> None:
    columns = body.get("columns")
    if columns is not None and columns != "*":
        for index, column in enumerate(_list(columns, "[]", f"{path}.columns")):
            _text(column, f"{path}.columns[{index}]")
    for key in ("filter", "check", "set"):
        if body.get(key) is not None:
            _object(body[key], "BoolExp" if key != "set" else "ColumnValues", f"{path}.{key}")
    limit = body.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise parse_failed(
            "unexpected negative value" if isinstance(limit, int) else "limit must be an Int", path
        )


def qualified_name(value: Json, path: str) -> JsonObject:
    """A table's name as an object: a bare string means schema `public`."""
    if isinstance(value, str):
        return {"name": value, "schema": "public"}
    table = _object(value, "QualifiedObject", path)
    return {
        "name": _text(_required(table, "name", path), f"{path}.name"),
        "schema": _text(table.get("schema", "public"), f"{path}.schema"),
    }


def table_key(name: Json) -> tuple[str, str]:
    """Schema and name of a table in canonical form."""
    if not isinstance(name, dict):
        raise TypeError("a table name in canonical form is an object")
    return str(name["schema"]), str(name["name"])


def table_configuration(value: Json) -> JsonObject | None:
    """The canonical form of a table's configuration; None where it says nothing."""
    if not isinstance(value, dict):
        return None
    configuration = {**_EMPTY_TABLE_CONFIGURATION, **copy.deepcopy(value)}
    names, columns = configuration["custom_column_names"], configuration["column_config"]
    if isinstance(names, dict) and isinstance(columns, dict):
        # Either spelling names a column; the export gives both.
        merged: dict[str, JsonObject] = {str(name): {"custom_name": custom} for name, custom in names.items()}
        for name, column in columns.items():
            if isinstance(column, dict):
                merged[name] = {**merged.get(name, {}), **column}
        configuration["column_config"] = {**merged}
        configuration["custom_column_names"] = {
            name: column["custom_name"] for name, column in merged.items() if column.get("custom_name")
        }
    kept: JsonObject = {key: each for key, each in configuration.items() if each is not None}
    return None if kept == _EMPTY_TABLE_CONFIGURATION else kept


def _configuration(value: Json, path: str) -> JsonObject:
    configuration = copy.deepcopy(_object(value, "PostgresConnConfiguration", path))
    connection = _required(configuration, "connection_info", path)
    configuration["connection_info"] = _connection_info(connection, f"{path}.connection_info")
    replicas = configuration.pop("read_replicas", None)
    if isinstance(replicas, list) and replicas:
        configuration["read_replicas"] = [
            _connection_info(replica, f"{path}.read_replicas[{index}]")
            for index, replica in enumerate(replicas)
        ]
    if configuration.get("extensions_schema") == "public":
        del configuration["extensions_schema"]
    return {key: each for key, each in configuration.items() if each is not None}


def _connection_info(value: Json, path: str) -> JsonObject:
    info = copy.deepcopy(_object(value, "PostgresSourceConnInfo", path))
    _required(info, "database_url", path)
    info.setdefault("isolation_level", "read-committed")
    info.setdefault("use_prepared_statements", False)
    if info["isolation_level"] not in _ISOLATION_LEVELS:
        raise parse_failed(
            f"unknown isolation level: expected one of {', '.join(_ISOLATION_LEVELS)}",
            f"{path}.isolation_level",
        )
    return {key: each for key, each in info.items() if each is not None}


def _function(value: Json) -> JsonObject:
    function: JsonObject = copy.deepcopy(value) if isinstance(value, dict) else {"function": value}
    function["function"] = qualified_name(function.get("function"), "$.args.metadata.functions")
    return {key: each for key, each in function.items() if each not in (None, {}, [])}


def _function_key(function: JsonObject) -> tuple[str, str]:
    schema, name = table_key(function["function"])
    return name, schema


def _named_list(owner: JsonObject, key: str, sorted_by: str, path: str) -> list[Json]:
    entries = _list(owner.get(key) or [], key, f"{path}.{key}")
    for index, entry in enumerate(entries):
        _required(_object(entry, key, f"{path}.{key}[{index}]"), sorted_by, f"{path}.{key}[{index}]")
    return sorted(copy.deepcopy(entries), key=_sort_key(sorted_by))


def _sort_key(name: str) -> Callable[[Json], str]:
    return lambda entry: str(entry.get(name)) if isinstance(entry, dict) else ""


def _says_nothing(value: Json) -> bool:
    """Whether a part of the root is its default: the CLI sends such parts, the engine leaves them out."""
    if isinstance(value, dict):
        return all(map(_says_nothing, value.values()))
    return value in (None, False, [])


def _put(target: JsonObject, key: str, value: Json) -> None:
    if value not in (None, False, [], {}):
        target[key] = value


def _required(owner: JsonObject, key: str, path: str) -> Json:
    if key not in owner:
        raise parse_failed(f'key "{key}" not found', path)
    return owner[key]


def _object(value: Json, what: str, path: str) -> JsonObject:
    if not isinstance(value, dict):
        raise parse_failed(expected(what, "Object", value), path)
    return value


def _list(value: Json, what: str, path: str) -> list[Json]:
    if not isinstance(value, list):
        raise parse_failed(expected(what, "Array", value), path)
    return value


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise parse_failed(expected("Text", "String", value), path)
    return value
