"""The whole of the dev stack, as `make up` and Pulumi run it: a copy of the project with a stack of its own."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from benchmarks.bench import Bench, Failed
from benchmarks.case import OURS, Told, row, row_of_missing
from benchmarks.peers import Peer
from benchmarks.project import Project
from benchmarks.report import Row
from benchmarks.rounds import Rival, alternate
from components.container import http_health_test
from tests.e2e.project_copy import ProjectCopy, Run
from tests.free_ports import free_port
from tests.hasura_cli.command import HasuraCli

EMPTY = "empty Python program"
PLUGINS = "a program with one resource of each plug-in"
PROGRAMS = {
    EMPTY: "import pulumi\n",
    # What no program of these plug-ins can do without: their SDKs, and their processes.
    PLUGINS: """\
import pulumi
import pulumi_docker
import pulumi_postgresql
from provider import Made, Provider

pulumi_docker.Network("network", name="bench-never-made")
server = pulumi_postgresql.Provider("postgres", host="127.0.0.1", port=1, username="u", password="p")
pulumi_postgresql.Role("role", name="r", opts=pulumi.ResourceOptions(provider=server))
Made(Provider(), "dynamic", {})
""",
}
PROVIDER = """\
from pulumi.dynamic import Resource, ResourceProvider


class Provider(ResourceProvider):
    pass


class Made(Resource):
    pass
"""
COMPOSE = "docker compose up, hasura deploy"


def preview(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """A preview of the dev stack as it is, against programs that do next to nothing."""
    with _dev_stack(parts.folder, told) as stack:
        ours = Rival(name=OURS, run=partial(_nothing_to_do, stack))
        others = [
            Rival(name=name, run=_program(stack, parts.folder / f"program-{number}", text))
            for number, (name, text) in enumerate(PROGRAMS.items())
        ]
        times = alternate([ours, *others], rounds, told)
    work, goal = "preview of the dev stack, nothing to do", "at most 1.25 times"
    return [
        row(times, rounds, work=work, against=EMPTY, goal=goal, at_most=1.25),
        row(times, rounds, work=work, against=PLUGINS),
    ]


def second_up(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """`make up` of a stack that is up, which includes a proof, against Pulumi alone."""
    against = "pulumi up, nothing to do"
    with _dev_stack(parts.folder, told) as stack:
        times = alternate(
            [
                Rival(name=OURS, run=lambda: _done(stack.run("make", "up"))),
                Rival(name=against, run=lambda: _done(stack.pulumi("up", "--yes"))),
            ],
            rounds,
            told,
        )
    goal = "at most 1.5 times"
    return [row(times, rounds, work="second make up", against=against, goal=goal, at_most=1.5)]


def one_more(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """`pulumi up` with one new migration on 500, against the same command with nothing to do."""
    with _dev_stack(parts.folder, told) as stack:
        project = Project(root=stack.folder)
        # The stack's own migration is version 0.
        project.migration(1, "create table ran (version bigint);\n")
        project.rows(500, first=2)
        newest = [502]

        def write_one() -> None:
            project.rows(1, first=newest[0])
            newest[0] += 1

        def up() -> None:
            _done(stack.pulumi("up", "--yes"))

        told("apply 500")
        up()
        against = "pulumi up, nothing to do"
        times = alternate(
            [Rival(name=OURS, run=up, prepare=write_one), Rival(name=against, run=up)], rounds, told
        )
    work, goal = "pulumi up with one new migration on 500", "at most 1.5 times"
    return [row(times, rounds, work=work, against=against, goal=goal, at_most=1.5)]


def first_up(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """`make up` where there is nothing yet but tools and images, against Compose and the Hasura CLI in a script."""
    rounds = min(rounds, 5)
    missing = [peer for name in ("compose", "hasura") if not (peer := parts.peer(name)).path]
    with _dev_stack(parts.folder, told) as stack:
        ours = Rival(
            name=OURS,
            run=lambda: _done(stack.run("make", "up")),
            prepare=lambda: _done(stack.run("make", "down")),
        )
        work, goal = "first make up, tools and images cached", "at most 1.3 times"
        if missing:
            times = alternate([ours], rounds, told, warm_up=False)
            why = "; ".join(peer.told() for peer in missing)
            return [
                row_of_missing(times.median(OURS), why, work=work, against=COMPOSE, goal=goal, rounds=rounds)
            ]
        script = _Script.of(stack, parts)
        try:
            theirs = Rival(name=COMPOSE, run=script.up, prepare=script.down)
            times = alternate([ours, theirs], rounds, told, warm_up=False)
        finally:
            script.down()
    return [row(times, rounds, work=work, against=COMPOSE, goal=goal, at_most=1.3)]


@contextmanager
def _dev_stack(folder: Path, told: Told) -> Iterator[ProjectCopy]:
    name = f"bench{secrets.token_hex(3)}"
    place = folder / name
    place.mkdir()
    stack = ProjectCopy(place, name)
    # As Python does by itself: else all that is run here would be compiled at each start.
    stack.environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        told("first make up, not counted")
        _done(stack.run("make", "up"))
        yield stack
    finally:
        stack.run("make", "down")
        stack.remove()


def _done(run: Run) -> None:
    if run.code:
        raise Failed(run.text[-1500:])


def _nothing_to_do(stack: ProjectCopy) -> None:
    _done(stack.pulumi("preview", "--expect-no-changes"))


def _program(stack: ProjectCopy, folder: Path, text: str) -> Callable[[], None]:
    """A preview of a program in a folder of its own, with the stack's tools, environment and backend."""
    folder.mkdir()
    (folder / "__main__.py").write_text(text)
    (folder / "provider.py").write_text(PROVIDER)
    runtime = {"name": "python", "options": {"virtualenv": str(stack.folder / ".venv")}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": folder.name, "runtime": runtime}))

    def call(*arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            ["pulumi", *arguments, "--stack", "bench", "--non-interactive", "--color=never"],  # noqa: S607
            cwd=folder,
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"pulumi {arguments[0]}: {(done.stdout + done.stderr)[-800:]}")

    call("stack", "init")
    return partial(call, "preview")


@dataclass(frozen=True, kw_only=True)
class _Script:
    """What people write in place of this project: a Compose file with the stack's own images, then `hasura deploy`."""

    folder: Path
    compose: Peer
    cli: HasuraCli
    home: Path

    @classmethod
    def of(cls, stack: ProjectCopy, parts: Bench) -> _Script:
        folder = parts.folder / f"compose-{stack.stack}"
        folder.mkdir()
        port, secret, password = free_port(), secrets.token_hex(16), secrets.token_hex(16)
        address = f"postgresql://postgres:{password}@postgres:5432/postgres"
        hasura = _running(stack, "hasura")
        services = {
            "postgres": {
                "image": _running(stack, "postgres")["image"],
                "environment": {"POSTGRES_PASSWORD": password},
                "volumes": ["data:/var/lib/postgresql/data"],
                "healthcheck": {
                    "test": ["CMD", "pg_isready", "-U", "postgres", "-h", "127.0.0.1"],
                    "interval": "1s",
                },
            },
            "hasura": {
                **hasura,
                "depends_on": {"postgres": {"condition": "service_healthy"}},
                "ports": [f"127.0.0.1:{port}:8080"],
                "environment": {
                    "HASURA_GRAPHQL_DATABASE_URL": address,
                    "HASURA_GRAPHQL_METADATA_DATABASE_URL": address,
                    "HASURA_GRAPHQL_ADMIN_SECRET": secret,
                },
                # In a Compose file one dollar begins a variable.
                "healthcheck": {
                    "test": [
                        word.replace("$", "$$") for word in http_health_test("http://127.0.0.1:8080/healthz")
                    ],
                    "interval": "1s",
                },
            },
        }
        (folder / "compose.yaml").write_text(
            yaml.safe_dump({"services": services, "volumes": {"data": None}})
        )
        for name in ("migrations", "hasura_metadata"):
            (folder / name).symlink_to(stack.folder / name)
        binary = parts.program("hasura")
        cli = HasuraCli(
            binary=binary, project=folder, endpoint=f"http://127.0.0.1:{port}", admin_secret=secret
        )
        home = folder / "home"
        cli.prepare(home)
        return cls(folder=folder, compose=parts.peer("compose"), cli=cli, home=home)

    def up(self) -> None:
        self._compose("up", "--detach", "--wait", "--quiet-pull")
        answer = self.cli.run("deploy", home=self.home)
        if answer.code:
            raise Failed(f"hasura deploy: {answer.log[-800:]}")

    def down(self) -> None:
        with suppress(FileNotFoundError):
            self._compose("down", "--volumes", "--timeout", "1")

    def _compose(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            [str(self.compose.path), "--project-name", self.folder.name, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"docker compose {arguments[0]}: {done.stderr[-800:]}")


def _running(stack: ProjectCopy, part: str) -> dict[str, object]:
    """The image of a container of the stack by its id, and its command where that is not the image's own."""
    asked = ["docker", "inspect", f"clerk-hasura-{stack.stack}-{part}"]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True)  # noqa: S603
    found = json.loads(answer.stdout)[0]
    return {"image": found["Image"], "command": found["Config"]["Cmd"]}
