"""Runs every check, all of them even where one fails, and says which failed: `python -m local.lint [NAME...]`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.schema.lint import lint
from components.schema.migrations import read_migrations
from local.lint import actionlint, links
from local.toolchain.errors import ToolchainError

ROOT: Final = Path(__file__).resolve().parents[2]
BIN: Final = Path(sys.executable).parent
WORKFLOWS: Final = ".github/workflows"

LOCKS: Final = ("go.sum", "package-lock.json", "requirements.txt", "requirements-dev.txt")
"""Ends of the names of files that hold hashes."""
DETECTORS_OFF: Final = (
    # They go by the look of a text, or by addresses of databases: sources of this kind are full of both.
    *(
        "Base64HighEntropyString",
        "HexHighEntropyString",
        "KeywordDetector",
        "BasicAuthDetector",
        "IPPublicDetector",
    ),
    # Vendors that nothing here has to do with; each detector takes its time of every line.
    *("ArtifactoryDetector", "CloudantDetector", "DiscordBotTokenDetector", "IbmCloudIamDetector"),
    *(
        "IbmCosHmacDetector",
        "MailchimpDetector",
        "SoftlayerDetector",
        "SquareOAuthDetector",
        "TelegramBotTokenDetector",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a check says. `passed` is None where it could not be made; then `text` says why."""

    passed: bool | None
    text: str = ""


def _files(*patterns: str) -> list[str]:
    """Files under version control, or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def _run(*command: str, environment: Mapping[str, str] | None = None) -> Outcome:
    done = subprocess.run(  # noqa: S603
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    return Outcome(passed=done.returncode == 0, text=f"{done.stdout}{done.stderr}".strip())


def _python(module: str, *arguments: str) -> Outcome:
    return _run(sys.executable, "-m", module, *arguments)


def _style() -> Outcome:
    return _python("ruff", "check", ".")


def _format() -> Outcome:
    return _python("ruff", "format", "--check", ".")


def _types() -> Outcome:
    return _python("mypy")


def _migrations() -> Outcome:
    """squawk, as a deployment asks it."""
    sources = read_migrations(ROOT / "migrations", shown_as="migrations").sources
    found = lint([migration.up for listed in sources.values() for migration in listed])
    return Outcome(passed=not found, text="\n".join(map(str, found)))


def _workflows() -> Outcome:
    try:
        binary = actionlint.binary()
    except ToolchainError as error:
        return Outcome(passed=None, text=str(error))
    # It gives the scripts in workflows to shellcheck.
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return _run(str(binary), *_files(f"{WORKFLOWS}/*.yml"), environment={"PATH": path})


def _workflow_security() -> Outcome:
    return _run(str(BIN / "zizmor"), "--offline", "--no-progress", WORKFLOWS)


def _shell() -> Outcome:
    scripts = [name for name in _files() if name.endswith(".sh") or _is_shell(ROOT / name)]
    # Files that are found when a script runs, and variables that `eval` and the including script use.
    beyond_it = "--exclude=SC1090,SC2034"
    return _run(str(BIN / "shellcheck"), "--external-sources", "--source-path=SCRIPTDIR", beyond_it, *scripts)


def _is_shell(file: Path) -> bool:
    with file.open("rb") as opened:
        first = opened.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"/bash", b" bash", b" sh"))


def _secrets() -> Outcome:
    off = [argument for name in DETECTORS_OFF for argument in ("--disable-plugin", name)]
    plugin = ("--plugin", "local/lint/clerk_key_detector.py")
    files = [name for name in _files() if not name.endswith(LOCKS)]
    return _run(str(BIN / "detect-secrets-hook"), "--no-verify", *plugin, *off, *files)


def _links() -> Outcome:
    broken = links.broken(ROOT, [ROOT / name for name in _files("*.md")])
    return Outcome(passed=not broken, text="\n".join(broken))


def _vulnerabilities() -> Outcome:
    """Asks the registry for known vulnerabilities; a registry that gives none of them is no good news."""
    asked = subprocess.run(  # noqa: S603
        [
            str(BIN / "pip-audit"), "--requirement", "requirements.txt", "--requirement", "requirements-dev.txt",
            "--disable-pip", "--require-hashes", "--progress-spinner=off", "--timeout=10", "--format=json",
        ],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return judged(asked.stdout, asked.stderr)


def judged(report: str, said: str) -> Outcome:
    """What a report of pip-audit (`--format json`) means; `said` is what it printed beside it."""
    try:
        dependencies = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Outcome(
            passed=None, text=f"no network for it: {said.strip().splitlines()[-1:] or 'no answer'}"
        )
    looked_at = [one for one in dependencies if "skip_reason" not in one]
    if not looked_at:
        return Outcome(passed=None, text="the registry that is reached here tells no vulnerabilities")
    found = [
        f"{one['name']} {one['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for one in looked_at
        for vulnerability in one["vulns"]
    ]
    return Outcome(passed=not found, text="\n".join(found))


CHECKS: Final[Mapping[str, Callable[[], Outcome]]] = {
    "style": _style,
    "format": _format,
    "types": _types,
    "migrations": _migrations,
    "workflows": _workflows,
    "workflow-security": _workflow_security,
    "shell": _shell,
    "secrets": _secrets,
    "links": _links,
    "vulnerabilities": _vulnerabilities,
}


def main(names: Sequence[str]) -> int:
    """Runs the named checks, or all. Returns 0 if none failed, 1 if one did, 2 when called wrongly."""
    if unknown := set(names) - set(CHECKS):
        print(f"no such check: {', '.join(sorted(unknown))}. Checks: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or CHECKS:
        begun = time.monotonic()
        outcome = CHECKS[name]()
        word = {True: "ok", False: "FAILED", None: "not made"}[outcome.passed]
        print(f"{name:18} {word} ({time.monotonic() - begun:.1f} s)", flush=True)
        if outcome.passed is not True and outcome.text:
            print(outcome.text, flush=True)
        if outcome.passed is False:
            failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}. One alone: make lint ARGS={failed[0]}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
