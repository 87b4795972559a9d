"""The project's Python environment `.venv`, from its pinned requirements."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from local.toolchain import debian_packages
from local.toolchain.commands import answer, run_logged
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.pins import version_numbers
from local.toolchain.progress import Progress

RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
INSTALL_SECONDS = 1800.0
_RECORD = "clerk-hasura.json"
_INTERPRETER = "interpreter"


class VenvStep(StrEnum):
    """What is done to have the environment."""

    USE = "use"
    INSTALL = "install what the requirements changed"
    CREATE = "create"
    INSTALL_VENV_MODULE = "install the venv module, then create"
    FAIL = "ask the user"


@dataclass(frozen=True, kw_only=True)
class VenvSituation:
    """What was found of the environment.

    :param python_version: of the interpreter that runs the set-up, e.g. `3.11.7`.
    :param works: `.venv` has an interpreter that is new enough, with pip.
    :param installed: content hash by requirements file, as of the last complete installation.
    :param wanted: content hash by requirements file, as they are now.
    """

    machine: Machine
    python_version: str
    minimum: str
    venv_module: bool
    works: bool
    installed: Mapping[str, str]
    wanted: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class VenvPlan:
    """What to do, and for FAIL what to tell the user."""

    step: VenvStep
    problem: str = ""


def venv_plan(situation: VenvSituation) -> VenvPlan:
    """Decide how the environment is had."""
    if situation.works:
        current = all(situation.installed.get(name) == sums for name, sums in situation.wanted.items())
        return VenvPlan(step=VenvStep.USE if current else VenvStep.INSTALL)
    if version_numbers(situation.python_version) < version_numbers(situation.minimum):
        return VenvPlan(
            step=VenvStep.FAIL,
            problem=f"Python {situation.python_version} is too old. Install Python {situation.minimum} or "
            "newer and run this with it, e.g. `make up PYTHON=python3.13`.",
        )
    if situation.venv_module:
        return VenvPlan(step=VenvStep.CREATE)
    if situation.machine.root and situation.machine.debian:
        return VenvPlan(step=VenvStep.INSTALL_VENV_MODULE)
    remedy = (
        "Run `sudo apt-get install python3-venv`, then run this again."
        if situation.machine.debian
        else "Install your distribution's package of Python's venv module, then run this again."
    )
    return VenvPlan(step=VenvStep.FAIL, problem=f"This Python has no venv module with ensurepip. {remedy}")


def python_of(project: Path) -> Path:
    """Give the path of the environment's interpreter."""
    return project / ".venv" / "bin" / "python"


def requirement_files(project: Path, *, development: bool) -> list[Path]:
    """Give the files that are installed from."""
    names = (RUNTIME, DEVELOPMENT) if development else (RUNTIME,)
    return [project / name for name in names]


def _sums(files: Sequence[Path]) -> dict[str, str]:
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise ToolchainError(f"Missing: {', '.join(missing)}. Restore it with `git checkout`.")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def look(project: Path, machine: Machine, minimum: str, *, development: bool) -> VenvSituation:
    """Look at `.venv` and at the interpreter that runs this; starts no process where all is in place."""
    python = python_of(project)
    record = _record(project)
    return VenvSituation(
        machine=machine,
        python_version=".".join(str(number) for number in sys.version_info[:3]),
        minimum=minimum,
        venv_module=all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
        works=os.access(python, os.X_OK) and (bool(record) or _has_pip(python, minimum)),
        installed=record,
        wanted=_sums(requirement_files(project, development=development)),
    )


def _record(project: Path) -> dict[str, str]:
    try:
        text = (project / ".venv" / _RECORD).read_text(encoding="utf-8")
    except OSError:
        return {}
    record = {str(name): str(sums) for name, sums in json.loads(text).items()}
    # After an upgrade of the distribution's Python the link leads to another version, without the packages.
    return record if record.pop(_INTERPRETER, None) == _interpreter(project) else {}


def _interpreter(project: Path) -> str:
    return os.path.realpath(python_of(project))


def _has_pip(python: Path, minimum: str) -> bool:
    """Tell whether an environment that somebody else made, or that was left half-made, can be used."""
    program = "import pip, sys; print('.'.join(map(str, sys.version_info[:3])))"
    said = answer([str(python), "-c", program], timeout=30)
    return (
        said is not None and said.returncode == 0 and version_numbers(said.stdout) >= version_numbers(minimum)
    )


def prepare(project: Path, situation: VenvSituation, *, logs: Path, progress: Progress) -> None:
    """Do what `venv_plan` says. Raises ToolchainError; an environment that was begun here is then removed."""
    plan = venv_plan(situation)
    if plan.step is VenvStep.USE:
        return
    if plan.step is VenvStep.FAIL:
        raise ToolchainError(plan.problem)
    if plan.step is VenvStep.INSTALL_VENV_MODULE:
        debian_packages.install(["python3-venv"], log=logs / "apt-python.log", progress=progress)
    if plan.step is VenvStep.INSTALL:
        _install(project, situation, logs, progress)
        return
    folder = project / ".venv"
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
        raise ToolchainError(f"{folder} is not a Python environment. Move it away, then run this again.")
    try:
        with progress.step("Python environment: creating .venv"):
            run_logged(
                [sys.executable, "-m", "venv", "--clear", str(folder)],
                log=logs / "venv.log", progress=progress, what="Creating .venv", timeout=300,
            )  # fmt: skip
        _install(project, situation, logs, progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(project: Path, situation: VenvSituation, logs: Path, progress: Progress) -> None:
    options: list[str] = []
    for name in situation.wanted:
        options += ["--requirement", str(project / name)]
    with progress.step("Python environment: installing the pinned packages"):
        run_logged(
            [
                str(python_of(project)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
                "--require-hashes", *options,
            ],
            log=logs / "pip.log", progress=progress, what="Installing the Python packages",
            timeout=INSTALL_SECONDS,
        )  # fmt: skip
    record = {**situation.installed, **situation.wanted}
    if situation.installed.get(RUNTIME) != situation.wanted.get(RUNTIME):
        # The development packages were chosen to fit the former ones.
        record = dict(situation.wanted)
    file = project / ".venv" / _RECORD
    partial = file.with_suffix(f".{os.getpid()}")
    text = json.dumps({_INTERPRETER: _interpreter(project), **record}, indent=2)
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(file)
