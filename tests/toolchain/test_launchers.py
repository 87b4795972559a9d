"""The launchers on PATH: whose Python they run, wherever they were installed from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from local.toolchain.inventory import LAUNCHERS


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the launchers, as the cache has it."""
    return Path(shutil.copytree(LAUNCHERS, tmp_path / "cache" / "bin"))


def project(folder: Path, *, plugin: bool = True) -> Path:
    """A working copy whose Python says which it is, in which folder it runs, and what it was given."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "{folder} $PWD ${{PYTHONPATH:-}} $*"\n')
    python.chmod(0o755)
    if plugin:
        (folder / "local/toolchain/pulumi_resource_postgresql").mkdir(parents=True)
    return folder


def run(launcher: Path, cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [launcher, *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_project_that_the_cli_runs_in_decides(installed: Path, tmp_path: Path) -> None:
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    for folder in (one, two):
        said = run(
            installed / "pulumi-resource-postgresql", folder, "engine:1", CLERK_HASURA_PROJECT=str(one)
        )
        assert said.stdout.split() == [
            str(folder),
            str(folder),
            str(folder),
            "-u",
            "-m",
            "local.toolchain.pulumi_resource_postgresql",
            "engine:1",
        ]


def test_a_project_may_move(installed: Path, tmp_path: Path) -> None:
    moved = project(tmp_path / "before").rename(tmp_path / "with a space")
    (moved / ".venv/bin/python").write_text('#!/bin/sh\necho "moved $*"\n')
    said = run(installed / "pulumi-resource-pulumi-python", moved, "engine:1")
    assert said.stdout == "moved -u -m pulumi.dynamic engine:1\n"


def test_a_folder_within_the_project_will_do(installed: Path, tmp_path: Path) -> None:
    deep = project(tmp_path / "one") / "policy" / "deep"
    deep.mkdir(parents=True)
    assert run(installed / "pulumi-resource-pulumi-python", deep).stdout.startswith(str(tmp_path / "one"))


def test_a_program_elsewhere_uses_the_named_project(installed: Path, tmp_path: Path) -> None:
    named = project(tmp_path / "one")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = run(installed / "pulumi-resource-postgresql", elsewhere, CLERK_HASURA_PROJECT=str(named))
    assert said.stdout.split()[:3] == [str(named), str(elsewhere), str(named)]


def test_another_project_with_an_environment_of_its_own_borrows_the_plugin(
    installed: Path, tmp_path: Path
) -> None:
    named, other = project(tmp_path / "one"), project(tmp_path / "other", plugin=False)
    said = run(
        installed / "pulumi-resource-postgresql", other, CLERK_HASURA_PROJECT=str(named), PYTHONPATH="/x"
    )
    assert said.stdout.split()[:3] == [str(other), str(other), f"{named}:/x"]


def test_the_virtualenv_option_of_the_program_comes_first(installed: Path, tmp_path: Path) -> None:
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    said = run(installed / "pulumi-resource-pulumi-python", one, PULUMI_RUNTIME_VIRTUALENV=str(two / ".venv"))
    assert said.stdout.startswith(str(two))


def test_the_language_host_keeps_its_own_folder_out_of_the_search_path(
    installed: Path, tmp_path: Path
) -> None:
    one = project(tmp_path / "one")
    said = run(installed / "pulumi-language-python", one, "engine:1")
    assert said.stdout.split()[2:] == ["-P", "-u", str(installed / "language_host.py"), "engine:1"]


def test_without_any_environment_the_remedy_is_named(installed: Path, tmp_path: Path) -> None:
    for launcher in ("pulumi-language-python", "pulumi-resource-pulumi-python", "pulumi-resource-postgresql"):
        said = run(installed / launcher, tmp_path)
        assert said.returncode == 1
        assert said.stderr == (
            f"{launcher}: no Python environment: run 'python3 -m local.toolchain setup' in the project\n"
        )
