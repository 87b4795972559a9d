"""The file of exceptions: what it takes, and everything that is wrong with it at once."""

from __future__ import annotations

from datetime import date

import pytest

from components.plan.events import STACK
from policy.enforcement import level
from policy.exceptions import FILE, parse, read
from policy.findings import findings
from policy.properties import resource
from policy.rules import RULES

NAMES = [rule.name for rule in RULES]
ENTRY = """\
- rule: aggregate-on-filter
  subject: default/orders select user
  stacks: [prod, staging]
  reason: The list shows how many there are.
  by: jane@example.com
  until: 2030-06-30
"""
TODAY = date(2030, 6, 30)
TOMORROW = date(2030, 7, 1)


def parsed(text: str):
    return parse(text, shown_as="policy/exceptions.yaml", rules=NAMES)


def test_the_project_s_own_file_is_valid() -> None:
    assert read(FILE, NAMES).problems == ()
    written = FILE.read_text()
    example = "\n".join(
        line.removeprefix("# ") for line in written.splitlines() if line.startswith(("# - ", "#   "))
    )
    assert len(parsed(example).entries) == 1, "what the file shows as an example can be written so"


def test_an_entry_holds_for_its_subject_in_its_stacks_until_its_day_ends() -> None:
    exceptions = parsed(ENTRY)
    rule, subject = "aggregate-on-filter", "default/orders select user"
    assert exceptions.problems == ()
    assert exceptions.covers(rule, subject, stack="prod", today=TODAY)
    assert not exceptions.covers(rule, subject, stack="prod", today=TOMORROW)
    assert not exceptions.covers(rule, subject, stack="dev", today=TODAY)
    assert not exceptions.covers(rule, "default/orders select clerk", stack="prod", today=TODAY)
    assert not exceptions.covers("write-check", subject, stack="prod", today=TODAY)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", []),
        ("# nothing\n", []),
        ("rule: x\n", ["policy/exceptions.yaml:1: is no list."]),
        ("- [", ["policy/exceptions.yaml: is no YAML:"]),
        ("- 5\n", ["policy/exceptions.yaml:1: item: Input should be"]),
        (
            "- rule: no-such\n  subject: s\n  stacks: []\n  reason: r\n  by: b\n  until: 2030-01-01\n",
            ["policy/exceptions.yaml:1: rule: there is none", "policy/exceptions.yaml:1: stacks: names none"],
        ),
        (
            f"{ENTRY}- rule: write-check\n  subject: s\n  stacks: [prod]\n  until: some day\n  why: x\n",
            [
                "policy/exceptions.yaml:7: reason: Field required",
                "policy/exceptions.yaml:7: by: Field required",
                "policy/exceptions.yaml:7: until: Input should be a valid date",
                "policy/exceptions.yaml:7: why: Extra inputs",
            ],
        ),
        (ENTRY.replace("jane@example.com", '" "'), ["policy/exceptions.yaml:1: by: String should have"]),
    ],
)
def test_every_problem_is_told_with_its_line(text: str, problems: list[str]) -> None:
    found = parsed(text)
    assert len(found.problems) == len(problems), found.problems
    for problem, expected in zip(found.problems, problems, strict=True):
        assert problem.startswith(expected)
    assert found.entries == (), "a file with a problem excepts nothing"


def told(text: str, today: date, *, stack: str = "prod", type_: str = STACK) -> list[tuple[str, str]]:
    found = findings(
        RULES,
        resource(type_=type_, name="stack"),
        exceptions=parsed(text),
        stack=stack,
        level="advisory",
        today=today,
    )
    return [(finding.level, finding.text) for finding in found]


def test_an_expired_entry_is_told_at_the_stack_also_where_nothing_needs_it() -> None:
    [(level_, text)] = told(ENTRY, TOMORROW)
    assert level_ == "advisory"
    assert text.startswith("policy/exceptions.yaml:1: the exception of `default/orders select user` from")
    assert told(ENTRY, TODAY) == []
    assert told(ENTRY, TOMORROW, stack="dev") == []
    assert told(ENTRY, TOMORROW, type_="docker:index/network:Network") == []


def test_a_file_with_a_problem_stops_every_stack() -> None:
    [(level_, text)] = told("- 5\n", TODAY, stack="dev")
    assert level_ == "mandatory"
    assert "policy/exceptions.yaml:1" in text


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"shop:production": "true"}, "mandatory"),
        ({"shop:production": "false"}, "advisory"),
        ({"other:production": "true"}, "advisory"),
        ({}, "advisory"),
    ],
)
def test_a_production_stack_is_held_to_the_rules(config: dict[str, str], expected: str) -> None:
    assert level("shop", config) == expected
