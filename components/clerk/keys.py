"""Clerk's API keys, and the addresses that follow from a publishable key.

Pure: no I/O. A publishable key is public and names one instance: it is the
base64 form of the frontend API's host followed by ``$``. A secret key says
nothing but its kind. Format: ``packages/shared/src/keys.ts`` of
clerk/javascript.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

KeyKind = Literal["test", "live"]

LOCAL_SECRET_KEY: Final = "sk_test_local_stand_in_accepts_this_key_only"  # noqa: S105
"""The key of the local Clerk. Not a secret: no Clerk instance has it."""

ANY_ISSUER: Final = "any"
"""What the configuration says in place of an issuer so that none is compared."""

_HOST: Final = re.compile(
    r"(?=.{1,253}(?::|$))[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.IGNORECASE,
)
_WHERE_KEYS_ARE: Final = "Copy it from the Clerk dashboard, Configure > API keys"


class KeyFormatError(ValueError):
    """A key or an address of Clerk cannot be right.

    ``problem`` says what is wrong, ``remedy`` what to do. Neither ever holds
    a secret key or a part of one.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}.")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class PublishableKey:
    """A publishable key, taken apart.

    ``kind`` tells a development instance (``test``) from a production one
    (``live``), ``frontend_api`` is the host, with its port if it has one, of
    the frontend API. ``value`` is the key as configured.
    """

    kind: KeyKind
    frontend_api: str
    value: str


def parse_publishable_key(text: str) -> PublishableKey:
    """Take a publishable key apart.

    Surrounding white space is not forgiven: clerk-js would not forgive it
    either. Raises KeyFormatError.
    """
    if text.startswith(("sk_test_", "sk_live_")):
        raise KeyFormatError(
            "a secret key stands where the publishable key belongs",
            "Put the key that starts with pk_test_ or pk_live_ here, and treat the secret key as leaked "
            "if this configuration was committed",
        )
    if not text:
        raise KeyFormatError("the publishable key is empty", _WHERE_KEYS_ARE)
    if text != text.strip():
        raise KeyFormatError("the publishable key has white space around it", "Remove it")
    if not text.startswith(("pk_test_", "pk_live_")):
        raise KeyFormatError("the publishable key does not start with pk_test_ or pk_live_", _WHERE_KEYS_ARE)
    parts = text.split("_")
    if len(parts) != 3:
        raise KeyFormatError(
            f"the publishable key has {len(parts)} parts between underscores, not 3", _WHERE_KEYS_ARE
        )
    decoded = _decoded(parts[2])
    host = decoded[:-1]
    if not decoded.endswith("$") or "$" in host:
        raise KeyFormatError(
            "the publishable key is cut off or altered: what it encodes does not end with a single '$'",
            _WHERE_KEYS_ARE,
        )
    if not _is_host(host):
        raise KeyFormatError(
            f"the publishable key encodes {host!r}, which is no host name with a dot", _WHERE_KEYS_ARE
        )
    return PublishableKey(kind="test" if parts[1] == "test" else "live", frontend_api=host, value=text)


def same_instance(one: object, other: object) -> bool:
    """Whether two publishable keys name one frontend API; one that is not known or cannot be read may."""
    try:
        first, second = parse_publishable_key(str(one or "")), parse_publishable_key(str(other or ""))
    except KeyFormatError:
        return True
    return (first.kind, first.frontend_api) == (second.kind, second.frontend_api)


def parse_secret_key(text: str) -> KeyKind:
    """Say of which kind a secret key is: ``test`` or ``live``.

    Raises KeyFormatError, which never holds the key or a part of it.
    """
    if text.startswith(("pk_test_", "pk_live_")):
        raise KeyFormatError(
            "a publishable key stands where the secret key belongs",
            "Put the key that starts with sk_test_ or sk_live_ here",
        )
    if not text:
        raise KeyFormatError("the secret key is empty", _WHERE_KEYS_ARE)
    if text != text.strip():
        raise KeyFormatError("the secret key has white space or a line break around it", "Remove it")
    if not text.startswith(("sk_test_", "sk_live_")):
        raise KeyFormatError("the secret key does not start with sk_test_ or sk_live_", _WHERE_KEYS_ARE)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise KeyFormatError(
            "the secret key holds a character other than letters, digits, '_' and '-'", _WHERE_KEYS_ARE
        )
    if len(text) < len("sk_test_") + 10:
        raise KeyFormatError("the secret key is cut off", _WHERE_KEYS_ARE)
    return "test" if text.startswith("sk_test_") else "live"


def publishable_key_for(host: str, kind: KeyKind = "test") -> str:
    """Write the publishable key of a frontend API host.

    ``host`` may have a port, and must have a dot: clerk-js takes
    ``127.0.0.1:9500`` and refuses ``localhost:9500``. Raises KeyFormatError.
    """
    if not _is_host(host):
        raise KeyFormatError(
            f"{host!r} is no host name with a dot", "For this machine, write 127.0.0.1 and the port"
        )
    return f"pk_{kind}_{base64.b64encode(f'{host}$'.encode()).decode().rstrip('=')}"


def frontend_api_url(
    key: PublishableKey, proxy_url: str | None = None, satellite_domain: str | None = None
) -> str:
    """The frontend API's address, without a slash at its end. It is taken for the issuer of the tokens.

    ``proxy_url`` replaces it when the application proxies Clerk;
    ``satellite_domain`` gives ``clerk.<domain>`` on a production instance, as
    in clerk-js. Hosts of this machine get http, all others https. Raises
    KeyFormatError for a proxy address or a domain that cannot be right.
    """
    if proxy_url:
        return checked_url(proxy_url, name="the proxy address")
    if satellite_domain and key.kind == "live":
        host = satellite_domain if satellite_domain.startswith("clerk.") else f"clerk.{satellite_domain}"
        if not _is_host(host):
            raise KeyFormatError(
                f"the satellite domain {satellite_domain!r} is no host name", "Write it bare"
            )
        return f"https://{host}"
    scheme = "http" if is_loopback(key.frontend_api) else "https"
    return f"{scheme}://{key.frontend_api}"


def page_origin(frontend_api_url: str, kind: KeyKind) -> str:
    """The origin of a page that this frontend API answers to, as a browser would name it.

    A production instance takes those of its domain only: the one whose ``clerk.`` subdomain the frontend API
    is, or the proxy's own. A development instance takes any.
    """
    if kind == "test":
        return "http://localhost:3000"
    parts = urlsplit(frontend_api_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('clerk.')}"


def jwks_url(frontend_api_url: str) -> str:
    """Where the public keys of the tokens are: public, and kept by Hasura as ``jwk_url``."""
    return f"{frontend_api_url.rstrip('/')}/.well-known/jwks.json"


def checked_url(url: str, *, name: str) -> str:
    """An address that a key may be sent to or tokens may be checked against, without a slash at its end.

    It must be https, or http on this machine, without user, query and
    fragment. ``name`` is what the error calls it. Raises KeyFormatError.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise KeyFormatError(f"{name} is no address", "Write it as https://host/path") from None
    if parts.scheme not in ("https", "http") or not host:
        raise KeyFormatError(
            f"{name} {_without_user(url)!r} is no absolute address", "Write https://host/path"
        )
    if parts.username or parts.password:
        raise KeyFormatError(f"{name} holds a user name or a password", "Write it without them")
    if parts.query or parts.fragment or re.search(r"\s", url):
        raise KeyFormatError(
            f"{name} holds a query, a fragment or white space", "Write scheme, host and path only"
        )
    if parts.scheme == "http" and not is_loopback(host if port is None else f"{host}:{port}"):
        raise KeyFormatError(f"{name} {url!r} is not encrypted", "Write https; http is for this machine only")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise KeyFormatError(
            "the publishable key is cut off or altered: its last part is no base64", _WHERE_KEYS_ARE
        ) from None


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 1) <= 65535


def _without_user(url: str) -> str:
    return re.sub(r"//[^/]*@", "//", url)
