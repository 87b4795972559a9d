"""Packages of the distribution, on Debian and its relatives, as root."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from local.toolchain.commands import run_logged
from local.toolchain.progress import Progress

INSTALL_SECONDS = 900.0
# Another apt-get may be running, for example the nightly one.
_LOCK = ("-o", "DPkg::Lock::Timeout=120")


def install(packages: Sequence[str], *, log: Path, progress: Progress) -> None:
    """Install packages without asking. Raises ToolchainError with apt-get's last lines."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    names = " ".join(packages)
    with progress.step(f"installing {names} from the distribution"):
        for command in (
            ["apt-get", *_LOCK, "update"],
            ["apt-get", *_LOCK, "install", "--yes", "--no-install-recommends", *packages],
        ):
            run_logged(
                command, log=log, progress=progress, what=f"`apt-get` for {names}", timeout=INSTALL_SECONDS,
                environment=environment,
            )  # fmt: skip
