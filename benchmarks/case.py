"""What a case is, and rows from the times of its rivals."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.report import Row
from benchmarks.rounds import Times

OURS = "ours"
Told = Callable[[str], None]
Case = Callable[[Bench, int, Told], list[Row]]
"""Parts, how many rounds are wanted (fewer where one takes minutes), where to say how far it is."""


def row(
    times: Times,
    rounds: int,
    *,
    work: str,
    against: str,
    goal: str = "",
    faster: float = 0,
    at_most: float = 0,
) -> Row:
    """A row; its goal is reached if ours is so many times `faster`, or takes `at_most` so many times as
    long."""
    return Row(
        work=work,
        ours=times.median(OURS),
        against=against,
        theirs=times.median(against),
        goal=goal,
        most=(1 / faster if faster else at_most) if goal else None,
        rounds=rounds,
        spread=times.spread(OURS),
    )


def row_of_missing(ours: float, why: str, *, work: str, against: str, goal: str, rounds: int) -> Row:
    """A row whose peer is not here."""
    return Row(
        work=work, ours=ours, against=against, theirs=float("nan"), goal=goal, missing=why, rounds=rounds
    )
