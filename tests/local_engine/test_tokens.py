"""Verification of tokens beyond the recorded cases: the other fields of the JWT secret."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.engine.errors import EngineError
from local.engine.json_text import decode
from local.engine.jwks import expiry, usable_keys
from local.engine.jwt_secret import JwtConfig, JwtSecretError, parse_jwt_secret
from local.engine.jwt_verification import claims_of, roles_of, session_variables_of
from local.engine.session import Session, authenticate
from local.engine.settings import read_settings

NOW = 1_700_000_000
SHARED = "0123456789012345678901234567890123456789012345678901234567890123"
HASURA = {"x-hasura-default-role": "user", "x-hasura-allowed-roles": ["user"], "x-hasura-user-id": "u"}
NAMESPACE = "https://hasura.io/jwt/claims"


def config(**fields: object) -> JwtConfig:
    return parse_jwt_secret(json.dumps({"type": "HS256", "key": SHARED, **fields}))


def signed(claims: dict, algorithm: str = "HS256", key: object = SHARED) -> str:
    return jwt.encode(claims, key, algorithm)


def read(settings: JwtConfig, claims: dict) -> dict:
    return claims_of(signed(claims), settings, [settings.key], NOW)


def code(settings: JwtConfig, claims: dict) -> str:
    with pytest.raises(EngineError) as caught:
        read(settings, claims)
    return caught.value.message


def test_skew_widens_both_ends() -> None:
    tight, loose = config(), config(allowed_skew=10)
    late = {NAMESPACE: HASURA, "exp": NOW - 5}
    assert code(tight, late) == "Could not verify JWT: JWTExpired"
    assert read(loose, late) == HASURA
    early = {NAMESPACE: HASURA, "nbf": NOW + 5}
    assert code(tight, early) == "Could not verify JWT: JWTNotYetValid"
    assert read(loose, early) == HASURA
    assert code(tight, {NAMESPACE: HASURA, "exp": NOW}) == "Could not verify JWT: JWTExpired"


@pytest.mark.parametrize(
    ("audience", "passes"), [("a", True), (["x", "b"], True), ("c", False), (None, True)]
)
def test_audience(audience: object, passes: bool) -> None:
    claims = {NAMESPACE: HASURA} | ({"aud": audience} if audience else {})
    if passes:
        assert read(config(audience=["a", "b"]), claims) == HASURA
    else:
        assert code(config(audience=["a", "b"]), claims) == "Could not verify JWT: JWTNotInAudience"


def test_where_the_claims_are() -> None:
    assert read(config(claims_namespace="ns"), {"ns": HASURA}) == HASURA
    assert read(config(claims_namespace_path="$.a['b c'][0]"), {"a": {"b c": [HASURA]}}) == HASURA
    assert read(config(claims_namespace_path="$"), HASURA) == HASURA
    assert code(config(claims_namespace_path="$.a.b"), {"a": 1}) == (
        "claims not found at claims_namespace_path: '$.a.b'"
    )
    stringified = config(claims_format="stringified_json")
    assert read(stringified, {NAMESPACE: json.dumps(HASURA)}) == HASURA
    assert (
        code(stringified, {NAMESPACE: HASURA}) == "expecting a string when claims_format is stringified_json"
    )


def test_claims_map() -> None:
    mapped = config(
        claims_map={
            "x-hasura-allowed-roles": ["user", "editor"],
            "x-hasura-default-role": {"path": "$.role", "default": "user"},
            "X-Hasura-User-Id": {"path": "$.user.id"},
        }
    )
    claims = read(mapped, {"user": {"id": "u1"}})
    assert roles_of(claims) == ("user", ["user", "editor"])
    assert session_variables_of(claims) == {"x-hasura-user-id": "u1"}
    assert code(mapped, {}) == "JWT claim from claims_map, x-hasura-user-id not found"


@pytest.mark.parametrize(
    ("kind", "algorithm", "private"),
    [
        ("RS256", "RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", "ES256", ec.generate_private_key(ec.SECP256R1())),
        ("ES384", "ES384", ec.generate_private_key(ec.SECP384R1())),
        ("Ed25519", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_public_keys(kind: str, algorithm: str, private: object) -> None:
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings = parse_jwt_secret(json.dumps({"type": kind, "key": pem}))
    token = signed({NAMESPACE: HASURA}, algorithm, private)
    assert claims_of(token, settings, [settings.key], NOW) == HASURA
    with pytest.raises(EngineError, match="JWSInvalidSignature"):
        claims_of(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"), settings, [settings.key], NOW)


def test_a_key_that_the_algorithm_is_not_for_is_passed_over() -> None:
    other = rsa.generate_private_key(65537, 2048).public_key()
    settings = config()
    assert claims_of(signed({NAMESPACE: HASURA}), settings, [other, settings.key], NOW) == HASURA
    with pytest.raises(EngineError, match="JWSInvalidSignature"):
        claims_of(signed({NAMESPACE: HASURA}), settings, [other], NOW)
    with pytest.raises(EngineError, match="NoUsableKeys"):
        claims_of(signed({NAMESPACE: HASURA}), settings, [], NOW)


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_number_is_refused(claim: str) -> None:
    token = jwt.api_jws.encode(
        json.dumps({NAMESPACE: HASURA, claim: "soon"}).encode(), SHARED.encode(), "HS256"
    )
    with pytest.raises(EngineError, match="JWTClaimsSetDecodeError"):
        claims_of(token, config(), [SHARED.encode()], NOW)


def session(headers: list[tuple[str, str]], **fields: object) -> Session:
    secret = json.dumps({"type": "HS256", "key": SHARED, **fields})
    environment = {
        "HASURA_GRAPHQL_DATABASE_URL": "postgresql://nowhere",
        "HASURA_GRAPHQL_ADMIN_SECRET": "admin-secret",
        "HASURA_GRAPHQL_JWT_SECRET": secret,
    }
    return authenticate(headers, read_settings(environment), lambda each: [each.key], NOW)


def test_where_the_token_is() -> None:
    token = signed({NAMESPACE: HASURA})
    assert session([("authorization", f"Bearer {token}")]).variable("X-Hasura-User-Id") == "u"
    assert session([("cookie", f"a=b; t={token}")], header={"type": "Cookie", "name": "t"}).role == "user"
    custom = {"type": "CustomHeader", "name": "X-Token"}
    assert session([("x-token", token)], header=custom).role == "user"
    with pytest.raises(EngineError, match="Missing"):
        session([("authorization", f"Bearer {token}")], header=custom)
    with pytest.raises(EngineError, match="Multiple JWTs found"):
        session([("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")])


def test_session_variables_come_from_the_token_alone() -> None:
    headers = [("authorization", f"Bearer {signed({NAMESPACE: HASURA})}"), ("x-hasura-org-id", "1")]
    assert "x-hasura-org-id" not in session(headers).variables


def test_an_empty_admin_secret_header_is_a_wrong_one() -> None:
    with pytest.raises(EngineError, match="invalid"):
        session([("x-hasura-admin-secret", "")])
    with pytest.raises(EngineError, match="invalid"):
        session([("x-hasura-access-key", "é")])
    assert session([("x-hasura-access-key", "admin-secret")]).is_admin


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"cache-control": "public"}, None),
        ({"cache-control": "max-age=60"}, 160),
        ({"cache-control": 'private, Max-Age="60"'}, 160),
        ({"cache-control": "max-age=60, must-revalidate"}, 160),
        ({"cache-control": "must-revalidate"}, 100),
        ({"cache-control": "max-age=60, no-store"}, 100),
        ({"cache-control": "no-cache"}, 100),
        ({"expires": "Thu, 01 Jan 1970 00:05:00 GMT"}, 300),
        ({"expires": "0"}, None),
        ({"cache-control": "public", "expires": "Thu, 01 Jan 1970 00:05:00 GMT"}, 300),
    ],
)
def test_expiry_of_a_key_set(headers: dict[str, str], wanted: float | None) -> None:
    assert expiry(headers, 100) == wanted


def test_keys_of_no_use_are_passed_over() -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    usable = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    other = {**usable, "use": "other"}
    assert len(usable_keys({"keys": [usable, other, {"kty": "oct", "k": "AAAA"}, "text"]})) == 1
    for broken in ([], {"keys": {}}, {}):
        with pytest.raises(ValueError, match="Error in"):
            usable_keys(broken)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Unexpected end-of-input, expecting JSON value"),
        ("{", "Unexpected end-of-input, expecting record key literal or }"),
        ("{jwk_url}", 'Unexpected "jwk_url}", expecting record key literal or }'),
        ('{"a" 1}', 'Unexpected "1}", expecting :'),
        ("[1 2]", 'Unexpected "2]", expecting , or ]'),
        ('{"a": 1 "b"}', 'Unexpected ""b"}", expecting , or }'),
        ("<html>", 'Unexpected "<html>", expecting JSON value'),
        ("NaN", 'Unexpected "NaN", expecting JSON value'),
        ("1 2", 'Unexpected "2", expecting end-of-input'),
    ],
)
def test_messages_of_the_json_decoder(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="Unexpected") as caught:
        decode(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "fields",
    [
        {"jwk_url": "https://a.example"},
        {"claims_namespace": "a", "claims_namespace_path": "$.a"},
        {"claims_format": "xml"},
        {"allowed_skew": "1"},
        {"header": {"type": "Cookie"}},
        {"claims_map": {"x-hasura-default-role": "user"}},
        {"type": "HS1024"},
        {"type": "RS256"},
        {"issuer": 1},
        {"audience": [1]},
    ],
)
def test_what_the_secret_may_not_say(fields: dict) -> None:
    with pytest.raises(JwtSecretError) as caught:
        config(**fields)
    assert SHARED not in str(caught.value)
    assert SHARED not in repr(caught.value.__context__)
