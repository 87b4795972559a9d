"""What the page is told: enough, and nothing that is secret."""

from __future__ import annotations

import json

import pytest

from components.clerk.keys import publishable_key_for
from examples.web.configuration import ConfigurationError, DemoUser, page_configuration, read_outputs

LOCAL = {
    "publishableKey": publishable_key_for("127.0.0.1:9500"),
    "jwtTemplate": "mine",
    "graphqlUrl": "http://127.0.0.1:8080/v1/graphql",
    "jwksUrl": "http://127.0.0.1:9500/.well-known/jwks.json",
    "issuer": "http://127.0.0.1:9500",
    "frontendApiUrl": "http://127.0.0.1:9500",
    "clerkApiUrl": "http://127.0.0.1:9500",
    "claimsNamespace": "https://hasura.io/jwt/claims",
}
REAL = LOCAL | {
    "publishableKey": publishable_key_for("quick-fox-1.clerk.accounts.dev"),
    "jwksUrl": "https://quick-fox-1.clerk.accounts.dev/.well-known/jwks.json",
    "issuer": "https://quick-fox-1.clerk.accounts.dev",
    "frontendApiUrl": "https://quick-fox-1.clerk.accounts.dev",
    "clerkApiUrl": "https://api.clerk.com",
}


def test_the_local_clerk_is_named_by_its_proxy_address() -> None:
    ada = DemoUser(name="Ada", email="ada@example.com", id="user_1")
    assert page_configuration("dev", read_outputs(LOCAL), [ada]) == {
        "stack": "dev",
        "publishableKey": LOCAL["publishableKey"],
        "jwtTemplate": "mine",
        "graphqlUrl": "http://127.0.0.1:8080/v1/graphql",
        "jwksUrl": "http://127.0.0.1:9500/.well-known/jwks.json",
        "claimsNamespace": "https://hasura.io/jwt/claims",
        "jwtHeader": {},
        "proxyUrl": "http://127.0.0.1:9500/__clerk",
        "localClerk": True,
        "demoUsers": [{"name": "Ada", "email": "ada@example.com", "id": "user_1"}],
    }


def test_an_application_is_named_by_its_publishable_key_alone() -> None:
    told = page_configuration("staging", read_outputs(REAL), [])
    assert "proxyUrl" not in told
    assert told["localClerk"] is False


def test_a_proxied_application_is_called_at_its_proxy() -> None:
    proxied = REAL | {"frontendApiUrl": "https://app.example.com/__clerk"}
    assert (
        page_configuration("prod", read_outputs(proxied), [])["proxyUrl"] == "https://app.example.com/__clerk"
    )


def test_an_issuer_of_ones_own_is_no_proxy() -> None:
    told = page_configuration("prod", read_outputs(REAL | {"issuer": "https://issuer.example.com"}), [])
    assert "proxyUrl" not in told


def test_where_the_engine_looks_is_told() -> None:
    own = {
        "claimsNamespace": "https://example.com",
        "jwtHeader": '{"type": "CustomHeader", "name": "X-Token"}',
    }
    told = page_configuration("prod", read_outputs(REAL | own), [])
    assert (told["claimsNamespace"], told["jwtHeader"]) == (
        "https://example.com",
        {"type": "CustomHeader", "name": "X-Token"},
    )


def test_outputs_that_are_not_named_stay_out() -> None:
    secrets = {"adminSecret": "canary-1", "databaseUrl": "postgres://canary-2", "somethingNew": "canary-3"}
    told = json.dumps(page_configuration("dev", read_outputs(LOCAL | secrets), []))
    assert "canary" not in told


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_outputs({"publishableKey": LOCAL["publishableKey"], "jwtTemplate": "", "graphqlUrl": "[secret]"})
    for name in ("jwtTemplate", "graphqlUrl", "jwksUrl", "frontendApiUrl", "clerkApiUrl", "make up"):
        assert name in str(caught.value)
    assert "publishableKey" not in str(caught.value)


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"publishableKey.*pk_test_"):
        read_outputs(LOCAL | {"publishableKey": "nonsense"})
