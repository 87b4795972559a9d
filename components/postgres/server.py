"""A stack's own Postgres server, as its superuser reaches it: connections, and passwords that no log holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from components.postgres.roles import SUPERUSER
from components.provider_error import ProviderError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[tuple[object, ...]]

CONNECT_SECONDS = 15


class WrongPassword(Exception):
    """The server takes none of the passwords that were tried. The text holds none of them."""


class Unreachable(ProviderError):
    """The server does not answer, or refuses a session for another reason than the password."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the server is reached."""

    host: str
    port: int

    @classmethod
    def of(cls, props: Mapping[str, object]) -> Server:
        """The server that a resource's properties ``host`` and ``port`` name."""
        return cls(host=str(props["host"]), port=int(float(str(props["port"]))))

    @contextmanager
    def session(
        self, passwords: Sequence[str], *, user: str = SUPERUSER, database: str = "postgres"
    ) -> Iterator[Connection]:
        """A session by the first of the ``passwords`` that the server takes. What it does is one transaction.

        :raises WrongPassword: when it takes none of them.
        :raises Unreachable: when no session can be had for another reason.
        """
        with self._connect(passwords, user, database) as connection:
            yield connection

    def takes(self, password: str, *, user: str = SUPERUSER) -> bool:
        """Whether a login works.

        :raises Unreachable: when that cannot be seen.
        """
        try:
            with self.session([password], user=user):
                return True
        except WrongPassword:
            return False

    def _connect(self, passwords: Sequence[str], user: str, database: str) -> Connection:
        import psycopg

        for password in filter(None, passwords):
            try:
                return psycopg.connect(
                    host=self.host,
                    port=self.port,
                    user=user,
                    password=password,
                    dbname=database,
                    # A loopback port, or a tunnel's end there; the container itself speaks no TLS.
                    sslmode="disable",
                    connect_timeout=CONNECT_SECONDS,
                    application_name="clerk-hasura",
                )
            except psycopg.OperationalError as error:
                if error.pgconn is not None and error.pgconn.used_password:
                    continue
                reason = " ".join(str(error).split()).removeprefix("connection failed: ")
                raise Unreachable(
                    f"Postgres at {self.host}:{self.port} gives no session: {reason.rstrip('.')}. "
                    "Where Docker is on another machine, open a tunnel to its port and set postgresAddress."
                ) from None
        raise WrongPassword(f"Postgres at {self.host}:{self.port} takes no known password of {user}")


def verifier(connection: Connection, role: str, password: str) -> sql.Literal:
    """A password as the server keeps it (SCRAM-SHA-256, RFC 5803), made here: no statement holds the password."""
    from psycopg import sql

    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())


def execute(connection: Connection, statement: LiteralString, **parts: sql.Composable) -> None:
    """Runs a statement with identifiers and literals put into its ``{named}`` places.

    :raises ProviderError: with the server's own words.
    """
    import psycopg
    from psycopg import sql

    try:
        connection.execute(sql.SQL(statement).format(**parts))
    except psycopg.Error as error:
        raise ProviderError(
            f"Postgres refuses: {error.diag.message_primary or type(error).__name__}"
        ) from None
