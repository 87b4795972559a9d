"""A deployment as lines of a log, and in a few words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from components.deployment_log.record import Deployment, Said, Step

SLOWEST: Final = 3
"""How many steps the summary names."""
_WORTH_NAMING: Final = 0.5
"""Seconds from which on a step is slow enough to be named."""
_CHANGES: Final = {
    "create": "created",
    "update": "changed",
    "replace": "replaced",
    "delete": "deleted",
    "import": "imported",
}


def lines(deployment: Deployment, *, operation: str, stack: str, commit: str) -> list[str]:
    """The log: one line for the beginning, one for each step and each thing said, one for the end.

    Every line begins with its time (UTC, ISO 8601), and no line holds two.

    :param operation: what the CLI was asked for, for example ``up``.
    :param commit: what was deployed, or empty where that is not known.
    """
    of = f" at {commit}" if commit else ""
    told: list[tuple[datetime, str]] = [
        *((step.began, _step(step)) for step in deployment.steps),
        *((said.at, _said(said)) for said in deployment.said),
    ]
    return [
        f"{_time(deployment.began)} {operation} of {stack}{of} begins",
        *(f"{_time(at)}   {text}" for at, text in sorted(told, key=lambda one: one[0])),
        f"{_time(deployment.ended)} {operation} of {stack}{of} {_outcome(deployment)}",
    ]


def summary(deployment: Deployment, *, operation: str) -> str:
    """A few words for whoever waited."""
    slowest = sorted(
        (step for step in deployment.steps if step.seconds >= _WORTH_NAMING), key=lambda step: -step.seconds
    )[:SLOWEST]
    text = f"{operation} {_outcome(deployment)}"
    if slowest:
        text += f"; the slowest steps: {', '.join(map(_short, slowest))}"
    return text


_NO_REASON: Final = frozenset({"update failed", "preview failed", "destroy failed", "refresh failed"})
"""What the CLI says of itself beside each reason."""


def failures(deployment: Deployment) -> list[str]:
    """The reasons of a deployment that failed, line by line, for where they were printed far above.

    Those of one that was refused are what was printed last.
    """
    if deployment.result != "failed":
        return []
    told = [said.text for said in deployment.said if said.severity == "error" and said.text not in _NO_REASON]
    return list(dict.fromkeys(told))


def _outcome(deployment: Deployment) -> str:
    if deployment.result == "refused":
        return f"was refused after {deployment.seconds:.1f} s, nothing was touched"
    counted = ", ".join(_counted(deployment.changes.items())) or "nothing changed"
    return f"{deployment.result} in {deployment.seconds:.1f} s: {counted}"


def _counted(changes: Iterable[tuple[str, int]]) -> Iterator[str]:
    known = dict(changes)
    for operation, word in _CHANGES.items():
        if known.get(operation):
            yield f"{known[operation]} {word}"


def _step(step: Step) -> str:
    failed = "FAILED, was to be " if step.failed else ""
    return f"{step.seconds:7.2f} s  {failed}{step.what} {_thing(step)}"


def _said(said: Said) -> str:
    return said.text if said.severity == "info" else f"{said.severity}: {said.text}"


def _short(step: Step) -> str:
    return f"{step.what} {_thing(step)} {step.seconds:.1f} s"


def _thing(step: Step) -> str:
    return step.noun if step.noun == step.name else f"{step.noun} {step.name}"


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
