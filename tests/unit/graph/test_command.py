"""`python -m components.graph` on previews that were made before: what it writes, and with which code it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.graph.__main__ import main
from tests.unit.graph.test_cases import CASES
from tests.unit.plan.test_cases import CASES as PLANS

CHANGED = next(case for case in CASES if case.name == "recorded-a-wider-filter-and-a-claim")
FAILED = next(case for case in PLANS if case.name == "an-invalid-setting")


def run(case: Path, *arguments: str) -> int:
    return main(["--events", str(case / "events.jsonl"), "--stack", "company/clerk-hasura/dev", *arguments])


def test_without_a_file_it_prints_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CHANGED, "--diff") == 0
    assert capsys.readouterr().out == (CHANGED / "expected.md").read_text(encoding="utf-8")
    assert run(CHANGED) == 0
    assert "**" not in capsys.readouterr().out


def test_files_are_written_into_new_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    markdown, page = tmp_path / "a" / "stack.md", tmp_path / "b" / "stack.html"
    assert run(CHANGED, "--diff", "--markdown", str(markdown), "--html", str(page)) == 0
    assert capsys.readouterr().out == ""
    assert markdown.read_text(encoding="utf-8") == (CHANGED / "expected.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_preview_that_failed_draws_nothing_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(FAILED, "--html", str(tmp_path / "stack.html")) == 1
    said = capsys.readouterr().err
    assert "Nothing is drawn" in said and "jwtTemplateLifetime" in said
    assert not (tmp_path / "stack.html").exists()


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--events", "nowhere.jsonl", "--stack", "x"]])
def test_wrong_usage_ends_with_1(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    assert arguments[-1] in capsys.readouterr().err or "nowhere.jsonl" in arguments


def test_events_without_a_stack_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", str(CHANGED / "events.jsonl")]) == 1
    assert "--stack" in capsys.readouterr().err


def test_without_pulumi_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for arguments in ([], ["--stack", "dev"]):
        assert main(arguments) == 1
        assert 'eval "$(make -s activate)"' in capsys.readouterr().err
