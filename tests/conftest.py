"""What holds for every test."""

from __future__ import annotations

import signal

import hypothesis
import pytest

# A shell that runs the tests in the background has them ignore SIGINT, and with them every program that they
# start. What some tests interrupt must be interruptible all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine's speed is nobody's defect, and the same commit gives the same examples wherever it is tested.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine-image", help="run contract and attacks against this image of an engine")
