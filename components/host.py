"""What the Docker host must offer before anything is created: an answer, free ports, and what the limits ask for."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from components.docker_command import Docker, DockerError, is_here
from components.postgres import data_version
from components.postgres.data_version import DataVersions
from components.settings import PostgresSettings, Problem, Settings
from components.settings.ports import free_port
from components.settings.values import Limits

UPGRADE_RUNBOOK = "docs/runbooks/postgres-upgrade.md"

_PUBLISHED = re.compile(r":(\d+)->")


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What was seen on the Docker host.

    :param docker_error: why Docker does not answer, or None when it does.
    :param busy_ports: port to what holds it (a container's name, or empty when it is not a container), of the
        ports that this stack wants and that are taken by somebody else.
    :param free_ports: configuration key to a port that is free, for each of those.
    :param cpus: processors of the host; 0 where that is not known.
    :param memory_mb: its memory in MB; 0 where that is not known.
    :param postgres: the major version that has written the stack's data, and the one that is to read it.
    :param swarm_manager: whether it is a manager of a swarm.
    """

    docker_error: str | None
    busy_ports: Mapping[int, str]
    free_ports: Mapping[str, int] = field(default_factory=dict)
    cpus: int = 0
    memory_mb: int = 0
    postgres: DataVersions = field(default_factory=DataVersions)
    swarm_manager: bool = True


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
    if settings.hasura.replicas and not facts.swarm_manager:
        found.append(
            Problem(
                key="replicas",
                what=f"is {settings.hasura.replicas}, and the Docker host is no manager of a swarm",
                write="docker swarm init    # there, once; or, for one engine in a container: pulumi config set "
                "replicas 0",
            )
        )
    for key, port in settings.ports.items():
        if port in facts.busy_ports:
            holder = facts.busy_ports[port]
            free = facts.free_ports.get(key)
            found.append(
                Problem(
                    key=key,
                    what=f"port {port} on {settings.published_on(key)} is taken"
                    + (f" by the container {holder}" if holder else ""),
                    write=f"free it, or: pulumi config set {key} {free or 'PORT'}"
                    + ("    # free now" if free else ""),
                )
            )
    return [*found, *_limit_problems(settings, facts), *_version_problems(settings, facts.postgres)]


def _version_problems(settings: Settings, versions: DataVersions) -> list[Problem]:
    """A server of another major version would not start, and the one that runs would be gone by then."""
    if not versions.misfit or not isinstance(settings.postgres, PostgresSettings):
        return []
    return [
        Problem(
            key="postgresImage",
            what=f"is PostgreSQL {versions.image}, which cannot read the data of PostgreSQL {versions.data} in the "
            f"volume {settings.docker_name('postgres')}",
            write=f"{UPGRADE_RUNBOOK} takes the data along; until then set an image of PostgreSQL {versions.data}",
        )
    ]


def _limit_problems(settings: Settings, facts: HostFacts) -> list[Problem]:
    """Docker refuses more processors than there are, and lets a container be given more memory than there is."""
    limited: list[tuple[str, Limits]] = [("hasura", settings.hasura.limits)]
    if isinstance(settings.postgres, PostgresSettings):
        limited.append(("postgres", settings.postgres.limits))
    if settings.caddy:
        limited.append(("caddy", settings.caddy.limits))
    found = []
    for part, limits in limited:
        for key, asked, there in (
            (f"{part}Cpus", limits.cpus, facts.cpus),
            (f"{part}MemoryMb", limits.memory_mb, facts.memory_mb),
        ):
            if there and asked > there:
                found.append(
                    Problem(
                        key=key,
                        what=f"is {asked:g}, and the Docker host has {there}",
                        write=f"pulumi config set {key} {there}",
                    )
                )
    return found


def gather(settings: Settings, docker: Docker) -> HostFacts:
    """Looks at the Docker host that the configuration names. A stack without containers needs none."""
    if not settings.images:
        return HostFacts(docker_error=None, busy_ports={})
    # Each question is a process of its own, and none needs another's answer.
    with ThreadPoolExecutor() as together:
        asked_list = together.submit(_containers, docker)
        asked_size = together.submit(_size, docker)
        asked_versions = together.submit(_versions, settings, docker)
    try:
        listed, (cpus, memory_mb, swarm_manager) = asked_list.result(), asked_size.result()
    except DockerError as error:
        return HostFacts(docker_error=str(error), busy_ports={})
    wanted = settings.ports
    postgres = asked_versions.result()
    here = is_here(docker, os.environ)
    held = _held(settings, listed)
    # A Docker host elsewhere has ports that this machine cannot try.
    tried = (
        frozenset(port for key, port in wanted.items() if _taken(settings.published_on(key), [port]))
        if here
        else frozenset(wanted.values()) & held.keys()
    )
    busy = _busy(settings, listed, tried=tried)
    try:
        own = _bindings(settings, docker) if "" in busy.values() else frozenset()
    except DockerError as error:
        return HostFacts(docker_error=str(error), busy_ports={})
    busy = {port: holder for port, holder in busy.items() if holder or port not in own}
    free: dict[str, int] = {}
    for key, port in wanted.items():
        if port not in busy:
            continue
        refused = {*held, *wanted.values(), *free.values()}
        while (candidate := free_port(settings.stack, key, refused)) is not None:
            if not here or not _taken(settings.published_on(key), [candidate]):
                free[key] = candidate
                break
            refused.add(candidate)
    return HostFacts(
        docker_error=None,
        busy_ports=busy,
        free_ports=free,
        cpus=cpus,
        memory_mb=memory_mb,
        postgres=postgres,
        swarm_manager=swarm_manager,
    )


def _versions(settings: Settings, docker: Docker) -> DataVersions:
    if not isinstance(settings.postgres, PostgresSettings):
        return DataVersions()
    try:
        return data_version.look(
            docker,
            settings.docker_name("postgres"),
            settings.postgres.image,
            stand_ins=settings.containers.stand_ins,
        )
    except DockerError:
        # It has answered before; what is not known is not held against anybody.
        return DataVersions()


def _busy(
    settings: Settings, listed: Iterable[Mapping[str, str]], *, tried: frozenset[int]
) -> dict[int, str]:
    """The ports that could not be had, less those that this stack itself holds, with their holders."""
    own = _own_label(settings)
    busy = dict.fromkeys(tried, "")
    for container in listed:
        for port in tried:
            if f":{port}->" in container["Ports"]:
                if own in container["Labels"].split(","):
                    busy.pop(port, None)
                else:
                    busy[port] = container["Names"]
    return busy


def _held(settings: Settings, listed: Iterable[Mapping[str, str]]) -> dict[int, str]:
    """Every port that containers of others publish, with its holder."""
    own = _own_label(settings)
    return {
        int(port): container["Names"]
        for container in listed
        if own not in container["Labels"].split(",")
        for port in _PUBLISHED.findall(container["Ports"])
    }


def _bindings(settings: Settings, docker: Docker) -> frozenset[int]:
    """The ports of those containers of this stack that Docker keeps running, whether published now or not: one that
    it starts again and again holds its port in between only.

    :raises DockerError: where they cannot be listed.
    """
    label = f"label={_own_label(settings)}"
    alive = docker.run(
        "ps",
        "--all",
        "--quiet",
        "--filter",
        label,
        "--filter",
        "status=running",
        "--filter",
        "status=restarting",
    )
    if not (ids := alive.stdout.split()):
        return frozenset()
    asked = docker.run("inspect", "--format", "{{json .HostConfig.PortBindings}}", *ids)
    return frozenset(
        int(binding["HostPort"])
        for line in asked.stdout.splitlines()
        for bindings in (json.loads(line) or {}).values()
        for binding in bindings or ()
        if binding["HostPort"].isdecimal()
    )


def _own_label(settings: Settings) -> str:
    return f"{settings.project}.stack={settings.stack}"


def _containers(docker: Docker) -> list[dict[str, str]]:
    """The running containers as the Docker CLI lists them. Raises DockerError where they cannot be listed."""
    listed = docker.run("ps", "--no-trunc", "--format", "{{json .}}")
    if listed.returncode != 0:
        reason = listed.stderr.strip()
        raise DockerError(reason.splitlines()[-1] if reason else "docker ps failed")
    return [json.loads(line) for line in listed.stdout.splitlines()]


def _size(docker: Docker) -> tuple[int, int, bool]:
    """Processors and memory in MB of the host, and whether it is a manager; zeros where Docker does not say."""
    answer = docker.run("info", "--format", "{{.NCPU}} {{.MemTotal}} {{.Swarm.ControlAvailable}}")
    match = re.fullmatch(r"(\d+) (\d+) (\w+)", answer.stdout.strip())
    return (int(match[1]), int(match[2]) // 1024**2, match[3] == "true") if match else (0, 0, False)


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
