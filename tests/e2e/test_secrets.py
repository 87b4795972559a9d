"""A canary in every secret of a stack, searched wherever Pulumi and this project write something.

The stack has a passphrase of its own and a real Clerk's configuration. A local Clerk stands where the real
one would, with the canary as its only key; a signing key of one's own spares the engine the JWKS.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest
from project_copy import ProjectCopy, Run

from components.clerk import keys
from local.clerk.server import serving
from tests.external_postgres.servers import postgres_image
from tests.free_ports import free_port
from tests.images.containers import docker

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

# Drawn anew each time: this file is in the project that is searched.
PASSPHRASE = f"canary-passphrase-{token_hex(8)}"
CONFIGURED_KEY = f"sk_test_canaryFromConfig{token_hex(8)}"
EXPORTED_KEY = f"sk_test_canaryFromEnvironment{token_hex(8)}"
SIGNING_KEY = f"canary-signing-key-of-at-least-32-bytes-{token_hex(4)}"
VARIABLE = f"canary-variable-{token_hex(8)}"
CONFIGURED = (PASSPHRASE, CONFIGURED_KEY, EXPORTED_KEY, SIGNING_KEY, VARIABLE)
CLIS_OWN = "arshaling property for RPC["
"""What lines of the CLI's own log have, from level 9 on, that hold what is secret; docs/secrets.md warns of them."""


class Clerk:
    """The instance at one address, whose key can be changed as in the dashboard."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self._running = ExitStack()

    def start(self, secret_key: str) -> None:
        self.stop()
        self._running.enter_context(serving(self.data, secret_key=secret_key, port=self.port))

    def stop(self) -> None:
        self._running.close()
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Watched:
    """Everything that was printed so far, by command, and the command lines of all processes meanwhile."""

    project: ProjectCopy
    clerk: Clerk
    texts: dict[str, str] = field(default_factory=dict)
    command_lines: set[str] = field(default_factory=set)

    def pulumi(self, name: str, *arguments: str, **environment: str) -> int:
        return self._watched(name, lambda secret: self.project.pulumi(*arguments, **secret, **environment))

    def run(self, name: str, *command: str, **environment: str) -> int:
        return self._watched(name, lambda secret: self.project.run(*command, **secret, **environment))

    def _watched(self, name: str, command: Callable[[dict[str, str]], Run]) -> int:
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        try:
            own = {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PULUMI_STACK": self.project.stack}
            run = command(own)
        finally:
            done.set()
            watcher.join()
        self.texts[name] = run.text
        return run.code

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.command_lines.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    def secrets(self) -> list[str]:
        """The canaries, and every secret that the stack has made by itself."""
        shown = subprocess.run(
            ["pulumi", "stack", "export", "--show-secrets", "--stack", self.project.stack],
            cwd=self.project.folder,
            check=True,
            capture_output=True,
            text=True,
            env=self.project.environment | {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
        ).stdout
        made = [
            json.loads(resource["outputs"]["value"]["plaintext"])
            for resource in json.loads(shown)["deployment"]["resources"]
            if resource["type"].endswith(":GeneratedSecret")
        ]
        assert len(made) == 4
        assert all(len(secret) > 20 for secret in made)
        return [*CONFIGURED, *made]


def set_secret(project: ProjectCopy, key: str, value: str, *options: str) -> None:
    """As a person does it: by standard input, not by an argument."""
    subprocess.run(
        ["pulumi", "config", "set", "--secret", *options, key, "--stack", project.stack, "--non-interactive"],
        cwd=project.folder,
        check=True,
        capture_output=True,
        text=True,
        input=value,
        env=project.environment | {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
    )


@pytest.fixture(scope="module")
def watched(project: ProjectCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A stack that was deployed, changed, refused and deployed again, and all that was said meanwhile."""
    clerk = Clerk(tmp_path_factory.mktemp("clerk"))
    own = project.folder / f"Pulumi.{project.stack}.yaml"
    lines = [line for line in own.read_text().splitlines() if "encryptionsalt" not in line]
    own.write_text("\n".join(line for line in lines if "localClerk:" not in line) + "\n")
    watched = Watched(project, clerk)
    assert watched.pulumi("init", "stack", "init") == 0, watched.texts
    for key, value in {
        "localClerk": "false",
        "clerkApiUrl": clerk.url,
        "clerkPublishableKey": keys.publishable_key_for(clerk.url.removeprefix("http://")),
        "jwtSigningAlgorithm": "HS256",
    }.items():
        project.pulumi("config", "set", key, value, PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
    set_secret(project, "clerkSecretKey", CONFIGURED_KEY)
    set_secret(project, "jwtSigningKey", SIGNING_KEY)
    set_secret(project, "engineEnvironment.ACTION_TOKEN", VARIABLE, "--path")
    plain = ("config", "set", "--path", "engineEnvironment.ACTION_LEVEL", "5")
    project.pulumi(*plain, PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
    try:
        clerk.start(CONFIGURED_KEY)
        _deploy_and_fail(watched)
        yield watched
    finally:
        clerk.stop()


def _deploy_and_fail(watched: Watched) -> None:
    def run(name: str, *arguments: str, code: bool = True, **environment: str) -> None:
        ended = watched.pulumi(name, *arguments, **environment)
        assert (ended == 0) is code, watched.texts[name][-3000:]

    write_migration(watched.project, "1800000000001_made", "create table made (id int);")
    run("preview", "preview", "--diff")
    run("preview as JSON", "preview", "--json")
    run("up", "up", "--yes", "--skip-preview", "--diff")
    watched.clerk.start(EXPORTED_KEY)
    run("refused key", "preview", code=False)
    # `--config` stays in the stack's file, so that the next command says its own.
    write_migration(watched.project, "1800000000002_gone", "drop table made;")
    dumped = "--config=backupDirectory=dumps"
    changed = ("--config=jwtTemplateLifetime=61", "--config=secretsRotation=second", dumped)
    # As `make up` does it for a stack that is held to the policies.
    logged = ("python", "-m", "components.deployment_log", "up", "--yes", "--stack", watched.project.stack)
    policies = ("--policy-pack", "policy")
    ended = watched.run("logged up", *logged, *changed, *policies, CLERK_SECRET_KEY=EXPORTED_KEY)
    assert ended == 0, watched.texts["logged up"][-3000:]
    run("refresh", "refresh", "--yes", CLERK_SECRET_KEY=EXPORTED_KEY)
    run("bad configuration", "up", "--yes", "--config=jwtTemplateLifetime=1", code=False)
    unfit = ("--config=jwtTemplateLifetime=62", "--config=jwtSigningAlgorithm=HS512")
    run("unfit signing key", "preview", *unfit, code=False)
    watched.clerk.stop()
    fitting = "--config=jwtSigningAlgorithm=HS256"
    run("no Clerk", "up", "--yes", "--config=jwtTemplateLifetime=62", fitting, code=False)
    watched.clerk.start(CONFIGURED_KEY)
    run("change as JSON", "preview", "--json", "--config=jwtTemplateLifetime=63")
    stack, plan = watched.project.stack, ".local/plan/plan"
    documents = ("--markdown", f"{plan}.md", "--json", f"{plan}.json")
    for command, codes in {
        ("components.plan", "--stack", stack, *documents): (0, 2),
        ("components.plan", "--stack", stack, "--drift"): (0, 2, 3),
        ("components.schema", "status"): (0, 3),
        # What `make env` and `make backup` run.
        ("components.dotenv",): (0,),
        ("components.backup", "make", "--folder", ".local/backups", "--image", postgres_image()): (0,),
    }.items():
        name = " ".join(command)
        assert watched.run(name, "python", "-m", *command) in codes, watched.texts[name][-3000:]
    run("outputs", "stack", "output", "--json")


def write_migration(project: ProjectCopy, key: str, text: str) -> None:
    folder = project.folder / "migrations" / "default" / key
    folder.mkdir(parents=True)
    (folder / "up.sql").write_text(text)


def found(secrets: list[str], text: str) -> list[str]:
    return [f"...{text[max(0, text.index(s) - 80) : text.index(s)]}" for s in secrets if s in text]


def test_nothing_printed_holds_a_secret(watched: Watched) -> None:
    secrets = watched.secrets()
    assert "Row isolation is proven" in watched.texts["up"]
    assert "clerkSecretKey: Clerk, GET /v1/instance" in watched.texts["refused key"]
    assert "HS512 needs 64" in watched.texts["unfit signing key"]
    assert "[advisory]" in watched.texts["logged up"], "a policy had something to say"
    assert "GRAPHQL_URL=" in watched.texts["components.dotenv"]
    assert {name: found(secrets, text) for name, text in watched.texts.items() if found(secrets, text)} == {}


def test_no_failure_shows_a_traceback(watched: Watched) -> None:
    assert [name for name, text in watched.texts.items() if "Traceback" in text] == []


def test_the_state_holds_no_secret(watched: Watched) -> None:
    exported = watched.project.pulumi("stack", "export", PULUMI_CONFIG_PASSPHRASE=PASSPHRASE).ok()
    assert '"ciphertext"' in exported
    secrets = watched.secrets()
    assert found(secrets, exported) == []
    for path in (watched.project.folder / ".local").rglob("*.json*"):
        assert found(secrets, path.read_text()) == [], path
    stack_file = watched.project.folder / f"Pulumi.{watched.project.stack}.yaml"
    assert found(secrets, stack_file.read_text()) == []


def test_no_file_holds_a_secret(watched: Watched) -> None:
    """Neither what a command left in the project or the home folder, readable by others or not, nor a dump."""
    secrets = watched.secrets()
    searched = []
    for folder in (watched.project.folder, watched.project.home):
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            searched.append(path)
            assert found(secrets, path.read_bytes().decode("latin-1")) == [], path
    assert any(path.parent.name == "dumps" for path in searched), "a dump was searched"
    assert any(path.name == "plan.md" for path in searched), "a plan was searched"
    assert any(path.suffix == ".log" and path.parent.name == "deployments" for path in searched), (
        "a log was searched"
    )
    backups = [path for path in searched if path.suffix == ".tar"]
    assert backups, "a backup was searched"


def test_what_would_be_committed_holds_no_secret(watched: Watched) -> None:
    project = watched.project
    author = ("-c", "user.name=copy", "-c", "user.email=copy@example.com")
    project.run("git", "add", "--all").ok()
    project.run("git", *author, "commit", "--quiet", "-m", "all that is not ignored").ok()
    history = project.run("git", "log", "--patch", "--all", "--text").ok()
    assert f"Pulumi.{project.stack}.yaml" in history
    assert found(watched.secrets(), history) == []


def test_variables_of_the_engine_s_environment_reach_it(watched: Watched) -> None:
    """What is read of them by actions and the like, the local engine has not; so its environment is looked at."""
    name = f"clerk-hasura-{watched.project.stack}-hasura"
    given = json.loads(docker("inspect", "--format={{json .Config.Env}}", name))
    assert {f"ACTION_TOKEN={VARIABLE}", "ACTION_LEVEL=5"} <= set(given)


@pytest.mark.parametrize("part", ["postgres", "hasura"])
def test_logs_and_images_of_containers_hold_no_secret(watched: Watched, part: str) -> None:
    name = f"clerk-hasura-{watched.project.stack}-{part}"
    logs = subprocess.run(["docker", "logs", name], check=True, capture_output=True, text=True)
    image = docker("inspect", "--format={{.Image}}", name)
    texts = {
        "log": logs.stdout + logs.stderr,
        "image": docker("image", "inspect", image),
        "layers": docker("history", "--no-trunc", image),
    }
    assert all(len(text) > 50 for text in texts.values())
    secrets = watched.secrets()
    assert {what: found(secrets, text) for what, text in texts.items() if found(secrets, text)} == {}


def test_no_command_line_held_a_secret(watched: Watched) -> None:
    lines = "\n".join(watched.command_lines)
    assert "pulumi" in lines
    assert "pulumi.dynamic" in lines or "pulumi-resource-pulumi-python" in lines, "the providers were seen"
    assert found(watched.secrets(), lines) == []


@pytest.mark.parametrize("level", [8, 9])
def test_verbose_logs_hold_no_secret(watched: Watched, level: int) -> None:
    verbose = (f"-v={level}", "--logtostderr", f"--config=jwtTemplateLifetime={60 + level}")
    code = watched.pulumi("verbose", "up", "--yes", "--skip-preview", *verbose)
    text = watched.texts.pop("verbose")
    assert code == 0, text[-3000:]
    assert len(text) > 50_000
    lines = [line for line in text.splitlines() if level < 9 or CLIS_OWN not in line]
    secrets = watched.secrets()
    assert [found(secrets, line)[0] for line in lines if found(secrets, line)] == []
    # The SDK's own lines are there, without what they would show.
    urn = f"urn:pulumi:{watched.project.stack}::clerk-hasura::pulumi:pulumi:Stack"
    outputs = f"register resource outputs prepared: urn={urn}"
    assert any(outputs in line and "props=(left out)" in line for line in lines)
