"""What every dynamic provider has in common that speaks to Docker."""

from __future__ import annotations

import os

from pulumi.dynamic import ConfigureRequest, ResourceProvider

from components.docker_command import Docker, configured


class DockerProvider(ResourceProvider):
    """A provider that speaks to the Docker host that the stack's configuration names."""

    _docker: Docker = Docker()

    def configure(self, req: ConfigureRequest) -> None:
        """Finds that host in the configuration, else in the environment."""
        self._docker = configured(lambda key: req.config.get(f"docker:{key}"), os.environ)
