"""A stack's outputs as the proof reads them."""

from __future__ import annotations

import pytest

from components.clerk import keys
from components.proof.run import token_header
from components.proof.target import OWN_KEY, TargetError, read_target

OUTPUTS: dict[str, object] = {
    "graphqlUrl": "http://127.0.0.1:8080/v1/graphql",
    "hasuraUrl": "http://127.0.0.1:8080",
    "jwksUrl": "http://127.0.0.1:9500/.well-known/jwks.json",
    "issuer": "http://127.0.0.1:9500",
    "jwtTemplate": "hasura",
    "publishableKey": keys.publishable_key_for("127.0.0.1:9500"),
    "clerkApiUrl": "http://127.0.0.1:9500",
    "adminSecret": "CANARY",
}


def test_the_outputs_of_the_local_stack() -> None:
    target = read_target(OUTPUTS)
    assert (target.engine_url, target.template) == ("http://127.0.0.1:8080", "hasura")
    assert target.is_local_clerk
    assert not target.is_production
    assert "CANARY" not in repr(target)


def test_what_differs_from_the_usual() -> None:
    usual = read_target(OUTPUTS)
    assert (usual.frontend_api_url, usual.keys_from_jwks, usual.header) == (usual.issuer, True, {})
    assert usual.claims_namespace == "https://hasura.io/jwt/claims"
    own = {
        "frontendApiUrl": "http://127.0.0.1:9500/__clerk/",
        "claimsNamespace": "https://example.com/claims",
        "tokensSignedBy": OWN_KEY,
        "jwtHeader": '{"type": "Cookie", "name": "session"}',
    }
    target = read_target(OUTPUTS | own)
    assert target.frontend_api_url == "http://127.0.0.1:9500/__clerk"
    assert (target.claims_namespace, target.keys_from_jwks) == (own["claimsNamespace"], False)
    assert token_header(target.header, "t") == {"Cookie": "session=t"}
    assert token_header({"type": "CustomHeader", "name": "X-Token"}, "t") == {"X-Token": "t"}
    assert token_header(usual.header, "t") == {"Authorization": "Bearer t"}


def test_a_live_key_is_production() -> None:
    live = {**OUTPUTS, "publishableKey": keys.publishable_key_for("clerk.example.com", "live")}
    target = read_target(live)
    assert target.is_production
    assert not target.is_local_clerk


@pytest.mark.parametrize("missing", [key for key in OUTPUTS if key != "hasuraUrl"])
def test_each_missing_output_is_named(missing: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_target({key: value for key, value in OUTPUTS.items() if key != missing})
    assert caught.value.problems == (f"The stack has no output {missing}. Run `pulumi up` first.",)


def test_all_problems_at_once() -> None:
    with pytest.raises(TargetError) as caught:
        read_target({"adminSecret": "[secret]", "publishableKey": "pk_x", "graphqlUrl": "http://127.0.0.1/x"})
    said = str(caught.value)
    for part in (
        "--show-secrets",
        "publishableKey",
        "graphqlUrl",
        "issuer",
        "jwksUrl",
        "jwtTemplate",
        "clerkApiUrl",
    ):
        assert part in said
