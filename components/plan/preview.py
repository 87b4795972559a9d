"""Runs the preview of a stack with the Pulumi CLI. The one place of a plan with I/O, beside its files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STREAM: Final = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"
"""What makes `pulumi preview --json` print its events as they come (`pulumi preview --help`)."""


class PreviewError(Exception):
    """The CLI cannot be run. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the CLI printed: the lines of its events, and all else."""

    events: tuple[str, ...]
    beside: str


def run(
    stack: str,
    root: Path,
    environment: Mapping[str, str],
    *,
    refresh: bool = False,
    policy_packs: Sequence[str] = (),
    further: Sequence[str] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> Printed:
    """Previews `stack` of the project in `root`; nothing is changed, in the state either.

    `refresh` looks at what is really there. `further` are arguments of `pulumi preview`. `on_line` gets each event
    as it comes. A preview that fails is no error here: its events tell why.

    :raises PreviewError: when there is no `pulumi`.
    """
    command = ["pulumi", "preview", "--json", "--non-interactive", "--color=never", "--stack", stack]
    if refresh:
        # The program is run, because the providers of its resources need its configuration.
        command += ["--refresh", "--run-program"]
    for pack in policy_packs:
        command += ["--policy-pack", pack]
    with tempfile.TemporaryFile("w+") as errors:
        try:
            # Its output is no terminal, so that nothing is asked.
            process = subprocess.Popen(  # noqa: S603
                [*command, *further],
                cwd=root,
                env={**environment, STREAM: "true"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        except FileNotFoundError:
            raise PreviewError(
                'pulumi is not on PATH. `eval "$(make -s activate)"` puts it there; `make plan` does so by itself.'
            ) from None
        lines = []
        with _ended(process):
            assert process.stdout is not None  # noqa: S101 (piped above)
            for line in process.stdout:
                lines.append(line)
                on_line(line)
        errors.seek(0)
        return Printed(events=tuple(lines), beside=errors.read())


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Waits for a process; whoever is interrupted interrupts it and gives it time for its own end."""
    try:
        yield
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()


def selected_stack(root: Path, environment: Mapping[str, str]) -> str:
    """The name of the stack that is selected in `root`.

    :raises PreviewError: when there is none, or no `pulumi`.
    """
    try:
        asked = subprocess.run(
            ["pulumi", "stack", "--show-name", "--non-interactive"],  # noqa: S607
            cwd=root,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise PreviewError('pulumi is not on PATH. `eval "$(make -s activate)"` puts it there.') from None
    if asked.returncode != 0:
        raise PreviewError(f"no stack is selected; name one with --stack. {asked.stderr.strip()}")
    return asked.stdout.strip()


def environment() -> dict[str, str]:
    """The environment of this process."""
    return dict(os.environ)
