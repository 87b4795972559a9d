"""What the Docker host must offer before anything is created: an answer, and free ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.settings import Problem, Settings

_DOCKER_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What was seen on the Docker host.

    :param docker_error: why Docker does not answer, or None when it does.
    :param busy_ports: port to what holds it (a container's name, or empty when it is not a container), of the
        ports that this stack wants and that are taken by somebody else.
    """

    docker_error: str | None
    busy_ports: Mapping[int, str]


def problems(settings: Settings, facts: HostFacts) -> list[Problem]:
    """What stands in the way of this stack on that host. Pure."""
    found = []
    if facts.docker_error is not None:
        found.append(
            Problem(
                key="docker",
                what=f"Docker does not answer: {facts.docker_error}",
                write="start Docker, or see `make doctor`",
            )
        )
    for key, port in settings.ports.items():
        if port in facts.busy_ports:
            holder = facts.busy_ports[port]
            found.append(
                Problem(
                    key=key,
                    what=f"port {port} on {settings.containers.bind_address} is taken"
                    + (f" by the container {holder}" if holder else ""),
                    write=f"free it, or: pulumi config set {key} PORT",
                )
            )
    return found


def gather(settings: Settings) -> HostFacts:
    """Looks at the Docker host that the environment names (`DOCKER_HOST`, the Docker context)."""
    listed = _containers()
    if isinstance(listed, str):
        return HostFacts(docker_error=listed, busy_ports={})
    # A Docker host elsewhere has ports that this machine cannot try.
    if not _is_here(os.environ.get("DOCKER_HOST", "")):
        return HostFacts(docker_error=None, busy_ports={})
    return HostFacts(
        docker_error=None,
        busy_ports=_busy(
            settings, listed, tried=_taken(settings.containers.bind_address, settings.ports.values())
        ),
    )


def _busy(
    settings: Settings, listed: Iterable[Mapping[str, str]], *, tried: frozenset[int]
) -> dict[int, str]:
    """The ports that could not be had, less those that this stack itself holds, with their holders."""
    own = f"{settings.project}.stack={settings.stack}"
    busy = dict.fromkeys(tried, "")
    for container in listed:
        for port in tried:
            if f":{port}->" in container["Ports"]:
                if own in container["Labels"].split(","):
                    busy.pop(port, None)
                else:
                    busy[port] = container["Names"]
    return busy


def _is_here(docker_host: str) -> bool:
    return docker_host in ("", "unix://") or docker_host.startswith("unix://")


def _containers() -> list[dict[str, str]] | str:
    """The running containers as the Docker CLI lists them, or why they cannot be listed."""
    try:
        listed = subprocess.run(
            ["docker", "ps", "--no-trunc", "--format", "{{json .}}"],  # noqa: S607 (the user's own docker)
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return "there is no docker command on PATH"
    except subprocess.TimeoutExpired:
        return f"no answer in {_DOCKER_SECONDS} s"
    if listed.returncode != 0:
        return listed.stderr.strip().splitlines()[-1] if listed.stderr.strip() else "docker ps failed"
    return [json.loads(line) for line in listed.stdout.splitlines()]


def _taken(address: str, ports: Iterable[int]) -> frozenset[int]:
    taken = set()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in ports:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without it a port whose last connection was just closed looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                taken.add(port)
    return frozenset(taken)
