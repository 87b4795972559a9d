"""What git has of a folder's files: the rest would be lost if it were overwritten."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def uncommitted(folder: Path, names: Sequence[str]) -> list[str]:
    """Those of some files that git does not have as they are here; outside of git all of them.

    :param names: paths within the folder, with `/`, of files that are there.
    """
    if not names:
        return []
    try:
        tracked = _git(folder, "ls-files", "-z", "--cached", ".")
        changed = _git(folder, "diff", "-z", "--name-only", "--relative", "HEAD", "--", ".")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return list(names)
    kept = tracked - changed
    return [name for name in names if name not in kept]


def _git(folder: Path, *arguments: str) -> set[str]:
    """What git lists, by paths within the folder."""
    answer = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split("\0"))
