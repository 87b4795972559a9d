"""Throwaway containers for tests."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

DEADLINE_SECONDS = 60


def docker(*arguments: str, check: bool = True) -> str:
    """Run a docker command and give its standard output."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {result.stderr}")
    return result.stdout.strip()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A running or stopped container."""

    name: str

    def port(self, internal: int) -> int:
        """The port of the loopback address that `internal` is published on."""
        return int(docker("port", self.name, str(internal)).splitlines()[0].rpartition(":")[2])

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside and give its standard output."""
        return docker("exec", self.name, *command, check=check)

    def logs(self) -> str:
        """Both streams of the container's output."""
        result = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=True)
        return result.stdout + result.stderr

    def state(self, field: str) -> str:
        """A field of the container's state: Running, ExitCode."""
        return docker("inspect", "--format", f"{{{{.State.{field}}}}}", self.name)

    def accepts_tcp(self) -> bool:
        """Whether PostgreSQL answers over TCP inside the container."""
        return (
            subprocess.run(
                ["docker", "exec", self.name, "pg_isready", "--quiet", "--host=127.0.0.1"],
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )


@contextmanager
def container(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[Container]:
    """Run a container in the background, and remove it with its anonymous volumes."""
    started = Container(name=f"test-images-{uuid.uuid4().hex[:10]}")
    docker("run", "--detach", "--name", started.name, *options, image, *command)
    try:
        yield started
    finally:
        docker("rm", "--force", "--volumes", started.name)


@contextmanager
def volume() -> Iterator[str]:
    """Make a named volume and remove it."""
    name = f"test-images-{uuid.uuid4().hex[:10]}"
    docker("volume", "create", name)
    try:
        yield name
    finally:
        docker("volume", "rm", name)
