"""Connections to one Postgres database, opened when wanted and kept for the next request."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

_KEPT = 10
_CONNECT_TIMEOUT = 10


class Connections:
    """A small pool. Connections are in autocommit mode: transactions are written out where wanted.

    `prepare` says whether statements that come often may be prepared, which a pooler in transaction mode may
    not bear.
    """

    def __init__(self, conninfo: str, *, prepare: bool = False) -> None:
        self._conninfo = conninfo
        self._prepare_threshold = 5 if prepare else None
        self._idle: queue.LifoQueue[psycopg.Connection[tuple[object, ...]]] = queue.LifoQueue(_KEPT)

    def __repr__(self) -> str:
        return "Connections(...)"

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Lend a connection. Raises psycopg.OperationalError where the database cannot be reached."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def for_programs(self) -> tuple[str, dict[str, str]]:
        """The connection string for a program's arguments, and the environment variable with the password."""
        parameters = conninfo_to_dict(self._conninfo)
        password = parameters.pop("password", None)
        return make_conninfo("", **parameters), {"PGPASSWORD": str(password)} if password else {}

    def close(self) -> None:
        """Close the idle connections."""
        while not self._idle.empty():
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _take(self) -> psycopg.Connection[tuple[object, ...]]:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return self._connect()
            if not _alive(connection):
                connection.close()
                continue
            return connection

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        try:
            return psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT,
                prepare_threshold=self._prepare_threshold,
            )
        except psycopg.ProgrammingError:
            # libpq quotes a string that it cannot read, password and all.
            raise psycopg.OperationalError("the connection string cannot be read") from None

    def _give_back(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()


def _alive(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    # A round trip: the database may have been restarted since the connection was last used.
    try:
        connection.execute("")
    except psycopg.Error:
        return False
    return connection.info.transaction_status == TransactionStatus.IDLE
