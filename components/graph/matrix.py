"""Who may do what: roles by tables by operations, with the rows in words. Pure; takes the shape that
`canonical.keyed` gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from components.clerk.claims import ADMIN_ROLE
from components.graph.chain import given_roles
from components.graph.inputs import Side
from components.graph.marks import Mark, mark, overall
from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import with_lists
from components.schema.changes import inheritance, table_name
from components.schema.expressions import Any as AnyOf
from components.schema.expressions import parse, rows, session_variables
from components.schema.permissions import Difference, Operation, differences, may, permissions

OPERATIONS: Final[tuple[Operation, ...]] = ("select", "insert", "update", "delete")

Reach = Literal["none", "own", "some", "every"]
"""Which rows: none; those that a session variable chooses; those that something else chooses; every one."""

REACHES: Final[Mapping[Reach, str]] = {
    "own": "rows that a session variable chooses",
    "some": "rows that something else chooses",
    "every": "every row",
    "none": "nothing",
}


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission as a role has it. `inherited_from` is the role that it comes through, or empty; `rows` are the
    rows in words, `words` all of it, as it follows "may"."""

    reach: Reach
    rows: str
    words: str
    inherited_from: str = ""
    backend_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a role may do with a table by one operation, now and as it was deployed. More than one grant comes by
    inheritance only. `differences` says what changed, as it follows the role's name."""

    operation: Operation
    now: tuple[Grant, ...]
    was: tuple[Grant, ...]
    differences: tuple[Difference, ...] = ()

    @property
    def mark(self) -> Mark:
        return mark(self.was or None, self.now or None)

    @property
    def reach(self) -> Reach:
        """The widest of its grants."""
        order: tuple[Reach, ...] = ("none", "some", "own", "every")
        return max((grant.reach for grant in self.now), key=order.index, default="none")

    @property
    def backend_only(self) -> bool:
        """Whether it takes the admin secret, whatever the role."""
        return bool(self.now) and all(grant.backend_only for grant in self.now)


@dataclass(frozen=True, kw_only=True)
class RoleOnTable:
    """One role on one table, with a cell for each of OPERATIONS."""

    role: str
    cells: tuple[Cell, ...]

    @property
    def mark(self) -> Mark:
        return overall(cell.mark for cell in self.cells if cell.now or cell.was)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table that is tracked now or was, by its name as people have it, with the roles that may do anything with
    it now or could."""

    name: str
    mark: Mark
    roles: tuple[RoleOnTable, ...]

    @property
    def differs(self) -> bool:
        return bool(self.mark) or any(role.mark for role in self.roles)


@dataclass(frozen=True, kw_only=True)
class Role:
    """One role. `given` says whether a token gives it: `default`, `allowed`, `perhaps` (a shortcode decides), or `no`.

    `was_given` says whether one gave it when the stack was deployed; `inherits` are the roles that it is made of,
    directly.
    """

    name: str
    given: Literal["default", "allowed", "perhaps", "no"]
    was_given: bool
    inherits: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """What is no table and what roles may call it: `kind` is function, action, remote schema or the like."""

    kind: str
    name: str
    roles: tuple[tuple[str, Mark], ...]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Everything that roles may do. The role admin may do everything and is not in it."""

    roles: tuple[Role, ...]
    tables: tuple[Table, ...]
    beyond: tuple[Beyond, ...]


_Key = tuple[str, str]
_Bodies = dict[tuple[str, str, str, Operation], JsonObject]


def matrix(now: Side, was: Side) -> Matrix:
    """The matrix as it is, marked where it differs from `was`."""
    new, old = _Metadata(now.metadata), _Metadata(was.metadata)
    tables = sorted({*new.tables, *old.tables}, key=lambda key: (key[0] != "default", key[0], _order(key[1])))
    beyond = _beyond(new.tree, old.tree)
    found = tuple(_table(key, new, old) for key in tables)
    named = {role.role for table in found for role in table.roles} | {
        role for thing in beyond for role, _ in thing.roles
    }
    return Matrix(roles=_roles(now, was, new, old, named), tables=found, beyond=beyond)


def _order(table: str) -> tuple[bool, str]:
    return (not table.startswith("public."), table)


class _Metadata:
    """One keyed tree, looked up."""

    def __init__(self, tree: JsonObject) -> None:
        self.tree = _object(with_lists(tree))
        self.tables: set[_Key] = {
            (source, table)
            for source, body in _objects(self.tree.get("sources")).items()
            for table in _object(body.get("tables"))
        }
        self.bodies: _Bodies = {
            (p.source, p.table, p.role, p.operation): p.body for p in permissions(self.tree)
        }
        self.parents = {
            role: tuple(_texts(entry.get("role_set")))
            for role, entry in _objects(self.tree.get("inherited_roles")).items()
        }
        self._heirs = inheritance(self.tree)

    def roles_on(self, key: _Key) -> set[str]:
        own = {role for source, table, role, _ in self.bodies if (source, table) == key}
        return own | {heir for role in own for heir in self._heirs.get(role, ())}

    def grants(self, key: _Key, role: str, operation: Operation) -> tuple[Grant, ...]:
        """The role's own permission, or else those that it inherits."""
        if body := self.bodies.get((*key, role, operation)):
            return (_grant(operation, body),)
        through = [one for one in sorted(self._heirs) if role in self._heirs[one]]
        return tuple(
            _grant(operation, self.bodies[*key, one, operation], inherited_from=one)
            for one in through
            if (*key, one, operation) in self.bodies
        )


def _grant(operation: Operation, body: JsonObject, *, inherited_from: str = "") -> Grant:
    chooses = body.get("check" if operation == "insert" else "filter", {})
    return Grant(
        reach=_reach(chooses),
        rows=_rows(operation, chooses),
        words=may(operation, body),
        inherited_from=inherited_from,
        backend_only=body.get("backend_only") is True,
    )


def _rows(operation: Operation, chooses: Json) -> str:
    said = rows(chooses)
    return "any row" if operation == "insert" and said == "every row" else said


def _reach(expression: Json) -> Reach:
    if rows(expression) == "every row":
        return "every"
    if parse(expression) == AnyOf(()):
        return "none"
    return "own" if session_variables(expression) else "some"


def _table(key: _Key, new: _Metadata, old: _Metadata) -> Table:
    roles = sorted(new.roles_on(key) | old.roles_on(key))
    return Table(
        name=table_name(*key),
        mark=mark(key if key in old.tables else None, key if key in new.tables else None),
        roles=tuple(
            RoleOnTable(role=role, cells=tuple(_cell(key, role, of, new, old) for of in OPERATIONS))
            for role in roles
        ),
    )


def _cell(key: _Key, role: str, operation: Operation, new: _Metadata, old: _Metadata) -> Cell:
    own = differences(
        operation, old.bodies.get((*key, role, operation)), new.bodies.get((*key, role, operation))
    )
    return Cell(
        operation=operation,
        now=new.grants(key, role, operation),
        was=old.grants(key, role, operation),
        differences=tuple(own),
    )


def _roles(
    now: Side, was: Side, new: _Metadata, old: _Metadata, with_permissions: Iterable[str]
) -> tuple[Role, ...]:
    given, any_other, default = given_roles(now)
    given_before, any_other_before, _ = given_roles(was)
    here = {*given, *new.parents, *(role for _, _, role, _ in new.bodies)}
    there = {*given_before, *old.parents, *(role for _, _, role, _ in old.bodies)}
    every = {*here, *there, *with_permissions} - {ADMIN_ROLE}
    found = []
    for name in sorted(every, key=lambda role: (role != default, role not in given, role)):
        found.append(
            Role(
                name=name,
                given="default"
                if name == default
                else "allowed"
                if name in given
                else "perhaps"
                if any_other
                else "no",
                was_given=name in given_before or any_other_before,
                inherits=new.parents.get(name, ()),
                mark=mark(name if name in there else None, name if name in here else None)
                if name in here | there
                else "",
            )
        )
    return tuple(found)


def _beyond(new: JsonObject, old: JsonObject) -> tuple[Beyond, ...]:
    now, was = set(_callable(new)), set(_callable(old))
    things: dict[tuple[str, str], list[tuple[str, Mark]]] = {}
    for kind, name, role in sorted(now | was):
        key = (kind, name, role)
        found = mark(key if key in was else None, key if key in now else None)
        things.setdefault((kind, name), []).append((role, found))
    return tuple(Beyond(kind=kind, name=name, roles=tuple(roles)) for (kind, name), roles in things.items())


def _callable(tree: JsonObject) -> Iterator[tuple[str, str, str]]:
    """Kind, name and role of each permission that is not on a table."""
    for source, body in _objects(tree.get("sources")).items():
        for function, entry in _objects(body.get("functions")).items():
            for role in _object(entry.get("permissions")):
                yield "function", table_name(source, function), role
        for model, entry in _objects(body.get("logical_models")).items():
            for role in _listed_roles(entry.get("select_permissions")):
                yield "logical model", table_name(source, model), role
    for key, kind in (("actions", "action"), ("remote_schemas", "remote schema")):
        for name, entry in _objects(tree.get(key)).items():
            for role in _listed_roles(entry.get("permissions")):
                yield kind, name, role


def _listed_roles(of: Json) -> Iterator[str]:
    for entry in of if isinstance(of, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("role"), str):
            yield str(entry["role"])


def _texts(of: Json) -> list[str]:
    return [str(entry) for entry in of] if isinstance(of, list) else []


def _object(of: Json) -> JsonObject:
    return of if isinstance(of, dict) else {}


def _objects(of: Json) -> dict[str, JsonObject]:
    return cast("dict[str, JsonObject]", {k: v for k, v in _object(of).items() if isinstance(v, dict)})
