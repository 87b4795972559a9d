"""What is wrong with a directory, a file or a plan, in a form that a person can act on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong: where (`path`, `line` from 1, or None), what, and what to do about it."""

    path: str
    line: int | None = None
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        told = f"{where}: {self.message}" if where else self.message
        return f"{told}\n    {self.remedy}" if self.remedy else told


class SchemaError(Exception):
    """Everything that is wrong, at once. `applied` tells what had been done before, `title` what was
    tried."""

    def __init__(self, problems: Iterable[Problem], *, title: str = "", notes: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        self.title = title
        self.notes = tuple(notes)
        super().__init__(self.text())

    def text(self) -> str:
        lines = [self.title] if self.title else []
        lines += [f"  {line}" if self.title else line for p in self.problems for line in str(p).split("\n")]
        lines += [f"  {note}" if self.title else note for note in self.notes]
        return "\n".join(lines)
