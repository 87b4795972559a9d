"""A local Clerk with faults, and servers that answer whatever a test wants, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from components.clerk.client import ClerkClient
from components.clerk.retries import RetryPolicy
from local.clerk.server import Running, serving

QUICK = RetryPolicy(attempts=3, first_wait=0.01, longest_wait=0.05, total=10)
SECRET_KEY = "sk_test_CANARYcanary0123456789"


@dataclass
class LocalClerk:
    """The running stand-in, with its fault switch."""

    running: Running
    notices: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.running.url

    def client(self, retry: RetryPolicy = QUICK) -> ClerkClient:
        return ClerkClient(self.url, self.running.secret_key, retry=retry, notice=self.notices.append)

    def fault(
        self, kind: str, method: str = "", path: str = "/v1/", times: int = 1, retry_after: int = 1
    ) -> None:
        body = {"kind": kind, "method": method, "path": path, "times": times, "retry_after": retry_after}
        httpx.post(f"{self.url}/_local/faults", json=body).raise_for_status()

    def pending_faults(self) -> int:
        return len(httpx.get(f"{self.url}/_local/faults").json()["pending"])


@pytest.fixture
def local_clerk(tmp_path: Path) -> Iterator[LocalClerk]:
    with serving(tmp_path / "clerk", faults=True) as running:
        yield LocalClerk(running)


@dataclass
class RawServer:
    """A server that sends prepared bytes, one answer a connection, and keeps what it was sent."""

    url: str
    received: list[bytes] = field(default_factory=list)


RawServers = Callable[[list[bytes]], RawServer]


@pytest.fixture
def endless_server() -> Iterator[RawServer]:
    """A server whose answers begin well and go on, a little at a time, until the other side hangs up."""
    begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(b"400\r\n" + b" " * 0x400 + b"\r\n")

    with _serve_by(answer) as server:
        yield server


@pytest.fixture
def raw_server() -> Iterator[RawServers]:
    """Starts a server that gives these answers in turn, the last one for ever. An empty one just closes."""
    stack: list[Callable[[], None]] = []

    def start(answers: list[bytes]) -> RawServer:
        context = _serve(answers)
        server = context.__enter__()
        stack.append(lambda: context.__exit__(None, None, None))
        return server

    yield start
    for stop in stack:
        stop()


@contextmanager
def _serve(answers: list[bytes]) -> Iterator[RawServer]:
    turn = 0

    def answer(connection: socket.socket) -> None:
        nonlocal turn
        turn += 1
        connection.sendall(answers[min(turn, len(answers)) - 1])

    with _serve_by(answer) as server:
        yield server


@contextmanager
def _serve_by(answer: Callable[[socket.socket], None]) -> Iterator[RawServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    def loop() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(ConnectionError):
                server.received.append(_request(connection))
                answer(connection)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def _request(connection: socket.socket) -> bytes:
    """Everything up to the end of the body, so that closing never resets the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        more = connection.recv(65536)
        body, data = body + more, data + more
    return data


def http(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An answer as bytes. ``length`` overrides what Content-Length says."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body
