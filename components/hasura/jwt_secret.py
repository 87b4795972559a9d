"""The value of HASURA_GRAPHQL_JWT_SECRET for a Clerk application. Pure.

Fields after the vendor's page "Authentication using JWT", section "JWT configuration":
https://hasura.io/docs/2.0/auth/authentication/jwt/
What the engine does with them, as recorded in `tests/contract/hasura`: `issuer`, `audience` and the expiry are
compared where a token has them, and a token without them passes. So they are no fence by themselves; that every
token has them is the template's side, which the preflight and the proof look at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.clerk.claims import HASURA_NAMESPACE
from components.clerk.keys import ANY_ISSUER
from components.clerk.signing_key import verification_key
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class OwnKey:
    """What verifies tokens that are not signed by a key of a JWKS: the engine's name for its type, and the key."""

    type: str
    key: str = field(repr=False)


def own_key(signing_key: str, algorithm: str) -> OwnKey:
    """The engine's side of a template's own signing key.

    The engine names types of keys, not algorithms: one RSA key verifies RS... and PS... alike. Raises
    KeyFormatError, which never holds the key.
    """
    types = {"EdDSA": "Ed25519", **{f"PS{bits}": f"RS{bits}" for bits in (256, 384, 512)}}
    return OwnKey(type=types.get(algorithm, algorithm), key=verification_key(signing_key, algorithm))


def jwt_secret(
    *,
    keys: str | OwnKey,
    issuer: str | None,
    audience: str | Sequence[str] | None = None,
    allowed_skew: int = 0,
    claims_namespace: str = HASURA_NAMESPACE,
    header: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Build the secret as a dict.

    `keys` is the JWKS as an absolute URL, or a key outright, which makes the secret one that must stay secret.
    `issuer` is an absolute URL, None for any; `allowed_skew` is in seconds, `header` says where the token comes in.
    Values that equal the engine's own defaults (no audience, no skew, the usual namespace and header) are left out, so
    that the text does not change, and with it no container is replaced, when a default is written out.

    With a JWKS the type of key is not named: the engine takes the algorithm from each JWK.
    """
    secret: dict[str, object] = (
        {"jwk_url": keys} if isinstance(keys, str) else {"type": keys.type, "key": keys.key}
    )
    if issuer is not None:
        secret["issuer"] = issuer
    if audience:
        secret["audience"] = audience if isinstance(audience, str) else list(audience)
    if allowed_skew:
        secret["allowed_skew"] = allowed_skew
    if claims_namespace != HASURA_NAMESPACE:
        secret["claims_namespace"] = claims_namespace
    if header and header.get("type") != "Authorization":
        secret["header"] = dict(header)
    return secret


def configured_jwt_secret(settings: Settings) -> dict[str, object]:
    """The secret that a stack's settings ask for. It holds a key when the template signs by one of its own."""
    template, jwt = settings.clerk.template, settings.hasura.jwt
    return jwt_secret(
        keys=own_key(template.signing_key, template.signing_algorithm)
        if template.signing_key
        else settings.clerk.engine_jwks_url,
        issuer=None if settings.clerk.issuer == ANY_ISSUER else settings.clerk.issuer,
        audience=jwt.audience,
        allowed_skew=jwt.allowed_skew,
        claims_namespace=template.claims_namespace,
        header=jwt.header,
    )


def jwt_secret_text(secret: dict[str, object]) -> str:
    """The same secret always as the same text: keys in the order given by `jwt_secret`, one line."""
    return json.dumps(secret, ensure_ascii=False, separators=(", ", ": "))
