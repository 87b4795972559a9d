"""A deployment as its events tell it: what was done, how long each step took, what was said. Pure.

The events are those of the CLI's `--event-log` (`apitype.EngineEvent`:
https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent). Their own time stamps are whole
seconds, so the moment at which each one came is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from components.hasura.json_types import Json, JsonObject
from components.plan.redaction import Redact
from components.plan.resources import PROOF, is_shown, kind_of
from components.schema.remarks import heard as is_remark_of_a_preview

HEALTH: Final = "pulumi-python:dynamic/docker:ContainerHealth"

Result = Literal["succeeded", "failed", "refused"]
"""``refused``: the preview before it failed, so nothing was done."""

_WORDS: Final[Mapping[str, str]] = {
    "create": "created",
    "update": "changed",
    "delete": "deleted",
    "create-replacement": "created anew",
    "delete-replaced": "deleted for its successor",
    "refresh": "looked at",
    "import": "imported",
    "read": "read",
}
"""Operations that take time, in words. A replacement is told by its two halves."""
_WORDS_OF_A_KIND: Final[Mapping[tuple[str, str], str]] = {
    (type_, operation): word
    for type_, word in ((HEALTH, "waited for"), (PROOF, "made"))
    for operation in ("create", "update", "create-replacement")
}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One event, and when it came (UTC)."""

    at: datetime
    event: JsonObject


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource and what was done to it. ``seconds`` from the event that began it to the one that ended it."""

    began: datetime
    seconds: float
    what: str
    noun: str
    name: str
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Said:
    """A line that somebody said: a provider, the program or the CLI."""

    at: datetime
    severity: Literal["info", "warning", "error"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One run of `pulumi up`, `destroy` or `refresh`. ``changes`` counts resources by operation."""

    began: datetime
    ended: datetime
    result: Result
    steps: tuple[Step, ...] = ()
    said: tuple[Said, ...] = ()
    changes: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        return (self.ended - self.began).total_seconds()


def deployment(streams: Sequence[Sequence[Heard]], redact: Redact) -> Deployment | None:
    """The deployment that these streams of events tell; None where only a preview was made and found nothing wrong.

    The CLI opens a stream for the preview before a deployment and one for the deployment. Every text goes through
    ``redact``.
    """
    filled = [stream for stream in streams if stream]
    if not filled:
        return None
    last = filled[-1]
    preview = any(_is_planned(one.event) for one in last)
    said = tuple(line for one in last for line in _said(one, redact))
    succeeded = any(_object(one.event, "summaryEvent").get("result") == "succeeded" for one in last)
    if preview and succeeded:
        return None
    changes: dict[str, int] = {}
    for one in last:
        changes |= {
            name: int(str(count))
            for name, count in _object(_object(one.event, "summaryEvent"), "resourceChanges").items()
            if name != "same"
        }
    return Deployment(
        began=last[0].at,
        ended=last[-1].at,
        result="refused" if preview else "succeeded" if succeeded else "failed",
        steps=() if preview else _steps(last),
        said=said,
        changes={} if preview else changes,
    )


def _is_planned(event: JsonObject) -> bool:
    return _object(event, "summaryEvent").get("isPreview") is True or any(
        _object(event, name).get("planning") is True for name in ("resourcePreEvent", "resOutputsEvent")
    )


def _steps(stream: Sequence[Heard]) -> tuple[Step, ...]:
    begun: dict[tuple[str, str], datetime] = {}
    steps = []
    for one in stream:
        if metadata := _object(_object(one.event, "resourcePreEvent"), "metadata"):
            begun[_key(metadata)] = one.at
            continue
        for name in ("resOutputsEvent", "resOpFailedEvent"):
            metadata = _object(_object(one.event, name), "metadata")
            began = begun.pop(_key(metadata), None) if metadata else None
            if began is not None and (step := _step(metadata, began, one.at, name == "resOpFailedEvent")):
                steps.append(step)
    return tuple(sorted(steps, key=lambda step: step.began))


def _key(metadata: JsonObject) -> tuple[str, str]:
    return str(metadata.get("urn")), str(metadata.get("op"))


def _step(metadata: JsonObject, began: datetime, ended: datetime, failed: bool) -> Step | None:
    type_, operation = str(metadata.get("type")), str(metadata.get("op"))
    what = _WORDS_OF_A_KIND.get((type_, operation)) or _WORDS.get(operation)
    if what is None or not is_shown(type_):
        return None
    name = str(metadata.get("urn")).rsplit("::", 1)[-1]
    return Step(
        began=began,
        seconds=(ended - began).total_seconds(),
        what=what,
        noun=kind_of(type_, name).noun,
        name=name,
        failed=failed,
    )


def _said(one: Heard, redact: Redact) -> list[Said]:
    if policy := _object(one.event, "policyEvent"):
        mandatory = policy.get("enforcementLevel") == "mandatory"
        text = redact(f"policy {policy.get('policyName')}: {policy.get('message')}")
        return [Said(at=one.at, severity="error" if mandatory else "warning", text=" ".join(text.split()))]
    event = _object(one.event, "diagnosticEvent")
    severity = str(event.get("severity", ""))
    text = redact(str(event.get("message") or "")).strip()
    if severity == "debug" or event.get("ephemeral") is True or not text:
        return []
    known: Literal["info", "warning", "error"] = (
        "warning" if severity == "warning" else "error" if severity == "error" else "info"
    )
    # What would be done has been done by then.
    return [
        Said(at=one.at, severity=known, text=line.rstrip())
        for line in text.splitlines()
        if line.strip() and is_remark_of_a_preview(line) is None
    ]


def _object(value: JsonObject, key: str) -> JsonObject:
    found: Json = value.get(key)
    return found if isinstance(found, dict) else {}
