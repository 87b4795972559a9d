"""Other programs: their answers, their logs, their ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from local.toolchain.commands import answer, newest_line, run_logged
from local.toolchain.errors import SourceUnavailableError, ToolchainError
from local.toolchain.progress import Progress


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; only its parent has not looked yet.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_ended(process: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(process):
        assert time.monotonic() < deadline, f"process {process} is still there"
        time.sleep(0.05)


def test_a_missing_or_silent_command_has_no_answer(tmp_path: Path) -> None:
    assert answer([str(tmp_path / "absent")], timeout=5) is None
    assert answer(["sleep", "30"], timeout=0.2) is None
    said = answer(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=10)
    assert said is not None
    assert (said.returncode, said.stdout, said.stderr) == (3, "out\n", "err\n")


def test_a_failure_shows_the_last_lines_and_the_log(tmp_path: Path, progress: Progress) -> None:
    log = tmp_path / "logs" / "job.log"
    with pytest.raises(ToolchainError) as caught:
        run_logged(
            ["sh", "-c", "seq 1 100; echo the reason >&2; exit 7"],
            log=log,
            progress=progress,
            what="The job",
            timeout=30,
        )
    text = str(caught.value)
    assert "The job failed (exit code 7)" in text
    assert "  the reason" in text
    assert "  100\n" in text
    assert "  50\n" not in text
    assert str(log) in text
    assert "\n50\n" in log.read_text()


def test_a_command_that_cannot_be_started_is_named(tmp_path: Path, progress: Progress) -> None:
    with pytest.raises(ToolchainError, match="The job: nowhere-to-be-found cannot be started"):
        run_logged(
            ["nowhere-to-be-found"], log=tmp_path / "job.log", progress=progress, what="The job", timeout=5
        )


def test_a_time_out_ends_the_command_and_all_that_it_started(tmp_path: Path, progress: Progress) -> None:
    note = tmp_path / "process"
    with pytest.raises(SourceUnavailableError, match="The job: no end after 1 s"):
        run_logged(
            ["sh", "-c", f"sleep 300 & echo $! > {note}; wait"],
            log=tmp_path / "job.log",
            progress=progress,
            what="The job",
            timeout=1,
        )
    wait_until_ended(int(note.read_text()))


def test_an_interrupt_ends_the_command(
    tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "process"

    def interrupt(_line: str) -> None:
        if note.exists() and note.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "detail", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_logged(
            ["sh", "-c", f"echo $$ > {note}; exec sleep 300"],
            log=tmp_path / "job.log",
            progress=progress,
            what="The job",
            timeout=60,
        )
    wait_until_ended(int(note.read_text()))


def test_the_newest_line_of_a_log_skips_empty_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nsecond line\n\n")
    assert newest_line(log) == "second line"
    log.write_text("")
    assert newest_line(log) == ""
