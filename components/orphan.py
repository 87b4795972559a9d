"""Containers and networks that an update which died has made and Pulumi does not know of, and those that Pulumi
removes too late: whatever takes the place of another container's port needs it before that one's turn comes.

They are made in a moment, and only then does the state hear of them. Whoever kills an update in between leaves one
whose name the next update cannot have. A container is told from somebody else's of that name by the network that it
hangs on: that is in the state, under an id that no other network ever has. A network is nobody's when no container,
running or stopped, hangs on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

import pulumi

from components.docker_command import STOP_SECONDS, Docker, DockerError

Whose = Literal["nobody", "ours", "another's"]


def whose(docker: Docker, name: str, network_id: str) -> Whose:
    """To whom the container of that name belongs, if there is one.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    answer = docker.run("container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
    if answer.returncode != 0:
        if "no such container" in answer.stderr.lower():
            return "nobody"
        raise DockerError(answer.stderr.strip())
    networks = json.loads(answer.stdout) or {}
    return "ours" if any(each["NetworkID"] == network_id for each in networks.values()) else "another's"


def remove(docker: Docker, name: str) -> None:
    """Stops a container as gently as it wants, and removes it.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    for arguments in (("container", "stop", name), ("container", "rm", name)):
        answer = docker.run(*arguments, seconds=STOP_SECONDS)
        if answer.returncode != 0:
            raise DockerError(answer.stderr.strip())


def make_way(docker: Docker, name: str, network_id: str) -> None:
    """Removes what a died update has left under a name, and refuses to touch anybody else's.

    :raises DockerError: when the name cannot be had; the text says what to do.
    """
    match whose(docker, name, network_id):
        case "ours":
            pulumi.log.info(
                f"the container {name} is left over from an update that died; it makes way for a new one"
            )
            remove(docker, name)
        case "another's":
            raise DockerError(
                f"there is a container {name} already, which this stack has not made: another copy of the project "
                f"has a stack of this name, or its state was lost. Take it down there, or: docker rm -f {name}"
            )


def make_way_for_network(docker: Docker, name: str) -> None:
    """Removes a network that a died update has left under a name, and refuses to touch one that is used.

    :raises DockerError: when the name cannot be had; the text says what to do.
    """
    found = docker.run("network", "ls", "--no-trunc", "--quiet", "--filter", f"name=^{name}$")
    for network_id in found.stdout.split():
        used = docker.run("ps", "--all", "--quiet", "--filter", f"network={network_id}")
        if used.returncode != 0 or used.stdout.strip():
            raise DockerError(
                f"there is a network {name} already, with containers on it that this stack has not made: another "
                "copy of the project has a stack of this name, or its state was lost. Take it down there, or remove "
                f"what `docker ps --all --filter network={name}` shows, and then the network"
            )
        pulumi.log.info(
            f"the network {name} is left over from an update that died; it makes way for a new one"
        )
        removed = docker.run("network", "rm", network_id)
        if removed.returncode != 0:
            raise DockerError(removed.stderr.strip())


def hand_over(docker: Docker, ports: Iterable[int], network_id: str, *, to: str) -> None:
    """Stops the stack's containers that hold one of the ports, where they have another name than their successor.

    Pulumi removes them at the end of the update. A container of somebody else is left alone, and Docker then refuses
    the port.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    for port in ports:
        found = docker.run("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        for name in found.stdout.split():
            if name != to and whose(docker, name, network_id) == "ours":
                pulumi.log.info(f"the container {name} hands port {port} over to {to}")
                stopped = docker.run("container", "stop", name, seconds=STOP_SECONDS)
                if stopped.returncode != 0:
                    raise DockerError(stopped.stderr.strip())
