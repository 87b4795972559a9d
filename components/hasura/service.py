"""The Hasura engine as a service of Docker Swarm, with several replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components import container
from components.hardening import FILES
from components.hasura.environment import secret_names
from components.hasura.service_definition import definition
from components.hasura.serving import PART, PORT, Serving
from components.network import StackNetwork
from components.postgres.database import Database
from components.settings import Settings
from components.swarm.service import SwarmService


def as_service(
    *,
    settings: Settings,
    network: StackNetwork,
    image: container.Image,
    database: Database,
    variables: Mapping[str, pulumi.Input[str]],
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Serving:
    """Runs the replicas, each of which starts before the one that it replaces stops.

    :param variables: their environment; what is secret in it reaches them as files.
    :param after: what must be there before they start.
    """
    if network.overlay is None:
        raise ValueError("a service needs a network of the swarm")
    prepared = container.prepare(
        PART, settings=settings, image=image, opts=pulumi.ResourceOptions(parent=parent)
    )
    hidden = secret_names(settings.hasura)
    plain = {name: str(value) for name, value in variables.items() if name not in hidden}
    secret = {name: value for name, value in variables.items() if name in hidden}
    files = {f"{FILES}/{name}": content for name, content in database.files.items()}
    [stack, part] = container.labels(settings, PART)
    made = definition(
        settings,
        image=image,
        environment=plain,
        health_test=container.http_health_test(f"http://127.0.0.1:{PORT}/healthz"),
        log_options=container.log_options(settings),
    )
    service = SwarmService(
        f"{PART}-service",
        stack=settings.docker_name(),
        service=PART,
        label=f"{stack.label}={stack.value}",
        definition=made | {"labels": {part.label: part.value}},
        network=network.overlay.name,
        secrets=secret | files,
        owner=image.user,
        seconds=settings.containers.start_seconds,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*prepared.ready, *after]),
    )
    name = f"{settings.docker_name()}_{PART}"
    return Serving(healthy=service, home=service, identity=service.revision, host=name, service=name)
