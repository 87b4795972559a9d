"""Keeps secrets out of the debug log of Pulumi's Python SDK, which writes the stack's outputs there in clear.

From `pulumi up -v=3` on that log is shown. The messages are those of `register_resource_outputs` in
`pulumi/runtime/resource.py` of the pinned SDK; a test holds them to it.
"""

from __future__ import annotations

import functools

import pulumi.log

_PROPERTIES = ", props="


def leave_out_properties() -> None:
    """From now on a debug message of the SDK ends before the properties that it would show. May be repeated."""
    say = pulumi.log.debug
    if hasattr(say, "__wrapped__"):
        return

    @functools.wraps(say)
    def debug(msg: str, *arguments: object, **options: object) -> None:
        shown, _, left_out = msg.partition(_PROPERTIES)
        say(f"{shown}{_PROPERTIES}(left out)" if left_out else msg, *arguments, **options)  # type: ignore[arg-type]

    pulumi.log.debug = debug
