"""The PostgreSQL server that the provider's configuration names, and connections to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.toolchain.pulumi_resource_postgresql.differences import Failure
from local.toolchain.pulumi_resource_postgresql.values import Properties, Unknown, Value

if TYPE_CHECKING:
    from local.toolchain.pulumi_resource_postgresql.statements import Connection

_FROM_ENVIRONMENT: Mapping[str, str] = {
    "host": "PGHOST", "port": "PGPORT", "username": "PGUSER", "password": "PGPASSWORD",
    "database": "PGDATABASE", "sslmode": "PGSSLMODE", "connectTimeout": "PGCONNECT_TIMEOUT",
}  # fmt: skip
_KNOWN = frozenset(
    {*_FROM_ENVIRONMENT, "superuser", "sslMode", "sslrootcert", "scheme", "databaseUsername",
     "maxConnections", "expectedVersion", "version", "pluginDownloadURL"}
)  # fmt: skip


class OperationError(Exception):
    """PostgreSQL refuses something, or cannot be reached. The message holds no secret."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to connect and as whom.

    `superuser` says whether `username` is one; if not, membership in a role is taken for the time of an
    operation that needs it. `effective_user` is the database role behind `username` (user name maps).
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str
    sslmode: str
    sslrootcert: str
    superuser: bool
    connect_timeout: int
    effective_user: str
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held while something is changed: two changes of one catalog row at a time fail in PostgreSQL."""

    @contextmanager
    def connect(self, database: str | None = None, *, autocommit: bool = False) -> Iterator[Connection]:
        """Open one connection for one transaction (or none, with autocommit). No second attempt is made.

        Raises OperationError where the server cannot be reached or refuses the login.
        """
        # A preview with nothing to do connects to nothing.
        import psycopg

        name = database or self.database
        try:
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.username,
                password=self.password or None,
                dbname=name,
                sslmode=self.sslmode,
                sslrootcert=self.sslrootcert or None,
                connect_timeout=self.connect_timeout,
                application_name="pulumi-resource-postgresql",
                autocommit=autocommit,
            )
        except psycopg.OperationalError as error:
            reason = self.redacted(" ".join(str(error).split())).removeprefix("connection failed: ")
            raise OperationError(
                f"cannot connect to PostgreSQL at {self.host}:{self.port}, database {name}, as "
                f"{self.username} ({reason.rstrip('.?')}). One attempt is made, as with the vendor's plugin: "
                "make the provider depend on a server that is healthy."
            ) from None
        with connection:
            yield connection

    def redacted(self, text: str, *secrets: str) -> str:
        """Take this server's password and further secrets out of a text."""
        for secret in (self.password, *secrets):
            if secret:
                text = text.replace(secret, "[secret]")
        return text


def failures(configuration: Properties) -> list[Failure]:
    """Give what the provider's configuration asks for and this plugin cannot do."""
    found = [
        Failure(
            property=name,
            reason="the stand-in for the vendor's plugin does not know it; install the vendor's "
            "(`pulumi plugin install resource postgresql 3.18.2`) or leave it out",
        )
        for name in sorted(configuration)
        if name not in _KNOWN and configuration[name] not in ("false", False, "")
    ]
    if configuration.get("scheme", "postgres") not in ("postgres", "", Unknown.UNKNOWN):
        found.append(Failure(property="scheme", reason="only postgres is known to the stand-in"))
    for name in ("port", "connectTimeout"):
        value = configuration.get(name)
        if value is not None and not isinstance(value, Unknown) and _number(value) is None:
            found.append(Failure(property=name, reason="has to be a whole number"))
    return found


def server(configuration: Properties, environment: Mapping[str, str] = os.environ) -> Server:
    """Read the provider's configuration, with libpq's environment variables for what it leaves out.

    Defaults are the vendor's: https://www.pulumi.com/registry/packages/postgresql/installation-configuration/
    """

    def text(name: str, default: str) -> str:
        value = configuration.get(name)
        if isinstance(value, str | int):
            return str(value)
        return environment.get(_FROM_ENVIRONMENT.get(name, ""), "") or default

    username = text("username", "postgres")
    return Server(
        host=text("host", "localhost"),
        port=_number(text("port", "")) or 5432,
        username=username,
        password=text("password", ""),
        database=text("database", "postgres"),
        sslmode=text("sslmode", "") or text("sslMode", "") or "prefer",
        sslrootcert=text("sslrootcert", ""),
        superuser=configuration.get("superuser", True) not in (False, "false"),
        connect_timeout=_number(text("connectTimeout", "")) or 180,
        effective_user=text("databaseUsername", "") or username,
    )


def _number(value: Value) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return int(value) if str(value).isdigit() else None
