"""A Docker host that is reached by ssh: an sshd on a loopback port, with keys of its own, before this machine's Docker.

It runs in a container with this machine's network, so that it needs nothing installed and its loopback addresses are
those on which a stack's containers are published.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.docker_command import Docker
from components.volume_files import write_files
from tests.external_postgres.servers import postgres_image
from tests.free_ports import free_port
from tests.images.containers import container, volume, wait_for

HOST = "docker-host.test"

_SSHD = """\
ListenAddress 127.0.0.1
Port {port}
HostKey /keys/host
AuthorizedKeysFile /keys/client.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
PidFile none
StrictModes no
"""
_CLIENT = """\
Host {host}
  HostName 127.0.0.1
  Port {port}
  User root
  IdentityFile {folder}/client
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  HostKeyAlias {host}
  BatchMode yes
"""


@dataclass(frozen=True, kw_only=True)
class RemoteHost:
    """``url`` is the host as Docker takes it; ``environment`` makes `ssh` know it, as a user's ~/.ssh would."""

    url: str
    environment: Mapping[str, str]

    @contextmanager
    def tunnel(self, ports: Mapping[int, int]) -> Iterator[None]:
        """Ports of this machine, each led to a loopback port of that host, as a user opens them."""
        forwards = [
            word for here, there in ports.items() for word in ("-L", f"127.0.0.1:{here}:127.0.0.1:{there}")
        ]
        process = subprocess.Popen(
            ["ssh", "-N", "-o", "ExitOnForwardFailure=yes", *forwards, HOST],
            env={**os.environ, **self.environment},
        )
        try:
            wait_for(lambda: process.poll() is not None or all(map(_listens, ports)), "the tunnel is open")
            assert process.poll() is None, "ssh ended"
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def remote_host(folder: Path, base: Mapping[str, str]) -> Iterator[RemoteHost]:
    """Runs the sshd. ``folder`` is an empty one for keys, ``base`` the environment to build on."""
    ssh = shutil.which("ssh", path=base["PATH"])
    assert ssh, "the tests need an ssh client: install openssh-client"
    port = free_port()
    for name in ("client", "host"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
            check=True,
            capture_output=True,
        )
    public = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"{HOST} {public}")
    (folder / "config").write_text(_CLIENT.format(host=HOST, port=port, folder=folder))
    # Docker's clients call `ssh` with options of their own; a user would have this in ~/.ssh/config.
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {folder}/config "$@"\n')
    (bin_ / "ssh").chmod(0o755)
    image = _image()
    files = {name: (folder / name).read_text() for name in ("host", "client.pub")}
    files["sshd_config"] = _SSHD.format(port=port)
    with ExitStack() as stack:
        keys = stack.enter_context(volume())
        write_files(Docker(), keys, files, image=image, owner="0")
        stack.enter_context(
            container(
                image,
                "--network=host",
                f"--volume={keys}:/keys:ro",
                "--volume=/var/run/docker.sock:/var/run/docker.sock",
                command=("/usr/sbin/sshd", "-D", "-e", "-f", "/keys/sshd_config"),
            )
        )
        wait_for(lambda: _listens(port), "sshd listens")
        yield RemoteHost(url=f"ssh://{HOST}", environment={"PATH": f"{bin_}{os.pathsep}{base['PATH']}"})


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _image() -> str:
    base = postgres_image()
    tag = f"clerk-hasura.local/test-sshd:{base.rpartition(':')[2][:40]}"
    recipe = (
        f"FROM {base}\n"
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        " openssh-server docker-cli && rm -rf /var/lib/apt/lists/* && mkdir -p /run/sshd\nENTRYPOINT []\n"
    )
    subprocess.run(
        ["docker", "build", "--tag", tag, "-"], input=recipe, text=True, check=True, capture_output=True
    )
    return tag
