"""What a long step shows."""

from __future__ import annotations

import io
import re
import time

import pytest

from local.toolchain import progress as module
from local.toolchain.progress import Progress


def wait_for(stream: io.StringIO, pattern: str) -> None:
    deadline = time.monotonic() + 10
    while not re.search(pattern, stream.getvalue()):
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.02)


def test_a_log_gets_a_line_now_and_then_with_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLAIN_FIRST_SECONDS", 0.05)
    monkeypatch.setattr(module, "PLAIN_SECONDS", 0.05)
    stream = io.StringIO()
    shown = Progress(stream, live=False)
    with shown.step("building"):
        wait_for(stream, r"  building \.\.\. 0 s\n")
        shown.detail("package one\n")
        wait_for(stream, r"  building \.\.\. 0 s  package one\n")
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_quick_step_is_not_worth_a_line() -> None:
    stream = io.StringIO()
    with Progress(stream, live=False).step("quick"):
        pass
    assert stream.getvalue() == ""


def test_a_terminal_gets_one_line_that_is_wiped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_SECONDS", 0.02)
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    shown = Progress(stream, live=True)
    with shown.step("building"):
        shown.detail("x" * 200)
        wait_for(stream, "x")
        shown.say("a line of its own")
    text = stream.getvalue()
    assert "\r\x1b[Ka line of its own\n" in text
    assert text.endswith("\r\x1b[K")
    assert max(len(line) for line in re.split(r"\r\x1b\[K|\n", text)) < 40
