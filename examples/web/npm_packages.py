"""The page's npm packages, installed by the lock file's hashes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from local.toolchain import cache_folder
from local.toolchain.commands import answer, run_logged
from local.toolchain.debian_packages import install
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import this_machine
from local.toolchain.progress import Progress

FOLDER = Path(__file__).resolve().parent
INSTALL_SECONDS = 600.0
_ANSWER_SECONDS = 30.0


def ensure(progress: Progress, folder: Path = FOLDER) -> None:
    """Have Node.js, npm and node_modules. Raises ToolchainError, which says what to do."""
    _ensure_node(progress, folder)
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    mark = folder / "node_modules" / ".installed-from"
    if mark.is_file() and mark.read_text() == lock:
        return
    with progress.step("installing the page's npm packages"):
        # Nothing that a package brings is run at its installation.
        run_logged(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            log=cache_folder() / "logs" / "npm-web.log", progress=progress, what="`npm ci` in examples/web",
            timeout=INSTALL_SECONDS, folder=folder, environment=os.environ,
        )  # fmt: skip
    mark.write_text(lock)


def _ensure_node(progress: Progress, folder: Path) -> None:
    machine = this_machine()
    if not (shutil.which("node") and shutil.which("npm")) and machine.debian and machine.root:
        install(["nodejs", "npm"], log=cache_folder() / "logs" / "apt-node.log", progress=progress)
    oldest = int(re.sub(r"\D", "", json.loads((folder / "package.json").read_text())["engines"]["node"]))
    version = answer(["node", "--version"], timeout=_ANSWER_SECONDS)
    if version is None or shutil.which("npm") is None:
        raise ToolchainError(
            f"The page needs Node.js {oldest} or newer with npm. Install them, e.g. `apt-get install nodejs "
            "npm` or `brew install node`."
        )
    found = version.stdout.strip()
    if int(found.removeprefix("v").split(".")[0]) < oldest:
        raise ToolchainError(
            f"The page needs Node.js {oldest} or newer; `node` here is {found}. Install a newer one."
        )
