"""Whole pictures of stacks.

`cases/<name>/` holds what a picture is made from: `events.jsonl`, which the real CLI streamed in a preview (only what
is read of it), or `inputs.json`, both sides with the metadata as the engine takes it. `expected.md` and `expected.html`
(without style and script) are what is drawn, with the differences. WRITE_EXPECTED=1 writes them anew, for review. Every
case has a twin: the same stack as it was deployed.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from components.graph import markdown, page
from components.graph.inputs import Inputs, Side, inputs
from components.graph.picture import Picture, picture
from components.plan.events import parse, read
from components.schema.canonical import keyed

CASES = sorted((Path(__file__).parent / "cases").iterdir())
BLOCK = re.compile(r"(?=<(?:section|header|div|ul|li|tr|td|th|p|h\d|dt|dd|svg|details|label|input|footer)\b)")
NOTHING_DIFFERS = {
    "recorded-nothing-differs",
    "a-first-deployment",
    "many-tables-and-roles",
    "no-template-and-no-table",
}


def side(written: dict[str, Any] | None) -> Side | None:
    return written and Side(
        template=written["template"], metadata=keyed(written["metadata"]), outputs=written["outputs"]
    )


def drawn_from(case: Path) -> tuple[Inputs, bool]:
    """The inputs of a case, and whether differences are asked for."""
    events = case / "events.jsonl"
    if events.exists():
        return inputs(read(parse(events.read_text(encoding="utf-8").splitlines())), stack="dev"), True
    written = json.loads((case / "inputs.json").read_text(encoding="utf-8"))
    now = side(written["now"])
    assert now is not None
    return Inputs(stack="dev", now=now, before=side(written["before"])), written["diff"]


def picture_of(case: Path) -> Picture:
    of, diff = drawn_from(case)
    return picture(of, diff=diff)


def body(of: Picture) -> str:
    """A page's body, a block a line."""
    return BLOCK.sub("\n", ElementTree.tostring(page.body(of), encoding="unicode", method="html")) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_picture_is_as_expected(case: Path) -> None:
    of = picture_of(case)
    for name, text in (("expected.md", markdown.document(of)), ("expected.html", body(of))):
        if os.environ.get("WRITE_EXPECTED"):
            (case / name).write_text(text, encoding="utf-8")
        assert text == (case / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_differs_and_its_twin_does_not(case: Path) -> None:
    of, diff = drawn_from(case)
    drawn = picture(of, diff=diff)
    assert bool(drawn.differences) == (case.name not in NOTHING_DIFFERS)
    for twin in (picture(replace(of, before=of.now), diff=True), picture(of)):
        assert not twin.differences
        assert not re.search(r'class="[^"]*\b(?:badge|differs|was|mark-\w+)\b|<del>', body(twin))
        assert not re.search(r"classDef|\*\*|~~|<s>", markdown.document(twin).replace("**bold**", ""))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_differs_is_marked_in_both(case: Path) -> None:
    of = picture_of(case)
    marks = {item.mark for link in of.chain.links for item in link.items} - {""}
    marks |= {cell.mark for table in of.matrix.tables for role in table.roles for cell in role.cells} - {""}
    marks |= {mark for thing in of.matrix.beyond for _, mark in thing.roles} - {""}
    for mark in marks:
        assert re.search(rf'class="[^"]*\b{mark}\b', body(of))
    assert bool(marks) == ("**" in markdown.document(of).replace("**bold**", ""))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_page_loads_nothing_and_holds_no_foreign_element(case: Path) -> None:
    text = page.page(picture_of(case))
    assert text.startswith("<!doctype html>")
    assert "default-src 'none'" in text
    # Addresses stand in it as text; nothing refers to one.
    assert not re.search(r"""\b(?:src|href|action|srcset)=["'](?!#)|url\(|@import|<link|<iframe|<img""", text)
    assert text.count("<script>") == 1


def test_text_is_shown_letter_by_letter() -> None:
    case = next(case for case in CASES if case.name == "names-that-would-format")
    tree = ElementTree.fromstring(ElementTree.tostring(page.body(picture_of(case))))
    shown = "".join(tree.itertext())
    for text in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '`x` <b>"%%{init',
        "**bold**",
        "a|b",
    ):
        assert text in shown


def test_the_policy_lets_only_its_own_script_run() -> None:
    text = page.page(picture_of(CASES[0]))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']{44}'; script-src 'sha256-[^']{44}'", policy[1]
    )
