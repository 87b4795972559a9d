"""A proof as a person reads it: a table, and for each line that failed where to look."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .run import Proof


def show(proof: Proof, console: Console) -> None:
    """Print a proof as a table, with where to look for each line that failed."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "tried", "expected", "seen"):
        table.add_column(heading, overflow="fold")
    for verdict in proof.verdicts:
        sign = "[green]ok[/]" if verdict.passed else "[bold red]FAILED[/]"
        table.add_row(sign, *(escape(text) for text in (verdict.name, verdict.expected, verdict.seen)))
    console.print(f"Tokens from the {proof.way}.", markup=False)
    console.print(table)
    failed = [verdict for verdict in proof.verdicts if not verdict.passed]
    for verdict in failed:
        console.print(f"[bold red]{escape(verdict.name)}[/]: look at {escape(verdict.look_at)}.")
    total = len(proof.verdicts)
    console.print(
        f"[bold red]Not proven: {len(failed)} of {total} lines failed.[/]"
        if failed
        else f"[green]Proven: all {total} lines hold.[/]"
    )


def text(proof: Proof, *, width: int = 110) -> str:
    """The same without colours, for where no terminal is."""
    console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False, force_terminal=False)
    with console.capture() as captured:
        show(proof, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def failures(proof: Proof) -> str:
    """The lines that failed, one each: what was tried, what had to come, what came, where to look."""
    return "\n".join(
        f"  {verdict.name}: expected {verdict.expected}, seen {verdict.seen}. Look at {verdict.look_at}."
        for verdict in proof.verdicts
        if not verdict.passed
    )
