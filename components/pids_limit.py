"""The limit to a container's processes and threads, which the Docker provider cannot set.

Docker takes it for a running container, without a restart. (The provider's `nproc` limit is another thing: it counts
the processes of a user id on the whole machine, so stacks side by side would share it.)
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
_PROPS = ("container", "container_id", "pids")


def set_pids_limit(docker: Docker, container: str, pids: int) -> None:
    """Limits a container's processes and threads; 0 takes the limit away.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when it refuses.
    """
    answer = docker.run("container", "update", "--pids-limit", str(pids or -1), container)
    if answer.returncode != 0:
        raise ProviderError(
            f"the container {container} takes no limit of {pids} pids: {answer.stderr.strip()}"
        )


def pids_limit(docker: Docker, container: str) -> int | None:
    """The limit that is in force, 0 for none; None where there is no such container.

    :raises DockerError: when Docker does not answer.
    """
    answer = docker.run("container", "inspect", "--format", "{{json .HostConfig.PidsLimit}}", container)
    if answer.returncode != 0:
        return None
    return max(0, json.loads(answer.stdout) or 0)


class PidsLimitProvider(DockerProvider):
    """Inputs: ``container`` (its name), ``container_id``, ``pids``. Outputs are the inputs. The state refers to
    this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Sets the limit."""
        return CreateResult(id_=str(props["container"]), outs=self._set(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Sets the limit, or sets it for the container that has taken the place of the one before."""
        return UpdateResult(outs=self._set(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another limit, another container, and a limit that a refresh found to be another."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in _PROPS))

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """The limit as it is now."""
        found = {key: props[key] for key in _PROPS}
        limit = pids_limit(self._docker, str(props["container"]))
        if limit is None:
            # The container is a resource of its own, whose absence Pulumi sees there.
            return ReadResult(id_, found, found)
        found["pids"] = float(limit)
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: the limit goes with its container."""

    def _set(self, props: dict[str, object]) -> dict[str, object]:
        set_pids_limit(self._docker, str(props["container_id"]), int(float(str(props["pids"]))))
        return {key: props[key] for key in _PROPS}


class PidsLimit(Resource, module="docker", name="PidsLimit"):
    """A container that may have so many processes and threads at once."""

    def __init__(
        self,
        resource_name: str,
        *,
        container: pulumi.Input[str],
        container_id: pulumi.Input[str],
        pids: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``container`` is the name, ``container_id`` the id of the container; ``pids`` 0 is no limit."""
        super().__init__(
            PidsLimitProvider(),
            resource_name,
            {"container": container, "container_id": container_id, "pids": pids},
            opts,
        )
