"""The machine's facts, the cache folder, what is on PATH."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from local.toolchain import docker_engine, machine
from local.toolchain.errors import ToolchainError

RELEASES = [
    ('ID=debian\nVERSION_ID="13"\n', True),
    ("ID=ubuntu\nID_LIKE=debian\n", True),
    ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
    ('ID="fedora"\n', False),
    ("PRETTY_NAME=debianish\nID=arch\n", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "expected"), RELEASES)
def test_debian_and_its_relatives_are_known_by_os_release(text: str, expected: bool) -> None:
    assert machine._is_debian(text) is expected


def test_the_cache_folder_is_the_systems_usual_one() -> None:
    home = {"HOME": "/home/u"}
    assert machine.cache_folder(home, "linux") == Path("/home/u/.cache/clerk-hasura")
    assert machine.cache_folder(home, "darwin") == Path("/home/u/Library/Caches/clerk-hasura")
    assert machine.cache_folder({**home, "XDG_CACHE_HOME": "/c"}, "linux") == Path("/c/clerk-hasura")
    assert machine.cache_folder({**home, "CLERK_HASURA_CACHE": "/own"}, "darwin") == Path("/own")


def test_platforms_are_spelt_as_the_releases_do() -> None:
    here = machine.Machine(system="darwin", architecture="x64", root=False, debian=False, systemd=False)
    assert (here.release_name, here.go_name) == ("darwin-x64", "darwin-amd64")


def test_an_unknown_platform_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ToolchainError, match="riscv64 is not supported"):
        machine.this_machine()


def executable(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_projects_own_tools_on_path_are_not_the_machines(tmp_path: Path) -> None:
    own, theirs = executable(tmp_path / "cache/x/pulumi"), executable(tmp_path / "usr/bin/pulumi")
    plain = tmp_path / "plain" / "pulumi"
    plain.parent.mkdir()
    plain.write_text("not executable")
    (tmp_path / "link").symlink_to(own.parent)
    search = os.pathsep.join(
        str(folder)
        for folder in (own.parent, tmp_path / "link", plain.parent, tmp_path / "absent", theirs.parent)
    )
    assert machine.find_on_path("pulumi", search, outside=[tmp_path / "cache"]) == theirs
    assert machine.find_on_path("pulumi", search, outside=[]) == own
    assert machine.find_on_path("absent", search, outside=[]) is None


def context(home: Path, name: str, host: str) -> None:
    import hashlib
    import json

    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_the_daemon_of_a_docker_context_is_told_to_pulumi(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert docker_engine.host_of_context(home) is None
    context(tmp_path, "colima", "unix:///home/u/.colima/docker.sock")
    assert docker_engine.host_of_context(home) == "unix:///home/u/.colima/docker.sock"
    assert docker_engine.host_of_context({**home, "DOCKER_HOST": "unix:///own"}) is None
    assert docker_engine.host_of_context({**home, "DOCKER_CONTEXT": "default"}) is None
    assert docker_engine.host_of_context({**home, "DOCKER_CONTEXT": "absent"}) is None


def test_a_context_with_certificates_of_its_own_is_left_to_the_user(tmp_path: Path) -> None:
    context(tmp_path, "far", "tcp://far.test:2376")
    assert docker_engine.host_of_context({"HOME": str(tmp_path)}) is None
