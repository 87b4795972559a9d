"""The real Hasura CLI 2.8.1, run against an engine.

The program is named by HASURA_CLI, or found in the project's cache, or fetched once with npm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.toolchain.machine import cache_folder

VERSION = "2.8.1"
_PACKAGE = "@install-binary/hasura-linux-x64"


def hasura_cli() -> Path:
    """The program; skips the test where it cannot be had."""
    named = os.environ.get("HASURA_CLI")
    if named:
        return Path(named)
    if not sys.platform.startswith("linux"):
        pytest.skip("name the Hasura CLI by HASURA_CLI: npm has only its Linux build")
    folder = cache_folder() / "hasura-cli" / VERSION
    program = folder / "hasura"
    if not program.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm to fetch the Hasura CLI with; name it by HASURA_CLI")
        folder.mkdir(parents=True, exist_ok=True)
        asked = [npm, "pack", "--silent", f"{_PACKAGE}@{VERSION}"]
        packed = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        if packed.returncode != 0:
            pytest.skip(f"npm cannot fetch {_PACKAGE}: {packed.stderr.strip()[-300:]}")
        archive = folder / packed.stdout.split()[-1]
        with tarfile.open(archive) as files:
            content = files.extractfile("package/hasura-linux-x64")
            assert content is not None
            part = folder / "hasura.part"
            part.write_bytes(content.read())
        archive.unlink()
        part.chmod(0o755)
        part.rename(program)
    return program


@dataclass(frozen=True, kw_only=True)
class CliProject:
    """A project folder of the CLI, pointed at an engine."""

    program: Path
    folder: Path
    endpoint: str
    admin_secret: str

    def prepare(self) -> None:
        """Write the folder's configuration."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.yaml").write_text(
            f"version: 3\nendpoint: {self.endpoint}\nmetadata_directory: hasura_metadata\n"
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the CLI; nothing leaves this machine."""
        return subprocess.run(
            [str(self.program), *arguments, "--skip-update-check", "--no-color"],
            cwd=self.folder,
            env={
                "HOME": str(self.folder),
                "PATH": os.environ["PATH"],
                "HASURA_GRAPHQL_ADMIN_SECRET": self.admin_secret,
                "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
                "HTTPS_PROXY": "http://127.0.0.1:9",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def migration(self, version: int, name: str, up: str, down: str | None = None) -> None:
        """Write a migration of source `default`."""
        folder = self.folder / "migrations" / "default" / f"{version}_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "up.sql").write_text(up)
        if down is not None:
            (folder / "down.sql").write_text(down)

    def files(self) -> dict[str, str]:
        """The metadata folder's files."""
        root = self.folder / "hasura_metadata"
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
