"""The stack of a pull request: its name and its settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from components.project_name import PROJECT

STACK: Final = re.compile(r"pr-([1-9][0-9]*)")
"""Names of the stacks of pull requests."""
PORTS: Final = ("hasuraPort", "postgresPort", "localClerkPort")


class ReviewError(Exception):
    """The environment asks for a stack that a pull request must not have. The text says what to do."""


def stack_name(number: int) -> str:
    """The stack of a pull request."""
    return f"pr-{number}"


def config(dev: Mapping[str, object], number: int, environment: Mapping[str, str]) -> dict[str, object]:
    """The configuration of such a stack: that of the stack `dev`, with ports that follow from its own name.

    :param dev: the `config` of `Pulumi.dev.yaml`.
    :param environment: REVIEW_ADDRESS is the address that the API is published on. With CLERK_PUBLISHABLE_KEY a
        development instance of Clerk signs people in, where each pull request has a template of its own name;
        without it the local Clerk does.
    :raises ReviewError: for the key of a production instance, or one without CLERK_SECRET_KEY.
    """
    made = {key: value for key, value in dev.items() if key.removeprefix(f"{PROJECT}:") not in PORTS}
    if address := environment.get("REVIEW_ADDRESS"):
        made[f"{PROJECT}:bindAddress"] = address
    if key := environment.get("CLERK_PUBLISHABLE_KEY"):
        if not key.startswith("pk_test_"):
            raise ReviewError(
                "CLERK_PUBLISHABLE_KEY is no pk_test_ key. Stacks of pull requests run code that nobody has reviewed: "
                "give them a development instance of their own."
            )
        if not environment.get("CLERK_SECRET_KEY"):
            raise ReviewError(
                "CLERK_PUBLISHABLE_KEY is set, and CLERK_SECRET_KEY is not. Set both, or neither."
            )
        made[f"{PROJECT}:localClerk"] = "false"
        made[f"{PROJECT}:clerkPublishableKey"] = key
        made[f"{PROJECT}:jwtTemplateName"] = f"hasura-{stack_name(number)}"
    return made


def leftovers(stacks: Iterable[str], still_open: set[int]) -> list[str]:
    """The stacks of pull requests that are not open any more, by number."""
    found = {int(match[1]): name for name in stacks if (match := STACK.fullmatch(name))}
    return [found[number] for number in sorted(found) if number not in still_open]
