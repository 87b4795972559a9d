"""Prints the count of contract cases at the end of a run. A plugin and no conftest.py, since the process that prints
collects nothing where others run the tests."""

from __future__ import annotations

import pytest

_COUNTED = {
    "test_case": "cases",
    "test_cli": "CLI commands",
    "test_start": "starts",
    "test_refresh": "key set refreshes",
}
SUITE = "contract/hasura/test_hasura_contract.py"


def engine_image(config: pytest.Config) -> str | None:
    return config.getoption("--engine-image", default=None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    image = engine_image(terminalreporter.config)
    for test, what in _COUNTED.items():
        counts = {
            outcome: sum(
                f"{SUITE}::{test}[" in report.nodeid and (report.when == "call" or outcome != "passed")
                for report in terminalreporter.getreports(outcome)
            )
            for outcome in ("passed", "failed", "error", "xfailed", "skipped")
        }
        if any(counts.values()):
            failed = counts["failed"] + counts["error"]
            terminalreporter.write_line(
                f"Hasura contract, {image or 'local engine'}: {counts['passed']} {what} passed, "
                f"{failed} failed, {counts['xfailed']} known differences"
                + (f", {counts['skipped']} skipped" if counts["skipped"] else "")
            )
