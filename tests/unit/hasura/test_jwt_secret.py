"""The engine's JWT secret: which fields it has, and that its text is stable."""

from __future__ import annotations

import json

from components.hasura.jwt_secret import jwt_secret, jwt_secret_text

URL = "https://clerk.example.test/.well-known/jwks.json"
ISSUER = "https://clerk.example.test"


def test_only_what_is_needed() -> None:
    assert jwt_secret(jwk_url=URL, issuer=ISSUER) == {"jwk_url": URL, "issuer": ISSUER}


def test_every_field() -> None:
    secret = jwt_secret(
        jwk_url=URL,
        issuer=ISSUER,
        audience=["api", "web"],
        allowed_skew=5,
        claims_namespace="https://example.test/claims",
    )
    assert secret == {
        "jwk_url": URL,
        "issuer": ISSUER,
        "audience": ["api", "web"],
        "allowed_skew": 5,
        "claims_namespace": "https://example.test/claims",
    }


def test_one_audience_is_a_text() -> None:
    assert jwt_secret(jwk_url=URL, issuer=ISSUER, audience="api")["audience"] == "api"


def test_written_out_defaults_change_nothing() -> None:
    plain = jwt_secret_text(jwt_secret(jwk_url=URL, issuer=ISSUER))
    spelled = jwt_secret_text(
        jwt_secret(
            jwk_url=URL,
            issuer=ISSUER,
            audience=[],
            allowed_skew=0,
            claims_namespace="https://hasura.io/jwt/claims",
        )
    )
    assert spelled == plain


def test_text_is_json_on_one_line() -> None:
    secret = jwt_secret(jwk_url=URL, issuer=ISSUER, allowed_skew=3)
    text = jwt_secret_text(secret)
    assert json.loads(text) == secret
    assert "\n" not in text
    assert text == f'{{"jwk_url": "{URL}", "issuer": "{ISSUER}", "allowed_skew": 3}}'
