"""What every container of a stack has in common, in one place: how it is closed in, watched and logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pulumi
import pulumi_docker as docker

from components.container_health import ContainerHealth
from components.docker_command import Docker
from components.hardening import (
    DROPPED_CAPABILITIES,
    FILES,
    HEALTH_RETRIES,
    HEALTH_TIMEOUT_SECONDS,
    SECURITY_OPTIONS,
    TMPFS,
    docker_cpus,
    go_duration,
)
from components.network import StackNetwork
from components.network_attachment import NetworkAttachment
from components.orphan import hand_over, make_way
from components.pids_limit import PidsLimit
from components.settings import Limits, Settings
from components.settings.values import Part
from components.volume_files import VolumeFiles

_VENDORS_USERS: Final[Mapping[str, str]] = {
    "postgres": "999:999",
    "hasura": "1001:1001",
    "caddy": "10002:10002",
}
"""User and group of the images that are not built here, by part of the stack.

postgres: https://github.com/docker-library/postgres/blob/master/Dockerfile-debian.template. hasura:
packaging/graphql-engine-base/ubuntu.dockerfile of hasura/graphql-engine, which makes the user and starts as root.
caddy: local/images/caddy/Dockerfile; Caddy needs no user of its own image, only one that may write to /data.
"""
_ALPINE_POSTGRES_USER: Final = "70:70"
"""In the vendor's images on Alpine, whose own packages use that number."""


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port of the container, published on an address of the Docker host."""

    internal: int
    external: int
    address: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """A container, and the fact that it is healthy, which is what others depend on.

    ``attached`` is what those depend on as well that reach it on another network, so that it leaves that after them.
    """

    container: docker.Container
    healthy: ContainerHealth
    attached: Sequence[pulumi.Resource] = ()


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
    :param user: user, and group after a colon, that its process runs as. Never root.
    :param command: what to run in it, or None for what the image runs by itself.
    """

    name: str
    user: str
    command: tuple[str, ...] | None = None


def configured_images(configured: Mapping[Part, str], /) -> dict[Part, Image]:
    """The image that serves each part of a stack without stand-ins: the configured one."""
    return {part: Image(name=image, user=vendors_user(image, part)) for part, image in configured.items()}


def vendors_user(image: str, part: str) -> str:
    """The user that a vendor's image has for its service, which is not always the one that it starts as."""
    if part == "postgres" and "alpine" in image.partition(":")[2]:
        return _ALPINE_POSTGRES_USER
    return _VENDORS_USERS[part]


def http_health_test(url: str) -> list[str]:
    """A health check in Docker's form that passes when ``url``, with its port, answers with a status of success.

    Hasura's image brings curl, an image made of Python alone does not. There the shell asks, since a check is made
    every few seconds for as long as a container lives, and to start an interpreter takes twenty times as much.
    """
    asked = urlsplit(url)
    ask = (
        f"exec 3<>/dev/tcp/{asked.hostname}/{asked.port}; "
        f"printf 'GET {asked.path} HTTP/1.0\\r\\n\\r\\n' >&3; read -t 4 -r answer <&3; "
        "case \\$answer in *' 2'??' '*) ;; *) exit 1;; esac"
    )
    return [
        "CMD-SHELL",
        f'if command -v curl >/dev/null; then curl -fsS {url}; else bash -c "{ask}"; fi',
    ]


def log_options(settings: Settings) -> dict[str, str]:
    """How Docker rotates the log of a container."""
    shared = settings.containers
    return {"max-size": f"{shared.log_file_mb}m", "max-file": str(shared.log_files)}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What must be on the Docker host before a container of a part is made.

    :param image: as it was asked for.
    :param image_id: Docker's id of it.
    :param files: name of the volume with the files that the container is given, or None without any.
    :param ready: what a container depends on.
    """

    image: Image
    image_id: pulumi.Output[str]
    files: pulumi.Output[str] | None
    ready: Sequence[pulumi.Resource]


def prepare(
    part: str,
    *,
    settings: Settings,
    image: Image,
    files: Mapping[str, pulumi.Input[str]] | None = None,
    opts: pulumi.ResourceOptions,
) -> Prepared:
    """Has the image on the Docker host, and the files in a volume.

    :param files: name to content of files that are laid into ``FILES``, readable by the container's user.
    """
    # The local image where there is one, else pulled; it outlives the stack.
    present = docker.RemoteImage(f"{part}-image", name=image.name, keep_locally=True, opts=opts)
    if not files:
        return Prepared(image=image, image_id=present.image_id, files=None, ready=[present])
    volume = docker.Volume(
        f"{part}-files",
        name=settings.docker_name(f"{part}-files"),
        labels=[
            docker.VolumeLabelArgs(label=label.label, value=label.value) for label in labels(settings, part)
        ],
        opts=pulumi.ResourceOptions(parent=opts.parent),
    )
    laid = VolumeFiles(
        f"{part}-files",
        volume=volume.name,
        image=present.image_id,
        owner=image.user.partition(":")[0],
        files=files,
        opts=pulumi.ResourceOptions(parent=opts.parent, deleted_with=volume),
    )
    return Prepared(image=image, image_id=present.image_id, files=volume.name, ready=[present, laid])


def run(
    part: str,
    *,
    settings: Settings,
    prepared: Prepared,
    network: StackNetwork,
    environment: Mapping[str, pulumi.Input[str]],
    health_test: Sequence[str],
    limits: Limits,
    ports: Sequence[PublishedPort] = (),
    arguments: Sequence[str] = (),
    volumes: Mapping[str, pulumi.Input[str]] | None = None,
    tmpfs: Mapping[str, str] | None = None,
    stop_seconds: int | None = None,
    shm_mb: int | None = None,
    opts: pulumi.ResourceOptions,
) -> Service:
    """Runs a container and waits until its health check passes.

    It has no capability, no way to new privileges, no root user, and a root file system that it cannot write to.

    :param part: the container's part in the stack (``postgres``, ``clerk``, ``hasura``, ``caddy``), also its alias
        on the bridge.
    :param arguments: appended to the command of the image.
    :param environment: variable name to value. One secret value makes Pulumi encrypt the whole list.
    :param health_test: health check in Docker's form, ``["CMD-SHELL", "..."]``.
    :param volumes: path in the container to volume name.
    :param tmpfs: path in the container to mount options, of folders in memory beside ``/tmp``.
    :param stop_seconds: time for a clean end before the kill; Docker's default of 10 s if left out.
    """
    shared = settings.containers
    image = prepared.image
    mounted = dict(volumes or {}) | ({FILES: prepared.files} if prepared.files is not None else {})
    name = settings.docker_name(part)
    network_id: list[str] = []
    network.bridge.id.apply(network_id.append)

    def free_the_name(_args: pulumi.ResourceHookArgs) -> None:
        make_way(Docker(), name, network_id[0])
        hand_over(Docker(), [port.external for port in ports], network_id[0], to=name)

    container = docker.Container(
        part,
        name=name,
        image=prepared.image_id,
        command=[*(image.command or ()), *arguments] or None,
        envs=[pulumi.Output.concat(key, "=", value) for key, value in sorted(environment.items())],
        # Left to the provider, the mode is read back as another value and shows as a change in every preview.
        network_mode="bridge",
        networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.bridge.name, aliases=[part])],
        ports=[
            docker.ContainerPortArgs(internal=port.internal, external=port.external, ip=port.address)
            for port in ports
        ],
        volumes=[
            docker.ContainerVolumeArgs(container_path=path, volume_name=name, read_only=path == FILES or None)
            for path, name in mounted.items()
        ],
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=health_test,
            interval=go_duration(shared.health_interval_seconds),
            timeout=go_duration(HEALTH_TIMEOUT_SECONDS),
            retries=HEALTH_RETRIES,
            start_period=go_duration(shared.start_seconds),
        ),
        restart="unless-stopped",
        log_driver="json-file",
        log_opts=log_options(settings),
        user=image.user,
        read_only=True,
        tmpfs={**TMPFS, **(tmpfs or {})},
        capabilities=docker.ContainerCapabilitiesArgs(drops=list(DROPPED_CAPABILITIES)),
        security_opts=list(SECURITY_OPTIONS),
        memory=limits.memory_mb or None,
        # The same number is memory without swap. Left out, Docker gives as much swap again, and the provider
        # reads that back as a change.
        memory_swap=limits.memory_mb or None,
        cpus=docker_cpus(limits.cpus),
        stop_timeout=stop_seconds,
        destroy_grace_seconds=stop_seconds,
        shm_size=shm_mb,
        labels=labels(settings, part),
        opts=pulumi.ResourceOptions.merge(
            opts,
            # The provider takes a changed health check for applied without applying it, and likewise the end
            # of a memory limit.
            pulumi.ResourceOptions(
                replace_on_changes=["healthcheck", *(["memory"] if limits.memory_mb == 0 else [])],
                delete_before_replace=True,
                depends_on=list(prepared.ready),
                hooks=pulumi.ResourceHookBinding(
                    before_create=[pulumi.ResourceHook(f"free-the-name-of-{part}", free_the_name)]
                ),
            ),
        ),
    )
    inside = pulumi.ResourceOptions(parent=opts.parent, deleted_with=container)
    pids = PidsLimit(
        f"{part}-pids-limit", container=name, container_id=container.id, pids=limits.pids, opts=inside
    )
    attached: list[pulumi.Resource] = []
    if network.overlay is not None:
        attached.append(
            NetworkAttachment(
                f"{part}-on-overlay",
                container=name,
                container_id=container.id,
                network=network.overlay.name,
                opts=pulumi.ResourceOptions(parent=opts.parent),
            )
        )
    healthy = ContainerHealth(
        f"{part}-healthy",
        container=name,
        container_id=container.id,
        seconds=shared.start_seconds,
        opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[pids, *attached])),
    )
    return Service(container=container, healthy=healthy, attached=attached)
