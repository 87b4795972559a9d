"""The stack's images, asked of the project's own Python once that is there."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.errors import ToolchainError
from local.toolchain.progress import Progress
from local.toolchain.python_environment import python_of

_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Image:
    """One part's image, where it came from, and for a stand-in what the user must read."""

    part: str
    image: str
    source: str
    warning: str


def ensure(project: Path, stack: str, cache: Path, progress: Progress) -> list[Image]:
    """Bring the images of a stack on this machine. Raises ToolchainError with all that is wrong."""
    with progress.step("images"):
        return _ask(project, "ensure", stack, cache, progress)


def show(project: Path, stack: str, cache: Path) -> list[Image]:
    """Give the images of a stack as they are now. Raises ToolchainError with what is missing."""
    return _ask(project, "show", stack, cache, None)


def _ask(project: Path, action: str, stack: str, cache: Path, progress: Progress | None) -> list[Image]:
    child = subprocess.Popen(  # noqa: S603 (the project's own interpreter)
        [str(python_of(project)), "-m", "local.toolchain.stack_images", action, stack],
        cwd=project,
        env={**os.environ, "CLERK_HASURA_PROJECT": str(project), "CLERK_HASURA_CACHE": str(cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    with child:
        assert child.stdout is not None and child.stderr is not None  # noqa: S101 (PIPE above)
        try:
            for line in child.stderr:
                said.append(line.rstrip("\n"))
                if progress is not None and not line.startswith("\0"):
                    progress.detail(line)
            rows = child.stdout.read()
        except BaseException:
            child.terminate()
            raise
    if child.returncode != 0:
        text = "\n".join(said)
        # The problem itself follows a NUL; without one the program died, and its last lines must do.
        problem = text.rpartition("\0")[2] if "\0" in text else "\n".join(said[-_LAST_LINES:])
        raise ToolchainError(f"Images: {problem}")
    return [Image(**row) for row in json.loads(rows)]
