"""Run rivals in alternating rounds and keep their times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Step = Callable[[], object]


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One way to do the work. `prepare` brings everything back to the start and is not timed; `run` is."""

    name: str
    run: Step
    prepare: Step = nothing


@dataclass(kw_only=True)
class Times:
    """Seconds of each round by rival, in the order of rounds."""

    by_rival: dict[str, list[float]] = field(default_factory=dict)

    def median(self, rival: str) -> float:
        return statistics.median(self.by_rival[rival])

    def spread(self, rival: str) -> tuple[float, float]:
        """Shortest and longest."""
        return min(self.by_rival[rival]), max(self.by_rival[rival])


def alternate(
    rivals: Sequence[Rival], rounds: int, told: Callable[[str], None], *, warm_up: bool = True
) -> Times:
    """Run each rival once a round; the one that was first in a round is last in the next.

    A round before the first that is not counted fills caches, for all of them.
    """
    times = Times(by_rival={rival.name: [] for rival in rivals})
    for number in range(-1 if warm_up else 0, rounds):
        turn = number % len(rivals)
        for rival in (*rivals[turn:], *rivals[:turn]):
            rival.prepare()
            begun = time.perf_counter()
            rival.run()
            taken = time.perf_counter() - begun
            if number >= 0:
                times.by_rival[rival.name].append(taken)
        told(f"round {number + 1} of {rounds}")
    return times
