"""A configuration that Caddy takes while it serves, or refuses and keeps the one it has."""

from __future__ import annotations

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    Resource,
    UpdateResult,
)

from components.docker_command import Docker, DockerError
from components.docker_provider import DockerProvider
from components.ingress.caddy_config import ADMIN_SOCKET
from components.provider_error import ProviderError, telling_plainly

_told_plainly = telling_plainly(ProviderError, DockerError)
_PROPS = ("container", "container_id", "file", "digests")
_SECONDS = 60


def reload(docker: Docker, container: str, file: str) -> None:
    """Has Caddy read its configuration and what that names again.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when Caddy refuses it; with its words.
    """
    answer = docker.run(
        *("exec", container, "caddy", "reload", "--force", "--config", file, "--address", ADMIN_SOCKET),
        seconds=_SECONDS,
    )
    if answer.returncode != 0:
        said = "\n".join(f"    {line}" for line in answer.stderr.strip().splitlines()[-5:])
        raise ProviderError(
            f"the container {container} refuses its configuration and goes on with the one that it had:\n{said}"
        )


class CaddyReloadProvider(DockerProvider):
    """Inputs: ``container`` (its name), ``container_id``, ``file`` (path of the configuration in it), ``digests``
    (name to SHA-256 of its files). Outputs are the inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Reads it again, should the container be one that was there already."""
        return CreateResult(id_=str(props["container"]), outs=self._reload(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Reads it again."""
        return UpdateResult(outs=self._reload(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another container, or other files."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in _PROPS))

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: the configuration goes with its container."""

    def _reload(self, props: dict[str, object]) -> dict[str, object]:
        reload(self._docker, str(props["container"]), str(props["file"]))
        return {key: props[key] for key in _PROPS}


class CaddyReload(Resource, module="ingress", name="CaddyReload"):
    """A configuration that Caddy has taken."""

    def __init__(
        self,
        resource_name: str,
        *,
        container: str,
        container_id: pulumi.Input[str],
        file: str,
        digests: pulumi.Input[dict[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in."""
        super().__init__(
            CaddyReloadProvider(),
            resource_name,
            {"container": container, "container_id": container_id, "file": file, "digests": digests},
            opts,
        )
