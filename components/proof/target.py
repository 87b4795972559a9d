"""What a proof needs to know of a stack, read from the stack's outputs. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from components.clerk import keys
from components.clerk.claims import HASURA_NAMESPACE

from .user_table import UserTable, read_table

OWN_KEY: Final = "a key of one's own"
INSTANCE_KEY: Final = "the instance's key"
"""What the output ``tokensSignedBy`` may say."""

_GRAPHQL_PATH: Final = "/v1/graphql"


class TargetError(Exception):
    """The outputs do not describe a stack that can be proven. ``problems`` names all that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A stack under proof. Addresses are without a slash at their end.

    ``keys_from_jwks`` is false where tokens are signed by a key that no JWKS shows. ``header`` says where a
    token goes, in the form of Hasura's JWT secret; empty is ``Authorization``. ``table`` is the one in which
    every user has a row.
    """

    engine_url: str
    clerk_api_url: str
    frontend_api_url: str
    issuer: str
    jwks_url: str
    template: str
    publishable_key: keys.PublishableKey
    admin_secret: str = field(repr=False)
    claims_namespace: str = HASURA_NAMESPACE
    keys_from_jwks: bool = True
    header: Mapping[str, str] = field(default_factory=dict)
    table: UserTable = field(default_factory=UserTable)

    @property
    def is_local_clerk(self) -> bool:
        """Whether the stand-in signs people in."""
        return keys.is_loopback(self.publishable_key.frontend_api)

    @property
    def is_production(self) -> bool:
        """Whether real people are signed in there."""
        return self.publishable_key.kind == "live"


def read_target(outputs: Mapping[str, object]) -> Target:
    """Read the outputs of a stack: ``graphqlUrl``, ``issuer``, ``jwksUrl``, ``jwtTemplate``,
    ``clerkApiUrl``, ``publishableKey`` and ``adminSecret``, all of them texts; ``frontendApiUrl`` where it
    is not the issuer, ``claimsNamespace``, ``jwtHeader`` and ``proofTable`` (JSON) where they are not the usual
    ones, and ``tokensSignedBy``, which is OWN_KEY where no JWKS has the key. Others are passed over. Raises
    TargetError.
    """
    problems: list[str] = []

    def text(key: str) -> str:
        value = outputs.get(key)
        if isinstance(value, str) and value == "[secret]":
            problems.append(f"The output {key} is hidden. Run `pulumi stack output --json --show-secrets`.")
        elif not isinstance(value, str) or not value:
            problems.append(f"The stack has no output {key}. Run `pulumi up` first.")
        else:
            return value
        return ""

    def optional(key: str) -> str:
        value = outputs.get(key)
        return value if isinstance(value, str) else ""

    graphql_url, publishable = text("graphqlUrl"), text("publishableKey")
    issuer, jwks_url = text("issuer").rstrip("/"), text("jwksUrl")
    template, clerk_api_url, admin_secret = text("jwtTemplate"), text("clerkApiUrl"), text("adminSecret")
    key: keys.PublishableKey | None = None
    if publishable:
        try:
            key = keys.parse_publishable_key(publishable)
        except keys.KeyFormatError as error:
            problems.append(f"The output publishableKey: {error}")
    if graphql_url and not graphql_url.endswith(_GRAPHQL_PATH):
        problems.append(f"The output graphqlUrl is {graphql_url}; it must end with {_GRAPHQL_PATH}.")
    if problems or key is None:
        raise TargetError(problems)
    return Target(
        engine_url=graphql_url.removesuffix(_GRAPHQL_PATH),
        clerk_api_url=clerk_api_url,
        frontend_api_url=optional("frontendApiUrl").rstrip("/") or issuer,
        issuer=issuer,
        jwks_url=jwks_url,
        template=template,
        publishable_key=key,
        admin_secret=admin_secret,
        claims_namespace=optional("claimsNamespace") or HASURA_NAMESPACE,
        keys_from_jwks=optional("tokensSignedBy") != OWN_KEY,
        header=json.loads(optional("jwtHeader") or "{}"),
        table=read_table(optional("proofTable")),
    )
