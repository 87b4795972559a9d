"""actionlint, built from its Go module: its releases are on GitHub alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from local.toolchain import golang, pins
from local.toolchain.commands import run_logged
from local.toolchain.machine import cache_folder, this_machine
from local.toolchain.progress import Progress
from local.toolchain.store import Store, digest

MODULE: Final = Path(__file__).with_name("go-actionlint")
PACKAGE: Final = "github.com/rhysd/actionlint/cmd/actionlint"


def binary() -> Path:
    """Gives the executable, built where it is not there yet (half a minute).

    :raises ToolchainError: where it cannot be built; the text says why.
    """
    store, machine, settings = Store(cache_folder()), this_machine(), pins.load()
    found = re.search(r"(?m)rhysd/actionlint v(\S+)", (MODULE / "go.mod").read_text(encoding="utf-8"))
    version = found[1] if found else "unknown"
    name = f"actionlint-{version}-built-{digest(MODULE)}-{machine.release_name}"
    if (artifact := store.get(name)) is not None:
        return artifact.folder / "actionlint"
    progress = Progress()
    with store.lock(progress), store.making(name) as making:
        go = golang.obtain(machine, settings, golang.required(MODULE), logs=store.logs, progress=progress)
        with progress.step(f"actionlint {version}: building it from Go modules"):
            run_logged(
                [go.command, "build", "-trimpath", "-o", str(making.made / "actionlint"), PACKAGE],
                log=store.logs / "actionlint.log", progress=progress, what="Building actionlint", timeout=900,
                folder=MODULE, environment=go.environment,
            )  # fmt: skip
        making.finish(version=version, source="built from Go modules")
    artifact = store.get(name)
    assert artifact is not None  # noqa: S101 (`making` has just put it there)
    return artifact.folder / "actionlint"
