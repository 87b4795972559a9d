"""A Docker host of its own for tests that make one a swarm, in a network of its own.

`python -m tests.swarm_host COMMAND...` runs the command with such a host and takes the host away again. When a host
leaves a swarm, Docker forgets the names of the containers in all of its networks, so the one on which other stacks run
is not made a swarm and taken out of it. Needs root and `dockerd`; elsewhere the command runs with the Docker that is
there, and the tests use its swarm if it is in one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from local import images
from local.images import recipes
from local.images.decisions import Part
from local.images.supply import ConfiguredImages, ensure
from tests.images.containers import docker, wait_for
from tests.load import generator

ROOT: Final = Path(__file__).resolve().parents[1]
OWN: Final = "SWARM_HOST"
"""Environment variable: set where the Docker host is the tests' own."""
_INSIDE: Final = "--inside"
_NO_HOST: Final = 100
"""Exit code inside where the daemon did not start; pytest has none above 5."""


class NoHost(Exception):
    """The daemon did not start. The text is the end of its log."""


def is_own() -> bool:
    """Whether this process has a Docker host of its own."""
    return bool(os.environ.get(OWN))


def hindrance(*, linux: bool, root: bool, has: Callable[[str], bool]) -> str:
    """Why there can be no Docker host of its own here; empty if there can. Pure."""
    missing = [program for program in ("dockerd", "unshare") if not has(program)]
    if not linux:
        return "this is not Linux"
    if not root:
        return "that takes root"
    return f"there is no {' and no '.join(missing)}" if missing else ""


def main(arguments: list[str]) -> int:
    """Runs the command; gives its exit code."""
    if arguments[0] == _INSIDE:
        return _inside(Path(arguments[1]), arguments[2:])
    why = hindrance(
        linux=sys.platform == "linux", root=os.geteuid() == 0, has=lambda program: bool(shutil.which(program))
    )
    if why:
        print(f"No Docker host of their own for tests of a swarm: {why}.", flush=True)
        return subprocess.run(arguments, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="swarm-host-") as folder:
        archive = Path(folder) / "images.tar"
        # There is no way out of the other network.
        generator.program()
        docker("save", "--output", str(archive), *_images())
        inside = [sys.executable, "-m", "tests.swarm_host", _INSIDE, folder, *arguments]
        code = subprocess.run(["unshare", "--net", *inside], cwd=ROOT, check=False).returncode
    return code if code != _NO_HOST else subprocess.run(arguments, check=False).returncode


def _images() -> set[str]:
    """All that a stack with replicas consists of."""
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    ensure(ConfiguredImages(postgres="", hasura=""), parts=("caddy",), progress=_tell)
    configured: tuple[tuple[Part, str], ...] = (
        ("postgres", config["postgresImage"]["default"]),
        ("hasura", config["hasuraImage"]["default"]),
        ("stand-ins", ""),
        ("caddy", ""),
    )
    wanted = set()
    for part, name in configured:
        found = images.resolve(name, part)
        wanted |= {found.image, recipes.chosen_tag(part, name)} if found.stand_in and name else {found.image}
    for image in wanted:
        if not docker("image", "ls", "--quiet", image):
            docker("pull", "--quiet", image)
    return wanted


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)


def _inside(folder: Path, command: list[str]) -> int:
    _raise_loopback()
    try:
        with _daemon(folder) as host:
            os.environ |= {"DOCKER_HOST": host, OWN: "1"}
            docker("load", "--quiet", "--input", str(folder / "images.tar"))
            return subprocess.run(command, check=False).returncode
    except NoHost as error:
        print(
            f"No Docker host of their own for tests of a swarm: dockerd does not start.\n{error}", flush=True
        )
        return _NO_HOST


def _raise_loopback() -> None:
    """Brings up `lo`, which is down in a new network (netdevice(7))."""
    name, get_flags, set_flags, up = b"lo", 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, get_flags, struct.pack("16sH14x", name, 0))
        flags = struct.unpack("16sH14x", answer)[1]
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14x", name, flags | up))


@contextmanager
def _daemon(folder: Path) -> Iterator[str]:
    """A daemon that shares nothing with another one; gives its address."""
    endpoint, log = folder / "docker.sock", folder / "dockerd.log"
    options = {
        "data-root": folder / "data",
        "exec-root": folder / "run",
        "pidfile": folder / "dockerd.pid",
        "host": f"unix://{endpoint}",
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["dockerd", *(f"--{name}={value}" for name, value in options.items())],
            stdout=output,
            stderr=subprocess.STDOUT,
            # An interrupt is for the command; the daemon is ended after it.
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_for(lambda: process.poll() is not None or endpoint.exists(), "the Docker daemon listens")
            if process.poll() is not None:
                raise NoHost(log.read_text(errors="replace")[-2000:])
            yield f"unix://{endpoint}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
