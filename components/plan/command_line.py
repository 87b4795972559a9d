"""What the commands that preview a stack have in common on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final, NoReturn

from components.plan.document import EXIT_CODES

FAILED: Final = EXIT_CODES["failed"]
INTERRUPTED: Final = 130


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with 1: 2, which argparse would take, says that something changes."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(FAILED)


def write(path: Path, text: str) -> None:
    """Writes a document, with the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
