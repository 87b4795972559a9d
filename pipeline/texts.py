"""What a pipeline writes for people, and what it reads from a plan. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.project_name import PROJECT


@dataclass(frozen=True, kw_only=True)
class PlanSummary:
    """What a pipeline has to know of a plan: its `outcome`, and its fingerprint, empty where there is no plan."""

    outcome: str
    fingerprint: str


def plan_summary(shape: str) -> PlanSummary:
    """Reads the JSON of `components.plan` (docs/plan.md)."""
    read = json.loads(shape)
    return PlanSummary(outcome=read["outcome"], fingerprint=read["fingerprint"] or "")


def marker(topic: str, stack: str) -> str:
    """What a comment or an issue is found again by; Markdown does not show it."""
    return f"<!-- {PROJECT} {topic} {stack} -->"


def plan_comment(stack: str, document: str) -> str:
    """The comment with a stack's plan."""
    return f"{marker('plan', stack)}\n{document}"


def drift_title(stack: str) -> str:
    return f"Drift: {stack} is not as it was deployed"


def drift_issue(stack: str, document: str) -> str:
    """The issue that tells drift; the plan begins with it."""
    return (
        f"{marker('drift', stack)}\n"
        f"The nightly look at `{stack}` has found what nobody deployed. A deployment takes it back; to keep it, write "
        f"it into the program.\n\n{document}"
    )


def drift_gone(stack: str) -> str:
    return f"`{stack}` is as it was deployed again."


def review_comment(stack: str, outputs: Mapping[str, str], *, local_clerk: bool) -> str:
    """The comment that says where the stack of a pull request is, and who may sign in there."""
    who = (
        "The local Clerk signs in anybody as anybody."
        if local_clerk
        else f"A development instance of Clerk signs people in, by the template `{outputs['jwtTemplate']}`."
    )
    return (
        f"{marker('stack', stack)}\n"
        f"The stack `{stack}` of this pull request is up, proven: one user cannot see another's row.\n\n"
        f"- API: {outputs['graphqlUrl']}\n- Frontend API: {outputs['frontendApiUrl']}\n\n"
        f"{who} The stack goes when the pull request is closed.\n"
    )


def review_gone(stack: str) -> str:
    """The comment after the stack is gone."""
    return f"{marker('stack', stack)}\nThe stack `{stack}` of this pull request is gone.\n"
