"""What a GraphQL operation asks of one table: plain values between the GraphQL and the SQL side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from local.engine.expressions import TRUE, Expression, Relationship
from local.engine.json_types import Json
from local.engine.model import TrackedTable


@dataclass(frozen=True, kw_only=True)
class TypeNameItem:
    """`__typename`."""

    alias: str
    type_name: str


@dataclass(frozen=True, kw_only=True)
class ColumnItem:
    """A column; `json_path` is the `path` argument of a JSON column."""

    alias: str
    column: str
    json_path: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RelatedItem:
    """The related row or rows, or an aggregate of them."""

    alias: str
    relationship: Relationship
    rows: Rows
    aggregate: tuple[AggregateItem, ...] | None = None


Item: TypeAlias = TypeNameItem | ColumnItem | RelatedItem


@dataclass(frozen=True, kw_only=True)
class Order:
    """One term of `order_by`: a column, reached over object relationships."""

    through: tuple[Relationship, ...]
    column: str
    direction: str
    """SQL, such as `DESC NULLS LAST`."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A selection of rows of a table, and what of each is wanted."""

    table: TrackedTable
    items: tuple[Item, ...] = ()
    where: tuple[Expression, ...] = ()
    """All must hold; each has its own root."""
    order_by: tuple[Order, ...] = ()
    distinct_on: tuple[str, ...] = ()
    limit: int | None = None
    offset: int | None = None
    row_limit: int | None = None
    """The permission's limit: on rows, not on what aggregates see."""


@dataclass(frozen=True, kw_only=True)
class CountItem:
    """`count(columns, distinct)`."""

    alias: str
    columns: tuple[str, ...] = ()
    distinct: bool = False


@dataclass(frozen=True, kw_only=True)
class FunctionItem:
    """An aggregate function over columns: pairs of alias and column; a column of None is `__typename`."""

    alias: str
    function: str
    columns: tuple[tuple[str, str | None, str], ...]


@dataclass(frozen=True, kw_only=True)
class SummaryItem:
    """The field `aggregate`."""

    alias: str
    parts: tuple[CountItem | FunctionItem | TypeNameItem, ...]


@dataclass(frozen=True, kw_only=True)
class NodesItem:
    """The field `nodes`."""

    alias: str
    items: tuple[Item, ...]


AggregateItem: TypeAlias = SummaryItem | NodesItem | TypeNameItem


@dataclass(frozen=True, kw_only=True)
class SelectMany:
    """`users`."""

    rows: Rows


@dataclass(frozen=True, kw_only=True)
class SelectOne:
    """`users_by_pk`."""

    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """`users_aggregate`."""

    rows: Rows
    items: tuple[AggregateItem, ...]


@dataclass(frozen=True, kw_only=True)
class AffectedItem:
    """`affected_rows`."""

    alias: str


@dataclass(frozen=True, kw_only=True)
class ReturningItem:
    """`returning`."""

    alias: str
    items: tuple[Item, ...]


MutationItem: TypeAlias = AffectedItem | ReturningItem | TypeNameItem


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a mutation gives back: one row's items, or a response with counts and rows."""

    one: tuple[Item, ...] | None = None
    response: tuple[MutationItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """`on_conflict`."""

    constraint: str
    columns: tuple[str, ...]
    presets: Mapping[str, Json]
    where: tuple[Expression, ...]
    check: Expression = TRUE


@dataclass(frozen=True, kw_only=True)
class Insert:
    """`insert_users`, `insert_users_one`."""

    table: TrackedTable
    rows: tuple[Mapping[str, Json], ...]
    presets: Mapping[str, Json]
    check: Expression
    conflict: Conflict | None
    output: Output


@dataclass(frozen=True, kw_only=True)
class Update:
    """`update_users`, `update_users_by_pk`. `operations` maps a column to (operator, value)."""

    table: TrackedTable
    where: tuple[Expression, ...]
    operations: Mapping[str, tuple[str, Json]]
    presets: Mapping[str, Json]
    check: Expression
    output: Output


@dataclass(frozen=True, kw_only=True)
class Delete:
    """`delete_users`, `delete_users_by_pk`."""

    table: TrackedTable
    where: tuple[Expression, ...]
    output: Output


Query: TypeAlias = SelectMany | SelectOne | Aggregate
Mutation: TypeAlias = Insert | Update | Delete
