"""What SQL that changed the database does to the metadata of tracked tables. Pure.

A dropped table goes with its own permissions; a renamed table or column is renamed wherever the metadata of
its source names it. What else needs a dropped table or column stands in the way, unless `cascade` drops it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.engine.errors import EngineError
from local.engine.expressions import And, Compare, Exists, Expression, Not, Or, OtherColumn, Related, Rooted
from local.engine.json_types import Json, JsonObject
from local.engine.metadata_tree import OPERATIONS, table_key
from local.engine.model import (
    Inconsistency,
    Model,
    SelectPermission,
    TrackedTable,
    WritePermission,
    build_model,
    shown,
    without,
)
from local.engine.tables import DatabaseTable, TableName


@dataclass(frozen=True, kw_only=True)
class _Change:
    """Tables and columns that went or have another name."""

    dropped_tables: frozenset[TableName]
    dropped_columns: frozenset[tuple[TableName, str]]
    table_names: Mapping[TableName, TableName]
    column_names: Mapping[tuple[TableName, str], str]

    def table(self, name: TableName) -> TableName:
        return self.table_names.get(name, name)

    def column(self, table: TableName, name: str) -> str:
        return self.column_names.get((table, name), name)


@dataclass(frozen=True, kw_only=True)
class _Dependent:
    """A permission or relationship, and what it needs."""

    table: TableName
    key: str
    item: str
    description: str
    needs: frozenset[TableName | tuple[TableName, str]]


def after_change(
    metadata: JsonObject,
    source_name: str,
    before: Mapping[TableName, DatabaseTable],
    after: Mapping[TableName, DatabaseTable],
    *,
    cascade: bool,
) -> JsonObject:
    """The metadata once the tables of a source have become `after`.

    Raises EngineError `dependency-error` where something else needs what went.
    """
    change = _change(before, after)
    only: JsonObject = {
        "version": 3,
        "sources": [each for each in _objects(metadata, "sources") if each["name"] == source_name],
    }
    model = build_model(only, {source_name: before})
    lost = change.dropped_tables | change.dropped_columns
    orphans = [
        each
        for each in _dependents(model)
        if each.table not in change.dropped_tables and not lost.isdisjoint(each.needs)
    ]
    if orphans and not cascade:
        names = ", ".join(sorted(f'{each.description} in source "{source_name}"' for each in orphans))
        message = f"cannot drop due to the following dependent objects: {names}"
        raise EngineError("dependency-error", message)
    result = without(metadata, tuple(_as_removal(each, source_name) for each in orphans))
    for source in _objects(result, "sources"):
        if source["name"] == source_name:
            _rewrite(source, change, model)
    return result


def _change(before: Mapping[TableName, DatabaseTable], after: Mapping[TableName, DatabaseTable]) -> _Change:
    by_oid = {table.oid: table for table in after.values()}
    dropped_columns, table_names, column_names = set(), {}, {}
    for name, table in before.items():
        now = by_oid.get(table.oid)
        if now is None:
            continue
        if now.name != name:
            table_names[name] = now.name
        numbered = {column.number: column.name for column in now.columns}
        for column in table.columns:
            known = numbered.get(column.number)
            if known is None:
                dropped_columns.add((name, column.name))
            elif known != column.name:
                column_names[name, column.name] = known
    return _Change(
        dropped_tables=frozenset(name for name, table in before.items() if table.oid not in by_oid),
        dropped_columns=frozenset(dropped_columns),
        table_names=table_names,
        column_names=column_names,
    )


def _as_removal(each: _Dependent, source: str) -> Inconsistency:
    return Inconsistency(
        type="",
        name="",
        definition=None,
        reason="",
        source=source,
        table=each.table,
        key=each.key,
        item=each.item,
    )


# What needs what


def _dependents(model: Model) -> Iterator[_Dependent]:
    for table in model.tables.values():
        for name, relationship in table.relationships.items():
            columns = {(table.name, here) for here, _ in relationship.pairs}
            columns |= {(relationship.target, there) for _, there in relationship.pairs}
            yield _Dependent(
                table=table.name,
                key=f"{'array' if relationship.to_many else 'object'}_relationships",
                item=name,
                description=f"relationship {shown(table.name)}.{name}",
                needs=frozenset({relationship.target, *columns}),
            )
        for operation in OPERATIONS:
            permissions: Mapping[str, SelectPermission | WritePermission] = getattr(table, operation)
            for role, permission in permissions.items():
                yield _Dependent(
                    table=table.name,
                    key=f"{operation}_permissions",
                    item=role,
                    description=f"permission {shown(table.name)}.{role}.{operation}",
                    needs=frozenset(_needs(permission, table, model)),
                )


def _needs(
    permission: SelectPermission | WritePermission, table: TrackedTable, model: Model
) -> Iterator[TableName | tuple[TableName, str]]:
    yield from ((table.name, column) for column in permission.columns)
    yield from _expression_needs(permission.filter, table.name, table.name)
    if isinstance(permission, WritePermission):
        yield from ((table.name, column) for column in permission.presets)
        yield from _expression_needs(permission.check, table.name, table.name)


def _expression_needs(
    expression: Expression, table: TableName, root: TableName
) -> Iterator[TableName | tuple[TableName, str]]:
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from _expression_needs(part, table, root)
    elif isinstance(expression, Not):
        yield from _expression_needs(expression.part, table, root)
    elif isinstance(expression, Rooted):
        yield from _expression_needs(expression.part, table, table)
    elif isinstance(expression, Exists):
        yield expression.table
        yield from _expression_needs(expression.where, expression.table, root)
    elif isinstance(expression, Related):
        yield expression.relationship.target
        yield from ((table, here) for here, _ in expression.relationship.pairs)
        yield from _expression_needs(expression.where, expression.relationship.target, root)
    elif isinstance(expression, Compare):
        yield table, expression.column.name
        if isinstance(expression.operand, OtherColumn):
            yield root if expression.operand.root else table, expression.operand.name


# New names


def _rewrite(source: JsonObject, change: _Change, model: Model) -> None:
    kept: dict[tuple[str, str], Json] = {}
    for entry in _objects(source, "tables"):
        name = table_key(entry["table"])
        if name in change.dropped_tables:
            continue
        tracked = model.table(str(source["name"]), name)
        if tracked is not None:
            _rewrite_table(entry, tracked, change, model)
        entry["table"] = _named(change.table(name))
        schema, shown_name = change.table(name)
        kept[shown_name, schema] = entry
    source["tables"] = [kept[key] for key in sorted(kept)]


def _rewrite_table(entry: JsonObject, table: TrackedTable, change: _Change, model: Model) -> None:
    for operation in OPERATIONS:
        for permission in _objects(entry, f"{operation}_permissions"):
            body = permission["permission"]
            if isinstance(body, dict):
                _rewrite_permission(body, table, change, model)
    for key in ("object_relationships", "array_relationships"):
        for relationship in _objects(entry, key):
            using = relationship.get("using")
            if isinstance(using, dict):
                _rewrite_using(using, table.name, change)
    configuration = entry.get("configuration")
    if isinstance(configuration, dict):
        for key in ("column_config", "custom_column_names"):
            columns = configuration.get(key)
            if isinstance(columns, dict):
                configuration[key] = {
                    change.column(table.name, name): each
                    for name, each in columns.items()
                    if (table.name, name) not in change.dropped_columns
                }


def _rewrite_permission(body: JsonObject, table: TrackedTable, change: _Change, model: Model) -> None:
    columns = body.get("columns")
    if isinstance(columns, list):
        body["columns"] = [change.column(table.name, str(name)) for name in columns]
    presets = body.get("set")
    if isinstance(presets, dict):
        body["set"] = {change.column(table.name, name): value for name, value in presets.items()}
    for key in ("filter", "check"):
        if key in body:
            body[key] = _renamed(body[key], table, table, change, model)


def _rewrite_using(using: JsonObject, table: TableName, change: _Change) -> None:
    on, manual = using.get("foreign_key_constraint_on"), using.get("manual_configuration")
    if isinstance(on, str):
        using["foreign_key_constraint_on"] = change.column(table, on)
    elif isinstance(on, list):
        using["foreign_key_constraint_on"] = [change.column(table, str(name)) for name in on]
    elif isinstance(on, dict) and "table" in on:
        other = _key(on["table"])
        on["table"] = _named(change.table(other))
        if isinstance(on.get("column"), str):
            on["column"] = change.column(other, str(on["column"]))
        if isinstance(on.get("columns"), list):
            on["columns"] = [change.column(other, str(name)) for name in _list(on["columns"])]
    if isinstance(manual, dict):
        other = _key(manual.get("remote_table"))
        manual["remote_table"] = _named(change.table(other))
        mapping = manual.get("column_mapping")
        if isinstance(mapping, dict):
            manual["column_mapping"] = {
                change.column(table, here): change.column(other, str(there))
                for here, there in mapping.items()
            }


def _renamed(value: Json, table: TrackedTable, root: TrackedTable, change: _Change, model: Model) -> Json:
    if isinstance(value, list):
        return [_renamed(each, table, root, change, model) for each in value]
    if not isinstance(value, dict):
        return value
    result: JsonObject = {}
    for name, each in value.items():
        if name in ("_and", "_or", "_not", "$and", "$or", "$not"):
            result[name] = _renamed(each, table, root, change, model)
        elif name in ("_exists", "$exists") and isinstance(each, dict):
            key = _key(each.get("_table"))
            target = model.table(table.source, key)
            where = each.get("_where")
            result[name] = {
                "_table": _named(change.table(key)),
                "_where": where if target is None else _renamed(where, target, root, change, model),
            }
        elif name in table.relationships:
            target = model.table(table.source, table.relationships[name].target)
            result[name] = each if target is None else _renamed(each, target, root, change, model)
        else:
            result[change.column(table.name, name)] = _renamed_operators(each, table, root, change)
    return result


def _renamed_operators(value: Json, table: TrackedTable, root: TrackedTable, change: _Change) -> Json:
    if not isinstance(value, dict):
        return value
    result: JsonObject = {}
    for operator, operand in value.items():
        renamed = copy.deepcopy(operand)
        if operator[1:] in ("ceq", "cne", "cneq", "cgt", "cgte", "clt", "clte"):
            if isinstance(operand, str):
                renamed = change.column(table.name, operand)
            elif isinstance(operand, list) and len(operand) == 2:
                renamed = [operand[0], change.column(root.name, str(operand[1]))]
            elif isinstance(operand, list) and len(operand) == 1:
                renamed = [change.column(table.name, str(operand[0]))]
        result[operator] = renamed
    return result


def _key(value: Json) -> TableName:
    if isinstance(value, dict):
        return str(value.get("schema", "public")), str(value.get("name"))
    return "public", str(value)


def _named(name: TableName) -> JsonObject:
    return {"name": name[1], "schema": name[0]}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _objects(owner: JsonObject, key: str) -> list[JsonObject]:
    return [each for each in _list(owner.get(key)) if isinstance(each, dict)]
