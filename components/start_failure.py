"""Why a service did not start, read from the end of its log. Pure.

Messages of the engine: as recorded in `tests/contract/hasura/startup.json`, and the vendor's `Server/Migrate.hs` for
the catalog's version. Of libpq: the server's and client's own, which the engine passes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_REASONS: Final[tuple[tuple[str, Callable[[re.Match[str]], str]], ...]] = (
    (
        r"HASURA_GRAPHQL_JWT_SECRET: ([^\n]*)",
        lambda found: f"the JWT secret cannot be used: {_tidy(found[1])}",
    ),
    (
        r"Environment variable (\w+): ([^\n]*)",
        lambda found: f"{found[1]} cannot be used: {_tidy(found[2])}",
    ),
    (
        r"(?:Non-2xx response on fetching|Error parsing) JWK from(?: url)?: ([^\s\"]+)",
        lambda found: f"the JWKS at {found[1]} cannot be read: what answers there is no key set",
    ),
    (
        r"Refreshing JWK from endpoint: ([^\s\"]+)(?:.|\n)*Error fetching JWK: ([^\n]*)",
        lambda found: f"the JWKS at {found[1]} cannot be reached: {_cause(found[2])}",
    ),
    (
        r"Error fetching JWK: ([^\n]*)",
        lambda found: f"the JWKS cannot be reached: {_cause(found[1])}",
    ),
    (
        r"requires --admin-secret",
        lambda _: "it has no admin secret",
    ),
    (
        r"previously used with a newer version of graphql-engine[^\n]*?current version is (\w+)",
        lambda found: (
            f"its catalog has version {found[1]}, which a newer image has made; take that one or a newer one"
        ),
    ),
    (
        r"password authentication failed for user[^\n]*",
        lambda _: "the database refused its password",
    ),
    (
        r"FATAL: +(no pg_hba\.conf entry|role|database|sorry, too many clients|remaining connection slots)([^\n\\]*)",
        lambda found: f"the database refused it: {_tidy(found[1] + found[2])}",
    ),
    (
        r"connection to server at ([^\n]*?failed): (?:error: )?([^\n\\]*)",
        lambda found: f"the database cannot be reached: {_tidy(found[2])}",
    ),
    (
        r"could not translate host name ([^\n]*?) to address",
        lambda found: f"the database cannot be reached: no host is named {_tidy(found[1])}",
    ),
    (
        r"(?:exec format error|Exec format error)",
        lambda _: "the image is for another kind of processor",
    ),
    (
        r"(?:bind|listen)[^\n]*address already in use",
        lambda _: "a port that it listens on is taken",
    ),
    (
        r"[Nn]o space left on device",
        lambda _: "the disk is full",
    ),
)


_OUT_OF_MEMORY: Final = "it used up the memory that its limit allows"


def reason(log: str, *, out_of_memory: bool = False, killed: bool = False) -> str:
    """Why, in one line without an end, or an empty text where the log does not tell.

    :param log: the last lines of both streams.
    :param out_of_memory: whether the kernel ended it for having used up its memory.
    :param killed: whether a signal ended it that it cannot catch.
    """
    if out_of_memory:
        return _OUT_OF_MEMORY
    # A log of JSON lines quotes quotes.
    text = log.replace('\\"', '"').replace("\\n", "\n")
    for pattern, say in _REASONS:
        if (found := re.search(pattern, text)) is not None:
            return say(found).strip()
    return f"it was killed, by somebody or since {_OUT_OF_MEMORY}" if killed else ""


def _tidy(text: str) -> str:
    """Without the rest of the JSON line that it may come from."""
    return re.split(r'"\s*[,}\]]', text)[0].strip('" ')


def _cause(text: str) -> str:
    """The engine's own last words on a connection, which stand in brackets at the end."""
    if unknown := re.search(r'getAddrInfo .*?host name: "([^"]+)"', text):
        return f"no host is named {unknown[1]}"
    tidied = _tidy(text)
    last = re.search(r"\(([^()]+)\)$", tidied)
    return last[1] if last else tidied
