"""The networks of a stack's containers."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.docker_command import Docker
from components.orphan import make_way_for_network
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StackNetwork:
    """On these the stack's containers reach each other by name.

    :param bridge: of the Docker host; every container is on it.
    :param overlay: of the swarm, where the engine is a service; every container joins it too. None elsewhere.
    """

    bridge: docker.Network
    overlay: docker.Network | None = None


def stack_network(settings: Settings) -> StackNetwork:
    """The networks of the stack's own.

    There is a bridge in either mode, so that a change of the mode replaces no container: they join the overlay, or
    leave it, while they run.
    """
    encrypted = settings.containers.overlay_encryption
    return StackNetwork(
        bridge=_network("network", settings.docker_name(), driver="bridge"),
        overlay=_network(
            "overlay",
            # Another name, so that the other kind is made before this one goes.
            settings.docker_name("overlay-encrypted" if encrypted else "overlay"),
            driver="overlay",
            attachable=True,
            options={"encrypted": "true"} if encrypted else None,
        )
        if settings.hasura.replicas
        else None,
    )


def _network(
    resource: str,
    name: str,
    *,
    driver: str,
    attachable: bool | None = None,
    options: dict[str, str] | None = None,
) -> docker.Network:
    def free_the_name(_args: pulumi.ResourceHookArgs) -> None:
        make_way_for_network(Docker(), name)

    hook = pulumi.ResourceHook(f"free-the-name-of-the-{resource}", free_the_name)
    return docker.Network(
        resource,
        name=name,
        driver=driver,
        attachable=attachable,
        options=options,
        opts=pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook])),
    )
