"""Waits for a container to become healthy, and says at once why it cannot.

The Docker provider can wait too, but it spends its whole time-out on a container that has crashed, and then says
neither that it did nor what its log holds.

Docker makes the first health check only when its interval is over. For as long as it has made none that passed, the
same check is made from here, so that whoever waits goes on when the service is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.docker_command import STOP_SECONDS, Docker, DockerError
from components.docker_provider import DockerProvider
from components.hardening import HEALTH_TIMEOUT_SECONDS
from components.provider_error import ProviderError, telling_plainly
from components.start_failure import reason

HEALTHY = "healthy"
LOG_LINES = 20
FURTHER_TRIES = 3
"""How often Docker may start a container again before it is given up: about two seconds, by the delays that Docker
makes in between."""
_POLL_SECONDS = 0.25

_told_plainly = telling_plainly(ProviderError, DockerError)

_KILLED: Final = 128 + 9
"""Exit code after SIGKILL. Docker may learn of an end before it learns that the kernel did it for want of memory."""

Verdict = Literal["healthy", "wait", "crashed"]


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """What `docker inspect` says of a container: its state, its health (empty without a health check), how often
    it was started again, and whether the kernel ended it for want of memory."""

    status: str
    health: str
    exit_code: int
    restarts: int
    out_of_memory: bool = False
    test: Sequence[str] = field(default=(), compare=False)


def verdict(state: ContainerState) -> Verdict:
    """Whether to go on, to wait, or to give up. Pure.

    A container that has ended has crashed: everything that it needs was there before it. One that Docker has started
    again has a few further tries, since a name may not resolve, or a connection be refused, for a moment; whoever is
    healthy by now is, however often that took.
    """
    if state.status == "running" and state.health == HEALTHY:
        return "healthy"
    if state.status in ("exited", "dead") or state.restarts > FURTHER_TRIES:
        return "crashed"
    if state.status == "running" and not state.health and not state.restarts:
        return "healthy"
    return "wait"


def inspect(docker: Docker, container: str) -> ContainerState | None:
    """State of a container by name or id, or None when there is none.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when it refuses.
    """
    answer = docker.run("container", "inspect", container)
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
        out_of_memory=bool(state.get("OOMKilled")),
        test=tuple((found["Config"].get("Healthcheck") or {}).get("Test") or ()),
    )


def look(docker: Docker, container: str) -> ContainerState | None:
    """The same, but healthy already where its health check passes and Docker has only not made it yet.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when it refuses.
    """
    state = inspect(docker, container)
    if state is None or (state.status, state.health) != ("running", "starting"):
        return state
    if not _passes(docker, container, state.test):
        return state
    after = inspect(docker, container)
    # What has ended meanwhile was not healthy.
    return replace(after, health=HEALTHY) if after == state else after


def _passes(docker: Docker, container: str, test: Sequence[str]) -> bool:
    """Whether a health check passes now. https://docs.docker.com/reference/dockerfile/#healthcheck"""
    match test:
        case ["CMD-SHELL", command]:
            asked = ["/bin/sh", "-c", command]
        case ["CMD", *asked]:
            pass
        case _:
            return False
    try:
        return docker.run("exec", container, *asked, seconds=HEALTH_TIMEOUT_SECONDS).returncode == 0
    except DockerError:
        return False


class NotHealthy(ProviderError):
    """A container is not healthy. The text ends with the last lines of its log."""


def wait_until_healthy(docker: Docker, name: str, *, seconds: float, stays: bool = True) -> None:
    """Returns when the container is healthy.

    :param name: name or id of the container.
    :param seconds: how long to wait.
    :param stays: whether it can be asked for its log afterwards.
    :raises DockerError: when Docker does not answer.
    :raises NotHealthy: when it has crashed, or is not healthy in time.
    :raises ProviderError: when it is gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = look(docker, name)
        if state is None:
            raise ProviderError(f"the container {name} is gone; run `pulumi up --refresh`")
        match verdict(state):
            case "healthy":
                return
            case "crashed":
                happened = (
                    f"was started again {state.restarts} times instead of becoming healthy"
                    if state.status == "running"
                    else f"ended with exit code {state.exit_code} instead of becoming healthy"
                )
            case "wait" if time.monotonic() > deadline:
                happened = (
                    f"is {state.health or state.status} after {seconds:.0f} s, not healthy (startSeconds sets "
                    "the time)"
                )
            case "wait":
                time.sleep(_POLL_SECONDS)
                continue
        logged = docker.run("logs", "--tail", str(LOG_LINES), name)
        raise NotHealthy(
            told(
                f"the container {name} {happened}",
                logged.stdout + logged.stderr,
                all_of_it=f"docker logs {name}" if stays else "",
                out_of_memory=state.out_of_memory,
                killed=state.exit_code == _KILLED,
            )
        )


def start_afresh(docker: Docker, name: str) -> None:
    """Ends Docker's growing pauses where a container crashed again and again before now, and its count of that.

    What the container needs may have been away, and is there by now.

    :raises DockerError: when Docker does not answer, or refuses.
    """
    state = inspect(docker, name)
    if state is None or not state.restarts or verdict(state) == "healthy":
        return
    started = docker.run("container", "restart", name, seconds=STOP_SECONDS)
    if started.returncode != 0:
        raise DockerError(started.stderr.strip())


def told(what: str, log: str, *, all_of_it: str, out_of_memory: bool = False, killed: bool = False) -> str:
    """What is told of a service that did not start: what happened, why, and the end of its log. Pure.

    :param what: a sentence without an end.
    :param log: its last lines.
    :param all_of_it: the command that shows the whole log, empty where there is none.
    """
    why = reason(log, out_of_memory=out_of_memory, killed=killed)
    happened = f"{what}: {why}." if why else f"{what}."
    lines = log.strip().splitlines()[-LOG_LINES:]
    if not lines:
        return f"{happened} It logged nothing{f' (`{all_of_it}`)' if all_of_it else ''}."
    indented = "\n".join(f"    {line}" for line in lines)
    return f"{happened} The end of its log{f' (`{all_of_it}` shows all)' if all_of_it else ''}:\n{indented}"


class ContainerHealthProvider(DockerProvider):
    """Inputs: ``container`` (its name), ``container_id``, ``seconds``, ``health`` (always ``healthy``). Outputs are
    the inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Waits for the container."""
        return CreateResult(id_=str(props["container"]), outs=self._wait(props))

    @_told_plainly
    def update(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Waits for the container that has taken the place of the one before, or for one that a refresh found ill."""
        if olds.get("container_id") == news["container_id"]:
            start_afresh(self._docker, str(news["container"]))
        return UpdateResult(outs=self._wait(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another container, or one that a refresh found unhealthy, is waited for; another time-out is not."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ("container_id", "health")))

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """The container's health as it is now."""
        state = look(self._docker, str(props["container"]))
        found = self._plain(props)
        found["health"] = "gone" if state is None else state.health or state.status
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: there is nothing but the container, which is a resource of its own."""

    def _wait(self, props: dict[str, object]) -> dict[str, object]:
        wait_until_healthy(self._docker, str(props["container"]), seconds=float(str(props["seconds"])))
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
