# ruff: noqa: PLR0917
"""A GraphQL request read against a role's schema: what is asked of which table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    get_named_type,
    parse,
)

from local.engine.errors import EngineError, parse_failed, validation_failed
from local.engine.expressions import (
    TRUE,
    And,
    Compare,
    Expression,
    ExpressionError,
    ExpressionReader,
    Literal,
    Relationship,
)
from local.engine.graphql_schema import (
    MEAN_FUNCTIONS,
    ORDERS,
    ColumnMeaning,
    RelationMeaning,
    RoleSchema,
    RootMeaning,
    column_of,
    meaning_of,
    table_lookup,
)
from local.engine.graphql_values import Missing, ValueReader, read_variables
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject
from local.engine.model import SelectPermission, TrackedTable, WritePermission
from local.engine.query import (
    AffectedItem,
    Aggregate,
    AggregateItem,
    ColumnItem,
    Conflict,
    CountItem,
    Delete,
    FunctionItem,
    Insert,
    Item,
    Mutation,
    MutationItem,
    NodesItem,
    Order,
    Output,
    Query,
    RelatedItem,
    ReturningItem,
    Rows,
    SelectMany,
    SelectOne,
    SummaryItem,
    TypeNameItem,
    Update,
)
from local.engine.tables import TableName

_REQUEST = "Hasura.GraphQL.Transport.HTTP.Protocol.GQLReq(GQLReq)"
_KNOWN_DIRECTIVES = frozenset({"include", "skip", "cached"})
_AGGREGATES = frozenset({"sum", "max", "min", *MEAN_FUNCTIONS})


@dataclass(frozen=True, kw_only=True)
class GraphQLRequest:
    """The body of a GraphQL request."""

    query: str
    operation_name: str | None
    variables: JsonObject


@dataclass(frozen=True, kw_only=True)
class Introspection:
    """Fields of the root that graphql-core answers: `__schema` and `__type`."""

    alias: str
    field: FieldNode


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A field of the root whose answer needs no database."""

    alias: str
    value: Json


@dataclass(frozen=True, kw_only=True)
class Run:
    """A field of the root that reads or writes a table. `path` is where its arguments stand."""

    alias: str
    source: str
    action: Query | Mutation
    path: str


Part: TypeAlias = Introspection | Constant | Run


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a request asks, in order."""

    mutation: bool
    parts: tuple[Part, ...]
    document: DocumentNode
    variables: JsonObject


def parse_request(body: Json) -> GraphQLRequest:
    """Read the JSON body. Raises EngineError where it has the wrong shape."""
    if not isinstance(body, dict):
        raise parse_failed(expected(_REQUEST, "Object", body))
    if "query" not in body:
        raise parse_failed(f'parsing {_REQUEST} failed, key "query" not found')
    query = body["query"]
    if not isinstance(query, str):
        raise parse_failed(expected("Text", "String", query), "$.query")
    name, variables = body.get("operationName"), body.get("variables")
    if name is not None and not isinstance(name, str):
        raise parse_failed(expected("Name", "String", name), "$.operationName")
    if variables is not None and not isinstance(variables, dict):
        raise parse_failed(expected("HashMap", "Object", variables), "$.variables")
    return GraphQLRequest(query=query, operation_name=name, variables=variables or {})


def read_operation(request: GraphQLRequest, role: RoleSchema) -> Operation:
    """Read the request against the schema. Raises EngineError with the engine's message and path."""
    try:
        document = parse(request.query, no_location=True)
    except (GraphQLError, RecursionError) as error:
        raise validation_failed("not a valid graphql query", "$.query") from error
    operation = _chosen(document, request.operation_name)
    if operation.operation is OperationType.SUBSCRIPTION:
        raise validation_failed("subscriptions are not supported over HTTP, use websockets instead")
    mutation = operation.operation is OperationType.MUTATION
    if mutation and not role.has_mutations:
        raise validation_failed("no mutations exist")
    variables = read_variables(operation, request.variables, role.schema)
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    reader = _Reader(role=role, fragments=fragments, values=ValueReader(variables=variables))
    root = role.schema.mutation_type if mutation else role.schema.query_type
    if root is None:
        raise validation_failed("no queries exist")
    return Operation(
        mutation=mutation,
        parts=tuple(reader.root(root, operation.selection_set)),
        document=document,
        variables={name: variable.value for name, variable in variables.items() if variable.given},
    )


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name is not None:
        for operation in operations:
            if operation.name is not None and operation.name.value == name:
                return operation
        raise validation_failed(f'no such operation found in the document: "{name}"')
    if len(operations) != 1:
        raise validation_failed(
            "exactly one operation has to be present in the document when operationName is not specified"
        )
    return operations[0]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    role: RoleSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    values: ValueReader

    # Selections

    def root(self, kind: GraphQLObjectType, selected: SelectionSetNode) -> Iterator[Part]:
        for alias, node, definition, path in self._fields(kind, selected, "$"):
            name = node.name.value
            if name == "__typename":
                yield Constant(alias=alias, value=kind.name)
            elif name in ("__schema", "__type"):
                yield Introspection(alias=alias, field=node)
            else:
                meaning = meaning_of(definition) if definition else None
                if not isinstance(meaning, RootMeaning) or definition is None:
                    raise validation_failed(f"field '{name}' cannot be used", path)
                if meaning.table is None:
                    yield Constant(alias=alias, value=None)
                    continue
                action = self._action(meaning, meaning.table, node, definition, path)
                yield Run(alias=alias, source=meaning.table.source, action=action, path=path)

    def _fields(
        self, kind: GraphQLObjectType, selected: SelectionSetNode | None, path: str
    ) -> Iterator[tuple[str, FieldNode, GraphQLField | None, str]]:
        """Each field of a selection set once: alias, node, definition, path."""
        path = f"{path}.selectionSet"
        if selected is None or not selected.selections:
            raise validation_failed(f"missing selection set for '{kind.name}'", path)
        merged: dict[str, FieldNode] = {}
        for node in self._collected(kind, selected, path, ()):
            alias = node.alias.value if node.alias else node.name.value
            known = merged.get(alias)
            merged[alias] = node if known is None else _merged(known, node, path)
        for alias, node in merged.items():
            name = node.name.value
            where = f"{path}.{name}"
            is_root = kind in (self.role.schema.query_type,)
            if name == "__typename" or (is_root and name in ("__schema", "__type")):
                yield alias, node, None, where
                continue
            definition = kind.fields.get(name)
            if definition is None:
                raise validation_failed(f"field '{name}' not found in type: '{kind.name}'", where)
            inner = get_named_type(definition.type)
            if node.selection_set is not None and not isinstance(inner, GraphQLObjectType):
                raise validation_failed("unexpected subselection set for non-object field", where)
            yield alias, node, definition, where

    def _collected(
        self, kind: GraphQLObjectType, selected: SelectionSetNode, path: str, within: tuple[str, ...]
    ) -> Iterator[FieldNode]:
        for node in selected.selections:
            if not self._wanted(node, path):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                if condition is None or condition.name.value == kind.name:
                    yield from self._collected(kind, node.selection_set, path, within)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = self.fragments.get(name)
                if fragment is None:
                    raise validation_failed(f'reference to undefined fragment "{name}"', path)
                if name in within:
                    raise validation_failed(f'the fragment definition(s) "{name}" form a cycle', path)
                if fragment.type_condition.name.value == kind.name:
                    yield from self._collected(kind, fragment.selection_set, path, (*within, name))

    def _wanted(self, node: SelectionNode, path: str) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name not in _KNOWN_DIRECTIVES:
                raise validation_failed(f"directive '{name}' is not defined in the schema", path)
            if name == "cached":
                continue
            argument = next((each for each in directive.arguments or () if each.name.value == "if"), None)
            if argument is None:
                raise validation_failed("missing required field 'if'", f"{path}.{name}.args.if")
            value = self.values.read(argument.value, GraphQLNonNull(GraphQLBoolean), f"{path}.{name}.args.if")
            if (value is True) == (name == "skip"):
                return False
        return True

    def _arguments(self, node: FieldNode, definition: GraphQLField, path: str) -> JsonObject:
        written = {each.name.value: each.value for each in node.arguments or ()}
        for name in written:
            if name not in definition.args:
                raise validation_failed(f"'{node.name.value}' has no argument named '{name}'", path)
        result: JsonObject = {}
        for name, argument in definition.args.items():
            where = f"{path}.args.{name}"
            value: Json | Missing = Missing()
            if name in written:
                value = self.values.read(
                    written[name], argument.type, where, has_default=_has_default(argument)
                )
            if isinstance(value, Missing):
                if isinstance(argument.type, GraphQLNonNull):
                    raise validation_failed(f"missing required field '{name}'", where)
                continue
            result[name] = value
        return {name: result[name] for name in [*written, *result] if name in result}

    # Rows

    def _items(
        self, node: FieldNode, definition: GraphQLField, table: TrackedTable, path: str
    ) -> tuple[Item, ...]:
        kind = _object_type(definition)
        items: list[Item] = []
        for alias, field_node, field_definition, where in self._fields(kind, node.selection_set, path):
            if field_definition is None:
                items.append(TypeNameItem(alias=alias, type_name=kind.name))
                continue
            arguments = self._arguments(field_node, field_definition, where)
            meaning = meaning_of(field_definition)
            if isinstance(meaning, ColumnMeaning):
                json_path = arguments.get("path")
                items.append(
                    ColumnItem(
                        alias=alias,
                        column=meaning.column.name,
                        json_path=_json_path(json_path, where) if isinstance(json_path, str) else None,
                    )
                )
            elif isinstance(meaning, RelationMeaning):
                items.append(self._related(alias, meaning, field_node, field_definition, arguments, where))
        return tuple(items)

    def _related(
        self,
        alias: str,
        meaning: RelationMeaning,
        node: FieldNode,
        definition: GraphQLField,
        arguments: JsonObject,
        path: str,
    ) -> RelatedItem:
        target = meaning.target
        if meaning.aggregate:
            rows, items = self._aggregated(node, definition, target, arguments, path)
            return RelatedItem(alias=alias, relationship=meaning.relationship, rows=rows, aggregate=items)
        rows = self._rows(target, self._items(node, definition, target, path), arguments, path)
        return RelatedItem(alias=alias, relationship=meaning.relationship, rows=rows)

    def _rows(self, table: TrackedTable, items: tuple[Item, ...], arguments: JsonObject, path: str) -> Rows:
        permission = self._select(table)
        where = arguments.get("where")
        order, distinct = self._order(table, arguments.get("order_by")), _names(arguments.get("distinct_on"))
        columns = tuple(column_of(table, name) for name in distinct)
        if columns and order and {each.column for each in order[: len(columns)]} != set(columns):
            raise validation_failed(
                '"distinct_on" columns must match initial "order_by" columns', f"{path}.args"
            )
        return Rows(
            table=table,
            items=items,
            where=(permission.filter, self._where(where, table, f"{path}.args.where")),
            order_by=order,
            distinct_on=columns,
            limit=_natural(arguments.get("limit"), f"{path}.args.limit"),
            offset=_natural(arguments.get("offset"), f"{path}.args.offset"),
            row_limit=permission.limit,
        )

    def _where(self, value: Json, table: TrackedTable, path: str) -> Expression:
        if value is None:
            return TRUE
        lookup = table_lookup(self.role.model, table.source)

        def rows_of(name: TableName) -> Expression:
            target = lookup(name)
            return self._select(target).filter if target is not None else TRUE

        _refuse_nulls(value, path)
        try:
            return ExpressionReader(tables=lookup, graphql=True, rows_of=rows_of).read(value, table)
        except ExpressionError as error:
            raise validation_failed(str(error), path) from error

    def _order(self, table: TrackedTable, value: Json) -> tuple[Order, ...]:
        terms = value if isinstance(value, list) else []
        return tuple(order for term in terms for order in self._order_terms(table, term, ()))

    def _order_terms(
        self, table: TrackedTable, term: Json, through: tuple[Relationship, ...]
    ) -> Iterator[Order]:
        for name, direction in (term or {}).items() if isinstance(term, dict) else ():
            relationship = table.relationships.get(name)
            if relationship is not None:
                target = self.role.model.table(table.source, relationship.target)
                if target is not None and isinstance(direction, dict):
                    yield from self._order_terms(target, direction, (*through, relationship))
            elif isinstance(direction, str):
                yield Order(through=through, column=column_of(table, name), direction=ORDERS[direction])

    def _select(self, table: TrackedTable) -> SelectPermission:
        permission = self.role.select(table)
        if permission is None:
            raise EngineError("permission-denied", f"role {self.role.role} may not read {table.name[1]}")
        return permission

    def _aggregated(
        self, node: FieldNode, definition: GraphQLField, table: TrackedTable, arguments: JsonObject, path: str
    ) -> tuple[Rows, tuple[AggregateItem, ...]]:
        kind = _object_type(definition)
        items: list[AggregateItem] = []
        for alias, field_node, field_definition, where in self._fields(kind, node.selection_set, path):
            if field_definition is None:
                items.append(TypeNameItem(alias=alias, type_name=kind.name))
            elif field_node.name.value == "nodes":
                items.append(
                    NodesItem(alias=alias, items=self._items(field_node, field_definition, table, where))
                )
            else:
                items.append(
                    SummaryItem(alias=alias, parts=self._summary(field_node, field_definition, table, where))
                )
        return self._rows(table, (), arguments, path), tuple(items)

    def _summary(
        self, node: FieldNode, definition: GraphQLField, table: TrackedTable, path: str
    ) -> tuple[CountItem | FunctionItem | TypeNameItem, ...]:
        kind = _object_type(definition)
        parts: list[CountItem | FunctionItem | TypeNameItem] = []
        for alias, field_node, field_definition, where in self._fields(kind, node.selection_set, path):
            if field_definition is None:
                parts.append(TypeNameItem(alias=alias, type_name=kind.name))
            elif field_node.name.value == "count":
                arguments = self._arguments(field_node, field_definition, where)
                columns = tuple(column_of(table, name) for name in _names(arguments.get("columns")))
                parts.append(
                    CountItem(alias=alias, columns=columns, distinct=arguments.get("distinct") is True)
                )
            else:
                function = field_node.name.value
                if function not in _AGGREGATES:
                    raise validation_failed(f"unknown aggregate function {function}", where)
                inner = _object_type(field_definition)
                columns_of: list[tuple[str, str | None, str]] = []
                for name, _, column_definition, _ in self._fields(inner, field_node.selection_set, where):
                    meaning = meaning_of(column_definition) if column_definition else None
                    column = meaning.column.name if isinstance(meaning, ColumnMeaning) else None
                    columns_of.append((name, column, inner.name))
                parts.append(FunctionItem(alias=alias, function=function, columns=tuple(columns_of)))
        return tuple(parts)

    # Actions

    def _action(
        self, meaning: RootMeaning, table: TrackedTable, node: FieldNode, definition: GraphQLField, path: str
    ) -> Query | Mutation:
        arguments = self._arguments(node, definition, path)
        kind = meaning.kind
        if kind == "select":
            return SelectMany(
                rows=self._rows(table, self._items(node, definition, table, path), arguments, path)
            )
        if kind == "select_by_pk":
            permission = self._select(table)
            items = self._items(node, definition, table, path)
            return SelectOne(
                rows=Rows(table=table, items=items, where=(permission.filter, _equals(table, arguments)))
            )
        if kind == "select_aggregate":
            rows, aggregate = self._aggregated(node, definition, table, arguments, path)
            return Aggregate(rows=rows, items=aggregate)
        if kind in ("insert", "insert_one"):
            return self._insert(kind == "insert_one", table, node, definition, arguments, path)
        if kind in ("update", "update_by_pk"):
            return self._update(kind == "update_by_pk", table, node, definition, arguments, path)
        if kind in ("delete", "delete_by_pk"):
            where = (
                _equals(table, arguments)
                if kind == "delete_by_pk"
                else self._where(arguments.get("where"), table, f"{path}.args.where")
            )
            allowed = self._write("delete", table)
            output = self._output(kind == "delete_by_pk", node, definition, table, path)
            return Delete(table=table, where=(allowed.filter, where), output=output)
        raise validation_failed(f"field '{node.name.value}' is not supported", path)

    def _write(self, operation: str, table: TrackedTable) -> WritePermission:
        permission = self.role.write(operation, table)
        if permission is None:
            raise EngineError(
                "permission-denied", f"role {self.role.role} may not {operation} {table.name[1]}"
            )
        return permission

    def _insert(
        self,
        one: bool,
        table: TrackedTable,
        node: FieldNode,
        definition: GraphQLField,
        arguments: JsonObject,
        path: str,
    ) -> Insert:
        permission = self._write("insert", table)
        objects = [arguments["object"]] if one else arguments["objects"]
        rows = [_columns(table, each) for each in objects] if isinstance(objects, list) else []
        return Insert(
            table=table,
            rows=tuple(rows),
            presets=permission.presets,
            check=permission.check,
            conflict=self._conflict(arguments.get("on_conflict"), table, f"{path}.args.on_conflict"),
            output=self._output(one, node, definition, table, path),
        )

    def _conflict(self, value: Json, table: TrackedTable, path: str) -> Conflict | None:
        if not isinstance(value, dict):
            return None
        permission = self._write("update", table)
        columns = tuple(column_of(table, name) for name in _names(value.get("update_columns")))
        return Conflict(
            constraint=str(value["constraint"]),
            columns=columns,
            presets=permission.presets,
            where=(permission.filter, self._where(value.get("where"), table, f"{path}.where")),
            check=permission.check,
        )

    def _update(
        self,
        by_key: bool,
        table: TrackedTable,
        node: FieldNode,
        definition: GraphQLField,
        arguments: JsonObject,
        path: str,
    ) -> Update:
        permission = self._write("update", table)
        where = (
            _equals(table, arguments.get("pk_columns"))
            if by_key
            else self._where(arguments.get("where"), table, f"{path}.args.where")
        )
        operations: dict[str, tuple[str, Json]] = {}
        for operator in ("_set", "_inc"):
            for column, value in _columns(table, arguments.get(operator)).items():
                if column in operations:
                    message = f'Column found in multiple operators: "{column}".'
                    raise validation_failed(message, f"{path}.args")
                operations[column] = (operator, value)
        if not operations and not permission.presets:
            raise validation_failed(
                'At least any one of operators is expected: "_set", "_inc"'
                if "_inc" in definition.args
                else 'At least any one of operators is expected: "_set"',
                f"{path}.args",
            )
        return Update(
            table=table,
            where=(permission.filter, where),
            operations=operations,
            presets=permission.presets,
            check=permission.check,
            output=self._output(by_key, node, definition, table, path),
        )

    def _output(
        self, one: bool, node: FieldNode, definition: GraphQLField, table: TrackedTable, path: str
    ) -> Output:
        if one:
            return Output(one=self._items(node, definition, table, path))
        kind = _object_type(definition)
        items: list[MutationItem] = []
        for alias, field_node, field_definition, where in self._fields(kind, node.selection_set, path):
            if field_definition is None:
                items.append(TypeNameItem(alias=alias, type_name=kind.name))
            elif field_node.name.value == "affected_rows":
                items.append(AffectedItem(alias=alias))
            else:
                rows = self._items(field_node, field_definition, table, where)
                items.append(ReturningItem(alias=alias, items=rows))
        return Output(response=tuple(items))


def _merged(first: FieldNode, second: FieldNode, path: str) -> FieldNode:
    if first.name.value != second.name.value or first.arguments != second.arguments:
        alias = first.alias.value if first.alias else first.name.value
        raise validation_failed(f"selection of field '{alias}' must be of the same field and arguments", path)
    if first.selection_set is None or second.selection_set is None:
        return first
    selections = (*first.selection_set.selections, *second.selection_set.selections)
    return FieldNode(
        alias=first.alias,
        name=first.name,
        arguments=first.arguments,
        directives=first.directives,
        selection_set=SelectionSetNode(selections=selections),
    )


def _has_default(argument: GraphQLArgument) -> bool:
    return argument.default_value is not Undefined


def _object_type(definition: GraphQLField) -> GraphQLObjectType:
    kind = get_named_type(definition.type)
    if not isinstance(kind, GraphQLObjectType):
        raise TypeError(f"{kind} is no object type")
    return kind


def _names(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _natural(value: Json, path: str) -> int | None:
    if not isinstance(value, int):
        return None
    if value < 0:
        raise validation_failed(
            "expected a non-negative 32-bit integer for type 'Int', but found an integer", path
        )
    return value


def _columns(table: TrackedTable, value: Json) -> dict[str, Json]:
    return {column_of(table, name): each for name, each in value.items()} if isinstance(value, dict) else {}


def _equals(table: TrackedTable, values: Json) -> Expression:
    parts = [
        ExpressionReader(tables=lambda _: None, graphql=True).read({name: {"_eq": value}}, table)
        for name, value in (values if isinstance(values, dict) else {}).items()
    ]
    if not parts or not all(
        isinstance(part, Compare) and isinstance(part.operand, Literal) for part in parts
    ):
        raise validation_failed("a primary key is expected")
    return And(parts=tuple(parts))


def _refuse_nulls(value: Json, path: str) -> None:
    """`{id: {_eq: null}}` must not quietly mean "any row": the engine refuses it."""
    if isinstance(value, dict):
        for name, each in value.items():
            if each is None and name.startswith("_") and name not in ("_and", "_or", "_not"):
                raise validation_failed("unexpected null value for type 'String'", f"{path}.{name}")
            _refuse_nulls(each, f"{path}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _refuse_nulls(each, f"{path}[{index}]")


def _json_path(text: str, path: str) -> tuple[str, ...]:
    steps = [step for step in text.removeprefix("$").replace("[", ".").replace("]", "").split(".") if step]
    if not steps and text not in ("", "$"):
        raise parse_failed(f"parse json path error: {text}", path)
    return tuple(step.strip("'\"") for step in steps)
