"""What runs in containers, whether as a container or as a Swarm service. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from policy.properties import Path, Resource, Unknown, Value

CONTAINER: Final = "docker:index/container:Container"
SERVICE: Final = "docker:index/service:Service"
OWN_SERVICE: Final = "pulumi-python:dynamic/docker:SwarmService"
"""`components/swarm/service.py`, in the form of a Compose file."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of the environment; `value` is None where it is not known yet."""

    value: str | None
    secret: bool


@dataclass(frozen=True, kw_only=True)
class Published:
    """A port of a container, published on an address of the host: empty is every address, None is not known yet."""

    internal: int
    address: str | None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A container or a service. `image`, `memory` and `cpus` are where its properties hold them.

    `complete` is false where the environment has variables whose names are not known yet.
    """

    image: Path
    memory: Path
    cpus: Path
    environment: Mapping[str, Variable] = field(default_factory=dict)
    complete: bool = True
    published: tuple[Published, ...] = ()

    def text(self, variable: str) -> str | None:
        """The value of a variable, None where it has none or it is not known yet."""
        found = self.environment.get(variable)
        return found.value if found else None

    @property
    def is_engine(self) -> bool:
        """Whether it is a Hasura engine, which is known by its variables."""
        return any(name.startswith("HASURA_GRAPHQL_") for name in self.environment)


def workload(resource: Resource) -> Workload | None:
    """What a resource runs; None where it runs nothing.

    :raises NotKnownYet: where nothing of its environment or its ports is known.
    """
    if resource.type == CONTAINER:
        listed = resource.get("envs")
        return Workload(
            image=("image",),
            memory=("memory",),
            cpus=("cpus",),
            environment=dict(_listed(resource, ("envs",))),
            complete=not isinstance(listed, list) or not any(isinstance(entry, Unknown) for entry in listed),
            published=tuple(_ports(resource, ("ports",), "internal")),
        )
    if resource.type == SERVICE:
        container: Path = ("taskSpec", "containerSpec")
        limits: Path = ("taskSpec", "resources", "limits")
        return Workload(
            image=(*container, "image"),
            memory=(*limits, "memoryBytes"),
            cpus=(*limits, "nanoCpus"),
            environment=dict(_mapped(resource, (*container, "env"))),
            published=tuple(_ports(resource, ("endpointSpec", "ports"), "targetPort")),
        )
    if resource.type == OWN_SERVICE:
        return Workload(
            image=("definition", "image"),
            memory=("definition", "deploy", "resources", "limits", "memory"),
            cpus=("definition", "deploy", "resources", "limits", "cpus"),
            environment={
                **dict(_mapped(resource, ("definition", "environment"))),
                # Files that its start puts into the environment.
                **dict(_mapped(resource, ("secrets",))),
            },
        )
    return None


def _listed(resource: Resource, path: Path) -> Iterator[tuple[str, Variable]]:
    """`NAME=value`, as the Docker provider has it; an entry that is not known yet has no name either."""
    entries = resource.get(*path)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, str):
            name, _, value = entry.partition("=")
            yield name, Variable(value=value, secret=resource.is_secret(*path, index))


def _mapped(resource: Resource, path: Path) -> Iterator[tuple[str, Variable]]:
    entries = resource.get(*path)
    for name, value in entries.items() if isinstance(entries, dict) else ():
        known = None if isinstance(value, Unknown) else str(value)
        yield name, Variable(value=known, secret=resource.is_secret(*path, name))


def _ports(resource: Resource, path: Path, internal: str) -> Iterator[Published]:
    entries = resource.get(*path)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(port := entry.get(internal), int):
            yield Published(internal=port, address=_address(entry))


def _address(entry: Mapping[str, Value]) -> str | None:
    address = entry.get("ip")
    if isinstance(address, Unknown):
        return None
    return address if isinstance(address, str) else ""
