"""Rules about the settings of a Hasura engine, however it runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from components.production import is_every_origin
from components.schema.words import code
from policy.properties import NotKnownYet, Resource
from policy.rule import Rule, Violation
from policy.workloads import Workload, workload

SHORTEST_SECRET: Final = 32
"""Characters of an admin secret."""
FEWEST_CHARACTERS: Final = 12
"""Different characters in it: fewer are a word or a pattern. 32 random ones of 64 have fewer once in 10^9 times."""
SHORTEST_GENERATED: Final = 24
"""Bytes of randomness, which are 32 characters."""

GENERATED: Final = "pulumi-python:dynamic/secret:GeneratedSecret"
ADMIN_SECRET: Final = "HASURA_GRAPHQL_ADMIN_SECRET"  # noqa: S105 (a name)


def _engine(resource: Resource) -> Workload | None:
    running = workload(resource)
    return running if running and running.is_engine else None


def _is_true(value: str | None) -> bool:
    # The spellings that Hasura takes for true ("Server flag reference").
    return value is not None and value.strip().lower() in ("true", "t", "yes", "y", "1")


def _switched_on(variable: str, what: str) -> Callable[[Resource], Iterator[Violation]]:
    def check(resource: Resource) -> Iterator[Violation]:
        running = _engine(resource)
        if running and _is_true(running.text(variable)):
            yield Violation(subject=f"{resource.name} {variable}", text=f"{code(resource.name)} {what}")

    return check


def _origins(resource: Resource) -> Iterator[Violation]:
    running = _engine(resource)
    if running is None or _is_true(running.text("HASURA_GRAPHQL_DISABLE_CORS")):
        return
    allowed = running.text("HASURA_GRAPHQL_CORS_DOMAIN")
    if allowed is None:
        if not running.complete or "HASURA_GRAPHQL_CORS_DOMAIN" in running.environment:
            raise NotKnownYet(("HASURA_GRAPHQL_CORS_DOMAIN",))
        # What Hasura does without the variable.
        allowed = "*"
    if any(map(is_every_origin, allowed.split(","))):
        yield Violation(
            subject=f"{resource.name} origins",
            text=f"{code(resource.name)} lets every web site call the API with a user's token",
        )


def _admin_secret(resource: Resource) -> Iterator[Violation]:
    if resource.type == GENERATED:
        length = resource.get("length")
        if isinstance(length, int) and length < SHORTEST_GENERATED:
            yield Violation(
                subject=f"{resource.name} length",
                text=f"{code(resource.name)} is made of {length} random bytes, {SHORTEST_GENERATED} are the fewest",
            )
    running = _engine(resource)
    if running is None:
        return
    variable = running.environment.get(ADMIN_SECRET)
    if variable is None:
        if not running.complete:
            raise NotKnownYet((ADMIN_SECRET,))
        text = f"{code(resource.name)} has no admin secret, so whoever reaches it is {code('admin')}"
        yield Violation(subject=f"{resource.name} admin secret", text=text)
        return
    if not variable.secret:
        text = (
            f"the admin secret of {code(resource.name)} is not marked secret, so state and previews show it"
        )
        yield Violation(subject=f"{resource.name} admin secret mark", text=text)
    value = variable.value
    if value is not None and (len(value) < SHORTEST_SECRET or len(set(value)) < FEWEST_CHARACTERS):
        text = (
            f"the admin secret of {code(resource.name)} can be guessed: it has fewer than {SHORTEST_SECRET} "
            f"characters or fewer than {FEWEST_CHARACTERS} different ones"
        )
        yield Violation(subject=f"{resource.name} admin secret", text=text)


RULES: Final = (
    Rule(
        name="console",
        description="The web console is off, so that changes come through review",
        remedy="`pulumi config rm hasuraConsole`",
        severity="medium",
        check=_switched_on(
            "HASURA_GRAPHQL_ENABLE_CONSOLE", "serves the console: changes by hand are one click away"
        ),
    ),
    Rule(
        name="dev-mode",
        description="Dev mode is off",
        remedy="`pulumi config rm hasuraDevMode`",
        severity="medium",
        check=_switched_on("HASURA_GRAPHQL_DEV_MODE", "shows internal details in errors to every user"),
    ),
    Rule(
        name="origins",
        description="Web sites that may call the API are named",
        remedy="`pulumi config set --path 'hasuraCorsDomains[0]' https://app.example.com`",
        severity="high",
        check=_origins,
    ),
    Rule(
        name="admin-secret",
        description="The admin secret is random, long and marked secret",
        remedy="Let GeneratedSecret make it, 32 bytes; a value of your own goes through `pulumi.Output.secret`",
        severity="critical",
        check=_admin_secret,
    ),
)
