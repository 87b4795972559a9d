"""Whether the keys, the addresses and the JWKS of the configuration belong to one Clerk instance.

``gather`` asks Clerk, ``findings`` judges what it answered, without I/O. Facts: a ``kid`` is the instance's
id; the domains of the Backend API name the frontend API of the publishable key. What Hasura makes of a JWKS
is recorded in `tests/contract/hasura`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import keys
from .answers import Domain, Instance
from .claims import Severity
from .errors import ClerkError
from .jwks import Jwks, JwksError, read_jwks

if TYPE_CHECKING:
    import httpx

    from .client import ClerkClient


@dataclass(frozen=True, kw_only=True)
class InstanceFacts:
    """What Clerk says of the instance of the secret key, and what stands at the JWKS address.

    ``jwks`` is None when nothing usable answered there; ``jwks_failure`` then says why.
    """

    instance: Instance
    domains: tuple[Domain, ...]
    key_ids: frozenset[str]
    jwks: Jwks | None
    jwks_failure: str = ""


@dataclass(frozen=True, kw_only=True)
class InstanceFinding:
    """One thing that does not belong together: the configuration key to change, what is wrong, what to do."""

    key: str
    problem: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}. {self.remedy}."


def gather(
    clerk: ClerkClient, jwks_url: str, *, transport: httpx.BaseTransport | None = None
) -> InstanceFacts:
    """Ask Clerk about the instance of the secret key, and read the JWKS. Raises ClerkError."""
    jwks: Jwks | None = None
    failure = ""
    try:
        jwks = read_jwks(jwks_url, transport=transport)
    except JwksError as error:
        failure = str(error)
    return InstanceFacts(
        instance=clerk.instance(),
        domains=tuple(clerk.domains()),
        key_ids=frozenset(str(key.get("kid")) for key in clerk.jwks()),
        jwks=jwks,
        jwks_failure=failure,
    )


def unreachable_notice(error: ClerkError) -> str | None:
    """The notice for a preview without network, or None when the error is one to stop at."""
    if error.nothing_sent or error.code == "timeout":
        return f"The Clerk keys were not checked against Clerk: {error.message}."
    return None


def findings(
    facts: InstanceFacts,
    *,
    publishable_key: keys.PublishableKey,
    issuer: str,
    jwks_url: str,
    issuer_key: str = "clerkPublishableKey",
    jwks_key: str = "clerkPublishableKey",
    keys_from_jwks: bool = True,
) -> list[InstanceFinding]:
    """Hold the configuration against what Clerk says; no finding means one instance throughout.

    ``issuer`` and ``jwks_url`` are those of the JWT secret; ``issuer_key`` and ``jwks_key`` are the keys of
    the configuration that they come from. Without ``keys_from_jwks`` tokens are signed by a key that no JWKS
    shows, and what stands there is of no concern.
    """
    return [
        *_kinds(facts, publishable_key),
        *_addresses(facts, publishable_key, issuer, issuer_key),
        *_other_issuers(facts, publishable_key, issuer, issuer_key),
        *(_jwks(facts, jwks_url, jwks_key) if keys_from_jwks else []),
    ]


def _kinds(facts: InstanceFacts, publishable_key: keys.PublishableKey) -> list[InstanceFinding]:
    is_live = facts.instance.environment_type == "production"
    if is_live == (publishable_key.kind == "live"):
        return []
    return [
        InstanceFinding(
            key="clerkPublishableKey",
            problem=f"it is a pk_{publishable_key.kind}_ key, and the secret key is that of the "
            f"{facts.instance.environment_type} instance {facts.instance.id}",
            remedy="Take both keys from the API keys page of one instance",
        )
    ]


def _addresses(
    facts: InstanceFacts, publishable_key: keys.PublishableKey, issuer: str, issuer_key: str
) -> list[InstanceFinding]:
    hosts = {urlsplit(domain.frontend_api_url).netloc for domain in facts.domains}
    served = {url.rstrip("/") for d in facts.domains for url in (d.frontend_api_url, d.proxy_url) if url}
    known = ", ".join(sorted(served)) or "none"
    found: list[InstanceFinding] = []
    if publishable_key.frontend_api not in hosts:
        found.append(
            InstanceFinding(
                key="clerkPublishableKey",
                problem=f"it names the frontend API {publishable_key.frontend_api}, and the instance of the "
                f"secret key, {facts.instance.id}, has {known}",
                remedy="Take both keys from the API keys page of one instance",
            )
        )
    elif issuer not in (keys.ANY_ISSUER, *served):
        found.append(
            InstanceFinding(
                key=issuer_key,
                problem=f"the issuer would be {issuer}, and this instance issues tokens as {known}",
                remedy="Set clerkProxyUrl to the proxy address that Clerk has for this domain"
                if issuer_key == "clerkPublishableKey"
                else "Set it to what Clerk has for this domain, or remove it",
            )
        )
    return found


def _other_issuers(
    facts: InstanceFacts, publishable_key: keys.PublishableKey, issuer: str, issuer_key: str
) -> list[InstanceFinding]:
    """Tokens of this instance that Hasura, which takes one issuer, would refuse."""
    if issuer_key == "jwtIssuer":
        return []
    found: list[InstanceFinding] = []
    for domain in facts.domains:
        if urlsplit(domain.frontend_api_url).netloc == publishable_key.frontend_api and domain.proxy_url:
            # Its SDK for Go compares with the proxy, its SDK for JavaScript with the frontend API itself.
            found.append(
                InstanceFinding(
                    key=issuer_key,
                    problem=f"this domain has the proxy {domain.proxy_url}, and Clerk's own libraries do not agree "
                    f"whether its tokens name that as their issuer or {domain.frontend_api_url}; Hasura would be "
                    f"told {issuer}",
                    remedy="Look at iss of a token, which a proof shows, and set jwtIssuer to it",
                    severity="warning",
                )
            )
    others = [d.name for d in facts.domains if issuer not in (d.frontend_api_url.rstrip("/"), d.proxy_url)]
    # A single one that is another is told as an error.
    if others and len(facts.domains) > 1:
        found.append(
            InstanceFinding(
                key=issuer_key,
                problem=f"this instance has further domains, each an issuer of its own: {', '.join(others)}. "
                f"Hasura takes tokens of {issuer} only",
                remedy="If pages of theirs use this API: pulumi config set jwtIssuer any",
                severity="warning",
            )
        )
    return found


def _jwks(facts: InstanceFacts, jwks_url: str, jwks_key: str) -> list[InstanceFinding]:
    if facts.jwks is None:
        return [
            InstanceFinding(
                key=jwks_key,
                problem=f"the JWKS at {jwks_url} cannot be read ({facts.jwks_failure}), and Hasura ends at "
                "its start without it",
                remedy="Check the key, the domain's DNS records and the network",
            )
        ]
    found: list[InstanceFinding] = []
    if not facts.jwks.usable:
        found.append(
            InstanceFinding(
                key=jwks_key,
                problem=f"the JWKS at {jwks_url} holds no key that can check a signature, and Hasura would "
                "refuse every token",
                remedy="Wait until Clerk has set up the instance, or check the proxy address",
            )
        )
    elif not facts.jwks.key_ids & facts.key_ids:
        found.append(
            InstanceFinding(
                key="clerkSecretKey",
                problem=f"its instance signs with {_listed(facts.key_ids)}, and the JWKS at {jwks_url} "
                f"holds {_listed(facts.jwks.key_ids)}",
                remedy="Take both keys from the API keys page of one instance",
            )
        )
    if not facts.jwks.is_refreshed:
        found.append(
            InstanceFinding(
                key=jwks_key,
                problem=f"the JWKS at {jwks_url} comes without cache headers, and Hasura reads such a one "
                "at its start only",
                remedy="After a rotation of Clerk's keys, restart Hasura",
                severity="warning",
            )
        )
    return found


def _listed(key_ids: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(key_ids)) or "nothing"
