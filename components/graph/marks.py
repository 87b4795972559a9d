"""What is not as it was deployed, as a picture marks it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from components.schema.permissions import Effect

Mark = Literal["", "added", "removed", "changed"]
"""How a thing differs from the last deployment; nothing where it does not, or where nobody compares."""

EFFECTS: Final[dict[Effect, str]] = {
    "widens": "more access",
    "narrows": "less access",
    "shifts": "other access",
    "keeps": "the same access",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a card: `words` is Markdown with code spans, `was` the same of the last deployment.

    `words` is None for what is gone, `was` for what was not there.
    """

    label: str
    words: str | None
    was: str | None

    @property
    def mark(self) -> Mark:
        return mark(self.was, self.words)


def mark(was: object | None, now: object | None) -> Mark:
    """The mark of a thing that was and is; None stands for none."""
    if was == now:
        return ""
    return "added" if was is None else "removed" if now is None else "changed"


def overall(marks: Iterable[Mark]) -> Mark:
    """The mark of what is made of parts: changed, unless all of them are added or all are removed."""
    found = set(marks)
    if len(found) == 1:
        return found.pop()
    return "changed" if found - {""} else ""
