"""A stack's outputs as the proof reads them."""

from __future__ import annotations

import pytest

from components.clerk import keys
from components.proof.target import TargetError, read_target

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
