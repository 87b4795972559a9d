"""Throwaway databases and engines for tests: the stand-in as a process, or any image as a container."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import yaml

from local import images
from tests.free_ports import free_port
from tests.images.containers import docker

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A throwaway Postgres container."""

    name: str
    password: str = field(repr=False)
    port: int

    def url(self, database: str = "postgres") -> str:
        """For programs on this machine."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def inner_url(self, database: str = "postgres") -> str:
        """For containers of the same network."""
        return f"postgresql://postgres:{self.password}@{self.name}:5432/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database; its name. Dropped afterwards, whoever is still connected."""
        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        try:
            yield name
        finally:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                connection.execute(f'drop database "{name}" with (force)')


@contextmanager
def network() -> Iterator[str]:
    """A Docker network of its own; its name."""
    name = f"test-engine-{secrets.token_hex(5)}"
    docker("network", "create", name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@contextmanager
def postgres(*, network: str = "bridge") -> Iterator[Postgres]:
    """Postgres of the stack's image, on a free port of the loopback address."""
    manifest = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    configured = manifest["config"]["postgresImage"]["default"]
    image = images.resolve(configured, "postgres").image
    name, password = f"test-engine-{secrets.token_hex(5)}", secrets.token_hex(16)
    docker(
        "run",
        "--detach",
        f"--name={name}",
        f"--network={network}",
        "--publish=127.0.0.1:0:5432",
        "--tmpfs=/var/lib/postgresql/data",
        f"--env=POSTGRES_PASSWORD={password}",
        image,
        *("-c", "fsync=off", "-c", "max_connections=200"),
    )
    try:
        port = int(docker("port", name, "5432").splitlines()[0].rpartition(":")[2])
        started = Postgres(name=name, password=password, port=port)
        until(lambda: _accepts(started.url()), "Postgres answers", name)
        yield started
    finally:
        docker("rm", "--force", "--volumes", name)


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def until(
    condition: Callable[[], bool], what: str, container: str | None = None, deadline: float = DEADLINE_SECONDS
) -> None:
    """Poll until the condition holds; fail after the deadline, with the container's log."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            log = docker("logs", container, check=False) if container else ""
            raise AssertionError(f"not within {deadline} s: {what}\n{log}")
        time.sleep(0.05)


@dataclass(kw_only=True)
class Engine:
    """A started engine: reach it at `endpoint`. It may have ended by itself."""

    endpoint: str
    stand_in: bool

    def exit_code(self) -> int | None:
        """The exit code, None while it runs."""
        raise NotImplementedError

    def log(self) -> str:
        """All that it has written."""
        raise NotImplementedError

    def healthy(self) -> bool:
        """Whether /healthz answers 200."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def settled(self) -> bool:
        """Whether it is healthy or has ended."""
        return self.exit_code() is not None or self.healthy()

    def call(
        self, path: str, body: object, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, object]:
        """Send JSON; status and decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.endpoint + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@dataclass(kw_only=True)
class _Process(Engine):
    process: subprocess.Popen[bytes]
    output: Path

    def exit_code(self) -> int | None:
        return self.process.poll()

    def log(self) -> str:
        return self.output.read_text()


@dataclass(kw_only=True)
class _Container(Engine):
    name: str

    def exit_code(self) -> int | None:
        state = docker("inspect", "--format={{.State.Running}} {{.State.ExitCode}}", self.name)
        running, code = state.split()
        return None if running == "true" else int(code)

    def log(self) -> str:
        result = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=True)
        return result.stdout + result.stderr


@contextmanager
def stand_in(environment: Mapping[str, str]) -> Iterator[_Process]:
    """The local engine as a process on the loopback address; not waited for."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="local-engine-") as folder:
        output = Path(folder) / "log"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.engine"],
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "HASURA_GRAPHQL_SERVER_HOST": "127.0.0.1",
                    "HASURA_GRAPHQL_SERVER_PORT": str(port),
                    **environment,
                },
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _Process(endpoint=f"http://127.0.0.1:{port}", stand_in=True, process=process, output=output)
        finally:
            process.terminate()
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def engine_container(image: str, network: str, environment: Mapping[str, str]) -> Iterator[_Container]:
    """An engine image as a container of the network, its port on the loopback address; not waited for."""
    name, port = f"test-engine-{secrets.token_hex(5)}", free_port()
    # Values go by the client's environment, not by its arguments, which everybody on the machine can read.
    subprocess.run(
        [
            *("docker", "run", "--detach", f"--name={name}", f"--network={network}"),
            f"--publish=127.0.0.1:{port}:8080",
            "--add-host=host.docker.internal:host-gateway",
            *(f"--env={key}" for key in environment),
            *(image, *_command(image)),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )
    # The stand-in's own image runs under this suite as well; it says so by a header on every answer.
    try:
        yield _Container(endpoint=f"http://127.0.0.1:{port}", stand_in=is_stand_in(image), name=name)
    finally:
        docker("rm", "--force", "--volumes", name)


def is_stand_in(image: str) -> bool:
    """Whether an image is the project's own."""
    return image.startswith("clerk-hasura.local/")


def _command(image: str) -> list[str]:
    return ["python", "-m", "local.engine"] if is_stand_in(image) else []
