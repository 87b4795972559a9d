"""squawk's findings on migrations (https://squawkhq.com).

Left out are rules that the way migrations run here already satisfies: each runs in one transaction, with lock
and statement time-outs set.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from components.schema.migrations import SqlFile
from components.schema.problems import Problem

Lint = Literal["off", "warn", "error"]

SATISFIED = (
    "require-lock-timeout",
    "require-statement-timeout",
    "prefer-robust-stmts",
    "transaction-nesting",
)
TIMEOUT = 60.0
AT_ONCE = 500
"""Files for one run: the arguments of a process are limited."""


def program() -> str | None:
    """squawk of the running Python's environment, else of PATH; None where there is none."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if beside.exists() else shutil.which("squawk")


def lint(files: Sequence[SqlFile]) -> list[Problem]:
    """Findings with file and line. That squawk is not installed is one, so that nothing passes unseen."""
    if not files:
        return []
    squawk = program()
    if squawk is None:
        remedy = "Install it with the project's requirements.txt, or `pulumi config set lint off`."
        return [
            Problem(path="", message="migrations were not linted: squawk is not installed", remedy=remedy)
        ]
    found: list[Problem] = []
    for alone in (False, True):
        chosen = [file for file in files if file.without_transaction is alone]
        for start in range(0, len(chosen), AT_ONCE):
            found += _run(squawk, chosen[start : start + AT_ONCE], in_transaction=not alone)
    return sorted(found, key=lambda problem: (problem.path, problem.line or 0))


def _run(squawk: str, files: Sequence[SqlFile], *, in_transaction: bool) -> list[Problem]:
    try:
        answer = subprocess.run(  # noqa: S603
            [
                squawk,
                "--reporter=json",
                f"--exclude={','.join(SATISFIED)}",
                "--assume-in-transaction" if in_transaction else "--no-assume-in-transaction",
                *(str(file.path) for file in files),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [Problem(path=files[0].shown, message=f"could not be linted: {error}"[:300])]
    shown = {str(file.path): file.shown for file in files}
    try:
        entries = json.loads(answer.stdout or "[]")
    except ValueError:
        return [Problem(path="", message=f"squawk failed: {answer.stderr.strip()[:300]}")]
    return [
        Problem(
            path=shown.get(str(entry["file"]), str(entry["file"])),
            line=int(entry["line"]) + 1,
            message=f"{entry['message']} ({entry['rule_name']})",
            remedy=str(entry.get("help") or ""),
        )
        for entry in entries
    ]
