"""Runs other programs: quiet ones for an answer, long ones with their output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.toolchain.errors import SourceUnavailableError, ToolchainError
from local.toolchain.progress import Progress

LAST_LINES = 15
_POLL_SECONDS = 0.5
_STOP_SECONDS = 5.0


def answer(
    command: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str] | None:
    """Run a short command and give its answer; None where it is missing or silent for `timeout` seconds."""
    try:
        return subprocess.run(  # noqa: S603 (commands are lists of our own making)
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=None if environment is None else dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def run_logged(
    command: Sequence[str],
    *,
    log: Path,
    progress: Progress,
    what: str,
    timeout: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a long command; its output goes to `log` (anew), the newest line of it to the progress.

    `what` names the job in errors. The command gets a process group of its own, which ends with this call
    however that ends. Raises ToolchainError with the last lines of the output when the command fails, and
    SourceUnavailableError when `timeout` seconds were not enough.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            child = subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolchainError(f"{what}: {command[0]} cannot be started: {error.strerror}.") from None
        try:
            _wait(child, log, progress, timeout)
        except subprocess.TimeoutExpired:
            raise SourceUnavailableError(
                f"{what}: no end after {timeout:.0f} s.\n{last_lines(log)}\nThe whole log: {log}"
            ) from None
        finally:
            _stop_group(child)
    if child.returncode != 0:
        raise ToolchainError(
            f"{what} failed (exit code {child.returncode}). Its last lines:\n{last_lines(log)}\n"
            f"The whole log: {log}"
        )


def _wait(child: subprocess.Popen[bytes], log: Path, progress: Progress, timeout: float) -> None:
    waited = 0.0
    while True:
        try:
            child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            waited += _POLL_SECONDS
            if waited >= timeout:
                raise
            progress.detail(newest_line(log))
        else:
            return


def _stop_group(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    for number, patience in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def newest_line(log: Path) -> str:
    """Give the last line of a log that is not empty."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 2000))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Give the last lines of a log, indented for an error message."""
    with log.open("rb") as file:
        lines = deque((line.decode(errors="replace").rstrip() for line in file), maxlen=count)
    return "\n".join(f"  {line}" for line in lines)
