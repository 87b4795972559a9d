"""Waits for a container to become healthy, and says at once why it cannot.

The Docker provider can wait too, but it spends its whole time-out on a container that has crashed, and then says
neither that it did nor what its log holds.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from components.provider_error import ProviderError, told_plainly

HEALTHY = "healthy"
_LOG_LINES = 20
_POLL_SECONDS = 0.5
_DOCKER_SECONDS = 20

Verdict = Literal["healthy", "wait", "crashed"]


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """What `docker inspect` says of a container: its state, its health (empty without a health check), and how
    often it was started again."""

    status: str
    health: str
    exit_code: int
    restarts: int


def verdict(state: ContainerState) -> Verdict:
    """Whether to go on, to wait, or to give up. Pure.

    A container that has ended or been started again has crashed: everything that it needs was there before it.
    """
    if state.status in ("exited", "dead", "restarting") or state.restarts:
        return "crashed"
    if state.status == "running" and state.health in ("", HEALTHY):
        return "healthy"
    return "wait"


def inspect(container: str) -> ContainerState | None:
    """State of a container by name or id, or None when there is none.

    :raises ProviderError: when Docker does not answer.
    """
    answer = _docker("container", "inspect", container)
    if answer.returncode != 0:
        if "no such container" in answer.stderr.lower():
            return None
        raise ProviderError(f"docker inspect failed: {answer.stderr.strip()}")
    [found] = json.loads(answer.stdout)
    state = found["State"]
    return ContainerState(
        status=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
        restarts=found["RestartCount"],
    )


def wait_until_healthy(name: str, *, seconds: float) -> None:
    """Returns when the container is healthy.

    :param name: name or id of the container.
    :param seconds: how long to wait.
    :raises ProviderError: when it has crashed, is gone, or is not healthy in time; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = inspect(name)
        if state is None:
            raise ProviderError(f"the container {name} is gone; run `pulumi up --refresh`")
        match verdict(state):
            case "healthy":
                return
            case "crashed":
                raise ProviderError(
                    f"the container {name} ended with exit code {state.exit_code} instead of becoming healthy. "
                    f"{_log_end(name)}"
                )
        if time.monotonic() > deadline:
            raise ProviderError(
                f"the container {name} is {state.health or state.status} after {seconds:.0f} s, not healthy "
                f"(startSeconds sets the time). {_log_end(name)}"
            )
        time.sleep(_POLL_SECONDS)


def _log_end(name: str) -> str:
    logged = _docker("logs", "--tail", str(_LOG_LINES), name)
    lines = (logged.stdout + logged.stderr).strip()
    if not lines:
        return f"It logged nothing. See `docker inspect {name}`."
    indented = "\n".join(f"    {line}" for line in lines.splitlines()[-_LOG_LINES:])
    return f"The end of its log (`docker logs {name}` shows all):\n{indented}"


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            ["docker", *arguments],  # noqa: S607 (the user's own docker)
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ProviderError("there is no docker command on PATH; see `make doctor`") from None
    except subprocess.TimeoutExpired:
        raise ProviderError(f"docker {arguments[0]} gave no answer in {_DOCKER_SECONDS} s") from None


class ContainerHealthProvider(ResourceProvider):
    """Inputs: ``container`` (its name), ``container_id``, ``seconds``, ``health`` (always ``healthy``). Outputs are
    the inputs. The state refers to this class by its import path.
    """

    @told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Waits for the container."""
        return CreateResult(id_=str(props["container"]), outs=self._wait(props))

    @told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Waits for the container that has taken the place of the one before."""
        return UpdateResult(outs=self._wait(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another container, or one that a refresh found unhealthy, is waited for; another time-out is not."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ("container_id", "health")))

    @told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """The container's health as it is now."""
        state = inspect(str(props["container"]))
        found = self._plain(props)
        found["health"] = "gone" if state is None else state.health or state.status
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: there is nothing but the container, which is a resource of its own."""

    def _wait(self, props: dict[str, object]) -> dict[str, object]:
        wait_until_healthy(str(props["container"]), seconds=float(str(props["seconds"])))
        return self._plain(props)

    @staticmethod
    def _plain(props: dict[str, object]) -> dict[str, object]:
        return {key: props[key] for key in ("container", "container_id", "seconds", "health")}


class ContainerHealth(Resource, module="docker", name="ContainerHealth"):
    """A container that has become healthy. What needs the service depends on this, not on the container."""

    def __init__(
        self,
        resource_name: str,
        *,
        container: pulumi.Input[str],
        container_id: pulumi.Input[str],
        seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``container`` is the name, ``container_id`` the id of the container; ``seconds`` how long to wait."""
        super().__init__(
            ContainerHealthProvider(),
            resource_name,
            {"container": container, "container_id": container_id, "seconds": seconds, "health": HEALTHY},
            opts,
        )
