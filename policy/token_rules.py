"""Rules about the tokens: how long they live, and whose they are. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from components.clerk import keys
from components.plan.tokens import TEMPLATE
from components.schema.words import code
from policy.properties import Resource
from policy.rule import Rule, Violation
from policy.workloads import workload

LONGEST_LIFETIME: Final = 300
"""Seconds. Whoever was locked out at Clerk is let in by Hasura for so long. Clerk's own default is 60, and clerk-js
fetches a new token by itself."""

DEVELOPMENT_HOSTS: Final = (".clerk.accounts.dev", ".accounts.dev", ".lclclerk.com")
"""Frontend APIs of development instances (`DEV_OR_STAGING_SUFFIXES` in packages/shared of clerk/javascript)."""

_NO_LIMITS: Final = "which has no limits to who signs up"
_DEVELOPMENT_KEY: Final = re.compile(r"\b[ps]k_test_")


def _lifetime(resource: Resource) -> Iterator[Violation]:
    lifetime = resource.get("lifetime") if resource.type == TEMPLATE else None
    if isinstance(lifetime, int) and lifetime > LONGEST_LIFETIME:
        name = str(resource.get("name"))
        yield Violation(
            subject=f"{name} lifetime",
            text=f"a token of the template {code(name)} is valid for {lifetime} seconds, more than {LONGEST_LIFETIME}",
        )


def _development(resource: Resource) -> Iterator[Violation]:
    if resource.type == TEMPLATE:
        template = code(str(resource.get("name")))
        key, address = resource.get("publishable_key"), resource.get("api_url")
        if isinstance(key, str) and key.startswith("pk_test_"):
            text = f"the template {template} is kept at a development instance, {_NO_LIMITS}"
            yield Violation(subject=f"{resource.name} instance", text=text)
        elif isinstance(address, str) and urlsplit(address).scheme != "https":
            text = f"the template {template} is kept at {code(address)}, which is not Clerk"
            yield Violation(subject=f"{resource.name} instance", text=text)
    running = workload(resource)
    if running is None:
        return
    for host, why in _untrusted(running.text("HASURA_GRAPHQL_JWT_SECRET")):
        text = f"{code(resource.name)} trusts the tokens of {code(host)}, {why}"
        yield Violation(subject=f"{resource.name} instance", text=text)
    for name, variable in sorted(running.environment.items()):
        if _DEVELOPMENT_KEY.search(variable.value or ""):
            text = f"{code(name)} of {code(resource.name)} holds the key of a development instance"
            yield Violation(subject=f"{resource.name} {name}", text=text)


def _untrusted(jwt_secret: str | None) -> Iterator[tuple[str, str]]:
    """The first address in Hasura's JWT secret that is not one of a production instance, and why."""
    try:
        read = json.loads(jwt_secret or "null")
    except ValueError:
        return
    for field in ("jwk_url", "issuer"):
        address = read.get(field) if isinstance(read, dict) else None
        if not isinstance(address, str):
            continue
        parts = urlsplit(address)
        host = parts.hostname or ""
        if host.endswith(DEVELOPMENT_HOSTS):
            yield host, f"a development instance, {_NO_LIMITS}"
            return
        if parts.scheme != "https" or keys.is_loopback(host):
            yield host, "which is not reached by TLS"
            return


RULES: Final = (
    Rule(
        name="token-lifetime",
        description=f"A token is valid for {LONGEST_LIFETIME} seconds at the most",
        remedy="`pulumi config rm jwtTemplateLifetime`",
        severity="high",
        check=_lifetime,
    ),
    Rule(
        name="clerk-instance",
        description="Tokens come from a production instance of Clerk",
        remedy="`pulumi config set clerkPublishableKey pk_live_...`, and the secret key of the same instance",
        severity="critical",
        check=_development,
    ),
)
