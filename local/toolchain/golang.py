"""Go, for what is built here: the machine's, or a newer one that it fetches as a Go module."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.toolchain import debian_packages
from local.toolchain.commands import answer, run_logged
from local.toolchain.decisions import GoStep, go_step
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.pins import Pins, version_numbers
from local.toolchain.progress import Progress

FETCH_SECONDS = 900.0
_USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/opt/homebrew/bin")


@dataclass(frozen=True, kw_only=True)
class Go:
    """A Go command and the variables with which it builds."""

    command: str
    environment: Mapping[str, str]


def find() -> tuple[str, str] | None:
    """Give the path and the version of the machine's Go, or None."""
    search = os.pathsep.join((os.environ.get("PATH", ""), *_USUAL_PLACES))
    command = shutil.which("go", path=search)
    if command is None:
        return None
    # GOTOOLCHAIN=local: the question is what is installed, not what a go.mod nearby would have it fetch.
    said = answer([command, "version"], timeout=20, environment={**os.environ, "GOTOOLCHAIN": "local"})
    found = re.search(r"\bgo(\d[\d.]*)", said.stdout) if said is not None and said.returncode == 0 else None
    return (command, found[1]) if found else None


def required(module_folder: Path) -> str:
    """Give the Go version that a module's go.mod asks for."""
    text = (module_folder / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"(?m)^go\s+(\S+)", text)
    if found is None:
        raise ToolchainError(f"{module_folder / 'go.mod'} names no Go version.")
    return found[1]


def obstacle(machine: Machine, pins: Pins, needed: str) -> str | None:
    """Say why nothing can be built with Go here; None where it can."""
    found = find()
    version = found[1] if found else None
    if go_step(version, required=needed, minimum=pins.go_minimum, machine=machine) is not None:
        return None
    have = f"Go {version} is too old" if version else "Go is not installed"
    return f"{have}; install Go {pins.go_minimum} or newer (https://go.dev/doc/install)"


def obtain(machine: Machine, pins: Pins, needed: str, *, logs: Path, progress: Progress) -> Go:
    """Give a Go that can build modules which ask for version `needed`.

    Raises ToolchainError with what to install where there is none.
    """
    found = find()
    step = go_step(found[1] if found else None, required=needed, minimum=pins.go_minimum, machine=machine)
    if step is GoStep.INSTALL:
        debian_packages.install(["golang-go", "ca-certificates"], log=logs / "apt-go.log", progress=progress)
        found = find()
        step = go_step(found[1] if found else None, required=needed, minimum=pins.go_minimum, machine=machine)
    if found is None or step is None:
        raise ToolchainError(f"Nothing can be built: {obstacle(machine, pins, needed)}.")
    command, version = found
    environment = {
        **os.environ,
        # What a user's shell sets for other projects must not change this build.
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
    }
    for variable in ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT"):
        environment.pop(variable, None)
    if step is GoStep.USE:
        return Go(command=command, environment=environment)
    if version_numbers(version) >= version_numbers(pins.go_minimum):
        return Go(command=command, environment={**environment, "GOTOOLCHAIN": f"go{pins.go_toolchain}"})
    return _fetched(Go(command=command, environment=environment), machine, pins, logs=logs, progress=progress)


def _fetched(old: Go, machine: Machine, pins: Pins, *, logs: Path, progress: Progress) -> Go:
    """Fetch a Go toolchain as the module that it is (https://go.dev/ref/mod#golang-org-toolchain).

    For a Go that is too old to do it by itself. Modules carry no executable bits, so they are set here.
    """
    module = f"golang.org/toolchain@v0.0.1-go{pins.go_toolchain}.{machine.go_name}"
    log = logs / "go-toolchain.log"
    work = logs / "go-toolchain"
    work.mkdir(parents=True, exist_ok=True)
    (work / "go.mod").write_text("module toolchain\n", encoding="utf-8")
    fetch = {**old.environment, "GOFLAGS": "-mod=mod"}
    with progress.step(f"Go {pins.go_toolchain}: fetching it as a Go module"):
        run_logged(
            [old.command, "mod", "download", "-json", module],
            log=log, progress=progress, what=f"Fetching {module}", timeout=FETCH_SECONDS,
            folder=work, environment=fetch,
        )  # fmt: skip
    text = log.read_text(encoding="utf-8")
    folder = Path(json.loads(text[text.index("{") :])["Dir"])
    for file in (*folder.glob("bin/*"), *folder.glob("pkg/tool/*/*")):
        if not os.access(file, os.X_OK):
            # The module cache is read-only by Go's choice.
            file.chmod(0o755)
    return Go(command=str(folder / "bin" / "go"), environment={**old.environment, "GOROOT": str(folder)})
