"""Whole previews and the documents that they become.

`cases/<name>/events.jsonl` is what the real CLI streamed (see recording.py), `expected.md` the document as a person
reads it, `expected.json`, where it is there, the same as JSON. WRITE_EXPECTED=1 writes them anew, for review.
Every case has a twin: the same stack when all of it is done.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.plan import json_shape, markdown
from components.plan.document import EXIT_CODES, Plan, make, pending
from components.plan.events import parse, read
from components.plan.files import read_files

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").iterdir())
STACK = "plan8a"
OUTCOMES = {
    "a-failing-rehearsal": "failed",
    "a-first-deployment": "change",
    "a-migration-is-missing": "failed",
    "a-replaced-engine": "change",
    "a-roll-back": "change",
    "a-table-a-column-and-a-claim": "change",
    "an-adopted-migration": "change",
    "an-edited-migration": "failed",
    "an-invalid-setting": "failed",
    "drift-of-template-and-metadata": "drift",
    "drift-template-and-engine-gone": "drift",
    "nothing-changes": "no change",
    "the-proof-taken-out": "change",
}


def events_of(case: Path) -> list[dict[str, Any]]:
    return parse((case / "events.jsonl").read_text(encoding="utf-8").splitlines())


def plan_of(events: list[dict[str, Any]]) -> Plan:
    seen = read(events)
    files = read_files(pending(seen), HERE, str)
    return make(seen, stack="dev", sql=files.sql, findings=files.findings, drift=bool(seen.found))


def settled(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same stack when everything is as the program wants it."""
    done = []
    for event in events:
        if "diagnosticEvent" in event and event["diagnosticEvent"]["severity"] != "warning":
            continue
        copied = json.loads(json.dumps(event))
        for kind in ("resourcePreEvent", "resOutputsEvent"):
            body = copied.get(kind, {}).get("metadata")
            if body is None:
                continue
            wanted = body.get("new") or body.get("old")
            if body["op"] == "refresh":
                wanted = body["old"]
            elif body["op"] == "delete":
                copied = {}
                break
            elif body.get("logical"):
                body["op"] = "same"
            body |= {"old": wanted, "new": wanted, "detailedDiff": {} if body["op"] == "refresh" else None}
            body.pop("diffs", None)
        if "summaryEvent" in copied:
            copied["summaryEvent"]["result"] = "succeeded"
        if copied:
            done.append(copied)
    return done


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_document_is_as_expected(case: Path) -> None:
    plan = plan_of(events_of(case))
    written = {"expected.md": markdown.document(plan), "expected.json": json_shape.text(plan)}
    for name, text in written.items():
        path = case / name
        if os.environ.get("WRITE_EXPECTED") and (name.endswith(".md") or path.exists()):
            path.write_text(text, encoding="utf-8")
        assert path.exists() or name.endswith(".json")
        if path.exists():
            assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_outcome_is_an_exit_code(case: Path) -> None:
    plan = plan_of(events_of(case))
    assert plan.outcome == OUTCOMES[case.name]
    shaped = json_shape.shaped(plan)
    assert shaped["exit_code"] == EXIT_CODES[plan.outcome]
    assert (shaped["fingerprint"] is None) == (shaped["plan"] is None) == (plan.outcome == "failed")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_twin_is_one_line(case: Path) -> None:
    events = events_of(case)
    assert any("summaryEvent" in event for event in events)
    plan = plan_of(settled(events))
    assert plan.outcome == "no change", plan
    assert markdown.document(plan).count("\n") == 1


def test_every_case_has_an_outcome_and_all_outcomes_have_cases() -> None:
    assert {case.name for case in CASES} == set(OUTCOMES)
    assert set(OUTCOMES.values()) == set(EXIT_CODES)
    assert (HERE / "cases" / "a-table-a-column-and-a-claim" / "expected.json").exists()


def reordered(events: list[dict[str, Any]], order: random.Random) -> list[dict[str, Any]]:
    """The same events as another run could have told them: in order for each resource, else by chance."""
    queues: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, event in enumerate(events):
        [body] = [body for kind, body in event.items() if kind != "sequence"]
        queues[body.get("metadata", {}).get("urn", str(index))].append(event)
    told = []
    while queues:
        chosen = order.choice(sorted(queues))
        told.append(queues[chosen].pop(0))
        if not queues[chosen]:
            del queues[chosen]
    return told


def with_other_ids(value: Any, renamed: dict[str, str]) -> Any:
    """The same with other container ids and times, which a plan must not depend on."""
    if isinstance(value, dict):
        return {
            key: renamed.setdefault(inner, f"other-{len(renamed)}")
            if key in ("container_id", "engine", "provenAt", "id", "created") and isinstance(inner, str)
            else with_other_ids(inner, renamed)
            for key, inner in value.items()
        }
    return [with_other_ids(inner, renamed) for inner in value] if isinstance(value, list) else value


@settings(max_examples=25)
@given(case=st.sampled_from(CASES), order=st.randoms(use_true_random=False))
def test_another_run_gives_the_same_bytes(case: Path, order: random.Random) -> None:
    events = events_of(case)
    first, again = plan_of(events), plan_of(reordered(events, order))
    assert markdown.document(again) == markdown.document(first)
    assert json_shape.text(again) == json_shape.text(first)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ids_and_times_are_not_in_it(case: Path) -> None:
    events = events_of(case)
    # Known values stay known, unknown ones unknown.
    kept = {"04da6b54-80e4-46f7-96ec-b56ff0331ba9": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}
    other = [with_other_ids(event, kept) for event in events]
    assert json_shape.text(plan_of(other)) == json_shape.text(plan_of(events))
