# ruff: noqa: S608, PLR0911, PLR0917 - the SQL holds quoted names and numbered parameters only
"""SQL for what a GraphQL operation asks. Pure: names are quoted, every value is a parameter.

Each statement gives one row: the answer's JSON as text, and for mutations whether the check held.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from local.engine.errors import EngineError
from local.engine.expressions import (
    TRUE,
    And,
    Compare,
    Exists,
    Expression,
    ListWithVariables,
    Literal,
    Not,
    Or,
    OtherColumn,
    Related,
    Relationship,
    Rooted,
    SessionVariable,
    is_session_variable,
    takes_list,
)
from local.engine.json_types import Json
from local.engine.model import TrackedTable
from local.engine.query import (
    AffectedItem,
    AggregateItem,
    ColumnItem,
    CountItem,
    Delete,
    FunctionItem,
    Insert,
    Item,
    Mutation,
    NodesItem,
    Order,
    Output,
    Query,
    ReturningItem,
    Rows,
    SelectMany,
    SelectOne,
    SummaryItem,
    TypeNameItem,
)
from local.engine.session import Session
from local.engine.tables import Column, TableName

_BINARY = {
    "_eq": "=",
    "_neq": "<>",
    "_ne": "<>",
    "_gt": ">",
    "_gte": ">=",
    "_lt": "<",
    "_lte": "<=",
    "_like": "LIKE",
    "_nlike": "NOT LIKE",
    "_ilike": "ILIKE",
    "_nilike": "NOT ILIKE",
    "_similar": "SIMILAR TO",
    "_nsimilar": "NOT SIMILAR TO",
    "_regex": "~",
    "_nregex": "!~",
    "_iregex": "~*",
    "_niregex": "!~*",
    "_contains": "@>",
    "_contained_in": "<@",
    "_has_key": "?",
    "_has_keys_any": "?|",
    "_has_keys_all": "?&",
}
_NAME_BYTES = 63
_CHECK = '"check constraint"'


@dataclass(frozen=True, kw_only=True)
class Statement:
    """SQL with its parameters, `$1` first."""

    text: str
    parameters: tuple[str | None, ...]


def quote(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def query_statement(
    query: Query, session: Session, tables: Callable[[TableName], TrackedTable | None]
) -> Statement:
    """SQL of a query field."""
    writer = _Writer(session=session, tables=tables)
    if isinstance(query, SelectMany):
        body = writer.many(query.rows)
    elif isinstance(query, SelectOne):
        body = writer.one(query.rows)
    else:
        body = writer.aggregate(query.rows, query.items)
    return writer.statement(f"SELECT coalesce(({body})::text, 'null')")


def mutation_statement(
    mutation: Mutation, session: Session, tables: Callable[[TableName], TrackedTable | None]
) -> Statement:
    """SQL of a mutation field: the JSON text, and whether the check held for all rows."""
    writer = _Writer(session=session, tables=tables)
    if isinstance(mutation, Insert):
        change = writer.insert(mutation)
    elif isinstance(mutation, Delete):
        change = writer.delete(mutation)
    else:
        change = writer.update(mutation)
    answer = writer.output(mutation.output, mutation.table)
    held = f"(SELECT coalesce(bool_and(m.{_CHECK}), true) FROM m)"
    return writer.statement(f"WITH m AS ({change}) SELECT coalesce(({answer})::text, 'null'), {held}")


def value_text(value: Json, column: Column) -> str | None:
    """A value as Postgres reads it for the column's type."""
    if column.base_type in ("json", "jsonb"):
        return json.dumps(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return _array_text(value)
    return json.dumps(value)


def _array_text(values: Sequence[Json]) -> str:
    def item(value: Json) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, list):
            return _array_text(value)
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(item, values)) + "}"


@dataclass(kw_only=True)
class _Writer:
    session: Session
    tables: Callable[[TableName], TrackedTable | None]
    parameters: list[str | None] = field(default_factory=list)
    aliases: int = 0

    def statement(self, text: str) -> Statement:
        return Statement(text=text, parameters=tuple(self.parameters))

    def parameter(self, value: str | None, type_sql: str) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}::{type_sql}"

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    # Rows

    def many(self, rows: Rows, join: Callable[[str], str] | None = None) -> str:
        return f"SELECT coalesce(json_agg(r.j), '[]'::json) FROM ({self._selected(rows, join)}) r"

    def one(self, rows: Rows, join: Callable[[str], str] | None = None) -> str:
        return f"SELECT r.j FROM ({self._selected(rows, join)} LIMIT 1) r"

    def _selected(self, rows: Rows, join: Callable[[str], str] | None) -> str:
        alias = self.alias()
        limits = [each for each in (rows.limit, rows.row_limit) if each is not None]
        distinct = ""
        if rows.distinct_on:
            columns = ", ".join(f"{alias}.{quote(column)}" for column in rows.distinct_on)
            distinct = f"DISTINCT ON ({columns}) "
        return (
            f"SELECT {distinct}{self.row_json(rows.items, rows.table, alias)} AS j "
            f"FROM {self._from(rows.table.name)} {alias}"
            + self._tail(rows, alias, join, min(limits) if limits else None)
        )

    def _tail(self, rows: Rows, alias: str, join: Callable[[str], str] | None, limit: int | None) -> str:
        conditions = [self.condition(part, rows.table, alias, alias) for part in rows.where if part != TRUE]
        if join is not None:
            conditions.insert(0, join(alias))
        text = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        if rows.order_by:
            text += " ORDER BY " + ", ".join(self._order(order, alias) for order in rows.order_by)
        if limit is not None:
            text += f" LIMIT {self.parameter(str(limit), 'bigint')}"
        if rows.offset is not None:
            text += f" OFFSET {self.parameter(str(rows.offset), 'bigint')}"
        return text

    def _order(self, order: Order, alias: str) -> str:
        expression, inner = f"{alias}.{quote(order.column)}", alias
        if order.through:
            joins = []
            for relationship in order.through:
                outer, inner = inner, self.alias()
                joins.append((relationship, outer, inner))
            first, *others = joins
            source = f"{self._from(first[0].target)} {first[2]}"
            for relationship, outer, here in others:
                source += (
                    f" JOIN {self._from(relationship.target)} {here} ON {_joined(relationship, outer, here)}"
                )
            where = _joined(first[0], first[1], first[2])
            expression = f"(SELECT {inner}.{quote(order.column)} FROM {source} WHERE {where} LIMIT 1)"
        return f"{expression} {order.direction}"

    def row_json(self, items: Iterable[Item], table: TrackedTable, alias: str) -> str:
        columns = ", ".join(f"{self._item(item, table, alias)} AS {_label(item.alias)}" for item in items)
        return f"row_to_json((SELECT e FROM (SELECT {columns}) e))"

    def _item(self, item: Item, table: TrackedTable, alias: str) -> str:
        if isinstance(item, TypeNameItem):
            return self.parameter(item.type_name, "text")
        if isinstance(item, ColumnItem):
            column = f"{alias}.{quote(item.column)}"
            if item.json_path is not None:
                return f"{column} #> {self.parameter(_array_text(list(item.json_path)), 'text[]')}"
            return column

        def join(inner: str) -> str:
            return _joined(item.relationship, alias, inner)

        if item.aggregate is not None:
            return f"({self.aggregate(item.rows, item.aggregate, join)})"
        read = self.many if item.relationship.to_many else self.one
        return f"({read(item.rows, join)})"

    # Aggregates

    def aggregate(
        self, rows: Rows, items: Iterable[AggregateItem], join: Callable[[str], str] | None = None
    ) -> str:
        base = self.alias()
        pairs = []
        for item in items:
            if isinstance(item, TypeNameItem):
                value = self.parameter(item.type_name, "text")
            elif isinstance(item, NodesItem):
                value = f"({self.many(_with_items(rows, item.items), join)})"
            else:
                value = self._summary(item, base)
            pairs.append((item.alias, value))
        inner = self.alias()
        distinct = ""
        if rows.distinct_on:
            columns = ", ".join(f"{inner}.{quote(column)}" for column in rows.distinct_on)
            distinct = f"DISTINCT ON ({columns}) "
        source = f"SELECT {distinct}{inner}.* FROM {self._from(rows.table.name)} {inner}" + self._tail(
            rows, inner, join, rows.limit
        )
        return f"SELECT {self._object(pairs)} FROM ({source}) {base}"

    def _summary(self, item: SummaryItem, base: str) -> str:
        pairs = []
        for part in item.parts:
            if isinstance(part, TypeNameItem):
                value = self.parameter(part.type_name, "text")
            elif isinstance(part, CountItem):
                value = _count(part, base)
            else:
                value = self._function(part, base)
            pairs.append((part.alias, value))
        return self._object(pairs)

    def _function(self, part: FunctionItem, base: str) -> str:
        return self._object(
            [
                (
                    alias,
                    self.parameter(type_name, "text")
                    if column is None
                    else f"{part.function}({base}.{quote(column)})",
                )
                for alias, column, type_name in part.columns
            ]
        )

    def _object(self, pairs: Iterable[tuple[str, str]]) -> str:
        written = [f"{self.parameter(key, 'text')}, {value}" for key, value in pairs]
        return f"json_build_object({', '.join(written)})"

    # Conditions

    def condition(self, expression: Expression, table: TrackedTable, alias: str, root: str) -> str:
        if isinstance(expression, And):
            return self._joined_conditions(expression.parts, "AND", "true", table, alias, root)
        if isinstance(expression, Or):
            return self._joined_conditions(expression.parts, "OR", "false", table, alias, root)
        if isinstance(expression, Not):
            return f"(NOT {self.condition(expression.part, table, alias, root)})"
        if isinstance(expression, Rooted):
            return self.condition(expression.part, table, alias, alias)
        if isinstance(expression, Related):
            relationship = expression.relationship
            inner = self.alias()
            target = self._table(relationship.target)
            where = self.condition(expression.where, target, inner, root)
            joined = _joined(relationship, alias, inner)
            return f"EXISTS (SELECT 1 FROM {self._from(target.name)} {inner} WHERE {joined} AND {where})"
        if isinstance(expression, Exists):
            inner = self.alias()
            target = self._table(expression.table)
            where = self.condition(expression.where, target, inner, root)
            return f"EXISTS (SELECT 1 FROM {self._from(target.name)} {inner} WHERE {where})"
        return self._comparison(expression, alias, root)

    def _joined_conditions(
        self, parts: Iterable[Expression], word: str, empty: str, table: TrackedTable, alias: str, root: str
    ) -> str:
        written = [self.condition(part, table, alias, root) for part in parts]
        return f"({f' {word} '.join(written)})" if written else empty

    def _comparison(self, compare: Compare, alias: str, root: str) -> str:
        column = f"{alias}.{quote(compare.column.name)}"
        operator = compare.operator
        if isinstance(compare.operand, OtherColumn):
            other = f"{root if compare.operand.root else alias}.{quote(compare.operand.name)}"
            return f"({column} {_BINARY[operator]} {other})"
        if operator == "_is_null":
            wanted = self._value(compare.operand)
            return f"({column} IS {'NOT ' if wanted in (False, 'false') else ''}NULL)"
        value = self._value(compare.operand)
        if operator in ("_in", "_nin"):
            listed = value if isinstance(value, str) else self._list_text(value, compare.column)
            array = self.parameter(listed, f"{compare.column.type_sql}[]")
            return f"({column} {'= ANY' if operator == '_in' else '<> ALL'} ({array}))"
        if takes_list(operator):
            names = value if isinstance(value, list) else [value]
            keys = value if isinstance(value, str) else _array_text(names)
            return f"({column} {_BINARY[operator]} {self.parameter(keys, 'text[]')})"
        if operator in ("_eq", "_neq", "_ne") and value is None:
            return f"({column} IS {'' if operator == '_eq' else 'NOT '}NULL)"
        type_sql = "text" if operator == "_has_key" else compare.column.type_sql
        written = value_text(value, compare.column)
        if operator == "_has_key" or isinstance(compare.operand, SessionVariable):
            written = str(value)
        compared = f"{column} {_BINARY[operator]} {self.parameter(written, type_sql)}"
        if operator in ("_neq", "_ne") and compare.column.nullable:
            return f"({compared} OR {column} IS NULL)"
        return f"({compared})"

    def _list_text(self, value: Json, column: Column) -> str:
        values = value if isinstance(value, list) else [value]
        return _array_text([value_text(each, column) for each in values])

    def _value(self, operand: Literal | SessionVariable | ListWithVariables) -> Json:
        if isinstance(operand, SessionVariable):
            return self.session.variable(operand.name)
        if isinstance(operand, ListWithVariables):
            return [self._value(each) for each in operand.items]
        return operand.value

    # Mutations

    def insert(self, insert: Insert) -> str:
        table, alias = insert.table, self.alias()
        columns = sorted({*(name for row in insert.rows for name in row), *insert.presets})
        tuples = []
        for row in insert.rows:
            values = []
            for name in columns:
                if name in insert.presets:
                    values.append(self._preset(insert.presets[name], _column(table, name)))
                elif name in row:
                    values.append(self._column_value(row[name], _column(table, name)))
                else:
                    values.append("DEFAULT")
            tuples.append(f"({', '.join(values)})")
        head = f"INSERT INTO {self._from(table.name)} AS {alias}"
        if columns:
            head += f" ({', '.join(map(quote, columns))}) VALUES {', '.join(tuples)}"
        elif len(insert.rows) == 1:
            head += " DEFAULT VALUES"
        else:
            # Rows without any value: a generated row source gives each its defaults.
            first = quote(table.database.columns[0].name)
            head += f" ({first}) VALUES {', '.join('(DEFAULT)' for _ in insert.rows)}"
        check = self.condition(insert.check, table, alias, alias)
        if insert.conflict is not None:
            conflict = insert.conflict
            head += f" ON CONFLICT ON CONSTRAINT {quote(conflict.constraint)} DO "
            if conflict.columns:
                sets = [f"{quote(name)} = EXCLUDED.{quote(name)}" for name in conflict.columns]
                sets += [
                    f"{quote(name)} = {self._preset(value, _column(table, name))}"
                    for name, value in conflict.presets.items()
                ]
                where = [self.condition(each, table, alias, alias) for each in conflict.where if each != TRUE]
                head += f"UPDATE SET {', '.join(sets)}" + (f" WHERE {' AND '.join(where)}" if where else "")
                updated = self.condition(conflict.check, table, alias, alias)
                check = f"CASE WHEN {alias}.xmax = 0 THEN {check} ELSE {updated} END"
            else:
                head += "NOTHING"
        return f"{head} RETURNING {alias}.*, coalesce({check}, false) AS {_CHECK}"

    def update(self, update: Mutation) -> str:
        if isinstance(update, Insert | Delete):
            raise TypeError("not an update")
        table, alias = update.table, self.alias()
        sets = []
        for name, (operator, value) in update.operations.items():
            column = _column(table, name)
            written = self._column_value(value, column)
            if operator == "_inc":
                written = f"{alias}.{quote(name)} + {written}"
            sets.append(f"{quote(name)} = {written}")
        sets += [
            f"{quote(name)} = {self._preset(value, _column(table, name))}"
            for name, value in update.presets.items()
        ]
        where = self._where(update.where, table, alias)
        check = self.condition(update.check, table, alias, alias)
        return (
            f"UPDATE {self._from(table.name)} AS {alias} SET {', '.join(sets)}{where} "
            f"RETURNING {alias}.*, coalesce({check}, false) AS {_CHECK}"
        )

    def delete(self, delete: Delete) -> str:
        table, alias = delete.table, self.alias()
        where = self._where(delete.where, table, alias)
        return f"DELETE FROM {self._from(table.name)} AS {alias}{where} RETURNING {alias}.*, true AS {_CHECK}"

    def output(self, output: Output, table: TrackedTable) -> str:
        if output.one is not None:
            return f"SELECT {self.row_json(output.one, table, 'm')} FROM m LIMIT 1"
        pairs = []
        for item in output.response:
            if isinstance(item, AffectedItem):
                value = "(SELECT count(*) FROM m)"
            elif isinstance(item, ReturningItem):
                row = self.row_json(item.items, table, "m")
                value = f"(SELECT coalesce(json_agg({row}), '[]'::json) FROM m)"
            else:
                value = self.parameter(item.type_name, "text")
            pairs.append((item.alias, value))
        return f"SELECT {self._object(pairs)}"

    def _where(self, parts: Iterable[Expression], table: TrackedTable, alias: str) -> str:
        conditions = [self.condition(part, table, alias, alias) for part in parts if part != TRUE]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _preset(self, value: Json, column: Column) -> str:
        if isinstance(value, str) and is_session_variable(value):
            return self.parameter(self.session.variable(value), column.type_sql)
        return self._column_value(value, column)

    def _column_value(self, value: Json, column: Column) -> str:
        if value is None:
            return "NULL"
        return self.parameter(value_text(value, column), column.type_sql)

    def _table(self, name: TableName) -> TrackedTable:
        table = self.tables(name)
        if table is None:
            raise EngineError("unexpected", f"table {name[0]}.{name[1]} is not tracked", status=500)
        return table

    @staticmethod
    def _from(name: TableName) -> str:
        return f"{quote(name[0])}.{quote(name[1])}"


def _joined(relationship: Relationship, outer: str, inner: str) -> str:
    pairs = [f"{outer}.{quote(here)} = {inner}.{quote(there)}" for here, there in relationship.pairs]
    return f"({' AND '.join(pairs)})" if pairs else "true"


def _count(part: CountItem, base: str) -> str:
    if not part.columns:
        return "count(*)"
    columns = ", ".join(f"{base}.{quote(column)}" for column in part.columns)
    if len(part.columns) > 1:
        columns = f"({columns})"
    return f"count({'DISTINCT ' if part.distinct else ''}{columns})"


def _label(alias: str) -> str:
    if len(alias) > _NAME_BYTES:
        message = f"the stand-in takes field names of at most {_NAME_BYTES} characters: {alias}"
        raise EngineError("not-supported", message)
    return quote(alias)


def _with_items(rows: Rows, items: tuple[Item, ...]) -> Rows:
    return Rows(**{**{name: getattr(rows, name) for name in rows.__dataclass_fields__}, "items": items})


def _column(table: TrackedTable, name: str) -> Column:
    column = table.database.column(name)
    if column is None:
        raise EngineError("unexpected", f"column {name} of {table.name[1]} does not exist", status=500)
    return column
