"""The parts that a benchmark runs on: an engine, a Postgres, our deployer, the rivals' programs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from benchmarks import peers as registry_peers
from benchmarks.peers import Peer
from benchmarks.project import Project
from benchmarks.report import Machine
from local import toolchain
from tests.hasura_cli.command import HasuraCli
from tests.schema_faults.stage import ADMIN_SECRET, Stage, staged

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1 << 20


class Failed(Exception):
    """A rival did not do its work: its figures would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What one call of the deployer took: seconds, and its peak memory before and after in bytes."""

    seconds: float
    rss_before: int
    rss_after: int


@dataclass(kw_only=True)
class Bench:
    """All parts. Each method does a whole piece of work and raises `Failed` when it did not succeed."""

    stage: Stage
    deployer: subprocess.Popen[str] = field(repr=False)
    folder: Path
    project: Project
    asked: dict[str, Peer] = field(default_factory=dict)
    """The peers that some row wanted, by name."""

    def ours(self, work: str, endpoint: str | None = None) -> Done:
        """A work of `benchmarks.deployer`, in the process that has run since the start."""
        return self._ask(self.deployer, work, endpoint)

    def ours_in_a_new_process(self, work: str) -> Done:
        """The same in a process of its own, for its memory."""
        process = _start_deployer("--once")
        try:
            return self._ask(process, work, None)
        finally:
            process.communicate()

    def _ask(self, process: subprocess.Popen[str], work: str, endpoint: str | None) -> Done:
        asked = {
            "project": str(self.project.root),
            "endpoint": endpoint or self.stage.endpoint,
            "secret": ADMIN_SECRET,
        }
        sink, source = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        sink.write(json.dumps({"do": work, "with": asked}) + "\n")
        sink.flush()
        answer = json.loads(source.readline())
        if "error" in answer:
            raise Failed(f"{work}: {answer['error']}")
        return Done(seconds=answer["seconds"], rss_before=answer["rss_before"], rss_after=answer["rss_after"])

    def hasura(self, *arguments: str, endpoint: str | None = None) -> str:
        """A command of the Hasura CLI; its standard output."""
        tool = HasuraCli(
            binary=self.program("hasura"),
            project=self.project.root,
            endpoint=endpoint or self.stage.endpoint,
            admin_secret=ADMIN_SECRET,
        )
        home = self.folder / "home"
        tool.prepare(home)
        answer = tool.run(*arguments, home=home)
        if answer.code:
            raise Failed(f"hasura {' '.join(arguments)}: {answer.log[-500:]}")
        return answer.output

    def program(self, name: str) -> Path:
        """A peer's program; `Failed` where it cannot be had."""
        peer = self.peer(name)
        if peer.path is None:
            raise Failed(peer.told())
        return peer.path

    def peer(self, name: str) -> Peer:
        """A rival by its name, built when the first row wants it."""
        if name not in self.asked:
            self.asked[name] = registry_peers.found(name)
        return self.asked[name]

    def goose(self) -> None:
        """All migrations of `Project.for_goose`."""
        address = f"host=127.0.0.1 port={self.stage.database.port} user=postgres dbname=app sslmode=disable"
        folder = str(self.project.for_goose)
        self._direct("goose", "-dir", folder, "up", GOOSE_DRIVER="postgres", GOOSE_DBSTRING=address)

    def golang_migrate(self) -> None:
        """All migrations of `Project.for_golang_migrate`."""
        address = f"pgx5://postgres@127.0.0.1:{self.stage.database.port}/app?sslmode=disable"
        self._direct("migrate", "-path", str(self.project.for_golang_migrate), "-database", address, "up")

    def sqitch(self) -> None:
        """All changes of `Project.for_sqitch`."""
        address = f"db:pg://postgres@127.0.0.1:{self.stage.database.port}/app"
        self._direct(
            *("sqitch", "--chdir", str(self.project.for_sqitch), "deploy", "--no-verify", address),
            SQITCH_FULLNAME="Bench",
            SQITCH_EMAIL="bench@example.com",
        )

    def _direct(self, name: str, *arguments: str, **environment: str) -> None:
        """A peer that speaks to Postgres itself."""
        secret = {"PGPASSWORD": self.stage.database.password}
        done = subprocess.run(  # noqa: S603
            [str(self.program(name)), *arguments],
            env={**os.environ, **self.peer(name).environment, **secret, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{name}: {(done.stderr or done.stdout)[-500:]}")

    def hasura_migrate(self, endpoint: str | None = None) -> None:
        self.hasura("migrate", "apply", "--database-name", "default", endpoint=endpoint)

    def psql(self, *arguments: str) -> None:
        """psql on the migrated database; stops at the first error."""
        address = self.stage.database
        done = subprocess.run(  # noqa: S603
            [
                *("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"),
                *("--host=127.0.0.1", f"--port={address.port}", "--username=postgres", "--dbname=app"),
                *arguments,
            ],
            env={**os.environ, "PGPASSWORD": address.password},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"psql: {done.stderr[-500:]}")

    def empty(self) -> None:
        """The first day again: no table, no ledger, no metadata, no catalog state."""
        self.stage.database.rows("drop schema if exists sqitch cascade")
        self.stage.reset()
        self.stage.database.rows("checkpoint")

    def expect_tables(self, count: int) -> None:
        """Whoever ran must have made all of them. A tool's own tables do not count."""
        rows = self.stage.database.rows(
            "select count(*) from pg_class where relkind = 'r' and relname ~ '^t[0-9]+$' "
            "and relnamespace = 'public'::regnamespace"
        )
        if rows != [(count,)]:
            raise Failed(f"{rows[0][0]} tables instead of {count}")


def _start_deployer(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.deployer", *arguments],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """All parts, started; `folder` is for their files."""
    if not shutil.which("psql"):
        raise Failed("psql is not on PATH (Debian: apt-get install postgresql-client)")
    project = Project(root=folder / "project")
    project.write()
    with staged(as_deployed=True) as stage:
        deployer = _start_deployer()
        try:
            yield Bench(stage=stage, folder=folder, project=project, deployer=deployer)
        finally:
            deployer.communicate()


def machine(parts: Bench) -> Machine:
    """Where this runs."""
    with parts.stage.client() as client:
        version = client.version()
    engine = (
        "the project's own local engine, NOT the vendor's: times against it are about our code and "
        "the CLI's, never about the vendor's engine"
        if parts.stage.engine_stands_in
        else f"{parts.stage.image} ({version})"
    )
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgres="PostgreSQL " + str(parts.stage.database.rows("show server_version")[0][0]).split()[0],
        engine=engine,
        peers=(_first_line("psql", "--version"), *(peer.told() for peer in parts.asked.values())),
        pulumi=_first_line("pulumi", "version", environment=toolchain.environment(ROOT, os.environ)),
        docker=_first_line("docker", "version", "--format", "{{.Server.Version}}"),
        load=os.getloadavg()[2],
        revision=_first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    return done.stdout.splitlines()[0] if done.stdout else "unknown"
