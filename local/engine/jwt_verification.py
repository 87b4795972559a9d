"""Verification of a signed token and the reading of its Hasura claims. Pure: time and keys come in.

Which checks are made, in which order, and their messages are the engine's, as recorded in the contract
suite: a missing `exp`, `iss` or `aud` passes, all keys are tried whatever the `kid`, and the issuer is
looked at before the signature.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from local.engine.errors import EngineError
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject
from local.engine.jwt_secret import ClaimPath, JwtConfig, VerificationKey

ALLOWED_ROLES = "x-hasura-allowed-roles"
DEFAULT_ROLE = "x-hasura-default-role"
PREFIX = "x-hasura-"

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_HMAC = frozenset({"HS256", "HS384", "HS512"})
_EC = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
_EDDSA = frozenset({"EdDSA"})


def claims_of(token: str, config: JwtConfig, keys: Sequence[VerificationKey], now: float) -> JsonObject:
    """The `x-hasura-*` claims of `token`, names in lower case.

    `now` is in seconds since 1970. Raises EngineError with the engine's code and message.
    """
    unverified = _payload_unverified(token)
    issuer = unverified.get("iss") if unverified else None
    if config.issuer is not None and issuer is not None and issuer != config.issuer:
        raise _invalid("JWTNotInIssuer")
    payload = _verify_signature(token, keys)
    _verify_times(payload, now, config.allowed_skew)
    _verify_audience(payload, config.audience)
    return _hasura_claims(payload, config)


def roles_of(claims: JsonObject) -> tuple[str, list[str]]:
    """The default role and the allowed roles. Raises EngineError as the engine does."""
    allowed = _required(claims, ALLOWED_ROLES)
    if not isinstance(allowed, list):
        message = f'invalid "{ALLOWED_ROLES}"; should be a list of roles: {expected("[]", "Array", allowed)}'
        raise EngineError("jwt-invalid-claims", message)
    for index, role in enumerate(allowed):
        if not isinstance(role, str):
            message = (
                f'invalid "{ALLOWED_ROLES}"; should be a list of roles: '
                f"Error in $[{index}]: {expected('Text', 'String', role)}"
            )
            raise EngineError("jwt-invalid-claims", message)
    default = _required(claims, DEFAULT_ROLE)
    if not isinstance(default, str):
        wrong = expected("Text", "String", default)
        raise EngineError(
            "jwt-invalid-claims", f'invalid "{DEFAULT_ROLE}"; should be a single role name: {wrong}'
        )
    return default, [str(role) for role in allowed]


def session_variables_of(claims: JsonObject) -> dict[str, str]:
    """The claims that permissions may use: all but the two about roles. Values must be strings."""
    variables: dict[str, str] = {}
    for name, value in claims.items():
        if name in (ALLOWED_ROLES, DEFAULT_ROLE):
            continue
        if not isinstance(value, str):
            wrong = expected("Text", "String", value)
            raise EngineError("jwt-invalid-claims", f"x-hasura-* claims: {wrong}")
        variables[name] = value
    return variables


def _required(claims: JsonObject, name: str) -> Json:
    if name not in claims:
        raise EngineError("jwt-missing-role-claims", f'JWT claim does not contain "{name}"')
    return claims[name]


def _invalid(reason: str) -> EngineError:
    return EngineError("invalid-jwt", f"Could not verify JWT: {reason}")


def _base64url(part: str) -> bytes:
    if "=" in part or not part.isascii():
        raise ValueError
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _payload_unverified(token: str) -> JsonObject | None:
    try:
        decoded = json.loads(_base64url(token.split(".")[1]))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _header(token: str) -> JsonObject:
    parts = token.split(".")
    if len(parts) != 3:
        message = f"Invalid number of parts: Expected 3 parts; got {len(parts)}"
        raise _invalid(f"JWSError (CompactDecodeError {message})")
    try:
        decoded = [_base64url(part) for part in parts]
    except (ValueError, binascii.Error) as error:
        raise _invalid('JWSError (JSONDecodeError "Not valid base64url")') from error
    try:
        header = json.loads(decoded[0])
    except (ValueError, RecursionError) as error:
        raise _invalid('JWSError (JSONDecodeError "the header is not JSON")') from error
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str) or "crit" in header:
        raise _invalid('JWSError (JSONDecodeError "the header cannot be used")')
    return header


def _algorithms(key: VerificationKey) -> frozenset[str]:
    # The key decides which algorithms may be used, never the token: a public key is no HMAC secret.
    if isinstance(key, bytes):
        return _HMAC
    if isinstance(key, RSAPublicKey):
        return _RSA
    if isinstance(key, EllipticCurvePublicKey):
        name = _EC.get(key.curve.name)
        return frozenset({name} if name else ())
    return _EDDSA


def _verify_signature(token: str, keys: Sequence[VerificationKey]) -> JsonObject:
    algorithm = _header(token)["alg"]
    if algorithm == "none":
        raise _invalid("JWSError JWSNoSignatures")
    if not keys:
        raise _invalid("JWSError NoUsableKeys")
    for key in keys:
        if algorithm not in _algorithms(key):
            continue
        try:
            payload = jwt.api_jws.decode(token, key, algorithms=[str(algorithm)])
        except jwt.InvalidTokenError:
            continue
        try:
            claims = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise _invalid('JWTClaimsSetDecodeError "the payload is not JSON"') from error
        if not isinstance(claims, dict):
            wrong = expected("JWT Claims Set", "Object", claims)
            raise _invalid(f'JWTClaimsSetDecodeError "Error in $: {wrong}"')
        return claims
    raise _invalid("JWSError JWSInvalidSignature")


def _seconds(payload: JsonObject, name: str) -> float | None:
    value = payload.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong = expected("NumericDate", "Number", value)
        raise _invalid(f'JWTClaimsSetDecodeError "Error in $.{name}: {wrong}"')
    return float(value)


def _verify_times(payload: JsonObject, now: float, skew: float) -> None:
    expires, issued, begins = (_seconds(payload, name) for name in ("exp", "iat", "nbf"))
    if expires is not None and now >= expires + skew:
        raise _invalid("JWTExpired")
    if issued is not None and issued > now + skew:
        raise _invalid("JWTIssuedAtFuture")
    if begins is not None and begins > now + skew:
        raise _invalid("JWTNotYetValid")


def _verify_audience(payload: JsonObject, wanted: tuple[str, ...] | None) -> None:
    audience = payload.get("aud")
    if wanted is None or audience is None:
        return
    named = audience if isinstance(audience, list) else [audience]
    if not any(each in wanted for each in named):
        raise _invalid("JWTNotInAudience")


def _hasura_claims(payload: JsonObject, config: JwtConfig) -> JsonObject:
    if config.claims_map is not None:
        return {name: _mapped(name, entry, payload) for name, entry in config.claims_map.items()}
    if config.namespace_path is not None:
        place = f"claims_namespace_path {config.namespace_path}"
        found, value = _at_path(payload, config.namespace_path)
        missing = f"claims not found at claims_namespace_path: '{config.namespace_path}'"
    else:
        place = f"claims_namespace {config.namespace}"
        found, value = config.namespace in payload, payload.get(config.namespace)
        missing = f"claims key: '{config.namespace}' not found"
    if not found:
        raise EngineError("jwt-invalid-claims", missing)
    claims = _claims_object(value, place, stringified=config.stringified)
    return {name.lower(): claim for name, claim in claims.items() if name.lower().startswith(PREFIX)}


def _claims_object(value: Json, place: str, *, stringified: bool) -> JsonObject:
    if not stringified:
        if isinstance(value, dict):
            return value
        raise EngineError("jwt-invalid-claims", "expecting a json object when claims_format is json")
    if not isinstance(value, str):
        raise EngineError("jwt-invalid-claims", "expecting a string when claims_format is stringified_json")
    try:
        claims = json.loads(value)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise EngineError(
            "jwt-invalid-claims", f"expecting stringified json at: '{place}', but found: {value}"
        )
    return claims


def _mapped(name: str, entry: ClaimPath | Json, payload: JsonObject) -> Json:
    if not isinstance(entry, ClaimPath):
        return entry
    found, value = _at_path(payload, entry.path)
    if found:
        return value
    if entry.default is not None:
        return entry.default
    if name in (ALLOWED_ROLES, DEFAULT_ROLE):
        raise EngineError("jwt-missing-role-claims", f'JWT claim does not contain "{name}"')
    raise EngineError("jwt-invalid-claims", f"JWT claim from claims_map, {name} not found")


def _at_path(document: Json, path: str) -> tuple[bool, Json]:
    """Follow a path such as `$.a.b`, `$.a['b c']` or `$['a'][0]`; (False, None) where it leads nowhere."""
    current = document
    for step in _steps(path):
        if isinstance(step, int):
            if not isinstance(current, list) or step >= len(current):
                return False, None
            current = current[step]
        elif isinstance(current, dict) and step in current:
            current = current[step]
        else:
            return False, None
    return True, current


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    rest = path.removeprefix("$")
    while rest:
        if rest.startswith("["):
            inner, _, rest = rest[1:].partition("]")
            steps.append(int(inner) if inner.isdigit() else inner.strip("'\""))
        else:
            rest = rest.removeprefix(".")
            end = min((at for at in (rest.find("."), rest.find("[")) if at >= 0), default=len(rest))
            steps.append(rest[:end])
            rest = rest[end:]
    return steps
