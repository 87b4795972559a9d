"""What a picture of a stack is made from, on both sides of a deployment. Pure.

Both sides come from one preview: what the program wants now, and what the stack's state keeps of the last deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.hasura.json_types import Json, JsonObject
from components.plan.events import UNKNOWN, Preview, State
from components.plan.resources import METADATA
from components.plan.tokens import TEMPLATE


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side: inputs of the JWT template's resource, the metadata in the shape of `canonical.keyed`, and the stack's
    outputs without secrets. Each is empty where there is none."""

    template: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    outputs: JsonObject = field(default_factory=dict)

    def output(self, name: str) -> str:
        """An output that is a text, or nothing."""
        found = self.outputs.get(name)
        return found if isinstance(found, str) and found != UNKNOWN else ""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A stack as its program wants it (`now`) and as it was deployed last (`before`, None where it never was)."""

    stack: str
    now: Side
    before: Side | None = None


def inputs(preview: Preview, *, stack: str) -> Inputs:
    """Both sides of a preview that has succeeded."""
    olds: dict[str, State] = {}
    news: dict[str, State] = {}
    for step in preview.steps:
        if step.before is not None:
            olds[step.type] = step.before
        if step.after is not None:
            news[step.type] = step.after
    before = _side(olds, preview.outputs_before)
    return Inputs(
        stack=stack,
        now=_side(news, preview.outputs_after),
        before=before if before != Side() else None,
    )


def _side(states: Mapping[str, State], outputs: JsonObject) -> Side:
    template = states.get(TEMPLATE)
    metadata = states.get(METADATA)
    return Side(
        template=template.inputs if template else {},
        metadata=_object(metadata.inputs.get("metadata")) if metadata else {},
        outputs=outputs,
    )


def _object(of: Json) -> JsonObject:
    return of if isinstance(of, dict) else {}
