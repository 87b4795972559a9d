"""Ports for what a test starts later.

Not those that the system hands out: any connection of another test may take one of them in between, and holds it for a
minute after its end.
"""

from __future__ import annotations

import random
import socket
from typing import Final

RANGE: Final = range(16_000, 20_000)
"""Below the ports that follow from a stack's name, and above those of the stack dev."""
_CHANCE: Final = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback address that nobody uses now."""
    found: list[int] = []
    while len(found) < count:
        port = _CHANCE.choice(RANGE)
        if port not in found and _free(port):
            found.append(port)
    return found


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    return free_ports(1)[0]


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
