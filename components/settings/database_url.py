"""Connection URLs of Postgres, taken apart and put together again. Pure.

Form: "Connection URIs" of libpq, https://www.postgresql.org/docs/current/libpq-connect.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

TlsMode = Literal["disable", "require", "verify-ca", "verify-full"]

STRICTNESS: Final[Mapping[str, int]] = {
    "disable": 0,
    "allow": 0,
    "prefer": 0,
    "require": 1,
    "verify-ca": 2,
    "verify-full": 3,
}
"""libpq's values of sslmode; a higher number asks for more."""

_TLS_PARAMETERS: Final = frozenset({"sslmode", "ssl", "sslrootcert", "sslcert", "sslkey", "sslpassword"})


class DatabaseUrlError(ValueError):
    """A connection URL cannot be used. The text never holds a part of it."""


@dataclass(frozen=True, kw_only=True)
class DatabaseUrl:
    """Where a database is and as whom to connect.

    :param hosts: host and port as the URL writes them, several separated by commas.
    :param parameters: further parameters, without those that concern TLS.
    """

    hosts: str
    user: str
    password: str = field(repr=False)
    database: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self, **parameters: str) -> str:
        """The URL, with further ``parameters`` at its end."""
        query = urlencode({**self.parameters, **parameters}, quote_via=quote, safe="/")
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"postgresql://{user}:{password}@{self.hosts}/{quote(self.database, safe='')}" + (
            f"?{query}" if query else ""
        )

    def of(self, database: str) -> DatabaseUrl:
        """The same login, another database."""
        return replace(self, database=database)

    @property
    def place(self) -> str:
        """Where it leads to, for people: no user, no password."""
        return f"{self.hosts}/{self.database}"


@dataclass(frozen=True, kw_only=True)
class ReadUrl:
    """A URL that was read, and the sslmode that it asks for (empty when it names none)."""

    url: DatabaseUrl
    sslmode: str


def read_database_url(text: str) -> ReadUrl:
    """Takes a connection URL apart.

    :raises DatabaseUrlError: when something is missing, or stands in it that is decided elsewhere.
    """
    scheme, colon, rest = text.partition("://")
    if not colon or scheme not in ("postgres", "postgresql"):
        raise DatabaseUrlError("is not a connection URL, postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    if text != text.strip() or "#" in rest:
        raise DatabaseUrlError("holds a space or a # that is not percent-encoded")
    address, _, query = rest.partition("?")
    authority, _, path = address.partition("/")
    login, at, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    missing = [
        name
        for name, value in (
            ("user", at and user),
            ("password", password),
            ("host", hosts),
            ("database", path),
        )
        if not value
    ]
    if missing:
        raise DatabaseUrlError(f"names no {', no '.join(missing)}")
    if "/" in path or "@" in login:
        raise DatabaseUrlError("holds a character (@ : / ? #) in user, password or database that must be "
                               "percent-encoded")  # fmt: skip
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if files := sorted(_TLS_PARAMETERS & parameters.keys() - {"sslmode", "ssl"}):
        raise DatabaseUrlError(f"names {', '.join(files)}, a file that the engine's container does not have")
    sslmode = parameters.get("sslmode", "require" if parameters.get("ssl") == "true" else "")
    if sslmode and sslmode not in STRICTNESS:
        raise DatabaseUrlError("names an sslmode that libpq does not know")
    return ReadUrl(
        url=DatabaseUrl(
            hosts=hosts,
            user=unquote(user),
            password=unquote(password),
            database=unquote(path),
            parameters={key: value for key, value in parameters.items() if key not in _TLS_PARAMETERS},
        ),
        sslmode=sslmode,
    )
