"""A release server on loopback, a store and a machine for the toolchain's tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.toolchain.machine import Machine
from local.toolchain.progress import Progress
from local.toolchain.store import Store
from tests.toolchain.release_server import FAKE_CLI, ReleaseServer, archive_of, serving


@pytest.fixture(autouse=True)
def _a_machine_without_this_projects_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test` runs with the local stack's variables; a machine that is set up has none of them yet."""
    for name in list(os.environ):
        if name.startswith("PULUMI_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as offered:
        yield offered


@pytest.fixture
def cli_archive() -> bytes:
    return archive_of({"pulumi/pulumi": FAKE_CLI, "pulumi/pulumi-language-python": "#!/bin/sh\n"})


@pytest.fixture
def machine() -> Machine:
    return Machine(system="linux", architecture="x64", root=False, debian=True, systemd=True)


@pytest.fixture
def progress() -> Progress:
    return Progress(io.StringIO(), live=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")
