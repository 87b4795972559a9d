"""A TCP proxy on the loopback address that delays what passes, loses requests or loses answers.

It does not read HTTP. Clients here use a connection for one request at a time, so bytes of the client
that follow bytes of the server begin a new exchange, and the next bytes of the server are its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 1 << 16
Passes = Callable[[bytes], Awaitable[bool]]


@dataclass
class Proxy:
    """Forwards to `upstream` (host, port), which may be changed at any time for new connections.

    `one_way` is the delay in seconds of each direction; a new connection waits a round trip more, as
    TCP's handshake does. `lose_requests` and `lose_answers` hold numbers of exchanges (from 1, over all
    connections): the connection is closed instead of forwarding the request, or when the server begins
    to answer it. A request that holds the bytes `swallow` is neither forwarded nor answered; with `swallow_once` only
    the first of them.
    """

    upstream: tuple[str, int]
    one_way: float = 0.0
    lose_requests: set[int] = field(default_factory=set)
    lose_answers: set[int] = field(default_factory=set)
    swallow: bytes | None = None
    swallow_once: bool = False
    exchanges: int = 0
    lost: int = 0
    swallowed: int = 0
    endpoint: str = ""
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    def point_at(self, endpoint: str) -> None:
        """Send new connections to another engine."""
        self.upstream = _address(endpoint)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side closes it."""
        upstream: asyncio.StreamWriter | None = None
        try:
            if self.one_way:
                await asyncio.sleep(2 * self.one_way)
            answers, upstream = await asyncio.open_connection(*self.upstream)
            connection = _Connection()
            await _until_first(
                self._forward(reader, upstream, lambda data: self._request_passes(connection, data)),
                self._forward(answers, writer, lambda data: self._answer_passes(connection, data)),
            )
        except (OSError, asyncio.CancelledError):
            # Either side is gone, or the proxy is being closed.
            pass
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.close()

    async def _request_passes(self, connection: _Connection, data: bytes) -> bool:
        if not connection.asking:
            connection.asking = True
            self.exchanges += 1
            connection.number = self.exchanges
        if self.swallow is not None and self.swallow in data:
            self.swallowed += 1
            if self.swallow_once:
                self.swallow = None
            await self._never.wait()
        return self._passes(connection.number, self.lose_requests)

    async def _answer_passes(self, connection: _Connection, _: bytes) -> bool:
        connection.asking = False
        return self._passes(connection.number, self.lose_answers)

    def _passes(self, number: int, lose: set[int]) -> bool:
        if number not in lose:
            return True
        self.lost += 1
        return False

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Passes
    ) -> None:
        if not self.one_way:
            while (data := await reader.read(CHUNK)) and await passes(data):
                writer.write(data)
                await writer.drain()
            return
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        delayed = asyncio.ensure_future(self._write_when_due(waiting, writer))
        now = asyncio.get_running_loop().time
        try:
            while (data := await reader.read(CHUNK)) and await passes(data):
                await waiting.put((now() + self.one_way, data))
            await waiting.put((now() + self.one_way, b""))
            await delayed
        finally:
            delayed.cancel()

    @staticmethod
    async def _write_when_due(
        waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await waiting.get()
            if (left := due - now()) > 0:
                await asyncio.sleep(left)
            if not data:
                return
            writer.write(data)
            await writer.drain()


@dataclass
class _Connection:
    asking: bool = False
    number: int = 0


async def _until_first(*works: Coroutine[object, object, None]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task


def _address(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    assert parts.hostname and parts.port, endpoint
    return parts.hostname, parts.port


@contextmanager
def proxy(endpoint: str, *, one_way: float = 0.0) -> Iterator[Proxy]:
    """A proxy before `endpoint`, in a thread of its own."""
    made = Proxy(upstream=_address(endpoint), one_way=one_way)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(made.serve, "127.0.0.1", 0))
    made.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def close() -> None:
        server.close()
        own = asyncio.current_task()
        # A connection that was just accepted gets its task a moment later.
        while others := [task for task in asyncio.all_tasks() if task is not own]:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
