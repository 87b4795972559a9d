"""A container registry on the loopback address that serves one tiny image.

Protocol: https://github.com/opencontainers/distribution-spec/blob/main/spec.md (pull).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "test-images/served"
TAG = "1"
_DOCKER = "application/vnd.docker"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tiny_image(architecture: str) -> tuple[bytes, dict[str, bytes]]:
    """Give a manifest and the blobs that it names."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo("hello")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"world"))
    packed = gzip.compress(layer.getvalue(), mtime=0)
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{_DOCKER}.distribution.manifest.v2+json",
            "config": {
                "mediaType": f"{_DOCKER}.container.image.v1+json",
                "size": len(config),
                "digest": digest(config),
            },
            "layers": [
                {
                    "mediaType": f"{_DOCKER}.image.rootfs.diff.tar.gzip",
                    "size": len(packed),
                    "digest": digest(packed),
                }
            ],
        }
    ).encode()
    return manifest, {digest(config): config, digest(packed): packed, digest(manifest): manifest}


class Registry:
    """A running registry: where it is, and what it was asked for."""

    def __init__(self, *, architecture: str, silent: bool) -> None:
        self.requests: list[str] = []
        self.released = threading.Event()
        manifest, blobs = tiny_image(architecture)
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                if silent:
                    # As behind a firewall that drops: the connection stands and nothing comes.
                    registry.released.wait(60)
                    return
                if self.path == "/v2/":
                    self.answer(b"{}", "application/json")
                elif self.path in (
                    f"/v2/{REPOSITORY}/manifests/{TAG}",
                    f"/v2/{REPOSITORY}/manifests/{digest(manifest)}",
                ):
                    self.answer(manifest, f"{_DOCKER}.distribution.manifest.v2+json")
                elif (blob := self.path.rpartition("/blobs/")[2]) in blobs:
                    self.answer(blobs[blob], "application/octet-stream")
                else:
                    unknown = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
                    self.answer(json.dumps(unknown).encode(), "application/json", status=404)

            do_HEAD = do_GET

            def answer(self, content: bytes, kind: str, *, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Docker-Content-Digest", digest(content))
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def image(self) -> str:
        """The name of the image that is served."""
        return f"{self.address}/{REPOSITORY}:{TAG}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def registry(architecture: str, *, silent: bool = False) -> Iterator[Registry]:
    """Serve a registry; a silent one takes connections and never answers."""
    running = Registry(architecture=architecture, silent=silent)
    try:
        yield running
    finally:
        running.close()
