"""Ports that follow from a stack's name, so that stacks on one Docker host need none configured. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Final

FIRST: Final = 20_000
LAST: Final = 29_999
"""Derived ports lie here: above the well-known ones, below the ranges that Linux (32768), the IANA (49152) and
Kubernetes' node ports (30000) hand out."""

_BLOCK: Final = 10
_OFFSETS: Final = {
    "hasuraPort": 0,
    "postgresPort": 1,
    "localClerkPort": 2,
    "ingressHttpPort": 3,
    "ingressHttpsPort": 4,
}
"""Place of a key's port in the ten ports of a stack. A new key takes the next number; none is ever changed, or
ports of running stacks would move."""


def derived_port(stack: str, key: str) -> int:
    """The port of a configuration key that is 0: one of ten that a stack's name chooses, always the same.

    Two names choose the same ten once in a thousand; the preview of the second stack says so.
    """
    return _block(stack) + _OFFSETS[key]


def free_port(stack: str, key: str, taken: Collection[int]) -> int | None:
    """A port for the key that is not ``taken``: the derived one, the same place in the next ten ports, and so on;
    None if all are.

    :param taken: ports that something holds, and those that the stack uses for other keys.
    """
    return next((port for port in _places(stack, key) if port not in taken), None)


def _places(stack: str, key: str) -> Iterator[int]:
    first, blocks = _block(stack) - FIRST, (LAST - FIRST + 1) // _BLOCK
    for step in range(blocks):
        yield FIRST + (first + step * _BLOCK) % (LAST - FIRST + 1) + _OFFSETS[key]


def _block(stack: str) -> int:
    number = int.from_bytes(hashlib.sha256(stack.encode()).digest()[:8], "big")
    return FIRST + number % ((LAST - FIRST + 1) // _BLOCK) * _BLOCK
