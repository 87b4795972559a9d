"""What the benchmarks say: rows of a table on the screen, in Markdown, and as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """`ours` and `theirs` are amounts in `unit` (s, MB); `goal` is what issue or reader expects, in words;
    `most` is the ratio that it allows, `reached` whether the figures reach it (None: there is no goal, or the peer
    is `missing`, which says why)."""

    work: str
    ours: float
    against: str
    theirs: float
    goal: str = ""
    most: float | None = None
    missing: str = ""
    unit: str = "s"
    rounds: int = 1
    spread: tuple[float, float] | None = None

    @property
    def reached(self) -> bool | None:
        return None if self.most is None or self.missing else self.ratio <= self.most

    @property
    def ratio(self) -> float:
        """Ours as a multiple of theirs: below 1 is less."""
        return self.ours / self.theirs if self.theirs else float("inf")

    def ratio_text(self) -> str:
        """Such as `4.1 times faster` or `1.3 times`."""
        if self.unit == "s" and self.ratio < 1:
            return f"{1 / self.ratio:.1f} times faster"
        return f"{self.ratio:.2f} times"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it ran. `engine` says in full which engine answered."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    postgres: str
    engine: str
    pulumi: str
    docker: str
    peers: tuple[str, ...]
    load: float
    revision: str

    def lines(self) -> list[str]:
        return [
            f"Engine: {self.engine}",
            f"Machine: {self.cores} cores ({self.processor}), {self.memory_gb:.0f} GB, {self.system}",
            f"Load average of the 15 minutes before the end: {self.load:.1f}",
            f"Versions: this project at {self.revision}, pulumi {self.pulumi}, Python {self.python}, {self.postgres}, "
            f"Docker {self.docker}",
            f"Peers: {', '.join(self.peers)}",
        ]


HEADINGS = ("work", "ours", "against", "theirs", "ratio", "goal", "", "rounds")


def cells(row: Row) -> tuple[str, ...]:
    ours = _amount(row.ours, row.unit) + (f" ({_range(row.spread, row.unit)})" if row.spread else "")
    if row.missing:
        return (row.work, ours, row.against, row.missing, "", row.goal, "not run", str(row.rounds))
    return (
        row.work,
        ours,
        row.against,
        _amount(row.theirs, row.unit),
        row.ratio_text(),
        row.goal,
        {True: "reached", False: "missed", None: ""}[row.reached],
        str(row.rounds),
    )


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _amount(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return f"{value * 1000:.1f} ms"
    return f"{value:.2f} {unit}"


def _range(spread: tuple[float, float], unit: str) -> str:
    low, high = spread
    return f"{_amount(low, unit)} to {_amount(high, unit)}"
