"""How every container of a stack is closed in and watched, in the words of Docker, however it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FILES: Final = "/etc/clerk-hasura"
"""Folder in a container for files that it is given."""

TMPFS: Final[Mapping[str, str]] = {"/tmp": "size=64m,mode=1777"}  # noqa: S108 (the container's own)
"""Path to mount options of what every container may write to, in memory."""

SECURITY_OPTIONS: Final = ("no-new-privileges:true",)
DROPPED_CAPABILITIES: Final = ("ALL",)
HEALTH_TIMEOUT_SECONDS: Final = 5
HEALTH_RETRIES: Final = 5


def go_duration(seconds: int) -> str:
    """Seconds as Go prints them. Docker gives durations back in this form; another one would be a diff."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def docker_cpus(cpus: float) -> str | None:
    """CPUs, in steps of a tenth, as the provider writes them when it reads a container back; None for no limit.

    It prints nine decimals and cuts the zeros off, unless there are nine zeros in all, of which it keeps one.
    """
    if cpus == 0:
        return None
    text = f"{cpus:.9f}"
    return f"{cpus:.1f}" if text.count("0") == 9 else text.rstrip("0")
