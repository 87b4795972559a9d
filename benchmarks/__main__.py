"""`python -m benchmarks`: run everything side by side, print medians and ratios. See README.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Failed, bench, machine
from benchmarks.cases import CASES, run
from benchmarks.chart import drawn
from benchmarks.report import HEADINGS, Machine, Row, cells, markdown

README = Path(__file__).with_name("README.md")
CHART = Path(__file__).with_name("chart.svg")
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"which (all): {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of what takes seconds (10)")
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into benchmarks/README.md, and the chart beside it",
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.cases) - set(CASES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CASES)}")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, bench(Path(folder)) as parts:
            rows, failed = run(parts, options.cases or list(CASES), options.rounds, _tell)
            where = machine(parts)
    except Failed as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    _show(where, rows)
    if options.write:
        _write(where, rows)
    for each in failed:
        print(f"benchmarks: {each}", file=sys.stderr)
    return 1 if failed else 0


def _tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _show(where: Machine, rows: list[Row]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=190)
    for line in where.lines():
        console.print(line, highlight=False)
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)


def _write(where: Machine, rows: list[Row]) -> None:
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    told = "\n".join(f"- {line}" for line in where.lines())
    CHART.write_text(drawn(rows))
    README.write_text(f"{before}{BEGIN}\n\n{told}\n\n{markdown(rows)}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
