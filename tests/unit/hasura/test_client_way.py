"""The way to an engine: through the proxy that the environment names, except on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from components.hasura.client import HasuraClient


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a proxy was asked for. It answers every request itself."""
    seen: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "0.0.0.0")
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_engine_elsewhere_is_reached_through_the_proxy(asked: list[str]) -> None:
    with HasuraClient("http://engine.example.test", "secret") as client:
        assert client.healthy()
    assert asked == ["http://engine.example.test/healthz"]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://localhost:1", "http://0.0.0.0:1"])
def test_this_machine_and_exceptions_are_reached_directly(asked: list[str], endpoint: str) -> None:
    with HasuraClient(endpoint, "secret", timeout=1) as client:
        assert not client.healthy()
    assert asked == []
