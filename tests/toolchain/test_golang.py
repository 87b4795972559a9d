"""Go: the machine's, one that it fetches, or what to install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.toolchain import golang, pins
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.progress import Progress

NEEDED = "1.25.11"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to put a Go; nothing else of the machine's is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(golang, "_USUAL_PLACES", ())
    return folder / "go"


def says(go: Path, version: str, more: str = "") -> None:
    go.write_text(
        f'#!/bin/sh\nif [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit; fi\n{more}'
    )
    go.chmod(0o755)


def obtain(machine: Machine, tmp_path: Path, progress: Progress) -> golang.Go:
    return golang.obtain(machine, pins.load(), NEEDED, logs=tmp_path / "logs", progress=progress)


def test_a_go_that_is_new_enough_builds_as_it_is(
    go: Path, machine: Machine, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(go, "1.26.8")
    for name, value in (
        ("GOFLAGS", "-mod=vendor"),
        ("GOOS", "plan9"),
        ("GOWORK", "/work.go"),
        ("GOPROXY", "https://mirror.test"),
    ):
        monkeypatch.setenv(name, value)
    found = obtain(machine, tmp_path, progress)
    assert found.command == str(go)
    assert found.environment["GOTOOLCHAIN"] == "local"
    # What other projects need is left out, what the network needs is kept.
    assert found.environment["GOFLAGS"] == "-mod=readonly"
    assert found.environment["GOWORK"] == "off"
    assert "GOOS" not in found.environment
    assert found.environment["GOPROXY"] == "https://mirror.test"


def test_an_older_go_is_told_which_one_to_fetch(
    go: Path, machine: Machine, tmp_path: Path, progress: Progress
) -> None:
    says(go, "1.24.4")
    assert obtain(machine, tmp_path, progress).environment["GOTOOLCHAIN"] == f"go{pins.load().go_toolchain}"


def test_a_go_that_cannot_switch_fetches_the_module_by_name(
    go: Path, machine: Machine, tmp_path: Path, progress: Progress
) -> None:
    fetched = tmp_path / "modules" / "toolchain"
    for file in (fetched / "bin" / "go", fetched / "pkg" / "tool" / "linux_amd64" / "compile"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
    says(go, "1.19.8", f'echo "$@" >&2\necho \'{{"Dir": "{fetched}"}}\'\n')
    found = golang._fetched(
        golang.Go(command=str(go), environment=os.environ),
        machine,
        pins.load(),
        logs=tmp_path / "logs",
        progress=progress,
    )
    assert found.command == str(fetched / "bin" / "go")
    assert found.environment["GOROOT"] == str(fetched)
    # Modules carry no executable bits.
    assert os.access(fetched / "pkg" / "tool" / "linux_amd64" / "compile", os.X_OK)
    asked = (tmp_path / "logs" / "go-toolchain.log").read_text()
    assert f"golang.org/toolchain@v0.0.1-go{pins.load().go_toolchain}.linux-amd64" in asked


@pytest.mark.parametrize("version", [None, "1.19.8"])
def test_without_a_go_that_can_build_the_remedy_is_named(
    go: Path, machine: Machine, tmp_path: Path, progress: Progress, version: str | None
) -> None:
    if version is not None:
        says(go, version)
    obstacle = golang.obstacle(machine, pins.load(), NEEDED)
    assert obstacle is not None
    assert "install Go 1.21 or newer" in obstacle
    with pytest.raises(ToolchainError, match=r"https://go\.dev/doc/install"):
        obtain(machine, tmp_path, progress)
