"""Signing keys, the JWKS, and the tokens that are minted with them."""

from __future__ import annotations

import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.clerk.shortcodes import Json, render
from local.clerk.state import Session, SigningKey, Template, User, now_ms

SESSION_TOKEN_LIFETIME = 60
SESSION_TOKEN_SKEW = 10


def new_signing_key(kid: str) -> SigningKey:
    """A fresh RSA key of 2048 bits."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return SigningKey(id=kid, pem=pem.decode(), created_at=now_ms())


def jwks(keys: list[SigningKey]) -> dict[str, object]:
    """The public halves as a JSON Web Key Set (RFC 7517), newest first."""
    entries = []
    for key in reversed(keys):
        private = serialization.load_pem_private_key(key.pem.encode(), password=None)
        assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
        entries.append(
            {"use": "sig", "kty": "RSA", "kid": key.id, "alg": "RS256", "n": public["n"], "e": public["e"]}
        )
    return {"keys": entries}


def shortcode_context(user: User) -> dict[str, Json]:
    """The values that shortcodes may name; what is not here renders as null.

    `user.created_at` is in seconds, as in the example of Clerk's guide.
    """
    full_name = " ".join(part for part in (user.first_name, user.last_name) if part)
    return {
        "user": {
            "id": user.id,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "full_name": full_name or None,
            "image_url": "",
            "created_at": user.created_at // 1000,
            "external_id": user.external_id,
            "primary_email_address": user.email_addresses[0] if user.email_addresses else None,
            "primary_phone_address": None,
            "email_verified": bool(user.email_addresses),
            "phone_number_verified": False,
            "public_metadata": user.public_metadata,
            "unsafe_metadata": user.unsafe_metadata,
        }
    }


def template_token(
    *,
    template: Template,
    user: User,
    key: SigningKey,
    issuer: str,
    origin: str | None,
    lifetime: int | None = None,
) -> str:
    """A token of a JWT template. `origin` becomes `azp` (only browsers have one); lifetime in seconds."""
    claims = render(template.claims, shortcode_context(user))
    assert isinstance(claims, dict)  # noqa: S101
    payload = claims | _default_claims(
        user,
        issuer=issuer,
        origin=origin,
        lifetime=lifetime or template.lifetime,
        skew=template.allowed_clock_skew,
    )
    if template.custom_signing_key and template.signing_key is not None:
        return jwt.encode(payload, template.signing_key, algorithm=template.signing_algorithm)
    return jwt.encode(payload, key.pem, algorithm="RS256", headers={"kid": key.id})


def session_token(
    *,
    session: Session,
    template: Template,
    user: User,
    key: SigningKey,
    issuer: str,
    origin: str | None,
    lifetime: int | None = None,
) -> str:
    """A plain session token, version 2 of its format, with the claims of the session token's template."""
    own = render(template.claims, shortcode_context(user))
    assert isinstance(own, dict)  # noqa: S101
    payload = (
        own
        | _default_claims(
            user,
            issuer=issuer,
            origin=origin,
            lifetime=lifetime or SESSION_TOKEN_LIFETIME,
            skew=SESSION_TOKEN_SKEW,
        )
        | {"sid": session.id, "sts": "active", "v": 2, "fva": [0, -1]}
    )
    return jwt.encode(payload, key.pem, algorithm="RS256", headers={"kid": key.id})


def usable_key(algorithm: str, key: str) -> bool:
    """Whether tokens can be signed by that custom key and algorithm."""
    try:
        jwt.encode({}, key, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError):
        return False
    return True


def _default_claims(
    user: User, *, issuer: str, origin: str | None, lifetime: int, skew: int
) -> dict[str, Json]:
    now = int(time.time())
    claims: dict[str, Json] = {
        "exp": now + lifetime,
        "iat": now,
        "iss": issuer,
        "jti": secrets.token_hex(10),
        "nbf": now - skew,
        "sub": user.id,
    }
    if origin is not None:
        claims["azp"] = origin
    return claims
