"""The GraphQL schema of a role: what the permissions of the model let it ask. Pure.

Names and shapes follow the engine's introspection answers. Each field and argument carries, in its
`extensions` under "engine", what it stands for, so that a request can be read without looking at names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from local.engine import expressions
from local.engine.expressions import Relationship
from local.engine.model import Model, SelectPermission, TrackedTable, WritePermission
from local.engine.tables import Column, TableName

_Named = TypeVar("_Named")

RootKind: TypeAlias = Literal[
    "select",
    "select_by_pk",
    "select_aggregate",
    "select_stream",
    "insert",
    "insert_one",
    "update",
    "update_by_pk",
    "delete",
    "delete_by_pk",
    "nothing",
]

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*$")
_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
_ORDERED = _NUMBERS | frozenset(
    {"text", "varchar", "bpchar", "citext", "name", "date", "time", "timetz", "timestamp", "timestamptz"}
)
_BUILT_IN = {
    "int4": GraphQLInt,
    "text": GraphQLString,
    "varchar": GraphQLString,
    "bool": GraphQLBoolean,
    "float4": GraphQLFloat,
}
# The engine shows these types by their SQL names.
_SQL_NAMES = {"int8": "bigint", "int2": "smallint", "float4": "Float"}

ORDERS = {
    "asc": "ASC NULLS LAST",
    "asc_nulls_first": "ASC NULLS FIRST",
    "asc_nulls_last": "ASC NULLS LAST",
    "desc": "DESC NULLS FIRST",
    "desc_nulls_first": "DESC NULLS FIRST",
    "desc_nulls_last": "DESC NULLS LAST",
}
MEAN_FUNCTIONS = ("avg", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp", "variance")


@dataclass(frozen=True, kw_only=True)
class RootMeaning:
    """What a field of a root type does."""

    kind: RootKind
    table: TrackedTable | None = None


@dataclass(frozen=True, kw_only=True)
class ColumnMeaning:
    """A field that is a column."""

    column: Column


@dataclass(frozen=True, kw_only=True)
class RelationMeaning:
    """A field that is a relationship, or an aggregate over one."""

    relationship: Relationship
    target: TrackedTable
    aggregate: bool = False


Meaning: TypeAlias = RootMeaning | ColumnMeaning | RelationMeaning


def meaning_of(owner: GraphQLField | GraphQLInputField) -> Meaning | None:
    """What a field stands for."""
    meaning: Meaning | None = owner.extensions.get("engine")
    return meaning


@dataclass(frozen=True, kw_only=True)
class RoleSchema:
    """The schema of a role, with the tables behind it."""

    role: str
    schema: GraphQLSchema
    has_mutations: bool
    model: Model
    admin: bool

    def select(self, table: TrackedTable) -> SelectPermission | None:
        """What the role may read of a table."""
        return select_of(table, self.role, admin=self.admin)

    def write(self, operation: str, table: TrackedTable) -> WritePermission | None:
        """What the role may write."""
        return write_of(operation, table, self.role, admin=self.admin)


def select_of(table: TrackedTable, role: str, *, admin: bool) -> SelectPermission | None:
    """What a role may read of a table; the administrator everything."""
    if admin:
        everything = frozenset(table.column_names)
        return SelectPermission(columns=everything, filter=expressions.TRUE, allow_aggregations=True)
    return table.select.get(role)


def write_of(operation: str, table: TrackedTable, role: str, *, admin: bool) -> WritePermission | None:
    """What a role may write of a table; the administrator everything."""
    if admin:
        return WritePermission(columns=frozenset(table.column_names))
    permissions: Mapping[str, WritePermission] = getattr(table, operation)
    return permissions.get(role)


def build_schema(model: Model, role: str, *, admin: bool, backend: bool) -> RoleSchema:
    """The schema of `role`. `backend`: whether backend-only permissions count."""
    builder = _Builder(model=model, role=role, admin=admin, backend=backend)
    return builder.build()


@dataclass(kw_only=True)
class _Builder:
    model: Model
    role: str
    admin: bool
    backend: bool
    scalars: dict[str, GraphQLScalarType] = field(default_factory=dict)
    made: dict[str, GraphQLObjectType | GraphQLInputObjectType | GraphQLEnumType] = field(
        default_factory=dict
    )

    def build(self) -> RoleSchema:
        queries: dict[str, GraphQLField] = {}
        mutations: dict[str, GraphQLField] = {}
        subscriptions: dict[str, GraphQLField] = {}
        for table in self.model.tables.values():
            self._reads(table, queries, subscriptions)
            self._writes(table, mutations)
        has_queries = bool(queries)
        if not has_queries:
            queries["no_queries_available"] = GraphQLField(
                GraphQLString,
                description="Stands here because the current role may ask nothing else.",
                extensions={"engine": RootMeaning(kind="nothing")},
            )
        schema = GraphQLSchema(
            query=GraphQLObjectType("query_root", _sorted(queries)),
            mutation=GraphQLObjectType("mutation_root", _sorted(mutations)) if mutations else None,
            subscription=GraphQLObjectType("subscription_root", _sorted(subscriptions))
            if subscriptions
            else None,
            assume_valid=True,  # types without fields are legal in the engine
        )
        return RoleSchema(
            role=self.role, schema=schema, has_mutations=bool(mutations), model=self.model, admin=self.admin
        )

    # Root fields

    def _reads(
        self, table: TrackedTable, queries: dict[str, GraphQLField], subscriptions: dict[str, GraphQLField]
    ) -> None:
        permission = self._select(table)
        if permission is None:
            return
        row = self._row(table)
        many = GraphQLNonNull(GraphQLList(GraphQLNonNull(row)))
        roots: dict[RootKind, GraphQLField] = {
            "select": GraphQLField(many, args=self._row_arguments(table), extensions=_root("select", table))
        }
        key = self._readable_key(table)
        if key:
            arguments = {
                table.column_names[column.name]: GraphQLArgument(GraphQLNonNull(self._scalar(column)))
                for column in key
            }
            roots["select_by_pk"] = GraphQLField(
                row, args=_sorted(arguments), extensions=_root("select_by_pk", table)
            )
        if permission.allow_aggregations:
            roots["select_aggregate"] = GraphQLField(
                GraphQLNonNull(self._aggregate(table)),
                args=self._row_arguments(table),
                extensions=_root("select_aggregate", table),
            )
        stream = GraphQLField(
            many, args=self._stream_arguments(table), extensions=_root("select_stream", table)
        )
        for kind, made in roots.items():
            if permission.query_root_fields is None or kind in permission.query_root_fields:
                queries[self._root_name(kind, table)] = made
        for kind, made in {**roots, "select_stream": stream}.items():
            allowed = permission.subscription_root_fields
            if allowed is None or kind in allowed:
                subscriptions[self._root_name(kind, table)] = made

    def _writes(self, table: TrackedTable, mutations: dict[str, GraphQLField]) -> None:
        insert, update, delete = (self._write(name, table) for name in ("insert", "update", "delete"))
        key = self._readable_key(table)
        readable = self._select(table) is not None
        if insert is not None and table.database.insertable:
            row = self._insert_input(table, insert)
            conflict = self._on_conflict(table, update)
            many = {"objects": GraphQLArgument(GraphQLNonNull(GraphQLList(GraphQLNonNull(row))))}
            one = {"object": GraphQLArgument(GraphQLNonNull(row))}
            extra = {"on_conflict": GraphQLArgument(conflict)} if conflict else {}
            self._mutation(mutations, "insert", table, self._response(table), {**many, **extra})
            if readable:
                self._mutation(mutations, "insert_one", table, self._row(table), {**one, **extra})
        if update is not None and table.database.updatable and (update.columns or update.presets):
            operations = self._update_operations(table, update)
            where = {"where": GraphQLArgument(GraphQLNonNull(self._bool_exp(table)))}
            if readable:
                self._mutation(mutations, "update", table, self._response(table), {**operations, **where})
            if key:
                pk = {"pk_columns": GraphQLArgument(GraphQLNonNull(self._pk_columns(table, key)))}
                self._mutation(mutations, "update_by_pk", table, self._row(table), {**operations, **pk})
        if delete is not None and table.database.updatable:
            if readable:
                where = {"where": GraphQLArgument(GraphQLNonNull(self._bool_exp(table)))}
                self._mutation(mutations, "delete", table, self._response(table), where)
            if key:
                arguments = {
                    table.column_names[column.name]: GraphQLArgument(GraphQLNonNull(self._scalar(column)))
                    for column in key
                }
                self._mutation(mutations, "delete_by_pk", table, self._row(table), arguments)

    def _mutation(
        self,
        mutations: dict[str, GraphQLField],
        kind: RootKind,
        table: TrackedTable,
        result: GraphQLObjectType,
        arguments: dict[str, GraphQLArgument],
    ) -> None:
        mutations[self._root_name(kind, table)] = GraphQLField(
            result, args=_sorted(arguments), extensions=_root(kind, table)
        )

    @staticmethod
    def _root_name(kind: RootKind, table: TrackedTable) -> str:
        name = table.graphql_name
        default = {
            "select": name,
            "select_by_pk": f"{name}_by_pk",
            "select_aggregate": f"{name}_aggregate",
            "select_stream": f"{name}_stream",
            "insert": f"insert_{name}",
            "insert_one": f"insert_{name}_one",
            "update": f"update_{name}",
            "update_by_pk": f"update_{name}_by_pk",
            "delete": f"delete_{name}",
            "delete_by_pk": f"delete_{name}_by_pk",
        }
        return table.root_fields.get(kind, default.get(kind, name))

    # Permissions

    def _select(self, table: TrackedTable) -> SelectPermission | None:
        return select_of(table, self.role, admin=self.admin)

    def _write(self, operation: str, table: TrackedTable) -> WritePermission | None:
        permission = write_of(operation, table, self.role, admin=self.admin)
        return None if permission is not None and permission.backend_only and not self.backend else permission

    def _readable(self, table: TrackedTable) -> list[Column]:
        permission = self._select(table)
        columns = permission.columns if permission else frozenset()
        return [
            each
            for each in table.database.columns
            if each.name in columns and each.name in table.column_names
        ]

    def _readable_key(self, table: TrackedTable) -> list[Column]:
        key = table.database.primary_key
        readable = {column.name: column for column in self._readable(table)}
        if key is None or not all(name in readable for name in key.columns):
            return []
        return [readable[name] for name in key.columns]

    def _targets(self, table: TrackedTable) -> Iterable[tuple[Relationship, TrackedTable]]:
        for relationship in table.relationships.values():
            target = self.model.table(table.source, relationship.target)
            if target is not None and self._select(target) is not None:
                yield relationship, target

    # Types

    def _once(
        self,
        name: str,
        make: Callable[[], GraphQLObjectType | GraphQLInputObjectType | GraphQLEnumType],
    ) -> GraphQLObjectType | GraphQLInputObjectType | GraphQLEnumType:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def _object(self, name: str, fields: Callable[[], dict[str, GraphQLField]]) -> GraphQLObjectType:
        made = self._once(name, lambda: GraphQLObjectType(name, lambda: _sorted(fields())))
        if not isinstance(made, GraphQLObjectType):
            raise TypeError(name)
        return made

    def _input(self, name: str, fields: Callable[[], dict[str, GraphQLInputField]]) -> GraphQLInputObjectType:
        made = self._once(name, lambda: GraphQLInputObjectType(name, lambda: _sorted(fields())))
        if not isinstance(made, GraphQLInputObjectType):
            raise TypeError(name)
        return made

    def _enum(self, name: str, values: Iterable[str]) -> GraphQLEnumType:
        made = self._once(
            name,
            lambda: GraphQLEnumType(name, {value: value for value in sorted(values) if _NAME.match(value)}),
        )
        if not isinstance(made, GraphQLEnumType):
            raise TypeError(name)
        return made

    def _scalar(self, column: Column) -> GraphQLScalarType:
        return self._scalar_named(column.base_type)

    def _scalar_named(self, base_type: str) -> GraphQLScalarType:
        if base_type in _BUILT_IN:
            return _BUILT_IN[base_type]
        name = re.sub(r"\W", "_", _SQL_NAMES.get(base_type, base_type), flags=re.ASCII)
        return self.scalars.setdefault(name, GraphQLScalarType(name))

    def _row(self, table: TrackedTable) -> GraphQLObjectType:
        def fields() -> dict[str, GraphQLField]:
            made: dict[str, GraphQLField] = {}
            for column in self._readable(table):
                scalar = self._scalar(column)
                arguments = (
                    {"path": GraphQLArgument(GraphQLString)} if scalar.name in ("json", "jsonb") else {}
                )
                made[table.column_names[column.name]] = GraphQLField(
                    scalar if column.nullable else GraphQLNonNull(scalar),
                    args=arguments,
                    extensions={"engine": ColumnMeaning(column=column)},
                )
            for relationship, target in self._targets(table):
                self._related(made, relationship, target, table)
            return made

        return self._object(table.graphql_name, fields)

    def _related(
        self,
        made: dict[str, GraphQLField],
        relationship: Relationship,
        target: TrackedTable,
        table: TrackedTable,
    ) -> None:
        meaning = RelationMeaning(relationship=relationship, target=target)
        if not relationship.to_many:
            columns = [table.database.column(here) for here, _ in relationship.pairs]
            certain = self.admin and all(column is not None and not column.nullable for column in columns)
            row = self._row(target)
            made[relationship.name] = GraphQLField(
                GraphQLNonNull(row) if certain else row, extensions={"engine": meaning}
            )
            return
        made[relationship.name] = GraphQLField(
            GraphQLNonNull(GraphQLList(GraphQLNonNull(self._row(target)))),
            args=self._row_arguments(target),
            extensions={"engine": meaning},
        )
        permission = self._select(target)
        if permission is not None and permission.allow_aggregations:
            made[f"{relationship.name}_aggregate"] = GraphQLField(
                GraphQLNonNull(self._aggregate(target)),
                args=self._row_arguments(target),
                extensions={
                    "engine": RelationMeaning(relationship=relationship, target=target, aggregate=True)
                },
            )

    def _row_arguments(self, table: TrackedTable) -> dict[str, GraphQLArgument]:
        return {
            "distinct_on": GraphQLArgument(GraphQLList(GraphQLNonNull(self._select_column(table)))),
            "limit": GraphQLArgument(GraphQLInt),
            "offset": GraphQLArgument(GraphQLInt),
            "order_by": GraphQLArgument(GraphQLList(GraphQLNonNull(self._order_by(table)))),
            "where": GraphQLArgument(self._bool_exp(table)),
        }

    def _stream_arguments(self, table: TrackedTable) -> dict[str, GraphQLArgument]:
        def values() -> dict[str, GraphQLInputField]:
            return {
                table.column_names[column.name]: GraphQLInputField(self._scalar(column))
                for column in self._readable(table)
            }

        def cursor() -> dict[str, GraphQLInputField]:
            return {
                "initial_value": GraphQLInputField(
                    GraphQLNonNull(self._input(f"{table.graphql_name}_stream_cursor_value_input", values))
                ),
                "ordering": GraphQLInputField(self._enum("cursor_ordering", ("ASC", "DESC"))),
            }

        name = f"{table.graphql_name}_stream_cursor_input"
        return {
            "batch_size": GraphQLArgument(GraphQLNonNull(GraphQLInt)),
            "cursor": GraphQLArgument(GraphQLNonNull(GraphQLList(self._input(name, cursor)))),
            "where": GraphQLArgument(self._bool_exp(table)),
        }

    def _select_column(self, table: TrackedTable) -> GraphQLEnumType:
        names = [table.column_names[column.name] for column in self._readable(table)]
        return self._enum(f"{table.graphql_name}_select_column", names)

    def _bool_exp(self, table: TrackedTable) -> GraphQLInputObjectType:
        name = f"{table.graphql_name}_bool_exp"

        def fields() -> dict[str, GraphQLInputField]:
            own = self._bool_exp(table)
            made = {
                "_and": GraphQLInputField(GraphQLList(GraphQLNonNull(own))),
                "_not": GraphQLInputField(own),
                "_or": GraphQLInputField(GraphQLList(GraphQLNonNull(own))),
            }
            for column in self._readable(table):
                if column.base_type != "json":
                    made[table.column_names[column.name]] = GraphQLInputField(self._comparison(column))
            for relationship, target in self._targets(table):
                made[relationship.name] = GraphQLInputField(self._bool_exp(target))
            return made

        return self._input(name, fields)

    def _comparison(self, column: Column) -> GraphQLInputObjectType:
        scalar = self._scalar(column)

        def fields() -> dict[str, GraphQLInputField]:
            listed = GraphQLList(GraphQLNonNull(scalar))
            texts = GraphQLList(GraphQLNonNull(GraphQLString))
            operators = list(expressions.ANY_TYPE)
            if expressions.is_text(column):
                operators += expressions.TEXT_TYPE
            if column.base_type == "jsonb" or column.is_array:
                operators += expressions.CONTAINMENT
            if column.base_type == "jsonb":
                operators += expressions.JSONB_TYPE
            made: dict[str, GraphQLInputField] = {}
            for operator in operators:
                kind: GraphQLScalarType | GraphQLList[GraphQLNonNull[GraphQLScalarType]] = scalar
                if operator == "_is_null":
                    kind = GraphQLBoolean
                elif operator in ("_in", "_nin"):
                    kind = listed
                elif operator == "_has_key":
                    kind = GraphQLString
                elif expressions.takes_list(operator):
                    kind = texts
                made[operator] = GraphQLInputField(kind)
            return made

        return self._input(f"{scalar.name}_comparison_exp", fields)

    def _order_by(self, table: TrackedTable) -> GraphQLInputObjectType:
        def fields() -> dict[str, GraphQLInputField]:
            order = self._enum("order_by", ORDERS)
            made = {
                table.column_names[column.name]: GraphQLInputField(order) for column in self._readable(table)
            }
            for relationship, target in self._targets(table):
                if not relationship.to_many:
                    made[relationship.name] = GraphQLInputField(self._order_by(target))
            return made

        return self._input(f"{table.graphql_name}_order_by", fields)

    def _aggregate(self, table: TrackedTable) -> GraphQLObjectType:
        def fields() -> dict[str, GraphQLField]:
            row = self._row(table)
            return {
                "aggregate": GraphQLField(self._aggregate_fields(table)),
                "nodes": GraphQLField(GraphQLNonNull(GraphQLList(GraphQLNonNull(row)))),
            }

        return self._object(f"{table.graphql_name}_aggregate", fields)

    def _aggregate_fields(self, table: TrackedTable) -> GraphQLObjectType:
        columns = self._readable(table)
        numbers = [column for column in columns if column.base_type in _NUMBERS]
        ordered = [column for column in columns if column.base_type in _ORDERED]

        def per_function(function: str, chosen: list[Column]) -> GraphQLObjectType:
            def fields() -> dict[str, GraphQLField]:
                return {
                    table.column_names[column.name]: GraphQLField(
                        GraphQLFloat if function in MEAN_FUNCTIONS else self._scalar(column),
                        extensions={"engine": ColumnMeaning(column=column)},
                    )
                    for column in chosen
                }

            return self._object(f"{table.graphql_name}_{function}_fields", fields)

        def fields() -> dict[str, GraphQLField]:
            made = {
                "count": GraphQLField(
                    GraphQLNonNull(GraphQLInt),
                    args={
                        "columns": GraphQLArgument(GraphQLList(GraphQLNonNull(self._select_column(table)))),
                        "distinct": GraphQLArgument(GraphQLBoolean),
                    },
                )
            }
            if numbers:
                made |= {name: GraphQLField(per_function(name, numbers)) for name in ("sum", *MEAN_FUNCTIONS)}
            if ordered:
                made |= {name: GraphQLField(per_function(name, ordered)) for name in ("max", "min")}
            return made

        return self._object(f"{table.graphql_name}_aggregate_fields", fields)

    def _response(self, table: TrackedTable) -> GraphQLObjectType:
        def fields() -> dict[str, GraphQLField]:
            made = {"affected_rows": GraphQLField(GraphQLNonNull(GraphQLInt))}
            if self._select(table) is not None:
                row = self._row(table)
                made["returning"] = GraphQLField(GraphQLNonNull(GraphQLList(GraphQLNonNull(row))))
            return made

        return self._object(f"{table.graphql_name}_mutation_response", fields)

    def _written(self, table: TrackedTable, permission: WritePermission) -> list[Column]:
        return [
            column
            for column in table.database.columns
            if column.name in permission.columns
            and column.name in table.column_names
            and not column.generated
        ]

    def _values(self, table: TrackedTable, columns: Iterable[Column]) -> dict[str, GraphQLInputField]:
        return {
            table.column_names[column.name]: GraphQLInputField(
                self._scalar(column), extensions={"engine": ColumnMeaning(column=column)}
            )
            for column in columns
        }

    def _insert_input(self, table: TrackedTable, permission: WritePermission) -> GraphQLInputObjectType:
        columns = self._written(table, permission)
        return self._input(f"{table.graphql_name}_insert_input", lambda: self._values(table, columns))

    def _update_operations(
        self, table: TrackedTable, permission: WritePermission
    ) -> dict[str, GraphQLArgument]:
        columns = self._written(table, permission)
        name = table.graphql_name
        made: dict[str, GraphQLArgument] = {}
        if columns:
            made["_set"] = GraphQLArgument(
                self._input(f"{name}_set_input", lambda: self._values(table, columns))
            )
        numbers = [column for column in columns if column.base_type in _NUMBERS]
        if numbers:
            made["_inc"] = GraphQLArgument(
                self._input(f"{name}_inc_input", lambda: self._values(table, numbers))
            )
        return made

    def _pk_columns(self, table: TrackedTable, key: list[Column]) -> GraphQLInputObjectType:
        def fields() -> dict[str, GraphQLInputField]:
            return {
                table.column_names[column.name]: GraphQLInputField(GraphQLNonNull(self._scalar(column)))
                for column in key
            }

        return self._input(f"{table.graphql_name}_pk_columns_input", fields)

    def _on_conflict(
        self, table: TrackedTable, update: WritePermission | None
    ) -> GraphQLInputObjectType | None:
        if not table.database.uniques or update is None:
            return None
        columns = [table.column_names[column.name] for column in self._written(table, update)]
        name = table.graphql_name
        constraints = self._enum(f"{name}_constraint", [unique.name for unique in table.database.uniques])
        # GraphQL allows no empty enum; the engine shows a placeholder where no column may be updated.
        updated = self._enum(f"{name}_update_column", columns or ["_PLACEHOLDER"])

        def fields() -> dict[str, GraphQLInputField]:
            return {
                "constraint": GraphQLInputField(GraphQLNonNull(constraints)),
                "update_columns": GraphQLInputField(
                    GraphQLNonNull(GraphQLList(GraphQLNonNull(updated))), default_value=[]
                ),
                "where": GraphQLInputField(self._bool_exp(table)),
            }

        return self._input(f"{name}_on_conflict", fields)


def _root(kind: RootKind, table: TrackedTable) -> dict[str, RootMeaning]:
    return {"engine": RootMeaning(kind=kind, table=table)}


def _sorted(named: dict[str, _Named]) -> dict[str, _Named]:
    return dict(sorted(named.items()))


def column_of(table: TrackedTable, graphql_name: str) -> str:
    """The Postgres column of a GraphQL name that the schema has let through."""
    column = table.column_named(graphql_name, graphql=True)
    if column is None:
        raise KeyError(graphql_name)
    return column.name


def table_lookup(model: Model, source: str) -> Callable[[TableName], TrackedTable | None]:
    """The tables of one source."""
    return lambda name: model.table(source, name)
