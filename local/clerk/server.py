"""Running the local Clerk: in the foreground for a container, in the background for a test."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn

from local.clerk.app import build
from local.clerk.instance import LocalInstance
from local.clerk.settings import Settings

log = logging.getLogger("local.clerk")


def _server(settings: Settings) -> tuple[uvicorn.Server, LocalInstance]:
    instance = LocalInstance(settings)
    config = uvicorn.Config(
        build(instance),
        host=settings.host,
        port=settings.port,
        # uvicorn's own access log would show query strings.
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config), instance


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    server, instance = _server(settings)
    log.warning(
        "This is the local Clerk, a STAND-IN for Clerk for development only. "
        "Instance %s, issuer %s, port %s, data in %s.",
        instance.record.id,
        settings.public_url,
        settings.port,
        settings.data,
    )

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn shuts down on these signals, then raises them again for whoever handled them before it:
    # without a handler of our own that would end the process before the store is closed.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.run()
    finally:
        instance.store.close()


@dataclass(frozen=True, kw_only=True)
class Running:
    """A local Clerk that serves in this process."""

    url: str
    secret_key: str = field(repr=False)
    instance: LocalInstance


@contextmanager
def serving(
    data: Path,
    *,
    secret_key: str = "sk_test_local_stand_in_accepts_this_key_only",  # noqa: S107
    jwks_max_age: int | None = 60,
    faults: bool = False,
    port: int = 0,
) -> Iterator[Running]:
    """Serve on a loopback port, free unless given, in a thread until the block ends."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        settings = Settings(
            secret_key=secret_key,
            public_url=url,
            data=data,
            port=port,
            jwks_max_age=jwks_max_age,
            faults=faults,
        )
        server, instance = _server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Running(url=url, secret_key=secret_key, instance=instance)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            instance.store.close()
