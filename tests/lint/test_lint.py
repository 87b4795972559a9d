"""The checks of `make lint` can fail: each is shown what it is there to find."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.lint import links
from local.lint.__main__ import BIN, DETECTORS_OFF, ROOT, WORKFLOWS, judged

INJECTION = """\
name: bad
on: pull_request_target
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
"""


def secrets_in(file: Path) -> subprocess.CompletedProcess[str]:
    off = [argument for name in DETECTORS_OFF for argument in ("--disable-plugin", name)]
    return subprocess.run(
        [
            BIN / "detect-secrets-hook",
            "--no-verify",
            "--plugin",
            "local/lint/clerk_key_detector.py",
            *off,
            str(file),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('key = "sk_' + 'test_q7Zt0PbX2mVn8RkW4yLs6HdJ1cFgA3eU"', "Clerk Secret Key"),
        ('key = "sk_' + "test_" + "a" * 40 + '"', None),
        ("-----BEGIN OPENSSH " + "PRIVATE KEY-----", "Private Key"),
        ("token = 'gh" + "p_" + "q7Zt0PbX2mVn8RkW4yLs6HdJ1cFgA3eUx9Qa'", "GitHub Token"),
        ("key = os.environ['CLERK_SECRET_KEY']", None),
    ],
)
def test_a_secret_is_found(tmp_path: Path, text: str, found: str | None) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"{text}\n")
    scanned = secrets_in(file)
    assert (scanned.returncode != 0) == (found is not None), scanned.stdout
    assert found is None or f"Secret Type: {found}" in scanned.stdout


def test_a_workflow_with_a_way_in_is_found(tmp_path: Path) -> None:
    folder = tmp_path / WORKFLOWS
    folder.mkdir(parents=True)
    (folder / "bad.yml").write_text(INJECTION)
    audited = subprocess.run(
        [BIN / "zizmor", "--offline", "--no-progress", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert audited.returncode != 0
    for finding in ("template-injection", "dangerous-triggers", "unpinned-uses"):
        assert finding in audited.stdout


def test_links_and_names_of_files_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text("# One, two\n\n## `code` here\n\n## One, two\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](docs/other.md) [b](docs/other.md#one-two) [c](docs/other.md#code-here) [d](docs/other.md#one-two-1)\n"
        "[e](https://example.com/x) [f](#here) `docs/other.md` `elsewhere/file.md`\n\n# Here\n\n"
        "[g](docs/none.md)\n\n[h](docs/other.md#three) and `docs/gone.md`\n"
    )
    assert links.broken(tmp_path, [page]) == [
        "page.md:6: leads to docs/none.md, which is not there",
        "page.md:8: leads to docs/other.md#three, where no heading has this name",
        "page.md:8: names docs/gone.md, which is not there",
    ]


@pytest.mark.parametrize(
    ("dependencies", "passed"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], True),
        ([{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}], False),
        ([{"name": "a", "skip_reason": "Dependency not found on PyPI"}], None),
        ([], None),
    ],
)
def test_an_audit_that_saw_nothing_is_no_good_news(dependencies: list, passed: bool | None) -> None:
    assert judged(json.dumps({"dependencies": dependencies}), "").passed is passed


def test_an_audit_without_a_network_says_so() -> None:
    outcome = judged("", "INFO: trying\nConnectionError: no route to host\n")
    assert outcome.passed is None
    assert "no route to host" in outcome.text


def test_an_unknown_check_is_told() -> None:
    called = subprocess.run(
        [sys.executable, "-m", "local.lint", "stile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert called.returncode == 2
    assert "no such check: stile. Checks: style, format" in called.stderr
