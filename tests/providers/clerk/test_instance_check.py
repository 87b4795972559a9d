"""What is gathered for the check of the keys, from the local Clerk and from servers that answer otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.clerk import instance_check as check
from components.clerk import keys
from local.clerk.server import serving

from .conftest import LocalClerk, RawServers, http


def test_the_local_clerk_is_one_instance(local_clerk: LocalClerk) -> None:
    key = keys.parse_publishable_key(keys.publishable_key_for(local_clerk.url.removeprefix("http://")))
    url = keys.jwks_url(local_clerk.url)
    facts = check.gather(local_clerk.client(), url)
    assert facts.jwks is not None
    assert facts.jwks.is_refreshed
    assert check.findings(facts, publishable_key=key, issuer=local_clerk.url, jwks_url=url) == []


def test_the_keys_of_two_instances_are_told_apart(local_clerk: LocalClerk, tmp_path: Path) -> None:
    with serving(tmp_path / "other", jwks_max_age=None) as other:
        key = keys.parse_publishable_key(keys.publishable_key_for(other.url.removeprefix("http://")))
        url = keys.jwks_url(other.url)
        facts = check.gather(local_clerk.client(), url)
        found = check.findings(facts, publishable_key=key, issuer=other.url, jwks_url=url)
    assert [(f.key, f.severity) for f in found] == [
        ("clerkPublishableKey", "error"),
        ("clerkSecretKey", "error"),
        ("clerkPublishableKey", "warning"),
    ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (http("404 Not Found", b""), "HTTP 404"),
        (http("200 OK", b"<html>"), "no JSON"),
        (http("200 OK", b"[]"), "no list of keys"),
        (http("200 OK", b"[" * 100_000), "no JSON"),
        (http("302 Found", b"", "Location: /elsewhere"), "HTTP 302"),
        (b"", "disconnected"),
    ],
)
def test_a_jwks_that_cannot_be_read(
    local_clerk: LocalClerk, raw_server: RawServers, answer: bytes, says: str
) -> None:
    facts = check.gather(local_clerk.client(), raw_server([answer]).url)
    assert facts.jwks is None
    assert says in facts.jwks_failure
