"""What every container of a stack has in common, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.container_health import ContainerHealth
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port of the container, published on the stack's bind address."""

    internal: int
    external: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """A container, and the fact that it is healthy, which is what others depend on."""

    container: docker.Container
    healthy: ContainerHealth


def labels(settings: Settings, part: str) -> list[docker.ContainerLabelArgs]:
    """Labels by which a container is found again: its stack and its part in it."""
    return [
        docker.ContainerLabelArgs(label=f"{settings.project}.stack", value=settings.stack),
        docker.ContainerLabelArgs(label=f"{settings.project}.part", value=part),
    ]


@dataclass(frozen=True, kw_only=True)
class Image:
    """The image that serves a part of the stack.

    :param name: full name with tag or digest.
    :param command: what to run in it, or None for what the image runs by itself.
    """

    name: str
    command: tuple[str, ...] | None = None


def configured_image(configured: str, _part: str, /) -> Image:
    """The image that serves a part of a stack without stand-ins: the configured one."""
    return Image(name=configured)


def http_health_test(url: str) -> list[str]:
    """A health check in Docker's form that passes when ``url`` answers with a status below 400.

    Hasura's image brings curl, an image made of Python alone does not.
    """
    python = f"import urllib.request; urllib.request.urlopen('{url}', timeout=4)"
    return [
        "CMD-SHELL",
        f'if command -v curl >/dev/null; then curl -fsS {url}; else python3 -c "{python}"; fi',
    ]


def _go_duration(seconds: int) -> str:
    """Seconds as Go prints them. Docker gives durations back in this form; another one would be a diff."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def run(
    part: str,
    *,
    settings: Settings,
    image: Image,
    network: docker.Network,
    environment: Mapping[str, pulumi.Input[str]],
    health_test: Sequence[str],
    port: PublishedPort | None = None,
    arguments: Sequence[str] = (),
    volumes: Mapping[str, pulumi.Input[str]] | None = None,
    stop_seconds: int | None = None,
    shm_mb: int | None = None,
    opts: pulumi.ResourceOptions,
) -> Service:
    """Runs a container from an image and waits until its health check passes.

    :param part: the container's part in the stack (``postgres``, ``clerk``, ``hasura``), also its network alias.
    :param arguments: appended to the command of the image.
    :param environment: variable name to value. One secret value makes Pulumi encrypt the whole list.
    :param health_test: health check in Docker's form, ``["CMD-SHELL", "..."]``.
    :param volumes: path in the container to volume name.
    :param stop_seconds: time for a clean end before the kill; Docker's default of 10 s if left out.
    """
    shared = settings.containers
    # The local image where there is one, else pulled; it outlives the stack.
    present = docker.RemoteImage(f"{part}-image", name=image.name, keep_locally=True, opts=opts)
    container = docker.Container(
        part,
        name=settings.docker_name(part),
        image=present.image_id,
        command=[*(image.command or ()), *arguments] or None,
        envs=[pulumi.Output.concat(key, "=", value) for key, value in sorted(environment.items())],
        # Left to the provider, the mode is read back as another value and shows as a change in every preview.
        network_mode="bridge",
        networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[part])],
        ports=[
            docker.ContainerPortArgs(internal=port.internal, external=port.external, ip=shared.bind_address)
        ]
        if port
        else None,
        volumes=[
            docker.ContainerVolumeArgs(container_path=path, volume_name=volume)
            for path, volume in (volumes or {}).items()
        ],
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=health_test,
            interval=_go_duration(shared.health_interval_seconds),
            timeout="5s",
            retries=5,
            start_period=_go_duration(shared.start_seconds),
        ),
        restart="unless-stopped",
        log_driver="json-file",
        log_opts={"max-size": f"{shared.log_file_mb}m", "max-file": str(shared.log_files)},
        security_opts=["no-new-privileges:true"],
        stop_timeout=stop_seconds,
        destroy_grace_seconds=stop_seconds,
        shm_size=shm_mb,
        labels=labels(settings, part),
        opts=pulumi.ResourceOptions.merge(
            opts,
            # The provider takes a changed health check for applied without applying it.
            pulumi.ResourceOptions(replace_on_changes=["healthcheck"], delete_before_replace=True),
        ),
    )
    healthy = ContainerHealth(
        f"{part}-healthy",
        container=settings.docker_name(part),
        container_id=container.id,
        seconds=shared.start_seconds,
        opts=pulumi.ResourceOptions(parent=opts.parent, deleted_with=container),
    )
    return Service(container=container, healthy=healthy)
