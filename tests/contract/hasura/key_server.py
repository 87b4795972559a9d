"""A server of JSON Web Key Sets with the faults of the recordings, counting what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.images.containers import docker

_CACHE_CONTROL = {
    "maxage5": "max-age=5",
    "maxage60": "max-age=60",
    "nostore": "no-store",
    "nocache": "no-cache",
}


@dataclass
class KeyServer:
    """`url(answer, tag)` is a key set's address: an answer of the recordings, counted by the test's tag."""

    key_set: dict
    base: str = ""
    requests: dict[str, list[float]] = field(default_factory=dict)

    def url(self, answer: str, tag: str = "") -> str:
        """The address of a key set that is served in the way `answer` names."""
        return f"{self.base}/{answer}/{tag or 'shared'}/.well-known/jwks.json"

    def asked(self, answer: str, tag: str) -> list[float]:
        """When the address was asked, in seconds of a steady clock."""
        return self.requests.get(f"/{answer}/{tag}/.well-known/jwks.json", [])

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path; notes the request."""
        self.requests.setdefault(path, []).append(time.monotonic())
        kind = path.split("/")[1]
        if kind == "500":
            return 500, {"Content-Type": "text/plain"}, b"boom"
        if kind == "html":
            return 200, {"Content-Type": "text/html"}, b"<html>login</html>"
        body = {"keys": []} if kind == "empty" else self.key_set
        headers = {"Content-Type": "application/json"}
        if kind in _CACHE_CONTROL:
            headers["Cache-Control"] = _CACHE_CONTROL[kind]
        return 200, headers, json.dumps(body).encode()


@contextmanager
def key_server(key_set: dict, network: str | None) -> Iterator[KeyServer]:
    """Serve a key set to this machine or, with a Docker network, to its containers alone."""
    server = KeyServer(key_set)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = server.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listener, host = _listen(Handler, network)
    server.base = f"http://{host}:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()


def _listen(handler: type[BaseHTTPRequestHandler], network: str | None) -> tuple[ThreadingHTTPServer, str]:
    if network is None:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler), "127.0.0.1"
    gateway = docker("network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", network)
    try:
        return ThreadingHTTPServer((gateway, 0), handler), gateway
    except OSError:
        # The daemon runs in a virtual machine: it forwards this name to our loopback address.
        return ThreadingHTTPServer(("127.0.0.1", 0), handler), "host.docker.internal"
