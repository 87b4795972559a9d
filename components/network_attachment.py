"""A running container on a network beside its own, which it joins and leaves without a restart.

The Docker provider would replace the container, and Postgres with it, each time the engine changes between a plain
container and a service.
"""

from __future__ import annotations

import json

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.docker_command import Docker, DockerError
from components.docker_provider import DockerProvider
from components.provider_error import ProviderError, telling_plainly

_told_plainly = telling_plainly(ProviderError, DockerError)
_PROPS = ("container", "container_id", "network", "attached")
_SECONDS = 60
"""Joining the first overlay network of a node sets up the swarm's own on it."""


def attached(docker: Docker, container: str, network: str) -> bool | None:
    """Whether the container is on the network; None where there is no such container.

    :raises DockerError: when Docker does not answer.
    """
    answer = docker.run("container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
    if answer.returncode != 0:
        return None
    return network in (json.loads(answer.stdout) or {})


def attach(docker: Docker, container: str, network: str) -> None:
    """Puts the container on the network. Safe to repeat.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when it refuses.
    """
    if attached(docker, container, network):
        return
    answer = docker.run("network", "connect", network, container, seconds=_SECONDS)
    if answer.returncode != 0:
        raise ProviderError(
            f"the container {container} cannot join the network {network}: {answer.stderr.strip()}"
        )


class NetworkAttachmentProvider(DockerProvider):
    """Inputs: ``container`` (its name), ``container_id``, ``network`` (its name), ``attached`` (always true). Outputs
    are the inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Joins the network."""
        return CreateResult(id_=f"{props['container']} on {props['network']}", outs=self._attach(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Joins it again, also for the container that has taken the place of the one before."""
        return UpdateResult(outs=self._attach(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another container, and one that a refresh found off the network. Another network is joined before the one
        that was is left: until the end of an update there is somebody on that."""
        changes = any(olds.get(key) != news.get(key) for key in _PROPS)
        moved = [key for key in ("network",) if olds.get(key) != news.get(key)]
        return DiffResult(changes=changes, replaces=moved, delete_before_replace=False)

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """Whether it is on the network now."""
        found = {key: props[key] for key in _PROPS}
        seen = attached(self._docker, str(props["container"]), str(props["network"]))
        # An absent container is a resource of its own, whose absence Pulumi sees there.
        found["attached"] = seen is not False
        return ReadResult(id_, found, found)

    @_told_plainly
    def delete(self, _id: str, props: dict[str, object]) -> None:
        """Leaves the network, so that it can be removed."""
        container, network = str(props["container"]), str(props["network"])
        if attached(self._docker, container, network):
            answer = self._docker.run("network", "disconnect", network, container)
            if answer.returncode != 0:
                raise ProviderError(
                    f"the container {container} cannot leave the network {network}: {answer.stderr.strip()}"
                )

    def _attach(self, props: dict[str, object]) -> dict[str, object]:
        attach(self._docker, str(props["container_id"]), str(props["network"]))
        return {key: props[key] for key in _PROPS}


class NetworkAttachment(Resource, module="docker", name="NetworkAttachment"):
    """A container that is on a further network."""

    def __init__(
        self,
        resource_name: str,
        *,
        container: pulumi.Input[str],
        container_id: pulumi.Input[str],
        network: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``container`` is the name, ``container_id`` the id of the container; ``network`` the network's name."""
        super().__init__(
            NetworkAttachmentProvider(),
            resource_name,
            {"container": container, "container_id": container_id, "network": network, "attached": True},
            opts,
        )
