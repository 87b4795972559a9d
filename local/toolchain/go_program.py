"""Programs from Go modules of the project, for containers: built once, and kept in the cache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from local.toolchain import golang, pins
from local.toolchain.builds import BUILD_SECONDS, check_space
from local.toolchain.commands import run_logged
from local.toolchain.machine import this_machine
from local.toolchain.progress import Progress
from local.toolchain.store import Store, digest

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build(
    module: Path,
    name: str,
    *,
    package: str = ".",
    tags: Sequence[str] = (),
    architecture: str,
    system: str = "linux",
    cache: Path,
    progress: Progress,
) -> Path:
    """Give the folder with the program `name`, built from `package` of the module in the folder `module`.

    `tags` are Go's build tags. `architecture` is the processor's as `uname -m` says it (Docker says amd64 and arm64
    on some systems). Raises ToolchainError with the compiler's last lines, or with what is missing to build.
    """
    target = _ARCHITECTURES.get(architecture, architecture)
    store = Store(cache)
    decided = " ".join([digest(module), package, system, target, *tags])
    key = hashlib.sha256(decided.encode()).hexdigest()[:12]
    artifact = f"{name}-go-{key}"
    if (found := store.get(artifact)) is None:
        check_space(cache)
        settings = pins.load()
        go = golang.obtain(
            this_machine(), settings, golang.required(module), logs=store.logs, progress=progress
        )
        begun = time.monotonic()
        with (
            progress.step(f"{name}: building it from Go modules (some minutes)"),
            store.making(artifact) as making,
        ):
            run_logged(
                [
                    go.command, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
                    *(["-tags", ",".join(tags)] if tags else []),
                    "-o", str(making.made / name), package,
                ],
                log=store.logs / f"{artifact}.log", progress=progress, what=f"Building {name}",
                timeout=BUILD_SECONDS, folder=module,
                environment={**go.environment, "GOOS": system, "GOARCH": target},
            )  # fmt: skip
            making.finish(version=key, source=f"built from Go modules ({time.monotonic() - begun:.0f} s)")
        found = store.get(artifact)
    assert found is not None  # noqa: S101 (`making` has just put it there)
    return found.folder
