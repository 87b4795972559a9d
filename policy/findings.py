"""What the pack says of a resource. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from components.plan.events import STACK
from components.schema.words import code
from policy.enforcement import Level
from policy.exceptions import Exceptions
from policy.properties import NotKnownYet, Resource
from policy.rule import Rule, Severity

EXCEPTIONS: Final = Rule(
    name="exceptions",
    description="Exceptions are valid and have not expired",
    remedy="Correct policy/exceptions.yaml, and have the change reviewed",
    severity="high",
    check=lambda _resource: (),
)
"""The rule about the file of exceptions, which is told at the stack itself."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule has found. `text` says what is wrong, what to do, and by which words it is excepted."""

    rule: str
    description: str
    severity: Severity
    level: Level
    text: str


def findings(
    rules: Sequence[Rule],
    resource: Resource,
    *,
    exceptions: Exceptions,
    stack: str,
    level: Level,
    today: date,
) -> Iterator[Finding]:
    """What breaks which rule in a resource. A rule that needs what is not known yet says nothing.

    A file of exceptions that cannot be read stops every stack: nobody can tell what was meant to be excepted.
    """
    if resource.type == STACK:
        for problem in exceptions.problems:
            yield _finding(EXCEPTIONS, "mandatory", f"{problem}. {EXCEPTIONS.remedy}.")
        for entry in exceptions.expired(stack=stack, today=today):
            one = entry.excepted
            text = (
                f"{entry.place}: the exception of {code(one.subject)} from {code(one.rule)} was for the time until "
                f"{one.until} ({one.by}: {one.reason}). Remove it, or have a later date reviewed."
            )
            yield _finding(EXCEPTIONS, level, text)
    for rule in rules:
        try:
            violations = list(rule.check(resource))
        except NotKnownYet:
            continue
        for violation in violations:
            if exceptions.covers(rule.name, violation.subject, stack=stack, today=today):
                continue
            remedy = (
                f"{rule.remedy}. To except it in policy/exceptions.yaml, subject: {code(violation.subject)}"
            )
            yield _finding(rule, level, f"{violation.text}. {remedy}")


def _finding(rule: Rule, level: Level, text: str) -> Finding:
    return Finding(
        rule=rule.name, description=rule.description, severity=rule.severity, level=level, text=text
    )
