"""Docker: found, or installed from the distribution and started where we may."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from local.toolchain import debian_packages
from local.toolchain.commands import answer, last_lines, run_logged
from local.toolchain.decisions import DockerSituation, DockerStep, DockerTrouble, docker_plan
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.progress import Progress

ANSWER_SECONDS = 20.0
START_SECONDS = 90.0
OTHER_DAEMON_SECONDS = 10.0
_POLL_SECONDS = 0.5


def look(machine: Machine, minimum: str) -> DockerSituation:
    """Ask the docker command for its server."""
    named_host = _named_host(os.environ)
    daemon_installed = shutil.which("dockerd") is not None
    if shutil.which("docker") is None:
        return DockerSituation(
            machine=machine, minimum=minimum, trouble=DockerTrouble.NO_CLIENT, named_host=named_host,
            daemon_installed=daemon_installed,
        )  # fmt: skip
    said = answer(["docker", "version", "--format", "{{.Server.Version}}"], timeout=ANSWER_SECONDS)
    version = said.stdout.strip() if said is not None and said.returncode == 0 else ""
    if version and version != "<no value>":
        return DockerSituation(
            machine=machine, minimum=minimum, server_version=version, named_host=named_host
        )
    words = " ".join(said.stderr.split()) if said is not None else f"no answer within {ANSWER_SECONDS:.0f} s"
    return DockerSituation(
        machine=machine,
        minimum=minimum,
        trouble=DockerTrouble.PERMISSION if "permission denied" in words.lower() else DockerTrouble.SILENT,
        words=words,
        named_host=named_host,
        daemon_installed=daemon_installed,
    )


def _docker_config(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("DOCKER_CONFIG") or Path(variables.get("HOME") or Path.home()) / ".docker")


def _context(variables: Mapping[str, str]) -> str | None:
    """Give the name of the Docker context in use; None for the default one."""
    name = variables.get("DOCKER_CONTEXT")
    if not name:
        try:
            config = json.loads((_docker_config(variables) / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        name = config.get("currentContext") if isinstance(config, dict) else None
    return name if name and name != "default" else None


def _named_host(variables: Mapping[str, str]) -> str | None:
    if host := variables.get("DOCKER_HOST"):
        return f"DOCKER_HOST={host}"
    context = _context(variables)
    return f"the Docker context {context!r}" if context else None


def host_of_context(variables: Mapping[str, str]) -> str | None:
    """Give the daemon's address of the Docker context in use, where it has to be told.

    The docker command follows contexts, Pulumi's Docker provider follows DOCKER_HOST only. None where
    DOCKER_HOST is set, the context is the default one, or it needs certificates of its own.
    """
    context = _context(variables)
    if variables.get("DOCKER_HOST") or context is None:
        return None
    # https://docs.docker.com/engine/manage-resources/contexts/: folders are named by the SHA-256 of the name.
    folder = _docker_config(variables) / "contexts" / "meta" / hashlib.sha256(context.encode()).hexdigest()
    try:
        host = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return host if isinstance(host, str) and host.startswith(("unix://", "ssh://")) else None


def prepare(situation: DockerSituation, *, logs: Path, progress: Progress) -> str:
    """Do what `docker_plan` says and give the source line. Raises ToolchainError."""
    plan = docker_plan(situation)
    if plan.step is DockerStep.FAIL:
        raise ToolchainError(plan.problem)
    if plan.step is DockerStep.USE:
        return "on this machine"
    if plan.step is DockerStep.INSTALL:
        debian_packages.install(
            ["docker.io", "iptables", "ca-certificates"], log=logs / "apt-docker.log", progress=progress
        )
    # Installing may have started it.
    if docker_plan(look(situation.machine, situation.minimum)).step is not DockerStep.USE:
        with progress.step("Docker: starting the daemon"):
            _start(situation.machine, situation.minimum, logs, progress)
    installed = "installed from the distribution, " if plan.step is DockerStep.INSTALL else ""
    return f"{installed}started"


def _start(machine: Machine, minimum: str, logs: Path, progress: Progress) -> None:
    log = logs / "dockerd.log"
    daemon: subprocess.Popen[bytes] | None = None
    if machine.systemd:
        run_logged(
            ["systemctl", "enable", "--now", "docker"], log=log, progress=progress,
            what="`systemctl enable --now docker`", timeout=START_SECONDS,
        )  # fmt: skip
    else:
        logs.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # A session of its own: the daemon outlives this set-up and its terminal.
            daemon = subprocess.Popen(
                ["dockerd"],  # noqa: S607
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    deadline = time.monotonic() + START_SECONDS
    ended = False
    while docker_plan(look(machine, minimum)).step is not DockerStep.USE:
        if not ended and daemon is not None and daemon.poll() is not None:
            # One that the package's own start script began a moment ago makes ours end; it may yet answer.
            ended, deadline = True, min(deadline, time.monotonic() + OTHER_DAEMON_SECONDS)
        if time.monotonic() > deadline:
            what = "ended" if ended else f"gave no answer within {START_SECONDS:.0f} s"
            raise ToolchainError(
                f"The Docker daemon was started and {what}. Its last lines:\n{last_lines(log)}\n"
                f"The whole log: {log}"
            )
        time.sleep(_POLL_SECONDS)
