"""A new engine on trial, beside the one that serves, before that one is replaced.

Pulumi removes a container before it makes its successor, since two cannot have one name and one port. So an image, a
JWT secret or another setting with which the engine does not start would leave nothing serving. Here the successor is
started first, under another name and with no port, and the deployment ends there if it does not become healthy.

For that moment two engines share the databases, as in any rolling update: a newer image brings the catalog to its
version, and each event is taken by one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    Resource,
    UpdateResult,
)

from components.container_health import NotHealthy, wait_until_healthy
from components.docker_command import Docker, DockerError
from components.docker_provider import DockerProvider
from components.hardening import (
    DROPPED_CAPABILITIES,
    FILES,
    HEALTH_RETRIES,
    HEALTH_TIMEOUT_SECONDS,
    SECURITY_OPTIONS,
    TMPFS,
    docker_cpus,
)
from components.provider_error import ProviderError, telling_plainly

_told_plainly = telling_plainly(ProviderError, DockerError)

ENGINE: Final = (
    "image",
    "command",
    "environment",
    "user",
    "network",
    "files",
    "digests",
    "memory_mb",
    "cpus",
    "pids",
    "health_test",
)
"""The inputs that make an engine another one. How long it is waited for does not."""

_PROPS = (*ENGINE, "name", "stack_label", "part_label", "serving", "seconds", "interval", "stop_seconds")
_HEALTH_COMMAND = "CMD-SHELL"


def arguments(props: Mapping[str, object]) -> list[str]:
    """What `docker run` is told of the engine, but for its environment, which it reads from its standard input. Pure.

    :param props: the provider's inputs.
    """
    kind, test = _texts(props["health_test"])
    if kind != _HEALTH_COMMAND:
        raise ValueError(f"a health check of another kind than {_HEALTH_COMMAND}: {kind}")
    said = ["run", "--detach", "--name", str(props["name"]), "--pull", "never", "--restart", "no"]
    for label in (props["stack_label"], props["part_label"]):
        said += ["--label", str(label)]
    said += ["--network", str(props["network"]), "--user", str(props["user"]), "--read-only"]
    for path, options in TMPFS.items():
        said += ["--tmpfs", f"{path}:{options}"]
    for capability in DROPPED_CAPABILITIES:
        said += ["--cap-drop", capability]
    for option in SECURITY_OPTIONS:
        said += ["--security-opt", option]
    if memory := _number(props["memory_mb"]):
        said += ["--memory", f"{memory:.0f}m", "--memory-swap", f"{memory:.0f}m"]
    if cpus := docker_cpus(_number(props["cpus"])):
        said += ["--cpus", cpus]
    said += ["--pids-limit", f"{_number(props['pids']) or -1:.0f}"]
    if props["files"]:
        said += ["--volume", f"{props['files']}:{FILES}:ro"]
    said += ["--health-cmd", test, "--health-interval", f"{_number(props['interval']):.0f}s"]
    said += ["--health-timeout", f"{HEALTH_TIMEOUT_SECONDS}s", "--health-retries", str(HEALTH_RETRIES)]
    said += ["--health-start-period", f"{_number(props['seconds']):.0f}s"]
    said += ["--stop-timeout", f"{_number(props['stop_seconds']):.0f}"]
    return [*said, "--env-file", "/dev/stdin", str(props["image"]), *_texts(props["command"])]


def environment_file(environment: Mapping[str, str]) -> str:
    """Variables in the form of Docker's environment files. Pure.

    https://docs.docker.com/reference/cli/docker/container/run/#env: a line is taken as it is.

    :raises ProviderError: when a value has more than one line; without that value.
    """
    broken = sorted(name for name, value in environment.items() if "\n" in value or "\r" in value)
    if broken:
        raise ProviderError(
            f"{', '.join(broken)} holds more than one line, which no environment file can carry"
        )
    return "".join(f"{name}={value}\n" for name, value in sorted(environment.items()))


def serves(docker: Docker, labels: Sequence[str]) -> bool:
    """Whether a container with all these labels runs, a task of a service included.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    found = docker.run("ps", "--quiet", "--filter", "status=running", *filters)
    if found.returncode != 0:
        raise DockerError(found.stderr.strip())
    return bool(found.stdout.strip())


def remove_trials(docker: Docker, labels: Sequence[str]) -> None:
    """Removes engines on trial that a deployment which was killed has left.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    found = docker.run("ps", "--all", "--quiet", *filters)
    if found.returncode != 0:
        raise DockerError(found.stderr.strip())
    for container in found.stdout.split():
        removed = docker.run("container", "rm", "--force", "--volumes", container)
        if removed.returncode != 0 and "no such container" not in removed.stderr.lower():
            raise DockerError(removed.stderr.strip())


def hold_trial(docker: Docker, props: Mapping[str, object]) -> None:
    """Starts the engine, waits until it is healthy, and removes it in any case.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when the engine does not start; with the reason and the end of its log.
    """
    name, labels = str(props["name"]), _texts([props["stack_label"], props["part_label"]])
    environment = props["environment"]
    file = environment_file(dict(environment) if isinstance(environment, Mapping) else {})
    remove_trials(docker, labels)
    stop_seconds = _number(props["stop_seconds"])
    try:
        started = docker.run(*arguments(props), content=file, seconds=_number(props["seconds"]))
        if started.returncode != 0:
            raise ProviderError(f"{_LEFT_ALONE} {started.stderr.strip()}")
        try:
            wait_until_healthy(docker, name, seconds=_number(props["seconds"]), stays=False)
        except NotHealthy as error:
            raise ProviderError(f"{_LEFT_ALONE} On trial, {error}") from None
        # So that it gives back what it has taken from the queues of events.
        docker.run("container", "stop", name, seconds=stop_seconds + 30)
    finally:
        remove_trials(docker, labels)


_LEFT_ALONE: Final = (
    "the new engine does not start, so the one that serves was left as it was. Mend what has changed, or take it "
    "back, and deploy again."
)


class EngineTrialProvider(DockerProvider):
    """Inputs: what ENGINE names; ``name`` of the container on trial, ``stack_label`` and ``part_label`` (NAME=VALUE)
    by which one that was left is found; ``serving`` (the part label of the engine that serves); ``seconds`` to wait,
    ``interval`` of health checks, ``stop_seconds``. Outputs are the inputs. The state refers to this class by its
    import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Holds the trial, unless there is nothing yet that it could spare an interruption."""
        return CreateResult(id_=str(props["name"]), outs=self._hold(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Holds it for the next engine."""
        return UpdateResult(outs=self._hold(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another engine."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ENGINE))

    @_told_plainly
    def delete(self, _id: str, props: dict[str, object]) -> None:
        """Removes what a deployment that was killed has left, which would hold on to the network."""
        remove_trials(self._docker, _texts([props["stack_label"], props["part_label"]]))

    def _hold(self, props: dict[str, object]) -> dict[str, object]:
        if serves(self._docker, _texts([props["stack_label"], props["serving"]])):
            hold_trial(self._docker, props)
        return {key: props[key] for key in _PROPS}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _number(value: object) -> float:
    return float(str(value))


class EngineTrial(Resource, module="hasura", name="EngineTrial"):
    """An engine that has shown on trial that it starts. The container that replaces another depends on it."""

    def __init__(
        self,
        resource_name: str,
        props: Mapping[str, pulumi.Input[object]],
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in; ``environment`` may hold Pulumi secrets."""
        super().__init__(
            EngineTrialProvider(),
            resource_name,
            dict(props),
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["environment"])
            ),
        )
