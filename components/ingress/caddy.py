"""Caddy in a container."""

from __future__ import annotations

import json
from typing import Final

import pulumi
import pulumi_docker as docker

from components import container
from components.hardening import FILES
from components.hasura.serving import Serving
from components.ingress.caddy_config import (
    ACME_CA_FILE,
    CERTIFICATE_FILE,
    CONFIG_FILE,
    HTTP_PORT,
    HTTPS_PORT,
    INNER_PORT,
    KEY_FILE,
    STATUS_ADDRESS,
    STORAGE,
    caddy_config,
)
from components.ingress.reload import CaddyReload
from components.network import StackNetwork
from components.settings import CaddySettings, IngressSettings, Settings
from components.volume_files import digests

PART: Final = "caddy"
_STOP_SECONDS: Final = 40
"""Longer than Caddy's own grace period."""


class Caddy(pulumi.ComponentResource):
    """Caddy, as the settings want it.

    :param settings: the stack's settings.
    :param caddy: those of its Caddy.
    :param network: the stack's networks.
    :param image: the image to run.
    :param serving: the engine, or its replicas.

    ``ready`` is what needs an answer through it depends on.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        caddy: CaddySettings,
        network: StackNetwork,
        image: container.Image,
        serving: Serving,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("clerk-hasura:ingress:Caddy", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = _files(settings, caddy, serving)
        prepared = container.prepare(PART, settings=settings, image=image, files=files, opts=child)
        kept, in_memory = self._storage(settings, caddy, image)
        service = container.run(
            PART,
            settings=settings,
            prepared=prepared,
            network=network,
            environment={},
            arguments=["caddy", "run", "--config", f"{FILES}/{CONFIG_FILE}"],
            health_test=container.http_health_test(f"http://{STATUS_ADDRESS}/"),
            limits=caddy.limits,
            ports=_ports(settings, caddy, serving),
            volumes=kept,
            tmpfs=in_memory,
            stop_seconds=_STOP_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.healthy]),
        )
        self.ready = CaddyReload(
            f"{PART}-configuration",
            container=settings.docker_name(PART),
            container_id=service.container.id,
            file=f"{FILES}/{CONFIG_FILE}",
            digests=pulumi.Output.all(**files).apply(digests),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[service.healthy, *prepared.ready], deleted_with=service.container
            ),
        )
        self.register_outputs({})

    def _storage(
        self, settings: Settings, caddy: CaddySettings, image: container.Image
    ) -> tuple[dict[str, pulumi.Input[str]], dict[str, str]]:
        """Where certificates lie that Caddy obtains: a volume, or memory where it obtains none."""
        if caddy.ingress is None or caddy.ingress.certificate:
            user, _, group = image.user.partition(":")
            return {}, {STORAGE: f"size=16m,uid={user},gid={group or user},mode=0700"}
        volume = docker.Volume(
            f"{PART}-certificates",
            name=settings.docker_name(PART),
            labels=[
                docker.VolumeLabelArgs(label=label.label, value=label.value)
                for label in container.labels(settings, PART)
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return {STORAGE: volume.name}, {}


def _files(settings: Settings, caddy: CaddySettings, serving: Serving) -> dict[str, pulumi.Input[str]]:
    header = settings.hasura.jwt.header
    config = caddy_config(
        serving,
        caddy.ingress,
        files=FILES,
        token_header=header.get("name") if header.get("type") == "CustomHeader" else None,
    )
    files: dict[str, pulumi.Input[str]] = {CONFIG_FILE: json.dumps(config, indent=2) + "\n"}
    ingress = caddy.ingress
    if ingress is not None and ingress.certificate:
        files[CERTIFICATE_FILE] = ingress.certificate
        files[KEY_FILE] = pulumi.Output.secret(ingress.certificate_key)
    elif ingress is not None and ingress.acme_ca_certificate:
        files[ACME_CA_FILE] = ingress.acme_ca_certificate
    return files


def _ports(settings: Settings, caddy: CaddySettings, serving: Serving) -> list[container.PublishedPort]:
    ports = []
    if serving.service is not None:
        ports.append(
            container.PublishedPort(
                internal=INNER_PORT,
                external=settings.hasura.port,
                address=settings.containers.bind_address,
            )
        )
    if isinstance(ingress := caddy.ingress, IngressSettings):
        ports += [
            container.PublishedPort(internal=HTTP_PORT, external=ingress.http_port, address=ingress.address),
            container.PublishedPort(
                internal=HTTPS_PORT, external=ingress.https_port, address=ingress.address
            ),
        ]
    return ports
