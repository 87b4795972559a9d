"""A Postgres and an engine that can be killed and started again, for tests of faults.

The engine is whatever serves the configured image on this machine: the vendor's image as a container where it
is, else the local engine as a process.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import yaml

from components.hasura.client import HasuraClient
from components.hasura.json_types import JsonObject
from local import images
from tests.free_ports import free_port
from tests.images.containers import docker
from tests.local_engine.engines import (
    Engine,
    engine_container,
    is_stand_in,
    network,
    stand_in,
    until,
)

ROOT = Path(__file__).resolve().parents[2]
ADMIN_SECRET = "admin-test-only"
EMPTY_METADATA: JsonObject = {
    "version": 3,
    "sources": [
        {
            "name": "default",
            "kind": "postgres",
            "tables": [],
            "configuration": {
                "connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}
            },
        }
    ],
}


@dataclass(frozen=True, kw_only=True)
class Database:
    """A Postgres container whose port and data survive its restart; databases `app` and `metadata`."""

    name: str
    port: int
    password: str = field(repr=False)

    def url(self, database: str, *, from_container: bool = False) -> str:
        """`from_container`: for containers of its network, else for programs on this machine."""
        place = f"{self.name}:5432" if from_container else f"127.0.0.1:{self.port}"
        return f"postgresql://postgres:{self.password}@{place}/{database}"

    def rows(self, query: str, database: str = "app") -> list[tuple[object, ...]]:
        """Run one query; its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        try:
            self.rows("select 1", "postgres")
        except psycopg.OperationalError:
            return False
        return True

    def restart(self) -> None:
        """Stop it as `docker stop` does (SIGINT: clients are thrown out), and start it again."""
        docker("restart", self.name)
        until(self.answers, "Postgres answers", self.name)

    def crash(self) -> None:
        """Kill -9 the whole server in mid-work, and start it again."""
        docker("kill", "--signal=KILL", self.name)
        docker("start", self.name)
        until(self.answers, "Postgres answers", self.name)


@dataclass(kw_only=True)
class Stage:
    """The parts. `endpoint` is where the engine listens now: a restarted one has another port."""

    database: Database
    network: str
    image: str | None
    engine: Engine | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def endpoint(self) -> str:
        assert self.engine is not None
        return self.engine.endpoint

    def client(self) -> HasuraClient:
        return HasuraClient(self.endpoint, ADMIN_SECRET)

    @property
    def engine_stands_in(self) -> bool:
        """Whether it is the project's local engine that answers."""
        return self.image is None or is_stand_in(self.image)

    def start_engine(self) -> None:
        """Start an engine and wait until it is healthy."""
        stands_in = self.image is None
        environment = {
            "HASURA_GRAPHQL_DATABASE_URL": self.database.url("app", from_container=not stands_in),
            "HASURA_GRAPHQL_METADATA_DATABASE_URL": self.database.url(
                "metadata", from_container=not stands_in
            ),
            "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
        }
        started = (
            stand_in(environment)
            if self.image is None
            else engine_container(self.image, self.network, environment)
        )
        engine = self._running.enter_context(started)
        until(engine.settled, "the engine is healthy")
        assert engine.exit_code() is None, engine.log()
        self.engine = engine

    def kill_engine(self) -> None:
        """Kill -9."""
        process = getattr(self.engine, "process", None)
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        else:
            docker("kill", "--signal=KILL", str(getattr(self.engine, "name", "")))

    def stop(self) -> None:
        self._running.close()

    def isolate(self, level: str) -> None:
        """Give the source's transactions an isolation level, in Hasura's words, until the next reset."""
        with self.client() as client:
            version, metadata = client.export_metadata()
            changed = json.loads(json.dumps(metadata))
            changed["sources"][0]["configuration"]["connection_info"]["isolation_level"] = level
            client.replace_metadata(changed, version)

    def reset(self) -> None:
        """As on the first day: no table, no ledger, no metadata, no catalog state."""
        self.database.rows(
            "drop schema if exists migration_ledger cascade; drop schema public cascade; create schema public"
        )
        with self.client() as client:
            version, _ = client.export_metadata()
            client.replace_metadata(EMPTY_METADATA, version)
            client.set_catalog_state({})


def engine_image() -> str | None:
    """The configured engine's image if it is on this machine; None where the local engine is to stand in."""
    configured = _configured("hasura")
    present = subprocess.run(["docker", "image", "inspect", configured], capture_output=True, check=False)
    return None if present.returncode else configured


def _image_of(part: images.Part) -> str:
    """The image that serves a part on this machine, built if need be."""
    configured = images.ConfiguredImages(postgres=_configured("postgres"), hasura=_configured("hasura"))
    return images.ensure(configured, progress=_tell, parts=(part,))[0].image


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _configured(part: str) -> str:
    return str(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"][f"{part}Image"]["default"])


@contextmanager
def staged(*, as_deployed: bool = False, disk: str = "") -> Iterator[Stage]:
    """A stage of its own, with a healthy engine. `as_deployed`: the local engine too is a container beside
    Postgres, which waits for the disk; else what starts and stops faster. `disk` is the size of Postgres's, as Docker
    takes it; the machine's own if empty."""
    with ExitStack() as stack:
        name = stack.enter_context(network())
        options = [] if as_deployed else ["fsync=off"]
        if disk:
            # What a new table is filled with is not written ahead then: else the log may be what has no room, and
            # Postgres ends, to start again when there is some.
            options += ["wal_level=minimal", "max_wal_senders=0", "min_wal_size=32MB", "max_wal_size=32MB"]
        arguments = tuple(word for option in options for word in ("-c", option))
        database = stack.enter_context(_database(name, arguments, disk))
        for each in ("app", "metadata"):
            database.rows(f"create database {each}", "postgres")
        stage = Stage(
            database=database, network=name, image=_image_of("hasura") if as_deployed else engine_image()
        )
        stack.callback(stage.stop)
        stage.start_engine()
        yield stage


@contextmanager
def _database(network: str, options: tuple[str, ...], disk: str = "") -> Iterator[Database]:
    made = Database(
        name=f"test-faults-{secrets.token_hex(5)}", port=free_port(), password=secrets.token_hex(16)
    )
    docker(
        *("run", "--detach", f"--name={made.name}", f"--network={network}"),
        f"--publish=127.0.0.1:{made.port}:5432",
        f"--env=POSTGRES_PASSWORD={made.password}",
        *([f"--tmpfs=/var/lib/postgresql/data:size={disk}"] if disk else []),
        _image_of("postgres"),
        # Without fsync the data still outlives any process of the tests, though not the machine.
        *("-c", "max_connections=200", *options),
    )
    try:
        until(made.answers, "Postgres answers", made.name)
        yield made
    finally:
        docker("rm", "--force", "--volumes", made.name)


def poll(condition: Callable[[], bool], what: str, deadline: float = 60) -> None:
    """Wait for a condition, and fail after the deadline (seconds)."""
    until(condition, what, deadline=deadline)
