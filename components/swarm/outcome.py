"""What became of a deployment, read from a service and its tasks. Pure.

States and what leads to them: https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/. A task
with a health check is `running` when it is healthy, and `starting` before that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Verdict = Literal["done", "failed", "wait"]

_UNDER_WAY: Final = frozenset({"updating", "paused", "rollback_started"})
_ENDED_BADLY: Final = frozenset({"failed", "rejected"})


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """A service.

    :param revision: of its specification as it is now, after a roll-back that of the one before.
    :param update: Swarm's word for how its last update stands, empty without one.
    :param can_go_back: whether Swarm knows the specification before.
    :param specification: as Swarm has it.
    """

    revision: str
    update: str
    can_go_back: bool
    specification: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether Swarm has nothing left to do about an update or a roll-back."""
        return self.update not in _UNDER_WAY


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task of a service. ``addresses`` are those on the service's networks, without their masks."""

    id: str
    revision: str
    desired: str
    state: str
    error: str = ""
    created: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether it serves, and is to go on."""
        return self.state == "running" and self.desired == "running"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a deployment stands: ``ready`` replicas are what they should be; ``task`` is the one that tells why not."""

    verdict: Verdict
    ready: int = 0
    task: Task | None = None


def outcome(
    state: ServiceState, tasks: Sequence[Task], *, wanted: str, replicas: int, known: Collection[str]
) -> Outcome:
    """How the deployment of a revision stands.

    :param wanted: the revision.
    :param known: ids of tasks that were there before it, whose failures are not its own.
    """
    own = [task for task in tasks if task.revision == wanted]
    ready = sum(task.is_ready for task in own)
    begun = sorted((task for task in own if task.id not in known), key=lambda task: task.created)
    ended = [task for task in begun if task.state in _ENDED_BADLY]
    if ended:
        return Outcome(verdict="failed", ready=ready, task=ended[0])
    unready = [task for task in begun if not task.is_ready]
    if state.revision != wanted:
        return Outcome(verdict="failed", ready=ready, task=unready[-1] if unready else None)
    others = any(task.is_ready for task in tasks if task.revision != wanted)
    if state.is_settled and ready == replicas and not others:
        return Outcome(verdict="done", ready=ready)
    return Outcome(verdict="wait", ready=ready, task=unready[-1] if unready else None)


def read_service(found: Mapping[str, Any], *, revision_label: str) -> ServiceState:
    """A service from what `docker service inspect` prints of it."""
    return ServiceState(
        revision=_revision(found["Spec"]["TaskTemplate"], revision_label),
        update=(found.get("UpdateStatus") or {}).get("State", ""),
        can_go_back=bool(found.get("PreviousSpec")),
        specification=found["Spec"],
    )


def read_task(found: Mapping[str, Any], *, revision_label: str) -> Task:
    """A task from what `docker inspect` prints of it."""
    status = found["Status"]
    return Task(
        id=found["ID"],
        revision=_revision(found["Spec"], revision_label),
        desired=found["DesiredState"],
        state=status["State"],
        error=status.get("Err", ""),
        created=found["CreatedAt"],
        addresses=tuple(
            address.partition("/")[0]
            for attachment in found.get("NetworksAttachments") or []
            for address in attachment.get("Addresses") or []
        ),
    )


def _revision(template: Mapping[str, Any], label: str) -> str:
    return str(((template.get("ContainerSpec") or {}).get("Labels") or {}).get(label, ""))
