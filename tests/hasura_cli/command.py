"""The vendor's command line tool, 2.8.1, installed once from npm into the user's cache folder by its hash."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local.toolchain.machine import cache_folder

NPM = Path(__file__).parent / "npm"
BINARY = Path("node_modules/@install-binary/hasura-linux-x64/hasura-linux-x64")
VERSION = "2.8.1"


class CannotBeHad(Exception):
    """Why the tool is not here."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Exit code, standard output, standard error (the tool's log)."""

    code: int
    output: str
    log: str


@dataclass(frozen=True, kw_only=True)
class HasuraCli:
    """The tool in a project's folder. Only loopback addresses are within its reach."""

    binary: Path
    project: Path
    endpoint: str
    admin_secret: str = field(repr=False)

    def prepare(self, home: Path) -> None:
        """Write its configuration: version 3, with the project's own folders."""
        (self.project / "config.yaml").write_text(
            "version: 3\nmetadata_directory: hasura_metadata\nmigrations_directory: migrations\n"
        )
        settings = home / ".hasura"
        settings.mkdir(parents=True, exist_ok=True)
        quiet = {"enable_telemetry": False, "show_update_notification": False}
        (settings / "config.json").write_text(json.dumps(quiet))

    def run(self, *arguments: str, home: Path) -> Answer:
        """Run a command to its end."""
        done = subprocess.run(
            [str(self.binary), *arguments, "--skip-update-check", "--no-color"],
            cwd=self.project,
            env=self.environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Answer(code=done.returncode, output=done.stdout, log=done.stderr)

    def environment(self, home: Path) -> dict[str, str]:
        """Its environment variables; the secret is not among its arguments."""
        nowhere = "http://127.0.0.1:9"
        return {
            "HOME": str(home),
            "HASURA_GRAPHQL_ENDPOINT": self.endpoint,
            "HASURA_GRAPHQL_ADMIN_SECRET": self.admin_secret,
            "HASURA_GRAPHQL_DISABLE_INTERACTIVE": "true",
            "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
            "HASURA_GRAPHQL_SHOW_UPDATE_NOTIFICATION": "false",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }


def installed() -> Path:
    """The tool's path. Raises `CannotBeHad` with the reason where it cannot be."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "amd64"):
        raise CannotBeHad("its npm package has a binary for Linux on x86-64 only")
    lock = (NPM / "package-lock.json").read_bytes()
    folder = cache_folder() / "node" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        _install(folder)
    return folder / BINARY


def _install(folder: Path) -> None:
    if not shutil.which("npm"):
        raise CannotBeHad("npm is not on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NPM / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if " error " in line), "npm ci failed")
        raise CannotBeHad(f"its npm package cannot be had: {reason}")
    (folder / BINARY).chmod(0o755)
    (folder / "installed").touch()
