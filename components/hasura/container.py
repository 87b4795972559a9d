"""The Hasura engine in a plain container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components import container
from components.hasura.serving import PART, PORT, Serving
from components.hasura.trial import EngineTrial
from components.network import StackNetwork
from components.postgres.database import Database
from components.settings import Settings
from components.volume_files import digests


def in_container(
    *,
    settings: Settings,
    network: StackNetwork,
    image: container.Image,
    database: Database,
    variables: Mapping[str, pulumi.Input[str]],
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Serving:
    """Runs the engine, after one like it has shown on trial that it starts.

    :param variables: its environment.
    :param after: what must be there before it starts.
    """
    child = pulumi.ResourceOptions(parent=parent)
    health_test = container.http_health_test(f"http://127.0.0.1:{PORT}/healthz")
    prepared = container.prepare(PART, settings=settings, image=image, files=database.files, opts=child)
    stack, part = container.labels(settings, PART)
    trial = EngineTrial(
        f"{PART}-trial",
        {
            "name": settings.docker_name(f"{PART}-trial"),
            "stack_label": f"{stack.label}={stack.value}",
            "part_label": f"{part.label}={PART}-trial",
            "serving": f"{part.label}={part.value}",
            "image": prepared.image_id,
            "command": list(image.command or ()),
            "environment": dict(variables),
            "user": image.user,
            "network": network.bridge.name,
            "files": prepared.files or "",
            "digests": digests(database.files),
            "memory_mb": settings.hasura.limits.memory_mb,
            "cpus": settings.hasura.limits.cpus,
            "pids": settings.hasura.limits.pids,
            "health_test": health_test,
            "seconds": settings.containers.start_seconds,
            "interval": settings.containers.health_interval_seconds,
            "stop_seconds": settings.hasura.stop_seconds,
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*prepared.ready, *after]),
    )
    service = container.run(
        PART,
        settings=settings,
        prepared=prepared,
        network=network,
        environment=variables,
        health_test=health_test,
        limits=settings.hasura.limits,
        ports=[
            container.PublishedPort(
                internal=PORT, external=settings.hasura.port, address=settings.containers.bind_address
            )
        ],
        stop_seconds=settings.hasura.stop_seconds,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*after, trial]),
    )
    return Serving(
        healthy=service.healthy,
        home=service.container,
        identity=service.container.id,
        host=settings.docker_name(PART),
    )
