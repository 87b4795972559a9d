"""Turns what `pulumi preview --json` streamed into a case: `python -m tests.unit.plan.recording STREAM > events.jsonl`.

Left out is what a plan does not read (debug lines, outputs, provider references), what is the same in every case,
and what belongs to the machine of the recording.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

STACK = "pulumi:pulumi:Stack"
KEPT_ALTHOUGH_SAME = 2
OF_THE_MACHINE = ("STAND-IN", "is not on this machine")


def slim(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events without all that."""
    same = 0
    for event in events:
        [kind] = set(event) - {"sequence", "timestamp"}
        body = event[kind]
        match kind:
            case "diagnosticEvent":
                if body["severity"] == "debug" or any(text in body["message"] for text in OF_THE_MACHINE):
                    continue
            case "summaryEvent":
                body = {"result": body["result"]}
            case "resourcePreEvent" | "resOutputsEvent":
                metadata = body["metadata"]
                unchanged = metadata["op"] == "same" or (
                    metadata["op"] == "refresh"
                    and (metadata["old"] or {}).get("inputs") == (metadata.get("new") or {}).get("inputs")
                )
                same += unchanged
                if metadata["type"] != STACK and unchanged and same > KEPT_ALTHOUGH_SAME:
                    continue
                body = {"metadata": _metadata(metadata)}
            case _:
                continue
        yield {"sequence": event["sequence"], kind: body}


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    kept = ("op", "urn", "type", "keys", "diffs", "detailedDiff", "logical")
    return {key: metadata[key] for key in kept if key in metadata} | {
        side: _state(metadata[side], with_outputs=metadata["type"] == STACK)
        for side in ("old", "new")
        if metadata.get(side)
    }


def _state(state: dict[str, Any], *, with_outputs: bool) -> dict[str, Any]:
    inputs = {key: value for key, value in state["inputs"].items() if key not in ("__provider", "__defaults")}
    kept = {key: state[key] for key in ("protect", "retainOnDelete") if key in state}
    return {"inputs": inputs, "outputs": state["outputs"] if with_outputs else {}, **kept}


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as stream:
        for slimmed in slim(json.loads(line) for line in stream if line.strip()):
            print(json.dumps(slimmed, ensure_ascii=False, separators=(",", ":")))
