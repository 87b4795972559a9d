"""Docker found, started, or asked for; with programs that stand for the docker command and the daemon."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.toolchain import docker_engine
from local.toolchain.decisions import DockerStep, DockerTrouble, docker_plan
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.progress import Progress
from tests.toolchain.test_commands import is_running

CLIENT = """#!/bin/sh
if [ -e {socket} ]; then echo 28.0.1; exit 0; fi
echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
exit 1
"""
DAEMON = "#!/bin/sh\necho $$ > {note}\necho starting\ntouch {socket}\nexec sleep 300\n"


@dataclass
class FakeDocker:
    """A machine with (parts of) Docker."""

    folder: Path
    machine: Machine

    def program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(text.format(socket=self.folder / "socket", note=self.folder / "process"))
        file.chmod(0o755)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDocker]:
    (tmp_path / "bin").mkdir()
    programs = tmp_path / "usual"
    programs.mkdir()
    # What scripts need, and nothing of a Docker that this machine may have.
    for name in ("sh", "sleep", "touch"):
        found = next(Path(folder, name) for folder in ("/bin", "/usr/bin") if Path(folder, name).exists())
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{programs}")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    yield FakeDocker(
        tmp_path, Machine(system="linux", architecture="x64", root=True, debian=False, systemd=False)
    )
    note = tmp_path / "process"
    if note.exists() and is_running(int(note.read_text())):
        os.kill(int(note.read_text()), signal.SIGKILL)


def test_a_daemon_that_answers_is_used(fake: FakeDocker, progress: Progress, tmp_path: Path) -> None:
    fake.program("docker", "#!/bin/sh\necho 28.0.1\n")
    found = docker_engine.look(fake.machine, "20.10")
    assert found.server_version == "28.0.1"
    assert docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress) == "on this machine"


def test_no_docker_command(fake: FakeDocker) -> None:
    assert docker_engine.look(fake.machine, "20.10").trouble is DockerTrouble.NO_CLIENT


def test_a_client_without_a_daemon(fake: FakeDocker) -> None:
    fake.program("docker", CLIENT)
    found = docker_engine.look(fake.machine, "20.10")
    assert (found.trouble, found.daemon_installed) == (DockerTrouble.SILENT, False)
    assert "Is the docker daemon running?" in found.words


def test_a_socket_of_somebody_else(fake: FakeDocker) -> None:
    fake.program("docker", "#!/bin/sh\necho 'Got permission denied while trying to connect' >&2\nexit 1\n")
    assert docker_engine.look(fake.machine, "20.10").trouble is DockerTrouble.PERMISSION


def test_a_daemon_that_the_user_names_is_never_replaced(
    fake: FakeDocker, monkeypatch: pytest.MonkeyPatch, progress: Progress, tmp_path: Path
) -> None:
    fake.program("docker", CLIENT)
    fake.program("dockerd", DAEMON)
    monkeypatch.setenv("DOCKER_HOST", "tcp://far.test:2375")
    found = docker_engine.look(fake.machine, "20.10")
    with pytest.raises(ToolchainError, match=r"DOCKER_HOST=tcp://far\.test:2375"):
        docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress)
    assert not (tmp_path / "process").exists()


def test_an_installed_daemon_is_started_and_outlives_the_set_up(
    fake: FakeDocker, progress: Progress, tmp_path: Path
) -> None:
    fake.program("docker", CLIENT)
    fake.program("dockerd", DAEMON)
    found = docker_engine.look(fake.machine, "20.10")
    assert docker_plan(found).step is DockerStep.START
    assert docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress) == "started"
    process = int((tmp_path / "process").read_text())
    assert is_running(process)
    # A session of its own: an interrupt at the terminal does not reach it.
    assert os.getsid(process) == process != os.getsid(0)
    assert (tmp_path / "logs" / "dockerd.log").read_text() == "starting\n"


def test_another_daemon_that_is_starting_is_waited_for(
    fake: FakeDocker, progress: Progress, tmp_path: Path
) -> None:
    fake.program("docker", CLIENT)
    fake.program("dockerd", "#!/bin/sh\n(sleep 1; touch {socket}) &\necho 'pid file found'\nexit 1\n")
    found = docker_engine.look(fake.machine, "20.10")
    assert docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress) == "started"


def test_a_daemon_that_ends_at_once_shows_why(
    fake: FakeDocker, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_engine, "OTHER_DAEMON_SECONDS", 0.2)
    fake.program("docker", CLIENT)
    fake.program("dockerd", "#!/bin/sh\necho 'failed to start daemon: iptables not found' >&2\nexit 1\n")
    found = docker_engine.look(fake.machine, "20.10")
    with pytest.raises(ToolchainError) as caught:
        docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress)
    assert "was started and ended" in str(caught.value)
    assert "  failed to start daemon: iptables not found" in str(caught.value)
    assert str(tmp_path / "logs" / "dockerd.log") in str(caught.value)


def test_a_daemon_that_never_answers_is_given_up(
    fake: FakeDocker, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.program("docker", CLIENT)
    fake.program("dockerd", "#!/bin/sh\necho $$ > {note}\nexec sleep 300\n")
    monkeypatch.setattr(docker_engine, "START_SECONDS", 1.0)
    found = docker_engine.look(fake.machine, "20.10")
    with pytest.raises(ToolchainError, match="gave no answer within 1 s"):
        docker_engine.prepare(found, logs=tmp_path / "logs", progress=progress)
