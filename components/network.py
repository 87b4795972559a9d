"""The network of a stack's containers."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from components.docker_command import Docker
from components.orphan import make_way_for_network
from components.settings import Settings


def stack_network(settings: Settings) -> docker.Network:
    """A bridge network of the stack's own, on which its containers reach each other by name."""
    name = settings.docker_name()

    def free_the_name(_args: pulumi.ResourceHookArgs) -> None:
        make_way_for_network(Docker(), name)

    hook = pulumi.ResourceHook("free-the-name-of-the-network", free_the_name)
    return docker.Network(
        "network",
        name=name,
        driver="bridge",
        opts=pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook])),
    )
