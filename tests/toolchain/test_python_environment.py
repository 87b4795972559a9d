"""The project's Python environment, made for real from requirements that need no index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.toolchain import python_environment
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.progress import Progress
from local.toolchain.python_environment import VenvSituation, VenvStep, python_of, venv_plan

NEEDS_THE_IMPOSSIBLE = "./absent-0.0.0-py3-none-any.whl --hash=sha256:" + "0" * 64 + "\n"


def look(project: Path, machine: Machine, *, development: bool = False) -> VenvSituation:
    return python_environment.look(project, machine, "3.11", development=development)


def step(project: Path, machine: Machine, *, development: bool = False) -> VenvStep:
    return venv_plan(look(project, machine, development=development)).step


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "requirements.txt").write_text("# nothing\n")
    (folder / "requirements-dev.txt").write_text("# nothing either\n")
    return folder


def test_the_environment_is_made_once_and_follows_its_requirements(
    project: Path, machine: Machine, progress: Progress, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    assert step(project, machine) is VenvStep.CREATE
    python_environment.prepare(project, look(project, machine), logs=logs, progress=progress)
    assert step(project, machine) is VenvStep.USE
    # Tests need more than the project itself does.
    assert step(project, machine, development=True) is VenvStep.INSTALL
    python_environment.prepare(
        project, look(project, machine, development=True), logs=logs, progress=progress
    )
    assert step(project, machine, development=True) is VenvStep.USE
    assert step(project, machine) is VenvStep.USE

    (project / "requirements.txt").write_text(NEEDS_THE_IMPOSSIBLE)
    assert step(project, machine) is VenvStep.INSTALL
    with pytest.raises(ToolchainError, match=r"(?s)Installing the Python packages failed.*absent-0\.0\.0"):
        python_environment.prepare(project, look(project, machine), logs=logs, progress=progress)
    # What worked before is kept, and the next run tries again.
    assert python_of(project).exists()
    assert step(project, machine) is VenvStep.INSTALL

    (project / "requirements.txt").write_text("# other words\n")
    python_environment.prepare(project, look(project, machine), logs=logs, progress=progress)
    assert step(project, machine) is VenvStep.USE
    # The development packages were chosen to fit the former ones.
    assert step(project, machine, development=True) is VenvStep.INSTALL

    record = project / ".venv" / "clerk-hasura.json"
    noted = json.loads(record.read_text())
    record.write_text(json.dumps({**noted, "interpreter": "/usr/bin/python3.10"}))
    # Its interpreter became another one: only what runs can be trusted, and its packages are unknown.
    assert step(project, machine) is VenvStep.INSTALL
    python_of(project).unlink()
    assert step(project, machine) is VenvStep.CREATE


def test_an_environment_that_could_not_be_filled_is_removed(
    project: Path, machine: Machine, progress: Progress, tmp_path: Path
) -> None:
    (project / "requirements.txt").write_text(NEEDS_THE_IMPOSSIBLE)
    with pytest.raises(ToolchainError, match="Installing the Python packages failed"):
        python_environment.prepare(project, look(project, machine), logs=tmp_path / "logs", progress=progress)
    assert not (project / ".venv").exists()


def test_what_is_no_environment_is_never_removed(
    project: Path, machine: Machine, progress: Progress, tmp_path: Path
) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / "precious").write_text("x")
    with pytest.raises(ToolchainError, match=r"is not a Python environment\. Move it away"):
        python_environment.prepare(project, look(project, machine), logs=tmp_path / "logs", progress=progress)
    assert (project / ".venv" / "precious").exists()


def test_a_missing_requirements_file_is_named(project: Path, machine: Machine) -> None:
    (project / "requirements.txt").unlink()
    with pytest.raises(ToolchainError, match=r"Missing: .*requirements\.txt"):
        look(project, machine)
