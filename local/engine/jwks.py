"""The JSON Web Key Sets of the configured `jwk_url`s: read at start, read again as the engine does.

Recorded behaviour: a key set that cannot be read at start is fatal; a second read follows at once; then,
once a minute, it is read again if its cache headers say that it has expired, or if it held no key.
Without cache headers it is never read again. A read that fails later leaves the old keys in force.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import jwt

from local.engine.json_text import decode, expected
from local.engine.json_types import Json
from local.engine.jwt_secret import PublicKey, VerificationKey
from local.engine.log import log

CHECK_EVERY = 60.0
"""Seconds between two looks at the expiry."""

_TIMEOUT = 30.0


class JwksError(Exception):
    """A key set that cannot be read; the text names the URL and holds the engine's message."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    keys: tuple[PublicKey, ...]
    expires_at: float | None


def expiry(headers: Mapping[str, str], now: float) -> float | None:
    """When an answer with these headers expires, in seconds since 1970; None: never (RFC 9111)."""
    control = headers.get("cache-control")
    if control is not None:
        directives = {
            name.strip().lower(): value.strip().strip('"')
            for name, _, value in (part.partition("=") for part in control.split(","))
        }
        age = directives.get("max-age", "")
        max_age = now + int(age) if age.isdigit() else None
        if "must-revalidate" in directives:
            return max_age if max_age is not None else now
        if "no-cache" in directives or "no-store" in directives:
            return now
        if max_age is not None:
            return max_age
    if "expires" in headers:
        try:
            moment = parsedate_to_datetime(headers["expires"])
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def usable_keys(document: Json) -> tuple[PublicKey, ...]:
    """The public keys of a key set document. Raises ValueError where it is none."""
    if not isinstance(document, dict):
        raise ValueError(f"Error in $: {expected('JWKSet', 'Object', document)}")
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError('Error in $: key "keys" not found')
    keys: list[PublicKey] = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use") not in (None, "sig", "enc"):
            continue
        if entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            keys.append(jwt.PyJWK(entry, algorithm=_ALGORITHM.get(str(entry["kty"]))).key)
        except jwt.PyJWTError as error:
            raise ValueError(f"Error in $.keys: {error}") from error
    return tuple(keys)


_ALGORITHM = {"RSA": "RS256"}


class KeySet:
    """The keys of one `jwk_url`, kept up to date by a thread of their own."""

    def __init__(self, url: str, *, check_every: float = CHECK_EVERY) -> None:
        self._url = url
        self._check_every = check_every
        self._keys: tuple[PublicKey, ...] = ()
        self._expires_at: float | None = None
        self._stop = threading.Event()

    @property
    def keys(self) -> Sequence[VerificationKey]:
        """The keys now in force."""
        return self._keys

    def start(self) -> None:
        """Read the key set and keep it up to date. Raises JwksError where the first read fails."""
        self._take(self._read())
        threading.Thread(target=self._keep, name="jwks", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _keep(self) -> None:
        log("unstructured", "info", "Thread updateJWK (re)started")
        self._refresh()
        while not self._stop.wait(self._check_every):
            expired = self._expires_at is not None and time.time() >= self._expires_at
            if expired or not self._keys:
                self._refresh()

    def _refresh(self) -> None:
        try:
            answer = self._read()
        except JwksError:
            return
        self._take(answer)
        if answer.expires_at is None:
            advice = "retrying again after Seconds {seconds = 60s} seconds"
            message = f"Either the expiry is not present or cannot be parsed ({advice})"
            log("jwk-refresh-log", "info", {"error": None, "message": message})

    def _take(self, answer: _Answer) -> None:
        self._keys = answer.keys
        if answer.expires_at is not None:
            self._expires_at = answer.expires_at

    def _read(self) -> _Answer:
        url = self._url
        log("jwk-refresh-log", "info", {"error": None, "message": f"Refreshing JWK from endpoint: {url}"})
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the operator's own URL
        try:
            with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - the operator's own URL
                body, headers = (
                    response.read(),
                    {name.lower(): value for name, value in response.headers.items()},
                )
        except HTTPError as error:
            text = error.read().decode(errors="replace")[:500]
            _critical({"response": text, "status_code": error.code, "url": url})
            raise JwksError(f"Non-2xx response on fetching JWK from: {url}") from error
        except (URLError, OSError, HTTPException, ValueError) as error:
            _critical({"http_exception": {**_exception(url, error), "type": "http_exception"}})
            raise JwksError(f"Error fetching JWK: {_reason(error)}") from error
        try:
            keys = usable_keys(decode(body))
        except ValueError as error:
            message = f"Error parsing JWK from url: {url}"
            _critical({"error": str(error), "message": message})
            raise JwksError(message) from error
        return _Answer(keys=keys, expires_at=expiry(headers, time.time()))


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return f"{'ConnectionFailure' if isinstance(cause, OSError) else type(cause).__name__} {cause}"


def _exception(url: str, error: Exception) -> dict[str, Json]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    cause = error.reason if isinstance(error, URLError) else error
    return {
        "message": "Connection failure" if isinstance(cause, OSError) else str(cause),
        "request": {
            "host": parts.hostname or "",
            "method": "GET",
            "path": parts.path,
            "port": parts.port or (443 if secure else 80),
            "queryString": f"?{parts.query}" if parts.query else "",
            "responseTimeout": "ResponseTimeoutDefault",
            "secure": secure,
        },
    }


def _critical(error: dict[str, Json]) -> None:
    # Round trip: the log must hold JSON only, whatever the server sent.
    log("jwk-refresh-log", "critical", {"error": json.loads(json.dumps(error)), "message": None})
