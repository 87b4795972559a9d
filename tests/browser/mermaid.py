"""Mermaid itself, 12.3.0, once from npm into the user's cache folder by its hash; what shows the pictures on GitHub."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from local.toolchain.machine import cache_folder

VERSION = "12.3.0"
INTEGRITY = "sha512-4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
SCRIPT = "package/dist/mermaid.min.js"


class CannotBeHad(Exception):
    """Why it is not here."""


def script() -> Path:
    """The path of its script. Raises `CannotBeHad` with the reason where it cannot be."""
    path = cache_folder() / "node" / f"mermaid-{VERSION}" / "mermaid.min.js"
    if not path.exists():
        _fetch(path)
    return path


def _fetch(path: Path) -> None:
    if not shutil.which("npm"):
        raise CannotBeHad("npm is not on this machine")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # One package without its dependencies, which its script holds.
        done = subprocess.run(
            ["npm", "pack", f"mermaid@{VERSION}", "--json", "--ignore-scripts", "--pack-destination", folder],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if " error " in line), "npm pack failed")
            raise CannotBeHad(f"its npm package cannot be had: {reason}")
        [packed] = json.loads(done.stdout)
        assert packed["integrity"] == INTEGRITY, f"mermaid {VERSION} is another one: {packed['integrity']}"
        with tarfile.open(Path(folder, packed["filename"])) as archive:
            archive.extract(SCRIPT, folder, filter="data")
        Path(folder, SCRIPT).replace(path)
