"""Keys, addresses and JWKS of one instance, and of two that were mixed up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.clerk import instance_check as check
from components.clerk import keys
from components.clerk.answers import Domain, Instance
from components.clerk.errors import ClerkError, ErrorDetail
from components.clerk.instance_check import InstanceFacts
from components.clerk.jwks import Jwks

HOST = "clerk.example.com"
KEY = keys.parse_publishable_key(keys.publishable_key_for(HOST, "live"))
JWK = {"kty": "RSA", "kid": "ins_1", "use": "sig"}
DOMAIN = Domain(
    id="dmn_1", name="example.com", is_satellite=False, frontend_api_url=f"https://{HOST}", proxy_url=None
)
FACTS = InstanceFacts(
    instance=Instance(id="ins_1", environment_type="production"),
    domains=(DOMAIN,),
    key_ids=frozenset({"ins_1"}),
    jwks=Jwks(keys=(JWK,), cache_control="public, max-age=3600"),
)
PROXY = "https://example.com/__clerk"


def found(facts: InstanceFacts = FACTS, **changes: Any) -> list[check.InstanceFinding]:
    options = {
        "publishable_key": KEY,
        "issuer": f"https://{HOST}",
        "jwks_url": f"https://{HOST}/jwks",
    } | changes
    return check.findings(facts, **options)


def test_one_instance_throughout() -> None:
    assert found() == []


def test_of_a_proxied_domain_it_is_told_that_its_issuer_is_to_be_looked_up() -> None:
    proxied = replace(FACTS, domains=(replace(DOMAIN, proxy_url=PROXY),))
    for issuer, key in ((PROXY, "clerkProxyUrl"), (f"https://{HOST}", "clerkPublishableKey")):
        [told] = found(proxied, issuer=issuer, issuer_key=key)
        assert (told.key, told.severity) == (key, "warning")
        assert issuer in told.problem
        assert found(proxied, issuer=issuer, issuer_key="jwtIssuer") == []
    assert [f.key for f in found(issuer=PROXY, issuer_key="clerkProxyUrl")] == ["clerkProxyUrl"]


def test_of_further_domains_it_is_told_that_their_tokens_are_refused() -> None:
    satellite = replace(
        DOMAIN, name="shop.example", is_satellite=True, frontend_api_url="https://clerk.shop.example"
    )
    both = replace(FACTS, domains=(DOMAIN, satellite))
    [told] = found(both)
    assert told.severity == "warning"
    assert "shop.example" in told.problem
    assert "jwtIssuer any" in told.remedy
    [told] = found(both, issuer="https://clerk.shop.example", issuer_key="clerkSatelliteDomain")
    assert "example.com" in told.problem
    assert found(both, issuer=keys.ANY_ISSUER, issuer_key="jwtIssuer") == []


def test_addresses_are_told_by_the_keys_that_they_come_from() -> None:
    elsewhere = found(
        replace(FACTS, jwks=None, jwks_failure="HTTP 404"),
        issuer="https://elsewhere.example",
        issuer_key="jwtIssuer",
        jwks_key="jwksUrl",
    )
    assert [f.key for f in elsewhere] == ["jwtIssuer", "jwksUrl"]


def test_a_key_of_ones_own_needs_no_jwks() -> None:
    assert found(replace(FACTS, jwks=None, jwks_failure="HTTP 404"), keys_from_jwks=False) == []


CASES: dict[str, tuple[InstanceFacts, dict[str, Any], str, str, str]] = {
    "a development secret key": (
        replace(FACTS, instance=Instance(id="ins_1", environment_type="development")),
        {},
        "clerkPublishableKey",
        "error",
        "that of the development instance ins_1",
    ),
    "a frontend API of another instance": (
        replace(FACTS, domains=(replace(DOMAIN, frontend_api_url="https://clerk.other.example"),)),
        {},
        "clerkPublishableKey",
        "error",
        "clerk.other.example",
    ),
    "no common key": (
        replace(FACTS, key_ids=frozenset({"ins_2"})),
        {},
        "clerkSecretKey",
        "error",
        "signs with ins_2, and the JWKS at https://clerk.example.com/jwks holds ins_1",
    ),
    "no JWKS": (
        replace(FACTS, jwks=None, jwks_failure="HTTP 404"),
        {},
        "clerkPublishableKey",
        "error",
        "cannot be read (HTTP 404)",
    ),
    "an empty JWKS": (
        replace(FACTS, jwks=Jwks(keys=(), expires="later")),
        {},
        "clerkPublishableKey",
        "error",
        "refuse every token",
    ),
    "a JWKS for encryption": (
        replace(FACTS, jwks=Jwks(keys=({**JWK, "use": "enc"},), expires="later")),
        {},
        "clerkPublishableKey",
        "error",
        "no key that can check a signature",
    ),
    "no cache headers": (
        replace(FACTS, jwks=Jwks(keys=(JWK,))),
        {},
        "clerkPublishableKey",
        "warning",
        "restart Hasura",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_belong_together(name: str) -> None:
    facts, options, key, severity, says = CASES[name]
    findings = found(facts, **options)
    assert [(f.key, f.severity) for f in findings] == [(key, severity)]
    assert says in str(findings[0])


@pytest.mark.parametrize(
    ("headers", "refreshed"),
    [
        ({"cache_control": "max-age=60"}, True),
        ({"cache_control": "no-store"}, True),
        ({"expires": "Thu, 01 Jan 2030 00:00:00 GMT"}, True),
        ({"cache_control": "public"}, False),
        ({}, False),
    ],
)
def test_when_hasura_reads_the_keys_again(headers: dict[str, str], refreshed: bool) -> None:
    assert Jwks(keys=(JWK,), **headers).is_refreshed is refreshed


def test_only_a_preview_without_network_goes_on() -> None:
    def error(code: str, *, nothing_sent: bool) -> ClerkError:
        return ClerkError(
            request="GET /v1/instance",
            status=None,
            details=[ErrorDetail(code=code, message="m")],
            remedy="r",
            nothing_sent=nothing_sent,
        )

    assert check.unreachable_notice(error("unreachable", nothing_sent=True)) == (
        "The Clerk keys were not checked against Clerk: m."
    )
    assert check.unreachable_notice(error("clerk_key_invalid", nothing_sent=False)) is None
