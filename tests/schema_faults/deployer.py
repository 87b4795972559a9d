"""A deployer in a process of its own: the Migrations provider, called as Pulumi calls it, to be killed.

`python -m tests.schema_faults.deployer` imports the provider once and then forks a deployer for each line
of JSON on its standard input: an interpreter's start would take longer than what is to be interrupted.
`{"deploy": {...}, "log": path}` answers the process's id; `{"alive": pid}` answers 1 or 0; `{"kill": pid}`
kills -9 and `{"wait": pid}` waits, and both answer how the process ended, as `waitstatus_to_exitcode` tells
it (negative for a signal).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from components.hasura.json_types import JsonObject
from components.schema.directories import Schema
from components.schema.inputs import MigrationSettings, migration_inputs
from components.schema.metadata_directory import MetadataDirectory
from components.schema.migrations import read_migrations
from components.schema.provider import MigrationsProvider

ROOT = Path(__file__).resolve().parents[2]


def inputs(endpoint: str, admin_secret: str, **settings: object) -> dict[str, object]:
    """The inputs of the resource for the `migrations` folder of the working directory."""
    schema = Schema(
        migrations_directory="migrations",
        metadata_directory="",
        migrations=read_migrations(Path("migrations"), shown_as="migrations"),
        metadata=MetadataDirectory(tree={}, places={}),
    )
    how: MigrationSettings = {"stack": "faults", **settings}  # type: ignore[typeddict-item]
    return migration_inputs(schema, endpoint=endpoint, admin_secret=admin_secret, settings=how)


def preview(news: dict[str, object], olds: dict[str, object] | None = None) -> list[str]:
    """Why the provider refuses, if it does."""
    return [failure.reason for failure in MigrationsProvider().check(olds or {}, news).failures]


def deploy(news: dict[str, object], olds: dict[str, object] | None = None) -> None:
    """What Pulumi calls for `up`: check, then create or update. Raises what the provider raises."""
    if refused := preview(news, olds):
        raise AssertionError("refused in preview: " + "; ".join(refused))
    if olds is None:
        MigrationsProvider().create(news)
    else:
        MigrationsProvider().update("migrations", olds, news)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a deployer ended: `code` is negative for a signal, `log` what it wrote."""

    code: int
    log: str


@dataclass(kw_only=True)
class Deployer:
    """The test's side: one deployer at a time."""

    server: subprocess.Popen[str] = field(repr=False)
    logs: Path
    project: Path
    endpoint: str
    admin_secret: str = field(repr=False)
    _started: int = 0
    _pid: int = 0

    def start(self, **settings: object) -> None:
        """Begin a deployment of the project as it is now."""
        self._started += 1
        wanted: JsonObject = {
            "project": str(self.project),
            "endpoint": self.endpoint,
            "secret": self.admin_secret,
            "settings": cast(JsonObject, settings),
        }
        self._pid = self._ask({"deploy": wanted, "log": str(self._log)})

    def alive(self) -> bool:
        """Whether it is still at work."""
        return bool(self._ask({"alive": self._pid}))

    def kill(self) -> Ended:
        """Kill -9; it may have ended before, or not have begun to write."""
        return Ended(code=self._ask({"kill": self._pid}), log=self.log())

    def wait(self) -> Ended:
        """Wait until it ends by itself."""
        return Ended(code=self._ask({"wait": self._pid}), log=self.log())

    def run(self, **settings: object) -> Ended:
        """Deploy undisturbed."""
        self.start(**settings)
        return self.wait()

    def log(self) -> str:
        """What the deployer has written until now."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.logs / f"{self._started}.log"

    def _ask(self, request: JsonObject) -> int:
        asked, answers = cast("IO[str]", self.server.stdin), cast("IO[str]", self.server.stdout)
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        return int(answers.readline())


@contextmanager
def deployer(project: Path, logs: Path, endpoint: str, admin_secret: str) -> Iterator[Deployer]:
    """Start the process that deployers are forked from."""
    logs.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.schema_faults.deployer"],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Deployer(
            server=server, logs=logs, project=project, endpoint=endpoint, admin_secret=admin_secret
        )
    finally:
        server.communicate()


def _child(request: JsonObject, log: str) -> int:
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(sink, stream)
    try:
        os.chdir(str(request["project"]))
        settings = cast("dict[str, object]", request["settings"])
        deploy(inputs(str(request["endpoint"]), str(request["secret"]), **settings))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "deploy" in request:
            pid = os.fork()
            if pid == 0:
                code = _child(request["deploy"], request["log"])
                sys.stderr.flush()
                os._exit(code)
            print(pid, flush=True)
            continue
        if "alive" in request:
            ended = os.waitid(os.P_PID, request["alive"], os.WEXITED | os.WNOHANG | os.WNOWAIT)
            print(int(ended is None), flush=True)
            continue
        if "kill" in request:
            os.kill(request["kill"], signal.SIGKILL)
        _, status = os.waitpid(request.get("kill") or request["wait"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
