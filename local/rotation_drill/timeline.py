"""What was seen of one engine after the rotation, and the figures that follow. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

OldKey = Literal["keep", "drop"]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One case of the drill: the cache header of the JWKS, and what becomes of the old key in it.

    ``max_age`` is in seconds, None is no cache header.
    """

    max_age: int | None
    old_key: OldKey

    @property
    def headers(self) -> str:
        return "none" if self.max_age is None else f"max-age={self.max_age}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Whether the engine took a token of each key, ``at`` seconds after the rotation."""

    at: float
    old_accepted: bool
    new_accepted: bool


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All that was seen of one engine: before the rotation, after it, and after a restart if there was
    one."""

    situation: Situation
    accepted_before: bool
    samples: tuple[Sample, ...]
    after_restart: Sample | None = None

    @property
    def new_accepted_at(self) -> float | None:
        """Seconds from the rotation until a token of the new key was taken; None if it never was."""
        return next((sample.at for sample in self.samples if sample.new_accepted), None)

    @property
    def old_refused_at(self) -> float | None:
        """Seconds from the rotation until a token of the old key was refused; None if it never was."""
        return next((sample.at for sample in self.samples if not sample.old_accepted), None)

    @property
    def watched(self) -> float:
        """Seconds from the rotation to the last look before a restart."""
        return self.samples[-1].at if self.samples else 0.0

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come: the new key is known, and the old one forgotten if it was
        dropped."""
        old_is_done = self.situation.old_key == "keep" or self.old_refused_at is not None
        return self.new_accepted_at is not None and old_is_done


def row(timeline: Timeline) -> tuple[str, str, str, str, str]:
    """A line of the table: headers, old key, tokens of the old key, tokens of the new one, after the
    restart."""
    old, new = timeline.old_refused_at, timeline.new_accepted_at
    return (
        timeline.situation.headers,
        "stays in the JWKS" if timeline.situation.old_key == "keep" else "leaves the JWKS",
        f"accepted throughout ({timeline.watched:.0f} s)" if old is None else f"refused after {old:.0f} s",
        f"refused throughout ({timeline.watched:.0f} s)" if new is None else f"accepted after {new:.0f} s",
        _after_restart(timeline.after_restart),
    )


def _after_restart(sample: Sample | None) -> str:
    if sample is None:
        return "not needed"
    old = "accepted" if sample.old_accepted else "refused"
    new = "accepted" if sample.new_accepted else "refused"
    return f"old {old}, new {new}"


def problems(timelines: Sequence[Timeline]) -> list[str]:
    """Where an engine did otherwise than the runbook says, so that its advice would be wrong for it."""
    found = []
    for timeline in timelines:
        situation = timeline.situation
        kept = "kept" if situation.old_key == "keep" else "dropped"
        where = f"JWKS headers {situation.headers}, old key {kept}"
        if not timeline.accepted_before:
            found.append(f"{where}: the engine refused a token before any rotation")
        if situation.max_age is not None and not timeline.settled:
            found.append(
                f"{where}: {timeline.watched:.0f} s after the rotation the engine had not read the keys"
            )
        if situation.max_age is None and timeline.new_accepted_at is not None:
            found.append(f"{where}: the engine read the keys again without being restarted")
        restarted = timeline.after_restart
        if restarted is not None and not restarted.new_accepted:
            found.append(f"{where}: a token of the new key is refused even after a restart")
        if restarted is not None and restarted.old_accepted != (situation.old_key == "keep"):
            found.append(f"{where}: after a restart a token of the old key is not treated as the JWKS says")
    return found
