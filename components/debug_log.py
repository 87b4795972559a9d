"""What Pulumi's Python SDK writes into its debug log: without secrets, and without keeping the program waiting.

The SDK writes the stack's outputs there in clear, and from `pulumi up -v=3` on that log is shown. The messages are
those of `register_resource_outputs` in `pulumi/runtime/resource.py` of the pinned SDK; a test holds them to it.

It sends each message to the CLI by itself, a thousand of them for a preview, and waits for the answer, whether
anybody reads that log or not. Here they go together, a moment later.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import threading
import time
from collections.abc import Callable
from typing import Final

import grpc
import pulumi.log

_PROPERTIES: Final = ", props="
_GATHERED_SECONDS: Final = 0.1
"""How long messages may wait for others, so that the log of a program that hangs says where."""


class Gathered:
    """Messages that are said together, in their order, a line each. Threads may share it.

    :param say: takes the text; it is called by a thread of its own, or by who calls `send`, in the context of the first
        message's caller.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._waiting: list[str] = []
        self._context = contextvars.copy_context()
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._some = threading.Event()
        self._sender: threading.Thread | None = None

    def add(self, message: str) -> None:
        """Has it said in a moment."""
        with self._lock:
            if not self._waiting:
                self._context = contextvars.copy_context()
            self._waiting.append(message)
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_on, name="debug-log", daemon=True)
                self._sender.start()
        self._some.set()

    def send(self) -> None:
        """Says what waits."""
        with self._sending:
            with self._lock:
                waiting, self._waiting, context = self._waiting, [], self._context
                self._some.clear()
            if waiting:
                # Else the CLI is gone, and whoever would read it.
                with contextlib.suppress(grpc.RpcError):
                    context.run(self._say, "\n".join(waiting))

    def _send_on(self) -> None:
        while True:
            self._some.wait()
            time.sleep(_GATHERED_SECONDS)
            self.send()


def take_over() -> None:
    """From now on a debug message of the SDK ends before the properties that it would show, and goes to the CLI
    together with others. May be repeated."""
    say = pulumi.log.debug
    if hasattr(say, "__wrapped__"):
        return
    gathered = Gathered(say)

    @functools.wraps(say)
    def debug(
        msg: str,
        resource: pulumi.Resource | None = None,
        stream_id: int | None = None,
        ephemeral: bool | None = None,
    ) -> None:
        shown, _, left_out = msg.partition(_PROPERTIES)
        text = f"{shown}{_PROPERTIES}(left out)" if left_out else msg
        if resource is None and stream_id is None and ephemeral is None:
            gathered.add(text)
        else:
            say(text, resource, stream_id, ephemeral)

    pulumi.log.debug = debug
    atexit.register(gathered.send)
