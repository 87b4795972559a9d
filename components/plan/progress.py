"""Tells the person who waits for a preview how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def progress(stack: str) -> Iterator[Callable[[str], None]]:
    """Shows on standard error how far the preview of `stack` is; what it gives takes each line of the preview."""
    console = Console(stderr=True)
    steps = 0

    with console.status(f"previewing {stack}") as status:

        def on_line(line: str) -> None:
            nonlocal steps
            if '"resourcePreEvent"' in line[:80]:
                steps += 1
                status.update(f"previewing {stack}: {steps} steps")

        if not console.is_terminal:
            console.print(f"previewing {stack} ...")
        yield on_line
