"""The tables of docs/faults.md and docs/attacks.md: every row is there, and every test that a row names exists."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from project import ROOT

PAGES = {"faults.md": 34, "attacks.md": 28}
NODE = re.compile(r"`([a-z0-9_/]+\.py::[^`]+)`")


def rows(page: str) -> list[list[str]]:
    lines = (ROOT / "docs" / page).read_text().splitlines()
    return [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d+ \|", line)]


@pytest.mark.parametrize("page", PAGES)
def test_every_row_is_there_and_names_a_test(page: str) -> None:
    found = rows(page)
    assert [row[0] for row in found] == [str(number) for number in range(1, PAGES[page] + 1)]
    assert all(len(row) == 4 and NODE.findall(row[3]) for row in found)


def test_every_named_test_exists() -> None:
    """pytest itself collects them; it ends with an error for a name that it does not find."""
    nodes = sorted({f"tests/{node}" for page in PAGES for row in rows(page) for node in NODE.findall(row[3])})
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stdout[-3000:] + collected.stderr[-3000:]


def test_runbooks_that_are_named_exist() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"`((?:docs/)?runbooks/[a-z-]+\.md)`", page.read_text()):
            assert (ROOT / "docs" / name.removeprefix("docs/")).is_file(), f"{page}: {name}"
