"""Tokens that must be refused, made from one that is good. No I/O; only ``signed_by_another`` is random."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from components.clerk.claims import Json

JsonObject = dict[str, Json]


def read(token: str) -> tuple[JsonObject, JsonObject]:
    """Header and claims of a token, unverified. Raises ValueError when it is none."""
    try:
        header, claims, _ = token.split(".")
        return _decoded(header), _decoded(claims)
    except (ValueError, UnicodeDecodeError):
        raise ValueError("not a signed JWT") from None


def with_other_user(token: str, mine: str, other: str) -> str:
    """The token with the other user's id wherever mine stands, under the old signature."""
    header, claims, signature = token.split(".")
    return f"{header}.{_encoded(_replaced(_decoded(claims), mine, other))}.{signature}"


def signed_by_another(token: str, mine: str, other: str) -> str:
    """A token for the other user with the same header, its ``kid`` too, signed by a fresh key."""
    header, claims = read(token)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(
        cast("dict[str, object]", _replaced(claims, mine, other)),
        key,
        algorithm="RS256",
        headers={"kid": header["kid"]} if "kid" in header else None,
    )


def unsigned(token: str, mine: str, other: str) -> str:
    """A token for the other user that says it needs no signature (``alg`` ``none``, RFC 7519 section 6)."""
    header, claims = read(token)
    return f"{_encoded({**header, 'alg': 'none'})}.{_encoded(_replaced(claims, mine, other))}."


def signed_with_public_key(token: str, mine: str, other: str, jwk: Mapping[str, Json]) -> str:
    """A token for the other user with the public key as HMAC secret, for a verifier that mixes them up."""
    header, claims = read(token)
    public = jwt.PyJWK(dict(jwk), algorithm="RS256").key
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(_replaced(claims, mine, other))}"
    return f"{content}.{_base64(hmac.digest(pem, content.encode(), hashlib.sha256))}"


def _replaced(claims: JsonObject, mine: str, other: str) -> JsonObject:
    return cast(JsonObject, json.loads(json.dumps(claims).replace(mine, other)))


def _decoded(part: str) -> JsonObject:
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _encoded(value: JsonObject) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
