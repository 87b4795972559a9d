"""Where each tool is to come from: pure decisions over what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from local.toolchain.machine import Machine
from local.toolchain.pins import is_new_enough, version_numbers


class Step(StrEnum):
    """What is done to have a tool."""

    USE_MACHINE = "use the machine's"
    USE_CACHE = "use what an earlier set-up made"
    DOWNLOAD = "download from the vendor"
    BUILD = "build from package registries"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of one tool before anything is done."""

    wanted: str
    on_machine: str | None = None
    """The version found on the machine."""
    cached: bool = False
    vendor_obstacle: str | None = None
    """Why the vendor's download cannot be had; None where it can."""
    build_obstacle: str | None = None
    """Why it cannot be built here; None where it can."""


def steps(candidate: Candidate) -> tuple[Step, ...]:
    """Give what to try, in order; empty where nothing can work (see `obstacles`)."""
    if candidate.on_machine is not None and is_new_enough(candidate.on_machine, candidate.wanted):
        return (Step.USE_MACHINE,)
    if candidate.cached:
        return (Step.USE_CACHE,)
    possible = []
    if candidate.vendor_obstacle is None:
        possible.append(Step.DOWNLOAD)
    if candidate.build_obstacle is None:
        possible.append(Step.BUILD)
    return tuple(possible)


def obstacles(tool: str, candidate: Candidate) -> str:
    """Say why a tool cannot be had from any source, for a candidate without steps."""
    found = f"{candidate.on_machine} is too old" if candidate.on_machine else "none found"
    return (
        f"{tool} {candidate.wanted} cannot be had.\n"
        f"  on this machine: {found}\n"
        f"  vendor's download: {candidate.vendor_obstacle}\n"
        f"  built here: {candidate.build_obstacle}"
    )


class DockerStep(StrEnum):
    """What is done to have Docker."""

    USE = "use"
    START = "start the daemon that is installed"
    INSTALL = "install from the distribution and start"
    FAIL = "ask the user"


class DockerTrouble(StrEnum):
    """Why `docker version` gave no server."""

    NO_CLIENT = "the docker command is not installed"
    PERMISSION = "this user may not use Docker's socket"
    SILENT = "no Docker daemon answers"


@dataclass(frozen=True, kw_only=True)
class DockerSituation:
    """What was found of Docker."""

    machine: Machine
    minimum: str
    server_version: str | None = None
    trouble: DockerTrouble | None = None
    words: str = ""
    """What the docker command said, on one line."""
    named_host: str | None = None
    """The setting that names a daemon elsewhere, e.g. `DOCKER_HOST=tcp://...`."""
    daemon_installed: bool = False


@dataclass(frozen=True, kw_only=True)
class DockerPlan:
    """What to do, and for FAIL what to tell the user."""

    step: DockerStep
    problem: str = ""


def docker_plan(situation: DockerSituation) -> DockerPlan:  # noqa: PLR0911 (one line per case)
    """Decide how Docker is had. Nothing is ever installed or started where the user named a daemon."""
    if situation.server_version is not None:
        # Docker counts majors by age (20, 23, ... 29), so a later major is no break.
        if version_numbers(situation.server_version) >= version_numbers(situation.minimum):
            return DockerPlan(step=DockerStep.USE)
        return _fail(
            f"Docker {situation.server_version} is too old: {situation.minimum} or newer is needed. "
            "Upgrade Docker, then run this again."
        )
    machine = situation.machine
    if situation.named_host is not None and situation.trouble is not DockerTrouble.NO_CLIENT:
        return _fail(
            f"No Docker daemon answers, and {situation.named_host} says where it should be "
            f"({situation.words}). Start that daemon, or unset the setting."
        )
    if situation.trouble is DockerTrouble.PERMISSION:
        return _fail(
            'This user may not use Docker\'s socket. Run `sudo usermod -aG docker "$USER"`, then log out '
            "and in again (or run `newgrp docker`): membership of the group docker gives access."
        )
    if machine.system == "darwin":
        return _fail(
            f"Docker is needed and {situation.trouble}. Install Docker Desktop or colima "
            "(`brew install colima docker && colima start`), start it, then run this again."
        )
    if machine.root and situation.daemon_installed and situation.trouble is not DockerTrouble.NO_CLIENT:
        return DockerPlan(step=DockerStep.START)
    if machine.root and machine.debian:
        return DockerPlan(step=DockerStep.INSTALL)
    return _fail(f"Docker is needed and {situation.trouble}. {_docker_remedy(situation)}")


def _docker_remedy(situation: DockerSituation) -> str:
    sudo = "" if situation.machine.root else "sudo "
    start = f"{sudo}systemctl start docker" if situation.machine.systemd else f"{sudo}dockerd &"
    if situation.daemon_installed and situation.trouble is not DockerTrouble.NO_CLIENT:
        return f"Run `{start}`, then run this again."
    if situation.machine.debian:
        group = "" if situation.machine.root else ' && sudo usermod -aG docker "$USER"'
        return f"Run `{sudo}apt-get install docker.io iptables{group}`, log in again, then run this again."
    return "Install Docker Engine by https://docs.docker.com/engine/install/, start it, then run this again."


def _fail(problem: str) -> DockerPlan:
    return DockerPlan(step=DockerStep.FAIL, problem=problem)


class GoStep(StrEnum):
    """How the Go that builds is had."""

    USE = "use the machine's"
    SWITCH = "let the machine's Go fetch a newer one"
    INSTALL = "install from the distribution, then let it fetch a newer one"


def go_step(found: str | None, *, required: str, minimum: str, machine: Machine) -> GoStep | None:
    """Decide how Go is had; None where it cannot be.

    `found` is the version of the machine's Go, `required` what the modules need, `minimum` the oldest Go that
    can switch to another (https://go.dev/doc/toolchain).
    """
    if found is not None and version_numbers(found) >= version_numbers(required):
        return GoStep.USE
    if found is not None and version_numbers(found) >= version_numbers(minimum):
        return GoStep.SWITCH
    if machine.root and machine.debian:
        return GoStep.INSTALL
    return None
