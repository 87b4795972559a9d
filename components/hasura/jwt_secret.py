"""The value of HASURA_GRAPHQL_JWT_SECRET for a Clerk application. Pure.

Fields after the vendor's page "Authentication using JWT", section "JWT configuration":
https://hasura.io/docs/2.0/auth/authentication/jwt/
"""

from __future__ import annotations

import json
from collections.abc import Sequence

HASURA_CLAIMS_NAMESPACE = "https://hasura.io/jwt/claims"
"""Where the engine looks for its claims when the secret names no namespace."""


def jwt_secret(
    *,
    jwk_url: str,
    issuer: str,
    audience: str | Sequence[str] | None = None,
    allowed_skew: int = 0,
    claims_namespace: str = HASURA_CLAIMS_NAMESPACE,
) -> dict[str, object]:
    """Build the secret as a dict.

    `jwk_url` and `issuer` are absolute URLs, `allowed_skew` is in seconds. Values that equal the
    engine's own defaults (no audience, no skew, the usual namespace) are left out, so that the text
    does not change, and with it no container is replaced, when a default is written out.

    The type of key is not named: with `jwk_url` the engine takes the algorithm from each JWK.
    """
    secret: dict[str, object] = {"jwk_url": jwk_url, "issuer": issuer}
    if audience:
        secret["audience"] = audience if isinstance(audience, str) else list(audience)
    if allowed_skew:
        secret["allowed_skew"] = allowed_skew
    if claims_namespace != HASURA_CLAIMS_NAMESPACE:
        secret["claims_namespace"] = claims_namespace
    return secret


def jwt_secret_text(secret: dict[str, object]) -> str:
    """The same secret always as the same text: keys in the order given by `jwt_secret`, one line."""
    return json.dumps(secret, ensure_ascii=False, separators=(", ", ": "))
