"""Load on an API by hey (https://github.com/rakyll/hey), which counts what was answered and what was not."""

from __future__ import annotations

import json
import platform
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local import toolchain
from local.toolchain import go_program
from local.toolchain.machine import this_machine
from local.toolchain.progress import Progress

_MODULE = Path(__file__).resolve().parent / "hey"
_LONGEST = "30m"
_SECONDS = 60


@dataclass(kw_only=True)
class Load:
    """What came of it, once it has ended: answers by status, and errors by their text."""

    answers: dict[int, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    report: str = ""

    @property
    def requests(self) -> int:
        return sum(self.answers.values()) + sum(self.errors.values())

    @property
    def failed(self) -> int:
        return self.requests - self.answers.get(200, 0)


@contextmanager
def load(
    url: str, query: str, *, headers: Mapping[str, str], host: str = "", connections: int = 4
) -> Iterator[Load]:
    """Asks one query again and again, over so many connections, until the end of the block.

    Each connection is kept open, as those of browsers are. ``host`` is the name that is asked for where the URL has an
    address; the certificate is not looked at.
    """
    seen = Load()
    options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    options += ["-host", host] if host else []
    with subprocess.Popen(
        [
            *(str(program()), "-z", _LONGEST, "-c", str(connections), "-t", "20", "-m", "POST"),
            *("-T", "application/json", "-d", json.dumps({"query": query}), *options, url),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield seen
        finally:
            process.send_signal(signal.SIGINT)
            seen.report, _ = process.communicate(timeout=_SECONDS)
            seen.answers, seen.errors = read(seen.report)


def read(report: str) -> tuple[dict[int, int], dict[str, int]]:
    """Answers by status, and errors by their text, from what hey prints."""
    answers = {
        int(status): int(count)
        for status, count in re.findall(r"^\s+\[(\d{3})\]\s+(\d+) responses$", report, re.MULTILINE)
    }
    _, _, errors = report.partition("Error distribution:")
    return answers, {
        text.strip(): int(count) for count, text in re.findall(r"^\s+\[(\d+)\]\s+(.+)$", errors, re.MULTILINE)
    }


def program() -> Path:
    """hey, built where it is not yet."""
    folder = go_program.build(
        _MODULE,
        "hey",
        package="github.com/rakyll/hey",
        architecture=platform.machine(),
        system=this_machine().system,
        cache=toolchain.cache_folder(),
        progress=Progress(live=False),
    )
    return folder / "hey"
