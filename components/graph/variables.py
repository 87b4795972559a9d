"""Session variables, from the claim that gives them to the columns that they are compared with. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.access import ALWAYS_GIVEN
from components.clerk.claims import ALLOWED_ROLES, DEFAULT_ROLE
from components.graph.chain import session_claims
from components.graph.inputs import Side
from components.graph.marks import Mark, mark
from components.hasura.json_types import JsonObject
from components.schema.changes import table_name
from components.schema.expressions import is_session_variable, session_variables
from components.schema.permissions import OPERATIONS, Operation, permissions
from components.schema.words import code, shortened, value

Purpose = Literal["compared with", "written into"]


@dataclass(frozen=True, kw_only=True, order=True)
class Use:
    """Where a role's permissions use a variable: `column` by its path from the table, `operations` in order."""

    table: str
    column: str
    purpose: Purpose
    role: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A session variable (lower case). `claim` is what gives it, as Markdown, None where it is gone; `was` the same of
    the last deployment."""

    name: str
    claim: str | None
    was: str | None
    uses: tuple[tuple[Use, Mark], ...]

    @property
    def mark(self) -> Mark:
        return mark(self.was, self.claim)

    @property
    def differs(self) -> bool:
        return bool(self.mark) or any(of for _, of in self.uses)


def variables(now: Side, was: Side) -> tuple[Variable, ...]:
    """Every session variable that a token or a permission knows, those that decide on rows first."""
    new, old = _used(now.metadata), _used(was.metadata)
    claims, before = _claims(now), _claims(was)
    found = []
    for name in {*claims, *before, *new, *old}:
        found.append(
            Variable(
                name=name,
                claim=_given(name, claims, used=name in new),
                was=_given(name, before, used=name in old),
                uses=tuple(_grouped(old.get(name, set()), new.get(name, set()))),
            )
        )
    return tuple(sorted(found, key=lambda variable: (not variable.uses, variable.name)))


def _given(name: str, claims: JsonObject, *, used: bool) -> str | None:
    if name in claims:
        of = claims[name]
        return code(shortened(of)) if isinstance(of, str) else value(of)
    if not used:
        return None
    return "Hasura itself" if name in ALWAYS_GIVEN else "no claim"


def _claims(side: Side) -> JsonObject:
    """Those that stand for a value; the other two decide on the role."""
    return {
        name: of for name, of in session_claims(side).items() if name not in (ALLOWED_ROLES, DEFAULT_ROLE)
    }


_Place = tuple[str, str, Purpose, str, Operation]


def _grouped(was: set[_Place], now: set[_Place]) -> Iterator[tuple[Use, Mark]]:
    """One line for all operations by which a role's permissions use a column alike."""
    operations: dict[tuple[str, str, Purpose, str, Mark], list[Operation]] = {}
    for place in was | now:
        differs = mark(place if place in was else None, place if place in now else None)
        operations.setdefault((*place[:4], differs), []).append(place[4])
    for table, column, purpose, role, differs in sorted(operations):
        found = operations[table, column, purpose, role, differs]
        yield (
            Use(
                table=table,
                column=column,
                purpose=purpose,
                role=role,
                operations=tuple(of for of in OPERATIONS.values() if of in found),
            ),
            differs,
        )


def _used(metadata: JsonObject) -> dict[str, set[_Place]]:
    found: dict[str, set[_Place]] = {}
    for variable, place in _places(metadata):
        found.setdefault(variable, set()).add(place)
    return found


def _places(metadata: JsonObject) -> Iterator[tuple[str, _Place]]:
    for permission in permissions(metadata):
        table = table_name(permission.source, permission.table)
        by = (permission.role, permission.operation)
        for part in ("filter", "check"):
            for column, variable in session_variables(permission.body.get(part, {})):
                yield variable, (table, column, "compared with", *by)
        presets = permission.body.get("set")
        for column, of in presets.items() if isinstance(presets, dict) else ():
            if isinstance(of, str) and is_session_variable(of):
                yield of.lower(), (table, column, "written into", *by)
