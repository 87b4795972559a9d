"""What a rule is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from policy.properties import Resource

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One thing that breaks a rule.

    `subject` names it within the stack, always by the same words: an exception names it so. `text` is a sentence
    without its end that says what is wrong, names in code spans.
    """

    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    `description` says what must hold, `remedy` what to do where it does not. `check` gives what breaks it in one
    resource, and may raise `NotKnownYet`: then the deployment asks again. A resource that the rule is not about
    breaks nothing.
    """

    name: str
    description: str
    remedy: str
    severity: Severity
    check: Callable[[Resource], Iterable[Violation]]
