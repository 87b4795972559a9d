"""What the page is told of a stack. Pure: no I/O.

Only outputs that are public go in, by name: an output that is added to the stack stays out of the browser
until somebody writes it here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from components.clerk import keys

NEEDED: Final = (
    "publishableKey",
    "jwtTemplate",
    "graphqlUrl",
    "jwksUrl",
    "frontendApiUrl",
    "clerkApiUrl",
    "claimsNamespace",
)
"""The outputs without which there is no page."""


class ConfigurationError(Exception):
    """The outputs do not describe a stack that the page can use. The text says all that is wrong."""


@dataclass(frozen=True, kw_only=True)
class DemoUser:
    """A user of the local Clerk that the page offers for a sign-in."""

    name: str
    email: str
    id: str


@dataclass(frozen=True, kw_only=True)
class PublicOutputs:
    """The outputs that the page needs. Addresses are without a slash at their end."""

    publishable_key: keys.PublishableKey
    jwt_template: str
    graphql_url: str
    jwks_url: str
    frontend_api_url: str
    clerk_api_url: str
    claims_namespace: str
    jwt_header: Mapping[str, str]

    @property
    def is_local_clerk(self) -> bool:
        """Whether the stand-in signs people in."""
        return keys.is_loopback(self.publishable_key.frontend_api)

    @property
    def proxy_url(self) -> str | None:
        """What clerk-js must be told as ``proxyUrl``; None where the publishable key says enough.

        Without it clerk-js calls every frontend API by https, which the local Clerk does not speak.
        """
        if self.is_local_clerk:
            return f"{self.frontend_api_url}/__clerk"
        usual = keys.frontend_api_url(self.publishable_key)
        return self.frontend_api_url if self.frontend_api_url != usual else None


def read_outputs(outputs: Mapping[str, object]) -> PublicOutputs:
    """Take what the page needs from the outputs of a stack. Raises ConfigurationError."""
    problems: list[str] = []

    def text(name: str) -> str:
        value = outputs.get(name)
        if isinstance(value, str) and value and value != "[secret]":
            return value.rstrip("/")
        problems.append(f"The stack has no public output {name}.")
        return ""

    read = {name: text(name) for name in NEEDED}
    if problems:
        raise ConfigurationError("\n".join([*problems, "Bring the stack up: `make up`."]))
    try:
        key = keys.parse_publishable_key(read["publishableKey"])
    except keys.KeyFormatError as error:
        raise ConfigurationError(f"The output publishableKey: {error}") from None
    return PublicOutputs(
        publishable_key=key,
        jwt_template=read["jwtTemplate"],
        graphql_url=read["graphqlUrl"],
        jwks_url=read["jwksUrl"],
        frontend_api_url=read["frontendApiUrl"],
        clerk_api_url=read["clerkApiUrl"],
        claims_namespace=read["claimsNamespace"],
        jwt_header=json.loads(str(outputs.get("jwtHeader") or "{}")),
    )


def page_configuration(
    stack: str, outputs: PublicOutputs, demo_users: Sequence[DemoUser]
) -> dict[str, object]:
    """The JSON object of ``stack.json``, which anybody may read."""
    proxy = {"proxyUrl": outputs.proxy_url} if outputs.proxy_url else {}
    return {
        "stack": stack,
        "publishableKey": outputs.publishable_key.value,
        "jwtTemplate": outputs.jwt_template,
        "graphqlUrl": outputs.graphql_url,
        "jwksUrl": outputs.jwks_url,
        "claimsNamespace": outputs.claims_namespace,
        "jwtHeader": dict(outputs.jwt_header),
        **proxy,
        "localClerk": outputs.is_local_clerk,
        "demoUsers": [asdict(user) for user in demo_users],
    }
