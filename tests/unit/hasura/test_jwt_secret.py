"""The engine's JWT secret: which fields it has, and that its text is stable."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from components.clerk.keys import KeyFormatError
from components.hasura.jwt_secret import jwt_secret, jwt_secret_text, own_key

URL = "https://clerk.example.test/.well-known/jwks.json"
ISSUER = "https://clerk.example.test"


def test_only_what_is_needed() -> None:
    assert jwt_secret(keys=URL, issuer=ISSUER) == {"jwk_url": URL, "issuer": ISSUER}


def test_every_field() -> None:
    secret = jwt_secret(
        keys=URL,
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
    assert jwt_secret(keys=URL, issuer=ISSUER, audience="api")["audience"] == "api"


def test_written_out_defaults_change_nothing() -> None:
    plain = jwt_secret_text(jwt_secret(keys=URL, issuer=ISSUER))
    spelled = jwt_secret_text(
        jwt_secret(
            keys=URL,
            issuer=ISSUER,
            audience=[],
            allowed_skew=0,
            claims_namespace="https://hasura.io/jwt/claims",
        )
    )
    assert spelled == plain


def test_text_is_json_on_one_line() -> None:
    secret = jwt_secret(keys=URL, issuer=ISSUER, allowed_skew=3)
    text = jwt_secret_text(secret)
    assert json.loads(text) == secret
    assert "\n" not in text
    assert text == f'{{"jwk_url": "{URL}", "issuer": "{ISSUER}", "allowed_skew": 3}}'


def test_no_issuer_is_named_where_any_may_pass() -> None:
    assert jwt_secret(keys=URL, issuer=None) == {"jwk_url": URL}


def test_where_the_token_comes_in() -> None:
    cookie = {"type": "Cookie", "name": "session"}
    assert jwt_secret(keys=URL, issuer=ISSUER, header=cookie)["header"] == cookie
    assert "header" not in jwt_secret(keys=URL, issuer=ISSUER, header={"type": "Authorization"})


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


RSA = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC = pem(ec.generate_private_key(ec.SECP256R1()))
EC_521 = pem(ec.generate_private_key(ec.SECP521R1()))
ED = pem(ed25519.Ed25519PrivateKey.generate())
HMAC = "canary" * 12


@pytest.mark.parametrize(
    ("signing_key", "algorithm", "named"),
    [
        (RSA, "RS256", "RS256"),
        (RSA, "RS512", "RS512"),
        (RSA, "PS384", "RS384"),
        (EC, "ES256", "ES256"),
        (EC_521, "ES512", "ES512"),
        (ED, "EdDSA", "Ed25519"),
        (HMAC, "HS256", "HS256"),
        (HMAC, "HS512", "HS512"),
    ],
)
def test_a_key_of_ones_own_verifies_what_it_signs_and_shows_nothing_private(
    signing_key: str, algorithm: str, named: str
) -> None:
    key = own_key(signing_key, algorithm)
    assert key.type == named
    token = jwt.encode({"sub": "user_1"}, signing_key, algorithm=algorithm)
    assert jwt.decode(token, key.key, algorithms=[algorithm]) == {"sub": "user_1"}
    assert "PRIVATE" not in key.key
    assert key.key not in repr(key)
    secret = jwt_secret(keys=key, issuer=ISSUER)
    assert secret == {"type": named, "key": key.key, "issuer": ISSUER}


@pytest.mark.parametrize(
    ("signing_key", "algorithm", "says"),
    [
        (RSA, "ES256", "an RSA key cannot sign with ES256. Set jwtSigningAlgorithm to RS256"),
        (EC, "ES384", "an EC key on secp256r1 cannot sign with ES384. Set jwtSigningAlgorithm to ES256"),
        (ED, "RS256", "an Ed25519 key cannot sign with RS256"),
        (RSA, "HS256", "a PEM key stands where HS256 takes a secret text"),
        ("canary" * 5, "HS256", "the key has 30 bytes, and HS256 needs 32"),
        (HMAC, "RS256", "the key is no private key in PEM form"),
        (RSA, "none", "'none' is no algorithm that Clerk signs with"),
        (
            pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
            "RS256",
            "the key has 1024 bits, and RSA needs 2048",
        ),
    ],
)
def test_a_key_that_cannot_work_is_told_without_showing_it(
    signing_key: str, algorithm: str, says: str
) -> None:
    with pytest.raises(KeyFormatError) as caught:
        own_key(signing_key, algorithm)
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


@given(
    issuer=st.none() | st.text(min_size=1),
    audience=st.lists(st.text(min_size=1), max_size=3),
    skew=st.integers(0, 300),
    namespace=st.text(min_size=1),
)
def test_whatever_it_holds_it_is_one_line_of_json(
    issuer: str | None, audience: list[str], skew: int, namespace: str
) -> None:
    secret = jwt_secret(
        keys=URL, issuer=issuer, audience=audience, allowed_skew=skew, claims_namespace=namespace
    )
    text = jwt_secret_text(secret)
    assert json.loads(text) == secret
    assert "\n" not in text
    assert "\r" not in text
