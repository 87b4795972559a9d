"""What became of a deployment, told from what Swarm says of a service and its tasks."""

from __future__ import annotations

import pytest

from components.swarm.outcome import ServiceState, Task, Verdict, outcome, read_service, read_task

OLD, NEW = "old", "new"


def service(revision: str = NEW, update: str = "") -> ServiceState:
    return ServiceState(revision=revision, update=update, can_go_back=True)


def task(
    id_: str, revision: str = NEW, state: str = "running", desired: str = "running", created: str = ""
) -> Task:
    return Task(id=id_, revision=revision, desired=desired, state=state, created=created)


STOPPED = {"state": "shutdown", "desired": "shutdown"}

# name: (service, tasks, verdict, ready, the task that tells)
CASES: dict[str, tuple[ServiceState, list[Task], Verdict, int, str | None]] = {
    "all are new and run": (service(update="completed"), [task("1"), task("2")], "done", 2, None),
    "a first deployment has no update": (service(), [task("1"), task("2")], "done", 2, None),
    "one is missing": (service(), [task("1")], "wait", 1, None),
    "one is not healthy yet": (service(), [task("1"), task("2", state="starting")], "wait", 1, "2"),
    "an old one serves still": (service(), [task("1"), task("2"), task("3", OLD)], "wait", 2, None),
    "an old one is stopping": (
        service(),
        [task("1"), task("2"), task("3", OLD, state="running", desired="shutdown")],
        "done",
        2,
        None,
    ),
    "Swarm watches still": (service(update="updating"), [task("1"), task("2")], "wait", 2, None),
    "a new one has crashed": (
        service(update="updating"),
        [task("1", state="failed", desired="shutdown"), task("2", OLD), task("3", OLD)],
        "failed",
        0,
        "1",
    ),
    "a new one was rejected": (service(), [task("1", state="rejected")], "failed", 0, "1"),
    "the first that crashed tells": (
        service(),
        [task("2", state="failed", created="2"), task("1", state="failed", created="1")],
        "failed",
        0,
        "1",
    ),
    "an old one has crashed before": (
        service(),
        [task("1"), task("2"), task("3", OLD, state="failed", desired="shutdown")],
        "done",
        2,
        None,
    ),
    "one of before that is new has crashed before": (
        service(),
        [task("1"), task("2"), task("known", state="failed", desired="shutdown")],
        "done",
        2,
        None,
    ),
    "Swarm has rolled back by itself": (
        service(OLD, "rollback_started"),
        [task("1", **STOPPED), task("2", OLD)],
        "failed",
        0,
        "1",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_outcome(name: str) -> None:
    state, tasks, verdict, ready, telling = CASES[name]
    seen = outcome(state, tasks, wanted=NEW, replicas=2, known={"known"})
    assert (seen.verdict, seen.ready, seen.task.id if seen.task else None) == (verdict, ready, telling)


def test_read() -> None:
    template = {"ContainerSpec": {"Labels": {"x.revision": "abc"}}}
    state = read_service(
        {
            "Spec": {"TaskTemplate": template},
            "PreviousSpec": {},
            "UpdateStatus": {"State": "rollback_started"},
        },
        revision_label="x.revision",
    )
    assert (state.revision, state.can_go_back, state.is_settled) == ("abc", False, False)
    read = read_task(
        {
            "ID": "1",
            "Spec": template,
            "Status": {"State": "failed", "Err": "task: non-zero exit (1)"},
            "DesiredState": "shutdown",
            "CreatedAt": "2026-01-01",
            "NetworksAttachments": [{"Addresses": ["10.0.1.5/24"]}],
        },
        revision_label="x.revision",
    )
    assert read == Task(
        id="1",
        revision="abc",
        desired="shutdown",
        state="failed",
        error="task: non-zero exit (1)",
        created="2026-01-01",
        addresses=("10.0.1.5",),
    )
