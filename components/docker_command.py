"""The docker command, pointed at the Docker host that Pulumi's Docker provider uses.

The provider is configured by `docker:host`, `docker:context` and `docker:certPath`, else by the environment:
https://www.pulumi.com/registry/packages/docker/installation-configuration/. What this project asks Docker itself
must be asked of the same host, or a deployment to another machine would be checked against this one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = 20
"""How long Docker may take for an answer; a host elsewhere is reached by ssh first."""

STOP_SECONDS: Final = 4000
"""Longer than any container of a stack may take to stop; each has a limit of its own."""

ONLY_THE_PROVIDERS: Final[Mapping[str, str]] = {
    "sshOpts": "put the options into ~/.ssh/config, which both read",
    "caMaterial": "write the three files into a folder and set docker:certPath",
    "certMaterial": "write the three files into a folder and set docker:certPath",
    "keyMaterial": "write the three files into a folder and set docker:certPath",
}
"""Settings of the provider that the docker command has no equal to, and what does the same for both."""


class DockerError(Exception):
    """Docker gave no answer. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Docker:
    """The docker command with the variables that choose its host.

    :param variables: environment variable to value, or to None where it must not be set.
    """

    variables: Mapping[str, str | None] = field(default_factory=dict)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """``base`` with the variables of this host."""
        merged = {**base, **self.variables}
        return {name: value for name, value in merged.items() if value is not None}

    def direct(self, environment: MutableMapping[str, str]) -> None:
        """Sets and removes these variables in ``environment``, so that whatever runs in it asks this host too."""
        for name, value in self.variables.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value

    def run(
        self, *arguments: str, content: str = "", seconds: float = SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """What the command answers, whatever its exit code.

        :param content: what it reads on its standard input.
        :raises DockerError: when there is no such command, or no answer in time.
        """
        try:
            return subprocess.run(  # noqa: S603
                ["docker", *arguments],  # noqa: S607 (the user's own docker)
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                input=content,
                env=self.environment(os.environ),
            )
        except FileNotFoundError:
            raise DockerError("there is no docker command on PATH; see `make doctor`") from None
        except subprocess.TimeoutExpired:
            raise DockerError(f"docker {arguments[0]} gave no answer in {seconds:.0f} s") from None


def configured(value: Callable[[str], str | None], environment: Mapping[str, str]) -> Docker:
    """The command for the host that a stack's configuration names. Pure.

    As in the provider, a context comes before a host, and the configuration before the environment. Without either
    the command is left to find its host by itself.

    :param value: gives a key of the provider's configuration by its name without namespace, or None.
    """
    host = value("host") or ""
    context = value("context") or (environment.get("DOCKER_CONTEXT") if host else "") or ""
    variables: dict[str, str | None] = {}
    if context:
        variables |= {"DOCKER_CONTEXT": context, "DOCKER_HOST": None}
    elif host:
        variables |= {"DOCKER_HOST": host, "DOCKER_CONTEXT": None}
    if certificates := value("certPath"):
        variables |= {"DOCKER_CERT_PATH": certificates, "DOCKER_TLS_VERIFY": "1"}
    return Docker(variables=variables)


def misfits(value: Callable[[str], str | None]) -> list[tuple[str, str]]:
    """Keys of the provider's configuration that the docker command cannot follow, each with what to do instead."""
    return [(f"docker:{key}", remedy) for key, remedy in ONLY_THE_PROVIDERS.items() if value(key)]


def is_here(docker: Docker, environment: Mapping[str, str]) -> bool:
    """Whether the containers' ports are ports of this machine. A context that is not known counts as elsewhere."""
    chosen = docker.environment(environment)
    if chosen.get("DOCKER_CONTEXT") not in (None, "", "default") and not chosen.get("DOCKER_HOST"):
        return False
    return chosen.get("DOCKER_HOST", "").startswith("unix://") or not chosen.get("DOCKER_HOST")
