"""Boolean expressions of permissions and of GraphQL's `where`: JSON in, a checked tree out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from local.engine.json_types import Json
from local.engine.tables import Column, DatabaseTable, TableName


@dataclass(frozen=True, kw_only=True)
class Relationship:
    """A relationship to another table of the same source: pairs of a column here and a column there."""

    name: str
    to_many: bool
    target: TableName
    pairs: tuple[tuple[str, str], ...]


class Fields(Protocol):
    """What an expression needs to know of a table."""

    @property
    def database(self) -> DatabaseTable:
        """The table as Postgres has it."""

    @property
    def relationships(self) -> Mapping[str, Relationship]:
        """Relationships by name."""

    def column_named(self, name: str, *, graphql: bool) -> Column | None:
        """The column of a name, which is GraphQL's or Postgres's."""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """A value."""

    value: Json


@dataclass(frozen=True, kw_only=True)
class SessionVariable:
    """A value that the session gives; the name is in lower case."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ListWithVariables:
    """A list, some of whose values the session gives."""

    items: tuple[Literal | SessionVariable, ...]


@dataclass(frozen=True, kw_only=True)
class OtherColumn:
    """A column of the same row, or (`root`) of the row that the whole expression is about."""

    name: str
    root: bool


Operand: TypeAlias = Literal | SessionVariable | ListWithVariables | OtherColumn


@dataclass(frozen=True, kw_only=True)
class Compare:
    """A column held against a value; `operator` begins with an underscore."""

    column: Column
    operator: str
    operand: Operand


@dataclass(frozen=True, kw_only=True)
class And:
    """All of the parts; true without parts."""

    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Or:
    """One of the parts; false without parts."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, kw_only=True)
class Not:
    """The contrary."""

    part: Expression


@dataclass(frozen=True, kw_only=True)
class Related:
    """There is a related row for which the expression holds."""

    relationship: Relationship
    where: Expression


@dataclass(frozen=True, kw_only=True)
class Exists:
    """There is a row in a table, related or not, for which the expression holds."""

    table: TableName
    where: Expression


@dataclass(frozen=True, kw_only=True)
class Rooted:
    """An expression of its own within another: its root is the row at hand."""

    part: Expression


Expression: TypeAlias = Compare | And | Or | Not | Related | Exists | Rooted

TRUE = And()

ANY_TYPE = ("_eq", "_gt", "_gte", "_in", "_is_null", "_lt", "_lte", "_neq", "_nin")
TEXT_TYPE = (
    "_ilike",
    "_iregex",
    "_like",
    "_nilike",
    "_niregex",
    "_nlike",
    "_nregex",
    "_nsimilar",
    "_regex",
    "_similar",
)
CONTAINMENT = ("_contained_in", "_contains")
JSONB_TYPE = ("_has_key", "_has_keys_all", "_has_keys_any")
COLUMN_OPERATORS = ("_ceq", "_cne", "_cneq", "_cgt", "_cgte", "_clt", "_clte")
_OPERATORS = frozenset({*ANY_TYPE, "_ne", *TEXT_TYPE, *CONTAINMENT, *JSONB_TYPE, *COLUMN_OPERATORS})
_TEXT_TYPES = frozenset({"text", "varchar", "bpchar", "citext", "name", "char"})
_LIST_OPERATORS = frozenset({"_in", "_nin", "_has_keys_all", "_has_keys_any"})


class ExpressionError(ValueError):
    """An expression that does not fit its table; the text is the engine's message."""


def is_text(column: Column) -> bool:
    """Whether the pattern operators work on the column."""
    return column.base_type in _TEXT_TYPES


def takes_list(operator: str) -> bool:
    """Whether the operator's operand is a list."""
    return operator in _LIST_OPERATORS


@dataclass(frozen=True, kw_only=True)
class ExpressionReader:
    """Reads expressions against the tables of one source.

    `graphql` says whose names are used: GraphQL's (and no session variables), or Postgres's.
    """

    tables: Callable[[TableName], Fields | None]
    graphql: bool
    rows_of: Callable[[TableName], Expression] = lambda _: TRUE
    """Which rows of a related table may be looked at; in permissions, all of them."""

    def read(self, value: Json, table: Fields) -> Expression:
        """Read one expression about `table`. Raises ExpressionError."""
        return self._read(value, table, table)

    def _read(self, value: Json, table: Fields, root: Fields) -> Expression:
        if not isinstance(value, dict):
            raise ExpressionError("expected an object for a boolean expression")
        parts = [self._field(name, each, table, root) for name, each in value.items()]
        return parts[0] if len(parts) == 1 else And(parts=tuple(parts))

    def _many(self, value: Json, table: Fields, root: Fields) -> tuple[Expression, ...]:
        values = value if isinstance(value, list) else [value]
        return tuple(self._read(each, table, root) for each in values)

    def _field(self, name: str, value: Json, table: Fields, root: Fields) -> Expression:
        if name in ("_and", "$and"):
            return And(parts=self._many(value, table, root))
        if name in ("_or", "$or"):
            return Or(parts=self._many(value, table, root))
        if name in ("_not", "$not"):
            return Not(part=self._read(value, table, root))
        if name in ("_exists", "$exists") and not self.graphql:
            return self._exists(value, root)
        relationship = table.relationships.get(name)
        if relationship is not None:
            target = self.tables(relationship.target)
            if target is None:
                raise ExpressionError(f'table "{relationship.target[1]}" is not tracked')
            where = self._read(value, target, root)
            allowed = self.rows_of(relationship.target)
            if allowed != TRUE:
                where = And(parts=(Rooted(part=allowed), where))
            return Related(relationship=relationship, where=where)
        column = table.column_named(name, graphql=self.graphql)
        if column is None:
            raise ExpressionError(f'"{name}" does not exist')
        return self._compare(column, value, table, root)

    def _exists(self, value: Json, root: Fields) -> Expression:
        if not isinstance(value, dict) or "_table" not in value or "_where" not in value:
            raise ExpressionError('_exists needs "_table" and "_where"')
        name = value["_table"]
        key = (
            (str(name.get("schema", "public")), str(name.get("name")))
            if isinstance(name, dict)
            else ("public", str(name))
        )
        target = self.tables(key)
        if target is None:
            raise ExpressionError(f'table "{key[1]}" does not exist')
        return Exists(table=key, where=self._read(value["_where"], target, root))

    def _compare(self, column: Column, value: Json, table: Fields, root: Fields) -> Expression:
        if not isinstance(value, dict):
            return Compare(column=column, operator="_eq", operand=self._operand(value))
        parts = [self._operation(column, name, each, table, root) for name, each in value.items()]
        return parts[0] if len(parts) == 1 else And(parts=tuple(parts))

    def _operation(self, column: Column, name: str, value: Json, table: Fields, root: Fields) -> Expression:
        operator = "_" + name[1:] if name.startswith("$") else name
        if operator not in _OPERATORS:
            raise ExpressionError(f"Unknown operator: {name}")
        wanted = _needed_type(operator, column)
        if wanted is not None:
            raise ExpressionError(
                f' is of type "{column.type_sql}"; this operator works only on columns of type {wanted}'
            )
        if operator in COLUMN_OPERATORS:
            other = _other_column(value)
            owner = root if other.root else table
            if owner.database.column(other.name) is None:
                raise ExpressionError(f'"{other.name}" does not exist')
            return Compare(column=column, operator="_" + operator[2:], operand=other)
        return Compare(column=column, operator=operator, operand=self._operand(value))

    def _operand(self, value: Json) -> Operand:
        if not self.graphql and isinstance(value, list):
            return ListWithVariables(items=tuple(map(self._single, value)))
        return self._single(value)

    def _single(self, value: Json) -> Literal | SessionVariable:
        if not self.graphql and isinstance(value, str) and is_session_variable(value):
            return SessionVariable(name=value.lower())
        return Literal(value=value)


def is_session_variable(text: str) -> bool:
    """Whether a string in a permission stands for a session variable."""
    return text.lower().startswith("x-hasura-")


def _needed_type(operator: str, column: Column) -> str | None:
    if operator in TEXT_TYPE and not is_text(column):
        return '"char", "character varying", "text", "citext"'
    if operator in JSONB_TYPE and column.base_type != "jsonb":
        return '"jsonb"'
    if operator in CONTAINMENT and not (column.is_array or column.base_type == "jsonb"):
        return "an array or JSONB"
    return None


def _other_column(value: Json) -> OtherColumn:
    if isinstance(value, str):
        return OtherColumn(name=value, root=False)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return OtherColumn(name=value[0], root=False)
    if isinstance(value, list) and len(value) == 2 and value[0] == "$" and isinstance(value[1], str):
        return OtherColumn(name=value[1], root=True)
    if isinstance(value, list):
        raise ExpressionError("Relationship references are not supported in column comparison RHS")
    raise ExpressionError("a boolean expression JSON must be either a string or an array")
