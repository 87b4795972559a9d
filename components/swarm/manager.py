"""A stack's service, asked of a manager of the swarm by the docker command."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from components.container_health import LOG_LINES, told
from components.docker_command import STOP_SECONDS, Docker, DockerError
from components.provider_error import ProviderError, warn
from components.swarm.document import Labels, document, revision, text
from components.swarm.outcome import Outcome, ServiceState, Task, outcome, read_service, read_task

_POLL_SECONDS: Final = 0.5
_SECONDS: Final = 60
_DEPLOY_SECONDS: Final = 180
"""The image may have to be looked up at its registry."""


@dataclass(frozen=True, kw_only=True)
class SwarmService:
    """A service.

    :param stack: of Docker's stack, the first part of the service's name.
    :param service: the second part.
    """

    docker: Docker
    stack: str
    service: str
    labels: Labels

    @property
    def name(self) -> str:
        """As Swarm knows it."""
        return f"{self.stack}_{self.service}"

    def state(self) -> ServiceState | None:
        """The service as it is, or None where there is none.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        answer = self.docker.run("service", "inspect", self.name)
        if answer.returncode != 0:
            if "no such service" in answer.stderr.lower() or "not found" in answer.stderr.lower():
                return None
            raise DockerError(f"docker service inspect: {answer.stderr.strip()}")
        [found] = json.loads(answer.stdout)
        return read_service(found, revision_label=self.labels.revision)

    def tasks(self) -> list[Task]:
        """The tasks that Swarm remembers, whether they run or not.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        ids = self._ask("service", "ps", "--quiet", "--no-trunc", self.name).split()
        if not ids:
            return []
        # One that Swarm has forgotten in between is left out, and makes the exit code another.
        answer = self.docker.run("inspect", "--type", "task", *ids)
        return [
            read_task(each, revision_label=self.labels.revision) for each in json.loads(answer.stdout or "[]")
        ]

    def is_own(self, state: ServiceState) -> bool:
        """Whether the service of that name belongs to the stack."""
        found = (state.specification.get("Labels") or {}).get(self.labels.name)
        return bool(found == self.labels.value)

    def deploy(
        self,
        definition: Mapping[str, Any],
        *,
        network: str,
        secret_names: Mapping[str, str],
        owner: str,
        seconds: float,
    ) -> str:
        """Makes the service what it is to be, and returns when every replica is healthy; see `document` for what
        goes in. Gives the revision.

        :param seconds: how long one replica may take.
        :raises DockerError: when Docker does not answer, or refuses.
        :raises ProviderError: when a replica does not start; the service is then as it was, and the text says why.
        """
        wanted = revision(definition, network, secret_names)
        known = {task.id for task in self.tasks()} if self.state() is not None else set()
        made = document(
            self.service,
            definition,
            labels=self.labels,
            network=network,
            secret_names=secret_names,
            owner=owner,
        )
        flags = ["--compose-file", "-", "--with-registry-auth", "--resolve-image", "changed"]
        # Newer commands wait unless they are told not to, and older ones do not know how to be told.
        if "--detach" in self._ask("stack", "deploy", "--help"):
            flags.append("--detach=true")
        self._ask("stack", "deploy", *flags, self.stack, content=text(made), seconds=_DEPLOY_SECONDS)
        self._wait(wanted, int(definition["deploy"]["replicas"]), seconds, known)
        return wanted

    def remove(self) -> None:
        """Removes the service, and waits until its containers on this node are gone.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        if self.state() is not None:
            self._ask("service", "rm", self.name)
        deadline = time.monotonic() + STOP_SECONDS
        by_name = f"label=com.docker.swarm.service.name={self.name}"
        while self._ask("ps", "--all", "--quiet", "--filter", by_name).strip():
            if time.monotonic() > deadline:
                raise DockerError(f"containers of the service {self.name} do not end; see `docker ps -a`")
            time.sleep(_POLL_SECONDS)

    def make_secret(self, file: str, value: str) -> str:
        """Makes a secret, whose content reaches Docker by its standard input, and gives its name.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        # No name that follows from the content, which could be guessed by it.
        name = f"{self.stack[:40]}-{secrets.token_hex(8)}"
        labels = ("--label", self.labels.stack, "--label", f"{self.labels.file}={file}")
        self._ask("secret", "create", *labels, name, "-", content=value)
        return name

    def remove_secrets(self, *, keep: Collection[str] = ()) -> None:
        """Removes the stack's secrets but those to keep. One that is still in use stays until the next time.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        found = self._ask("secret", "ls", "--filter", f"label={self.labels.stack}", "--format", "{{.Name}}")
        for name in found.split():
            if name not in keep:
                self.docker.run("secret", "rm", name)

    def secret_names(self) -> set[str]:
        """Names of the stack's secrets.

        :raises DockerError: when Docker does not answer, or refuses.
        """
        found = self._ask("secret", "ls", "--filter", f"label={self.labels.stack}", "--format", "{{.Name}}")
        return set(found.split())

    def _wait(self, wanted: str, replicas: int, seconds: float, known: Collection[str]) -> None:
        deadline, before = time.monotonic() + seconds, 0
        while True:
            state = self.state()
            if state is None:
                raise ProviderError(f"the service {self.name} is gone; run `pulumi up --refresh`")
            seen = outcome(state, self.tasks(), wanted=wanted, replicas=replicas, known=known)
            if seen.verdict == "done":
                return
            if seen.verdict == "failed" or time.monotonic() > deadline:
                self._give_up(wanted, seen, seconds)
            if seen.ready > before:
                before, deadline = seen.ready, time.monotonic() + seconds
                if seen.ready < replicas:
                    warn(f"{self.name}: {seen.ready} of {replicas} replicas are the new ones")
            time.sleep(_POLL_SECONDS)

    def _give_up(self, wanted: str, seen: Outcome, seconds: float) -> NoReturn:
        """Sees to it that the service is as it was, and says why it is not what it should be."""
        task = seen.task
        in_time = "" if seen.verdict == "failed" else f" after {seconds:.0f} s (startSeconds sets the time)"
        if task is None:
            what, log, all_of_it = "no task of it tells why", "", f"docker service ps --no-trunc {self.name}"
        else:
            why = task.error or f"it is {task.state}"
            what = f"its task {task.id} is not healthy{in_time}: {why.removeprefix('task: ')}"
            log, all_of_it = self._log(task), f"docker service logs {task.id}"
        left = self._as_it_was(wanted, seconds)
        raise ProviderError(
            f"the service {self.name} {left}. Mend what has changed, or take it back, and deploy again. "
            + told(what[0].upper() + what[1:], log, all_of_it=all_of_it)
        )

    def _as_it_was(self, wanted: str, seconds: float) -> str:
        """Waits for Swarm's roll-back, asks for it where Swarm has not begun one, and says what came of it."""
        state = self.state()
        if state is None or (state.revision == wanted and not state.can_go_back):
            return "does not start, and nothing served before it"
        if state.revision == wanted:
            # Swarm may begin by itself at this moment; then it refuses, and that is as good.
            self.docker.run("service", "rollback", "--detach", self.name, seconds=_SECONDS)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.state()
            running = any(task.is_ready for task in self.tasks() if task.revision == wanted)
            if state is None or (state.revision != wanted and state.is_settled and not running):
                return "was rolled back, and the replicas of before went on serving"
            time.sleep(_POLL_SECONDS)
        return f"is being rolled back (`docker service ps {self.name}` shows how far)"

    def _log(self, task: Task) -> str:
        """The end of a task's log, wherever it ran; empty where Docker has none."""
        answer = self.docker.run("service", "logs", "--raw", "--tail", str(LOG_LINES), task.id)
        return answer.stdout + answer.stderr if answer.returncode == 0 else ""

    def _ask(self, *arguments: str, content: str = "", seconds: float = _SECONDS) -> str:
        answer = self.docker.run(*arguments, content=content, seconds=seconds)
        if answer.returncode != 0:
            raise DockerError(f"docker {' '.join(arguments[:2])}: {answer.stderr.strip()}")
        return answer.stdout
