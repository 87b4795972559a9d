"""HASURA_GRAPHQL_JWT_SECRET: what a signed token must satisfy, and where the keys come from.

Fields as documented by the vendor (https://hasura.io/docs/2.0/auth/authentication/jwt/); unknown fields
are ignored, as the engine does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from local.engine.json_text import decode, expected
from local.engine.json_types import Json, JsonObject

DEFAULT_NAMESPACE = "https://hasura.io/jwt/claims"

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
VerificationKey: TypeAlias = PublicKey | bytes
"""A public key, or the bytes of a shared secret (HMAC)."""

_HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_ASYMMETRIC = {"RS256", "RS384", "RS512", "Ed25519", "ES256", "ES384", "ES512"}


class JwtSecretError(ValueError):
    """The secret cannot be used; the text is the engine's message and holds no key."""


@dataclass(frozen=True, kw_only=True)
class ClaimPath:
    """Where one claim of `claims_map` comes from: a path into the token, with a default."""

    path: str
    default: Json = None


@dataclass(frozen=True, kw_only=True)
class JwtConfig:
    """One parsed secret. Exactly one of `key` and `jwk_url` is set."""

    jwk_url: str | None = None
    key: VerificationKey | None = field(default=None, repr=False)
    issuer: str | None = None
    audience: tuple[str, ...] | None = None
    allowed_skew: float = 0
    namespace: str = DEFAULT_NAMESPACE
    namespace_path: str | None = None
    stringified: bool = False
    claims_map: dict[str, ClaimPath | Json] | None = None
    header_type: str = "Authorization"
    """`Authorization`, `Cookie` or `CustomHeader`."""
    header_name: str | None = None


def parse_jwt_secret(text: str) -> JwtConfig:
    """Parse the value of HASURA_GRAPHQL_JWT_SECRET. Raises JwtSecretError with the engine's message."""
    try:
        document = decode(text)
    except ValueError as error:
        raise JwtSecretError(_without_value(text, str(error))) from error
    if not isinstance(document, dict):
        raise JwtSecretError(f"Error in $: {expected('JWTConfig', 'Object', document)}")
    return _config(document)


def _without_value(text: str, message: str) -> str:
    # The decoder quotes the text at the fault; a malformed secret with a key in it must not reach the log.
    return message if "key" not in text.replace("jwk_url", "") else "the value is not valid JSON"


def _config(document: JsonObject) -> JwtConfig:
    raw_key, url = document.get("key"), document.get("jwk_url")
    if raw_key is None and url is None:
        raise JwtSecretError("Error in $: key and jwk_url both cannot be empty")
    if raw_key is not None and url is not None:
        raise JwtSecretError("Error in $: key, jwk_url both cannot be present")
    if url is not None and not (isinstance(url, str) and urlsplit(url).scheme):
        raise JwtSecretError("Error in $['jwk_url']: Invalid URI")
    namespace, path = document.get("claims_namespace"), document.get("claims_namespace_path")
    if namespace is not None and path is not None:
        raise JwtSecretError("Error in $: claims_namespace and claims_namespace_path both cannot be set")
    claims_format = _text(document, "claims_format") or "json"
    if claims_format not in ("json", "stringified_json"):
        raise JwtSecretError(
            "Error in $['claims_format']: parsing JWTClaimsFormat failed, "
            f'expected "json" or "stringified_json", but found "{claims_format}"'
        )
    skew = document.get("allowed_skew")
    if skew is not None and not isinstance(skew, int | float):
        raise JwtSecretError(f"Error in $['allowed_skew']: {expected('NominalDiffTime', 'Number', skew)}")
    header_type, header_name = _header(document.get("header"))
    return JwtConfig(
        jwk_url=url if isinstance(url, str) else None,
        key=None if raw_key is None else _key(_text(document, "type"), raw_key),
        issuer=_text(document, "issuer"),
        audience=_audience(document.get("audience")),
        allowed_skew=float(skew or 0),
        namespace=_text(document, "claims_namespace") or DEFAULT_NAMESPACE,
        namespace_path=_text(document, "claims_namespace_path"),
        stringified=claims_format == "stringified_json",
        claims_map=_claims_map(document.get("claims_map")),
        header_type=header_type,
        header_name=header_name,
    )


def _text(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise JwtSecretError(f"Error in $['{name}']: {expected('Text', 'String', value)}")


def _audience(value: Json) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise JwtSecretError("Error in $['audience']: expected a string or a list of strings")
    return tuple(str(each) for each in values)


def _header(value: Json) -> tuple[str, str | None]:
    if value is None:
        return "Authorization", None
    if not isinstance(value, dict) or value.get("type") not in ("Authorization", "Cookie", "CustomHeader"):
        raise JwtSecretError("Error in $['header']: expected type Authorization, Cookie or CustomHeader")
    kind, name = str(value["type"]), value.get("name")
    if kind != "Authorization" and not isinstance(name, str):
        raise JwtSecretError("Error in $['header']: key \"name\" not found")
    return kind, name.lower() if isinstance(name, str) else None


def _claims_map(value: Json) -> dict[str, ClaimPath | Json] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise JwtSecretError(f"Error in $['claims_map']: {expected('Object', 'Object', value)}")
    claims = {name.lower(): _claim(entry) for name, entry in value.items()}
    for required in ("x-hasura-allowed-roles", "x-hasura-default-role"):
        if required not in claims:
            raise JwtSecretError(f"Error in $['claims_map']: {required} is expected but not found")
    return claims


def _claim(entry: Json) -> ClaimPath | Json:
    if isinstance(entry, dict):
        path = entry.get("path")
        if not isinstance(path, str):
            raise JwtSecretError("Error in $['claims_map']: key \"path\" not found")
        return ClaimPath(path=path, default=entry.get("default"))
    return entry


def _key(kind: str | None, raw: Json) -> VerificationKey:
    if kind is None:
        raise JwtSecretError('Error in $: key "type" not found')
    if not isinstance(raw, str):
        raise JwtSecretError(f"Error in $['key']: {expected('Text', 'String', raw)}")
    if kind in _HMAC_BYTES:
        if len(raw.encode()) < _HMAC_BYTES[kind]:
            raise JwtSecretError(
                "Error in $: Invalid JWK: Key size too small; "
                f"should be atleast {_HMAC_BYTES[kind]} characters"
            )
        return raw.encode()
    if kind not in _ASYMMETRIC:
        raise JwtSecretError(f"Error in $: Invalid JWK: Key type: {kind} is not supported")
    try:
        pem = raw.encode()
        key = (
            load_pem_x509_certificate(pem).public_key() if b"CERTIFICATE" in pem else load_pem_public_key(pem)
        )
    except ValueError as error:
        raise JwtSecretError("Error in $: Invalid JWK: Could not decode the PEM key") from error
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise JwtSecretError("Error in $: Invalid JWK: the key is neither RSA, EC nor Ed25519")
    return key
