"""One planned change, and what it risks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from components.hasura.json_types import Json
from components.schema.changes import Change
from components.schema.permissions import Effect

Topic = Literal["migration", "permission", "metadata", "token", "resource", "output"]


class Risk(IntEnum):
    """What a change may do to those who use the stack, the worst first."""

    DESTROYS = 1
    WIDENS = 2
    SHIFTS = 3
    UNGUARDS = 4
    NARROWS = 5
    INTERRUPTS = 6
    NONE = 7

    @property
    def title(self) -> str:
        """As a heading."""
        return _TITLES[self]

    @property
    def key(self) -> str:
        """As JSON has it."""
        return self.name.lower()


_TITLES: Final = {
    Risk.DESTROYS: "Destroys data",
    Risk.WIDENS: "Gives more access",
    Risk.SHIFTS: "Gives other access, perhaps more",
    Risk.UNGUARDS: "Removes a safeguard",
    Risk.NARROWS: "Takes access away",
    Risk.INTERRUPTS: "Interrupts requests",
    Risk.NONE: "Other changes",
}
_OF_EFFECT: Final[dict[Effect, Risk]] = {
    "widens": Risk.WIDENS,
    "shifts": Risk.SHIFTS,
    "narrows": Risk.NARROWS,
    "keeps": Risk.NONE,
}


@dataclass(frozen=True, kw_only=True)
class PlannedChange:
    """One change in words (a sentence without an end, names in code spans).

    `about` is the table, claim or resource that it is about; `role` and `operation` are those of a permission;
    `effect` is what it does to access; `before` and `after` are values without secrets.
    """

    risk: Risk
    topic: Topic
    words: str
    about: str = ""
    role: str = ""
    operation: str = ""
    effect: Effect = "keeps"
    before: Json = None
    after: Json = None


def of_metadata(change: Change) -> PlannedChange:
    """A change of metadata as a planned one."""
    return PlannedChange(
        risk=_OF_EFFECT[change.effect],
        topic="permission" if change.role else "metadata",
        words=str(change),
        about=change.table,
        role=change.role,
        operation=change.operation,
        effect=change.effect,
        before=change.before,
        after=change.after,
    )


def by_risk(changes: Iterable[PlannedChange]) -> tuple[PlannedChange, ...]:
    """The worst first; changes of one risk by topic, and by what they are about."""
    return tuple(sorted(changes, key=_place))


def _place(change: PlannedChange) -> tuple[int, int, str, str, int, str]:
    operation = _OPERATIONS.index(change.operation)
    return (change.risk, _ORDER[change.topic], change.about, change.role, operation, change.words)


_OPERATIONS: Final = ("", "select", "insert", "update", "delete")
_ORDER: Final[dict[Topic, int]] = {
    "migration": 0,
    "permission": 1,
    "token": 2,
    "metadata": 3,
    "resource": 4,
    "output": 5,
}
