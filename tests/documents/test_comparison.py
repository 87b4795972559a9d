"""The comparison has a source for each column, and the tests that it names exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.documents.blocks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
COLLECT = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))


def test_each_column_has_a_section() -> None:
    [head] = re.findall(
        r"^\| \| (.+) \|$", README.partition("## How it compares")[2].partition("\n## ")[0], re.MULTILINE
    )[:1]
    assert [column.casefold() for column in head.split(" | ")] == [
        {"clicked together in two dashboards": "clicked in two dashboards"}.get(
            name.casefold(), name.casefold()
        )
        for name in SECTIONS
    ]


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_names_its_sources(name: str) -> None:
    assert re.search(r"https://[\w.-]+/|`\w+/\w+\.py", SECTIONS[name])


def test_tests_that_are_named_exist() -> None:
    named = re.findall(r"`([a-z0-9_/]+\.py(?:::[^`]+)?)`", PAGE)
    assert named
    collected = subprocess.run(
        [*COLLECT, *(f"tests/{node}" for node in named)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stdout[-2000:] + collected.stderr[-2000:]
