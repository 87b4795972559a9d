"""Takes the events of the Pulumi CLI while it works.

With `--event-log tcp://HOST:PORT` the CLI sends them to a server of the service `pulumirpc.Events`; Pulumi's
Automation API does it so. They are not written to a file on the way: among them are the providers' debug messages,
and the Docker provider's hold the environment of each container.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import events_pb2_grpc
from pulumi.runtime.proto.events_pb2 import EventRequest

if TYPE_CHECKING:
    from components.deployment_log.record import Heard

_LARGEST: Final = 400 * 1024 * 1024
"""Bytes of a message, as in Pulumi's SDK: an event may hold a whole resource."""
_GRACE_SECONDS: Final = 5


@dataclass(kw_only=True)
class Events:
    """The streams that came, each in order; ``address`` is for `--event-log`."""

    address: str
    streams: list[list[Heard]] = field(default_factory=list)


class _Servicer(events_pb2_grpc.EventsServicer):
    def __init__(self, events: Events) -> None:
        self._events = events

    def StreamEvents(
        self, requests: Iterable[EventRequest], _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """One stream: a preview, or what follows it."""
        # While the CLI works: before, it would wait for this.
        from components.deployment_log.record import Heard

        stream: list[Heard] = []
        self._events.streams.append(stream)
        for request in requests:
            event = json.loads(request.event)
            # The debug messages are most of it, and nobody's business.
            if event.get("diagnosticEvent", {}).get("severity") != "debug":
                stream.append(Heard(at=datetime.now(UTC), event=event))
        return empty_pb2.Empty()


@contextmanager
def listening() -> Iterator[Events]:
    """A server on a loopback port, for as long as the CLI works."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", _LARGEST)],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    events = Events(address=f"tcp://127.0.0.1:{port}")
    events_pb2_grpc.add_EventsServicer_to_server(_Servicer(events), server)
    server.start()
    try:
        yield events
    finally:
        server.stop(_GRACE_SECONDS).wait()
