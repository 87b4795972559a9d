"""The public keys of an instance, as they stand at its JWKS address (RFC 7517)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from . import keys
from .claims import Json

if TYPE_CHECKING:
    import httpx

_TIMEOUT: Final = 10.0
_REFRESHING: Final = ("max-age", "s-maxage", "no-cache", "no-store", "must-revalidate")


class JwksError(Exception):
    """No JWKS can be read there; the text is the reason, without the address."""


@dataclass(frozen=True, kw_only=True)
class Jwks:
    """What stands at the JWKS address: public keys, and the headers that tell Hasura when to read again."""

    keys: tuple[Mapping[str, Json], ...]
    cache_control: str = ""
    expires: str = ""

    @property
    def key_ids(self) -> frozenset[str]:
        return frozenset(str(key.get("kid")) for key in self.keys)

    @property
    def usable(self) -> bool:
        """Whether any key can check a signature: asymmetric, and not meant for encryption."""
        return any(k.get("kty") in ("RSA", "EC", "OKP") and k.get("use", "sig") == "sig" for k in self.keys)

    @property
    def is_refreshed(self) -> bool:
        """Whether Hasura reads it again at all."""
        return bool(self.expires) or any(word in self.cache_control.lower() for word in _REFRESHING)


def read_jwks(url: str, *, transport: httpx.BaseTransport | None = None) -> Jwks:
    """Read the JWKS at an address. Raises JwksError."""
    import httpx

    from .exchange import exchange

    # A proxy named in the environment is for the way out, not for this machine.
    own = keys.is_loopback(urlsplit(url).netloc)
    try:
        with httpx.Client(transport=transport, timeout=_TIMEOUT, trust_env=not own) as http:
            response = exchange(http, http.build_request("GET", url))
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise JwksError(str(error) or type(error).__name__) from None
    if response.status_code != HTTPStatus.OK:
        raise JwksError(f"HTTP {response.status_code}")
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise JwksError("no JSON") from None
    listed = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise JwksError("no list of keys")
    return Jwks(
        keys=tuple(key for key in listed if isinstance(key, dict)),
        cache_control=response.headers.get("Cache-Control", ""),
        expires=response.headers.get("Expires", ""),
    )
