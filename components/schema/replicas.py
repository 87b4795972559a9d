"""The replicas of an engine, each of which must have taken the metadata over before a deployment ends."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.docker_command import DockerError
from components.docker_provider import DockerProvider
from components.hasura.client import HasuraClient
from components.hasura.serving import PART
from components.provider_error import ProviderError, telling_plainly
from components.schema.directories import Schema
from components.schema.metadata_deployment import wait_until_consistent
from components.schema.problems import SchemaError
from components.swarm.document import Labels
from components.swarm.manager import SwarmService

if TYPE_CHECKING:
    from components.settings import Settings

CONSISTENT: Final = "each replica is consistent"
"""What the input `consistency` says; a refresh that finds otherwise names the replicas that are not."""

_told_plainly = telling_plainly(ProviderError, DockerError, SchemaError)
_PROPS = (
    "endpoint",
    "stack",
    "service",
    "label",
    "revision",
    "replicas",
    "metadata",
    "consistency",
    "seconds",
)


class ReplicasProvider(DockerProvider):
    """Inputs: ``endpoint`` (where Caddy answers for each replica, as `components.ingress.caddy_config` says),
    ``stack``, ``service`` and ``label`` of the service,
    ``revision``, ``replicas``, ``metadata`` (a digest), ``consistency`` (always CONSISTENT), ``seconds`` to wait.
    Outputs are the inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Waits for the replicas."""
        return CreateResult(id_=str(props["service"]), outs=self._wait(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Waits for them again."""
        return UpdateResult(outs=self._wait(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Other replicas, or other metadata; not how long they are waited for."""
        keys = [key for key in _PROPS if key != "seconds"]
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in keys))

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """How they are now."""
        found = {key: props[key] for key in _PROPS}
        clients = self._clients(props)
        try:
            strays = [client.endpoint for client in clients if not client.healthy(strict=True)]
        finally:
            _close(clients)
        found["consistency"] = f"not consistent: {', '.join(strays)}" if strays else CONSISTENT
        if not clients:
            found["consistency"] = "no replica runs"
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: there is nothing but the replicas."""

    def _wait(self, props: dict[str, object]) -> dict[str, object]:
        clients = self._clients(props)
        if not clients:
            raise ProviderError(
                f"no replica of the service {props['stack']}_{props['service']} runs; `docker service ps` shows why, "
                "and `pulumi up --refresh` brings them back"
            )
        try:
            wait_until_consistent(clients, within=float(str(props["seconds"])))
        finally:
            _close(clients)
        return {key: props[key] for key in _PROPS}

    def _clients(self, props: dict[str, object]) -> list[HasuraClient]:
        """One for each replica; /healthz needs no secret."""
        service = SwarmService(
            docker=self._docker,
            stack=str(props["stack"]),
            service=str(props["service"]),
            labels=Labels(stack=str(props["label"])),
        )
        if service.state() is None:
            return []
        return [
            HasuraClient(f"{props['endpoint']}/replicas/{address}", "")
            for task in service.tasks()
            if task.is_ready
            for address in task.addresses
        ]


def _close(clients: list[HasuraClient]) -> None:
    for client in clients:
        client.close()


class Replicas(Resource, module="hasura", name="Replicas"):
    """Replicas of which each serves the stack's metadata."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        schema: Schema,
        endpoint: pulumi.Input[str],
        revision: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``endpoint`` is where Caddy answers for each of them, ``revision`` another text whenever others serve. Let
        it depend on `Metadata` (``opts.depends_on``)."""
        tree = json.dumps(schema.metadata.keyed(), sort_keys=True)
        super().__init__(
            ReplicasProvider(),
            name,
            {
                "endpoint": endpoint,
                "stack": settings.docker_name(),
                "service": PART,
                "label": f"{settings.project}.stack={settings.stack}",
                "revision": revision,
                "replicas": settings.hasura.replicas,
                "metadata": hashlib.sha256(tree.encode()).hexdigest()[:12],
                "consistency": CONSISTENT,
                "seconds": settings.containers.start_seconds,
            },
            opts,
        )
