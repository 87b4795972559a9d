"""The local Clerk as a container of the stack."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from components import container
from components.clerk import keys
from components.network import StackNetwork
from components.settings import LOCAL_CLERK_CONTAINER_PORT, LOOPBACK, Limits, Settings

MEMORY_MB = 256
"""What the stand-in may use; it keeps its users in memory."""

WARNING = (
    "LOCAL CLERK: this stack signs people in with a local stand-in for Clerk. Whoever reaches its port can sign "
    "in as anybody. Use a Clerk application for everything but development (README, 'A real Clerk application')."
)


class LocalClerk(pulumi.ComponentResource):
    """The stand-in for a Clerk instance. Its signing key and its users outlive a restart, not the stack.

    :param settings: the stack's settings, with ``clerk.local``.
    :param network: the stack's network.
    :param image: the stand-ins' image.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: StackNetwork,
        image: container.Image,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("clerk-hasura:local:LocalClerk", name, None, opts)
        pulumi.log.warn(WARNING, resource=self)
        child = pulumi.ResourceOptions(parent=self)
        volume = docker.Volume(
            "local-clerk-data",
            name=settings.docker_name("clerk"),
            labels=[
                docker.VolumeLabelArgs(label=label.label, value=label.value)
                for label in container.labels(settings, "clerk")
            ],
            opts=child,
        )
        self.service = container.run(
            "clerk",
            settings=settings,
            prepared=container.prepare("clerk", settings=settings, image=image, opts=child),
            network=network,
            environment={
                "LOCAL_CLERK_PORT": str(LOCAL_CLERK_CONTAINER_PORT),
                "LOCAL_CLERK_PUBLIC_URL": settings.clerk.frontend_api_url,
                "LOCAL_CLERK_SECRET_KEY": keys.LOCAL_SECRET_KEY,
                "LOCAL_CLERK_DATA": "/data",
            },
            health_test=container.http_health_test(f"http://127.0.0.1:{LOCAL_CLERK_CONTAINER_PORT}/healthz"),
            limits=Limits(memory_mb=MEMORY_MB, cpus=0, pids=settings.hasura.limits.pids),
            # Its address is a part of its publishable key.
            ports=[
                container.PublishedPort(
                    internal=LOCAL_CLERK_CONTAINER_PORT, external=settings.clerk.local_port, address=LOOPBACK
                )
            ],
            volumes={"/data": volume.name},
            opts=child,
        )
        self.register_outputs({})
