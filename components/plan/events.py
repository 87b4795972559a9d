"""What a preview of the Pulumi CLI tells, event by event, as a value. Pure.

The events are those of `pulumi preview --json` with PULUMI_ENABLE_STREAMING_JSON_PREVIEW set, one JSON object a line
(`apitype.EngineEvent`: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent). They are
chosen over the one document of `--json` because only they hold what a refresh has found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from components import property_marks
from components.hasura.json_types import Json, JsonObject
from components.plan.redaction import SECRET, Redact

Operation = Literal["create", "update", "replace", "delete", "same", "read", "import"]

UNKNOWN: Final = "[known after the deployment]"
"""What stands for a value that a preview cannot know."""

STACK: Final = "pulumi:pulumi:Stack"

_OPERATIONS: Final[Mapping[str, Operation]] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
    "same": "same",
    "read": "read",
    "read-replacement": "replace",
    "import": "import",
    "import-replacement": "replace",
}
_NOT_A_PROPERTY: Final = ("__provider", "__defaults")


@dataclass(frozen=True, kw_only=True)
class State:
    """A resource before or after a step. Secrets are SECRET, unknown values UNKNOWN."""

    inputs: JsonObject = field(default_factory=dict)
    outputs: JsonObject = field(default_factory=dict)
    protect: bool = False
    kept_on_delete: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource and what a deployment does to it.

    `type` is the type token, `changed` the properties that differ (as the provider tells, else by comparing inputs),
    `forcing` those of them that make it a replacement.
    """

    operation: Operation
    urn: str
    type: str
    before: State | None = None
    after: State | None = None
    changed: tuple[str, ...] = ()
    forcing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One resource as a refresh has found it; `after` is None where it is gone."""

    urn: str
    type: str
    before: State
    after: State | None
    changed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """Something that was said. `resource` is the name of the resource that it is about, or empty."""

    severity: Literal["info", "warning", "error"]
    text: str
    resource: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """What a policy pack says of a resource. `level` is `mandatory`, `advisory` or the like, as Pulumi names it."""

    level: str
    policy: str
    pack: str
    text: str
    resource: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A whole preview. `steps` and `found` are in the order of their URNs; `outputs` are the stack's."""

    steps: tuple[Step, ...] = ()
    found: tuple[Found, ...] = ()
    said: tuple[Diagnostic, ...] = ()
    policies: tuple[PolicyFinding, ...] = ()
    outputs_before: JsonObject = field(default_factory=dict)
    outputs_after: JsonObject = field(default_factory=dict)
    succeeded: bool = False


class EventError(Exception):
    """The CLI printed something else than events. The text says what to do."""


def parse(lines: Iterable[str]) -> list[JsonObject]:
    """The events of a preview, one a line; empty lines are passed over.

    :raises EventError: for a line that holds none.
    """
    events = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "sequence" not in event:
            raise EventError(
                f"line {number} of the preview is no event: {line.strip()[:80]!r}. The Pulumi CLI must be one that "
                "streams its events (`pulumi preview --json` with PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true)."
            )
        events.append(event)
    return events


def read(events: Iterable[JsonObject], redact: Redact = str) -> Preview:
    """The preview that these events tell. Every text in them goes through `redact`."""
    steps: dict[str, Step] = {}
    found: dict[str, Found] = {}
    policies: set[PolicyFinding] = set()
    said: list[Diagnostic] = []
    outputs: dict[str, JsonObject] = {"old": {}, "new": {}}
    succeeded = False
    for event in events:
        if "diagnosticEvent" in event:
            said += _diagnostic(_object(event["diagnosticEvent"]), redact)
        elif "policyEvent" in event:
            policies.add(_policy(_object(event["policyEvent"]), redact))
        elif "summaryEvent" in event:
            succeeded = _object(event["summaryEvent"]).get("result") == "succeeded"
        elif "errorEvent" in event:
            text = redact(str(_object(event["errorEvent"]).get("error", "")))
            said.append(Diagnostic(severity="error", text=text))
        elif "resOutputsEvent" in event or "resourcePreEvent" in event:
            key = "resOutputsEvent" if "resOutputsEvent" in event else "resourcePreEvent"
            metadata = _object(_object(event[key]).get("metadata"))
            if metadata.get("type") == STACK and key == "resOutputsEvent":
                outputs = {side: _outputs(metadata.get(side), redact) for side in ("old", "new")}
            if metadata.get("op") == "refresh" and key == "resOutputsEvent":
                seen = _found(metadata, redact)
                found[seen.urn] = seen
            elif metadata.get("logical") is True and (step := _step(metadata, redact)):
                # What is known after the provider was asked takes the place of what was known before.
                steps[step.urn] = step
    return Preview(
        steps=tuple(steps[urn] for urn in sorted(steps)),
        found=tuple(found[urn] for urn in sorted(found)),
        said=tuple(_whole(said)),
        policies=tuple(sorted(policies, key=lambda p: (p.level, p.pack, p.policy, p.resource, p.text))),
        outputs_before=outputs["old"],
        outputs_after=outputs["new"],
        succeeded=succeeded,
    )


def _step(metadata: JsonObject, redact: Redact) -> Step | None:
    operation = _OPERATIONS.get(str(metadata.get("op")))
    if operation is None:
        return None
    before, after = _state(metadata.get("old"), redact), _state(metadata.get("new"), redact)
    return Step(
        operation=operation,
        urn=str(metadata.get("urn")),
        type=str(metadata.get("type")),
        before=before,
        after=after,
        changed=_changed(metadata, before, after) if operation in ("update", "replace") else (),
        forcing=_properties(metadata.get("keys")),
    )


def _found(metadata: JsonObject, redact: Redact) -> Found:
    before, after = _state(metadata.get("old"), redact) or State(), _state(metadata.get("new"), redact)
    return Found(
        urn=str(metadata.get("urn")),
        type=str(metadata.get("type")),
        before=before,
        after=after,
        changed=_changed(metadata, before, after) if after else (),
    )


def _changed(metadata: JsonObject, before: State | None, after: State | None) -> tuple[str, ...]:
    """Top-level properties that differ. A provider that tells no detail says null, and inputs are compared."""
    detailed = metadata.get("detailedDiff")
    told = {
        *_properties(metadata.get("diffs")),
        *_properties(list(detailed) if isinstance(detailed, dict) else []),
    }
    if told or isinstance(detailed, dict):
        return tuple(sorted(told))
    old, new = (before.inputs if before else {}), (after.inputs if after else {})
    return tuple(key for key in sorted({*old, *new}) if old.get(key) != new.get(key))


def _properties(paths: Json) -> tuple[str, ...]:
    """The first part of each path: `envs[11]` and `metadata.sources` are `envs` and `metadata`."""
    names = {_first(str(path)) for path in paths} if isinstance(paths, list) else set()
    return tuple(sorted(names - set(_NOT_A_PROPERTY)))


def _first(path: str) -> str:
    if path.startswith('["'):
        return path[2:].split('"]', 1)[0]
    return path.split(".", 1)[0].split("[", 1)[0]


def _state(state: Json, redact: Redact) -> State | None:
    if not isinstance(state, dict):
        return None
    return State(
        inputs=_values(state.get("inputs"), redact),
        outputs=_values(state.get("outputs"), redact),
        protect=state.get("protect") is True,
        kept_on_delete=state.get("retainOnDelete") is True,
    )


def _outputs(state: Json, redact: Redact) -> JsonObject:
    return _values(_object(state).get("outputs"), redact)


def _values(properties: Json, redact: Redact) -> JsonObject:
    return {
        key: _value(value, redact) for key, value in _object(properties).items() if key not in _NOT_A_PROPERTY
    }


def _value(value: Json, redact: Redact) -> Json:
    if isinstance(value, dict):
        if property_marks.SIGNATURE in value:
            return SECRET
        return {redact(k): _value(inner, redact) for k, inner in value.items() if k not in _NOT_A_PROPERTY}
    if isinstance(value, list):
        return [_value(inner, redact) for inner in value]
    if isinstance(value, str):
        return UNKNOWN if value in property_marks.UNKNOWN else redact(value)
    # Pulumi knows one kind of number only.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _diagnostic(event: JsonObject, redact: Redact) -> list[Diagnostic]:
    severity = str(event.get("severity", ""))
    if severity == "debug" or event.get("ephemeral") is True:
        return []
    known = severity if severity in ("warning", "error") else "info"
    text = redact(str(event.get("message", ""))).rstrip()
    urn = str(event.get("urn") or "")
    return [
        Diagnostic(
            severity=cast(Literal["info", "warning", "error"], known),
            text=text,
            resource=urn.rsplit("::", 1)[-1] if urn and f"::{STACK}::" not in urn else "",
        )
    ]


def _whole(said: list[Diagnostic]) -> list[Diagnostic]:
    """Lines that were cut apart, put together: an indented one belongs to the one before. Each is told once."""
    joined: list[Diagnostic] = []
    for one in said:
        last = joined[-1] if joined else None
        if (
            last
            and one.text.startswith(" ")
            and (last.severity, last.resource) == (one.severity, one.resource)
        ):
            joined[-1] = Diagnostic(
                severity=last.severity, text=f"{last.text}\n{one.text}", resource=last.resource
            )
        elif one.text.strip():
            joined.append(one)
    # They come in the order of parallel work, which means nothing.
    return sorted(dict.fromkeys(joined), key=lambda one: (one.severity, one.resource, one.text))


def _policy(event: JsonObject, redact: Redact) -> PolicyFinding:
    urn = str(event.get("resourceUrn") or "")
    return PolicyFinding(
        level=str(event.get("enforcementLevel") or "advisory"),
        policy=str(event.get("policyName") or ""),
        pack=str(event.get("policyPackName") or ""),
        text=redact(str(event.get("message") or "")).strip(),
        resource=urn.rsplit("::", 1)[-1] if f"::{STACK}::" not in urn else "",
    )


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
