"""Prints the count of contract cases at the end of a run; a plugin as `tests.contract.hasura.summary` is."""

import os

import pytest

THIS_SUITE = "contract/clerk/test_clerk_contract.py::test_case["


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {
        outcome: sum(
            THIS_SUITE in report.nodeid
            for report in terminalreporter.getreports(outcome)
            if report.when == "call" or report.skipped
        )
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        real = "CLERK_CONTRACT_SECRET_KEY" in os.environ
        terminalreporter.write_line(
            f"Clerk contract, {'the instance of CLERK_CONTRACT_SECRET_KEY' if real else 'local Clerk'}: "
            f"{counts['passed']} cases passed, {counts['failed']} failed, {counts['skipped']} not applicable"
        )
