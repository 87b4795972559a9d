# ruff: noqa: PLR0917
"""Metadata held against the databases: the tables that roles may use, and the inconsistent objects. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from local.engine.expressions import (
    TRUE,
    Expression,
    ExpressionError,
    ExpressionReader,
    Relationship,
)
from local.engine.json_types import Json, JsonObject
from local.engine.metadata_tree import OPERATIONS, Operation, table_key
from local.engine.tables import Column, DatabaseTable, TableName

_GRAPHQL_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*$")


@dataclass(frozen=True, kw_only=True)
class SelectPermission:
    """What a role may read."""

    columns: frozenset[str]
    filter: Expression
    limit: int | None = None
    allow_aggregations: bool = False
    query_root_fields: frozenset[str] | None = None
    subscription_root_fields: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class WritePermission:
    """What a role may insert, update or delete. `filter` chooses rows, `check` must hold afterwards."""

    filter: Expression = TRUE
    check: Expression = TRUE
    columns: frozenset[str] = frozenset()
    presets: Mapping[str, Json] = field(default_factory=dict)
    backend_only: bool = False


@dataclass(frozen=True, kw_only=True)
class TrackedTable:
    """A table of the metadata that exists."""

    source: str
    database: DatabaseTable
    graphql_name: str
    root_fields: Mapping[str, str]
    """Custom names of root fields, such as `select_by_pk`."""
    column_names: Mapping[str, str]
    """GraphQL names of columns, by column."""
    relationships: Mapping[str, Relationship]
    select: Mapping[str, SelectPermission]
    insert: Mapping[str, WritePermission]
    update: Mapping[str, WritePermission]
    delete: Mapping[str, WritePermission]

    @property
    def name(self) -> TableName:
        """Schema and name."""
        return self.database.name

    def column_named(self, name: str, *, graphql: bool) -> Column | None:
        """The column of a name, which is GraphQL's or Postgres's."""
        if graphql:
            name = next((column for column, shown in self.column_names.items() if shown == name), "")
        return self.database.column(name)


@dataclass(frozen=True, kw_only=True)
class Inconsistency:
    """An object of the metadata that does not fit its database, and where it stands in the tree."""

    type: str
    name: str
    definition: Json
    reason: str
    source: str
    table: TableName | None = None
    key: str | None = None
    """The list of the table that holds the object, such as `select_permissions`."""
    item: str | None = None
    """Role or relationship name in that list."""

    def as_json(self) -> JsonObject:
        """The engine's shape."""
        return {
            "definition": copy.deepcopy(self.definition),
            "name": self.name,
            "reason": f"Inconsistent object: {self.reason}",
            "type": self.type,
        }


@dataclass(frozen=True, kw_only=True)
class SourceFault:
    """Why the tables of a source could not be read."""

    reason: str


Databases: TypeAlias = Mapping[str, "Mapping[TableName, DatabaseTable] | SourceFault"]
"""The tables of each source of kind postgres, by source name."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What metadata and databases make together."""

    tables: Mapping[tuple[str, TableName], TrackedTable]
    inconsistencies: tuple[Inconsistency, ...]

    def table(self, source: str, name: TableName) -> TrackedTable | None:
        """A tracked table."""
        return self.tables.get((source, name))


EMPTY = Model(tables={}, inconsistencies=())


def shown(name: TableName) -> str:
    """A table's name as messages have it: the schema only where it is not `public`."""
    return name[1] if name[0] == "public" else f"{name[0]}.{name[1]}"


def build_model(metadata: JsonObject, databases: Databases) -> Model:
    """Hold canonical metadata against the databases."""
    tables: dict[tuple[str, TableName], TrackedTable] = {}
    found: list[Inconsistency] = []
    taken: set[str] = set()
    for source in _objects(metadata, "sources"):
        name = str(source["name"])
        database = databases.get(name, SourceFault(reason="the stand-in has no tables of this source"))
        if isinstance(database, SourceFault):
            found.append(
                Inconsistency(
                    type="source", name=f"source {name}", definition=name, reason=database.reason, source=name
                )
            )
            continue
        _build_source(source, name, database, tables, found, taken)
    return Model(tables=tables, inconsistencies=tuple(found))


def _build_source(
    source: JsonObject,
    source_name: str,
    database: Mapping[TableName, DatabaseTable],
    tables: dict[tuple[str, TableName], TrackedTable],
    found: list[Inconsistency],
    taken: set[str],
) -> None:
    entries: dict[TableName, JsonObject] = {}
    bare: dict[TableName, TrackedTable] = {}
    for entry in _objects(source, "tables"):
        key = table_key(entry["table"])
        problem = None
        if key not in database:
            problem = f'no such table/view exists in source: "{shown(key)}"'
        else:
            table = _bare_table(source_name, entry, database[key])
            if not _GRAPHQL_NAME.match(table.graphql_name):
                problem = f'in table "{shown(key)}": "{table.graphql_name}" is not a valid GraphQL identifier'
            elif table.graphql_name in taken:
                problem = f"node {table.graphql_name} already exists in current graphql schema"
        if problem is not None:
            found.append(
                Inconsistency(
                    type="table",
                    name=f"table {shown(key)} in source {source_name}",
                    definition=entry["table"],
                    reason=problem,
                    source=source_name,
                    table=key,
                )
            )
            continue
        taken.add(table.graphql_name)
        entries[key], bare[key] = entry, table
    related = {
        key: _with(bare[key], relationships=_relationships(entry, bare[key], bare, found))
        for key, entry in entries.items()
    }
    reader = ExpressionReader(tables=related.get, graphql=False)
    for key, entry in entries.items():
        table = related[key]
        permissions: dict[Operation, dict[str, SelectPermission | WritePermission]] = {}
        for operation in OPERATIONS:
            permissions[operation] = _permissions(operation, entry, table, reader, found)
        tables[source_name, key] = _with(table, **permissions)


def _with(table: TrackedTable, **changes: object) -> TrackedTable:
    return TrackedTable(**{**{name: getattr(table, name) for name in table.__dataclass_fields__}, **changes})


def _bare_table(source: str, entry: JsonObject, database: DatabaseTable) -> TrackedTable:
    configuration = entry.get("configuration")
    configuration = configuration if isinstance(configuration, dict) else {}
    roots = configuration.get("custom_root_fields")
    names = configuration.get("custom_column_names")
    names = names if isinstance(names, dict) else {}
    schema, name = database.name
    default = name if schema == "public" else f"{schema}_{name}"
    return TrackedTable(
        source=source,
        database=database,
        graphql_name=str(configuration.get("custom_name") or default),
        root_fields=_root_fields(roots if isinstance(roots, dict) else {}),
        column_names={
            column.name: shown_name
            for column in database.columns
            if _GRAPHQL_NAME.match(shown_name := str(names.get(column.name) or column.name))
        },
        relationships={},
        select={},
        insert={},
        update={},
        delete={},
    )


def _root_fields(configured: JsonObject) -> dict[str, str]:
    names: dict[str, str] = {}
    for key, value in configured.items():
        name = value.get("name") if isinstance(value, dict) else value
        if isinstance(name, str):
            names[key] = name
    return names


def _relationships(
    entry: JsonObject,
    table: TrackedTable,
    tables: Mapping[TableName, TrackedTable],
    found: list[Inconsistency],
) -> dict[str, Relationship]:
    relationships: dict[str, Relationship] = {}
    for key, kind in (("object_relationships", "object"), ("array_relationships", "array")):
        for definition in _objects(entry, key):
            name = str(definition["name"])
            try:
                relationships[name] = _relationship(
                    name, kind == "array", definition.get("using"), table, tables
                )
            except ExpressionError as error:
                found.append(
                    Inconsistency(
                        type=f"{kind}_relation",
                        name=f"{kind}_relation {name} in table {shown(table.name)} in source {table.source}",
                        definition={
                            "comment": definition.get("comment"),
                            "name": name,
                            "source": table.source,
                            "table": entry["table"],
                            "using": definition.get("using"),
                        },
                        reason=f'in table "{shown(table.name)}": in relationship "{name}": {error}',
                        source=table.source,
                        table=table.name,
                        key=key,
                        item=name,
                    )
                )
    return relationships


def _relationship(
    name: str, to_many: bool, using: Json, table: TrackedTable, tables: Mapping[TableName, TrackedTable]
) -> Relationship:
    using = using if isinstance(using, dict) else {}
    manual, on = using.get("manual_configuration"), using.get("foreign_key_constraint_on")
    if isinstance(manual, dict):
        target = _named_table(manual.get("remote_table"))
        mapping = manual.get("column_mapping")
        pairs = (
            tuple((here, str(there)) for here, there in mapping.items()) if isinstance(mapping, dict) else ()
        )
    elif isinstance(on, dict) and "table" in on:
        target = _named_table(on["table"])
        other = tables.get(target)
        columns = _names(on.get("columns", on.get("column")))
        keys = other.database.foreign_keys if other else ()
        match = [
            key
            for key in keys
            if key.target == table.name and sorted(here for here, _ in key.pairs) == sorted(columns)
        ]
        if other is not None and len(match) != 1:
            raise ExpressionError("no foreign constraint exists on the given column(s)")
        pairs = tuple((there, here) for here, there in match[0].pairs) if match else ()
    else:
        columns = _names(on)
        match = [
            key
            for key in table.database.foreign_keys
            if sorted(here for here, _ in key.pairs) == sorted(columns)
        ]
        if len(match) != 1:
            raise ExpressionError("no foreign constraint exists on the given column(s)")
        target, pairs = match[0].target, match[0].pairs
    if target not in tables:
        raise ExpressionError(f'table "{shown(target)}" is not tracked')
    for here, there in pairs:
        if table.database.column(here) is None:
            raise ExpressionError(f'"{here}" does not exist')
        if tables[target].database.column(there) is None:
            raise ExpressionError(f'"{there}" does not exist in table "{shown(target)}"')
    return Relationship(name=name, to_many=to_many, target=target, pairs=pairs)


def _named_table(value: Json) -> TableName:
    if isinstance(value, dict):
        return str(value.get("schema", "public")), str(value.get("name"))
    return "public", str(value)


def _names(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _permissions(
    operation: Operation,
    entry: JsonObject,
    table: TrackedTable,
    reader: ExpressionReader,
    found: list[Inconsistency],
) -> dict[str, SelectPermission | WritePermission]:
    key = f"{operation}_permissions"
    permissions: dict[str, SelectPermission | WritePermission] = {}
    place = f"in table {shown(table.name)} in source {table.source}"
    for definition in _objects(entry, key):
        role, body = str(definition["role"]), definition["permission"]
        body = body if isinstance(body, dict) else {}
        try:
            permissions[role] = _permission(operation, body, table, reader)
        except ExpressionError as error:
            found.append(
                Inconsistency(
                    type=f"{operation}_permission",
                    name=f"{operation}_permission {role} {place}",
                    definition={
                        "comment": definition.get("comment"),
                        "permission": {**_PERMISSION_DEFAULTS[operation], **body},
                        "role": role,
                        "source": table.source,
                        "table": entry["table"],
                    },
                    reason=f'in table "{shown(table.name)}": in permission for role "{role}": {error}',
                    source=table.source,
                    table=table.name,
                    key=key,
                    item=role,
                )
            )
    return permissions


_PERMISSION_DEFAULTS: dict[Operation, JsonObject] = {
    "insert": {"backend_only": False},
    "select": {"allow_aggregations": False, "computed_fields": []},
    "update": {"backend_only": False},
    "delete": {"backend_only": False},
}


def _permission(
    operation: Operation, body: JsonObject, table: TrackedTable, reader: ExpressionReader
) -> SelectPermission | WritePermission:
    columns = _columns(body.get("columns", "*" if operation == "insert" else []), table)
    where = reader.read(body.get("filter") or {}, table)
    if operation == "select":
        limit = body.get("limit")
        return SelectPermission(
            columns=columns,
            filter=where,
            limit=limit if isinstance(limit, int) else None,
            allow_aggregations=body.get("allow_aggregations") is True,
            query_root_fields=_name_set(body.get("query_root_fields")),
            subscription_root_fields=_name_set(body.get("subscription_root_fields")),
        )
    presets = body.get("set")
    presets = presets if isinstance(presets, dict) else {}
    for name in presets:
        _columns([name], table)
    return WritePermission(
        filter=where,
        check=reader.read(body.get("check") or {}, table),
        columns=columns - set(presets),
        presets=presets,
        backend_only=body.get("backend_only") is True,
    )


def _columns(value: Json, table: TrackedTable) -> frozenset[str]:
    if value == "*":
        return frozenset(column.name for column in table.database.columns)
    names = [str(each) for each in value] if isinstance(value, list) else []
    for name in names:
        if table.database.column(name) is None:
            raise ExpressionError(f'column "{name}" does not exist')
    return frozenset(names)


def _name_set(value: Json) -> frozenset[str] | None:
    return frozenset(str(each) for each in value) if isinstance(value, list) else None


def _objects(owner: JsonObject, key: str) -> list[JsonObject]:
    value = owner.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def without(metadata: JsonObject, inconsistencies: tuple[Inconsistency, ...]) -> JsonObject:
    """The metadata without these objects."""
    result = copy.deepcopy(metadata)
    for each in inconsistencies:
        if each.table is None:
            result["sources"] = [
                source for source in _objects(result, "sources") if source["name"] != each.source
            ]
            continue
        for source in _objects(result, "sources"):
            if source["name"] == each.source:
                _drop_from_source(source, each)
    return result


def _drop_from_source(source: JsonObject, each: Inconsistency) -> None:
    tables = _objects(source, "tables")
    if each.key is None:
        source["tables"] = [table for table in tables if table_key(table["table"]) != each.table]
        return
    for table in tables:
        if table_key(table["table"]) == each.table:
            label = "role" if each.key.endswith("permissions") else "name"
            kept: list[Json] = [item for item in _objects(table, each.key) if item[label] != each.item]
            table[each.key] = kept
            if not kept:
                del table[each.key]
