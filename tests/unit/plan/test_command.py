"""`python -m components.plan` on previews that were made before: what it writes, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.plan.__main__ import main
from components.plan.events import EventError, parse
from tests.unit.plan.test_cases import HERE, STACK

CHANGE, NOTHING, DRIFT, FAILED = (
    "a-table-a-column-and-a-claim",
    "nothing-changes",
    "drift-of-template-and-metadata",
    "an-invalid-setting",
)


@pytest.fixture(autouse=True)
def _at_the_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def run(case: str, *arguments: str) -> int:
    return main(["--events", str(HERE / "cases" / case / "events.jsonl"), "--stack", STACK, *arguments])


@pytest.mark.parametrize(
    ("case", "arguments", "code"),
    [
        (NOTHING, [], 0),
        (NOTHING, ["--drift"], 0),
        (CHANGE, [], 2),
        (CHANGE, ["--drift"], 2),
        (DRIFT, ["--drift"], 3),
        (DRIFT, [], 2),
        (FAILED, [], 1),
        (FAILED, ["--expect", "0"], 1),
        (CHANGE, ["--expect", "0"], 4),
        (NOTHING, ["--expect", "0"], 4),
    ],
)
def test_exit_codes(case: str, arguments: list[str], code: int) -> None:
    assert run(case, *arguments) == code


def test_the_expected_plan_ends_with_0_although_it_changes_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "new" / "plan.json"
    assert run(CHANGE, "--json", str(written)) == 2
    expected = json.loads(written.read_text())["fingerprint"]
    assert run(CHANGE, "--expect", expected) == 0
    capsys.readouterr()
    assert run(NOTHING, "--expect", expected) == 4
    assert expected in capsys.readouterr().err


def test_the_full_name_of_a_stack_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    events = str(HERE / "cases" / CHANGE / "events.jsonl")
    for name in ("plan8a", "company/clerk-hasura/plan8a"):
        main(["--events", events, "--stack", name])
    one, other = capsys.readouterr().out.split("# Plan of `plan8a`")[1:]
    assert one == other


def test_files_and_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(CHANGE)
    printed = capsys.readouterr().out
    run(CHANGE, "--markdown", str(tmp_path / "plan.md"), "--json", str(tmp_path / "plan.json"))
    assert capsys.readouterr().out == ""
    assert (tmp_path / "plan.md").read_text() == printed
    assert json.loads((tmp_path / "plan.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--nonsense"], "unrecognized arguments"),
        (["--events", "nowhere.jsonl", "--stack", "x"], "nowhere.jsonl"),
    ],
)
def test_wrong_usage_ends_with_1(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    assert says in capsys.readouterr().err


def test_events_without_a_stack_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", str(HERE / "cases" / CHANGE / "events.jsonl")]) == 1
    assert "--stack" in capsys.readouterr().err


def test_without_pulumi_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for arguments in ([], ["--stack", "dev"]):
        assert main(arguments) == 1
        assert 'eval "$(make -s activate)"' in capsys.readouterr().err


@pytest.mark.parametrize("line", ["not json", '{"config": {}}', "[]", "1"])
def test_what_is_no_event_is_told_with_its_line(line: str) -> None:
    with pytest.raises(EventError, match=r"line 2 .*PULUMI_ENABLE_STREAMING_JSON_PREVIEW"):
        parse(['{"sequence": 1, "cancelEvent": {}}', line])
    assert parse(["", '{"sequence": 1, "cancelEvent": {}}\n']) == [{"sequence": 1, "cancelEvent": {}}]
