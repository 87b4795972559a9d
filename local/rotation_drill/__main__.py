"""`python -m local.rotation_drill`: rotates the key of throwaway local Clerks and shows what engines make of
it.

Four engines are watched at once: with and without cache headers at the JWKS, with the old key kept in it and
dropped from it. It takes about two minutes, nearly all of them the engine's own: it reads keys once a minute
at the soonest.

Exit codes: 0 as the runbook says; 1 otherwise, so that its advice would be wrong; 2 the drill could not be
held.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console
from rich.table import Table

from components.clerk.errors import ClerkError
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraError
from local.images import ImageError

from .stage import DrillError, Images, Pair, images, pairs
from .timeline import Sample, Situation, Timeline, problems, row

MAX_AGE: Final = 30
WATCHED: Final = 75.0
"""Seconds after the rotation: the engine's minute and some room."""
MANIFEST: Final = Path(__file__).resolve().parents[2] / "Pulumi.yaml"

SITUATIONS: Final = tuple(
    Situation(max_age=max_age, old_key=old_key) for max_age in (MAX_AGE, None) for old_key in ("keep", "drop")
)


def main(console: Console) -> int:
    """Hold the drill and print its table; the exit code."""
    try:
        configured = yaml.safe_load(MANIFEST.read_text())["config"]
        used = images(configured["postgresImage"]["default"], configured["hasuraImage"]["default"])
        timelines = drill(used, console)
    except (DrillError, ImageError, ClerkError, HasuraError, EngineUnreachable, AnswerLost) as error:
        console.print(f"The drill could not be held: {error}", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted. Its containers are removed.")
        return 130
    show(timelines, used, console)
    return 1 if problems(timelines) else 0


def drill(used: Images, console: Console) -> list[Timeline]:
    """Start, rotate, watch, restart where that is needed. Raises DrillError and the errors of both
    clients."""
    console.print(f"Starting {len(SITUATIONS)} engines, each with a local Clerk of its own ...")
    with pairs(SITUATIONS, used) as started:
        old = [pair.token() for pair in started]
        before = [pair.accepts(token) for pair, token in zip(started, old, strict=True)]
        for pair in started:
            pair.rotate(pair.situation.old_key)
        rotated = time.monotonic()
        new = [pair.token() for pair in started]
        console.print(f"Rotated. Watching for {WATCHED:.0f} s, since engines read keys once a minute ...")
        seen: list[list[Sample]] = [[] for _ in started]
        while time.monotonic() - rotated < WATCHED:
            for number, pair in enumerate(started):
                seen[number].append(_look(pair, old[number], new[number], rotated))
            time.sleep(0.5)
        return [
            _with_restart(
                Timeline(
                    situation=pair.situation, accepted_before=before[number], samples=tuple(seen[number])
                ),
                pair,
                old[number],
                new[number],
                rotated,
            )
            for number, pair in enumerate(started)
        ]


def _look(pair: Pair, old: str, new: str, rotated: float) -> Sample:
    return Sample(
        at=time.monotonic() - rotated, old_accepted=pair.accepts(old), new_accepted=pair.accepts(new)
    )


def _with_restart(timeline: Timeline, pair: Pair, old: str, new: str, rotated: float) -> Timeline:
    if timeline.settled:
        return timeline
    pair.restart_engine()
    return Timeline(
        situation=timeline.situation,
        accepted_before=timeline.accepted_before,
        samples=timeline.samples,
        after_restart=_look(pair, old, new, rotated),
    )


def show(timelines: Sequence[Timeline], used: Images, console: Console) -> None:
    """Print the table, and what is otherwise than in the runbook."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "JWKS headers",
        "old key",
        "tokens of the old key",
        "tokens of the new key",
        "after a restart",
    ):
        table.add_column(heading, overflow="fold")
    for timeline in timelines:
        table.add_row(*row(timeline))
    console.print(table)
    if used.engine_is_stand_in:
        console.print(
            "The engine is the STAND-IN, which follows recordings of Hasura v2.48.10.", style="bold"
        )
    console.print(f"Engine: {used.engine}", markup=False, highlight=False)
    for problem in problems(timelines):
        console.print(f"Otherwise than docs/runbooks/key-rotation.md says: {problem}.", markup=False)


if __name__ == "__main__":
    sys.exit(main(Console(highlight=False)))
