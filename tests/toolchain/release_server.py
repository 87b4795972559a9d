"""A release server on loopback, fake releases, and a look at what a cache holds."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.toolchain.store import Store

FAKE_CLI = """#!/bin/sh
# Stands for the vendor's CLI: knows its version, and installs plugins as the real one does.
set -eu
case "$1" in
version) echo "v3.259.0" ;;
plugin)
    folder="$PULUMI_HOME/plugins/resource-$4-$5"
    mkdir -p "$folder"
    printf '#!/bin/sh\\necho %s\\n' "${5#v}" > "$folder/pulumi-resource-$4"
    chmod +x "$folder/pulumi-resource-$4"
    echo "$@" >> "$PULUMI_HOME/../../arguments"
    ;;
esac
"""


@dataclass
class ReleaseServer:
    """Serves `files` by path; `faults` says what goes wrong (truncate, hang) with a path or `GET path`."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def publish(self, version: str, platform: str, archive: bytes, checksum: str | None = None) -> str:
        """Offer an archive of the CLI and the list of checksums; gives the archive's path."""
        name = f"pulumi-v{version}-{platform}.tar.gz"
        path = f"/v{version}/{name}"
        self.files[path] = archive
        listed = checksum or hashlib.sha256(archive).hexdigest()
        self.files[f"/v{version}/pulumi-{version}-checksums.txt"] = f"{listed}  {name}\n".encode()
        return path


@contextmanager
def serving() -> Iterator[ReleaseServer]:
    offered = ReleaseServer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            offered.requests.append(f"{self.command} {self.path}")
            fault = offered.faults.get(self.path) or offered.faults.get(f"{self.command} {self.path}")
            if fault == "hang":
                offered.stopped.wait(30)
                return
            content = offered.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content[: len(content) // 2] if fault == "truncate" else content)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    offered.base = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield offered
    offered.stopped.set()
    http.shutdown()
    http.server_close()


def archive_of(files: dict[str, str], links: dict[str, str] | None = None) -> bytes:
    """A gzipped tar of executable files by their path, and of symbolic links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()


def leftovers(store: Store) -> list[str]:
    """What lies in the cache beside finished tools, logs and the lock."""
    return [
        str(path.relative_to(store.root))
        for path in store.root.rglob("*")
        if path.is_file()
        and path.relative_to(store.root).parts[0] not in ("logs", "setup.lock", "tools", "seen.json")
    ]
