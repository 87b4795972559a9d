"""Rules about containers, services, images and volumes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from components.production import has_digest
from components.schema.words import code
from policy.properties import NotKnownYet, Resource
from policy.rule import Rule, Violation
from policy.workloads import workload

IMAGE: Final = "docker:index/remoteImage:RemoteImage"
BUILT_HERE: Final = "clerk-hasura.local/"
"""How the names of images begin that `local/images` builds: of no registry, with a hash of their sources as tag."""
VOLUME: Final = "docker:index/volume:Volume"
DATABASE_PORTS: Final = frozenset({5432, 6432})
"""Ports of Postgres and of PgBouncer in their containers."""
_UNITS: Final = "bkmgBKMG"
"""Of memory in a Compose file: https://docs.docker.com/reference/compose-file/extension/#specifying-byte-values."""


def _published(resource: Resource) -> Iterator[Violation]:
    running = workload(resource)
    for port in running.published if running else ():
        if port.internal not in DATABASE_PORTS:
            continue
        if port.address is None:
            raise NotKnownYet(("ports",))
        if not _is_loopback(port.address):
            address = f"on {code(port.address)}" if port.address else "on every address of its host"
            text = f"{code(resource.name)} publishes the database's port {port.internal} {address}"
            yield Violation(subject=f"{resource.name} port {port.internal}", text=text)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _unpinned(resource: Resource) -> Iterator[Violation]:
    running = workload(resource)
    if resource.type == IMAGE:
        image = resource.get("name")
    elif running is not None:
        image = resource.get(*running.image)
    else:
        return
    # What Docker names by the image's own digest is pinned too.
    if isinstance(image, str) and not has_digest(image) and not image.startswith(("sha256:", BUILT_HERE)):
        text = f"the image {code(image)} has no digest, so a registry may give another one under the same tag"
        yield Violation(subject=f"{resource.name} image", text=text)


def _unprotected(resource: Resource) -> Iterator[Violation]:
    if resource.type == VOLUME and not resource.protect and not _holds_files(resource):
        text = f"the volume {code(resource.name)} is not protected: a destroy removes its data without a question"
        yield Violation(subject=f"{resource.name} protection", text=text)


def _holds_files(resource: Resource) -> bool:
    """Whether it is a volume of files that the deployment writes, or of certificates that are obtained anew: it belongs
    to a part and is named so."""
    labels = resource.get("labels")
    parts = [
        label.get("value")
        for label in (labels if isinstance(labels, list) else [])
        if isinstance(label, dict) and str(label.get("label")).endswith(".part")
    ]
    return any(resource.name in (f"{part}-files", f"{part}-certificates") for part in parts)


def _unlimited(resource: Resource) -> Iterator[Violation]:
    running = workload(resource)
    if running is None:
        return
    wanted = {"memory": running.memory, "processors": running.cpus}
    missing = [what for what, path in wanted.items() if not _is_limit(resource.get(*path))]
    if missing:
        text = f"{code(resource.name)} has no limit of {' and '.join(missing)} and may use up its host"
        yield Violation(subject=f"{resource.name} limits", text=text)


def _is_limit(value: object) -> bool:
    if isinstance(value, str):
        try:
            return float(value.rstrip(_UNITS)) > 0
        except ValueError:
            return False
    return isinstance(value, int | float) and value > 0


RULES: Final = (
    Rule(
        name="published-database",
        description="A database is reached from its own host and its networks only",
        remedy="Publish it on 127.0.0.1, or not at all; from elsewhere go through a tunnel",
        severity="critical",
        check=_published,
    ),
    Rule(
        name="pinned-image",
        description="An image is named by its digest",
        remedy="`make pin-images STACK=NAME`",
        severity="high",
        check=_unpinned,
    ),
    Rule(
        name="protected-volume",
        description="A volume with data is protected from deletion",
        remedy="`pulumi config rm protectData`; elsewhere `ResourceOptions(protect=True)`",
        severity="high",
        check=_unprotected,
    ),
    Rule(
        name="container-limits",
        description="Whatever runs has limits of memory and processors",
        remedy="Set `hasuraMemoryMb`, `hasuraCpus`, `postgresMemoryMb` and `postgresCpus` above 0; elsewhere the "
        "container's own limits",
        severity="medium",
        check=_unlimited,
    ),
)
