"""The tools of the set-up at work together: CLI, language host, Docker plugin, dynamic providers."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pulumi_docker
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from local import toolchain
from local.toolchain import vendor
from local.toolchain.errors import ChecksumError
from local.toolchain.machine import this_machine
from local.toolchain.pins import Release
from local.toolchain.progress import Progress
from local.toolchain.store import Store
from tests.toolchain.release_server import ReleaseServer, archive_of, leftovers

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

PROGRAM = """
import os
import time

import notes
import pulumi
import pulumi_docker as docker

config = pulumi.Config()
print("a word from the program")
labels = [docker.NetworkLabelArgs(label="a", value="b")]
network = docker.Network("network", name=config.require("name"), labels=labels)
volume = docker.Volume("volume", name=config.require("name"))
notes.Note("note", path=config.require("path"), text=config.get("text") or "first", network=network.name)
if config.get("fault") == "error":
    raise ValueError("boom")
if config.get("fault") == "told":
    raise pulumi.RunError("write the key again")
if config.get("fault") == "exit":
    raise SystemExit("no good")
if config.get("fault") == "wait":
    open(config.require("path") + ".pid", "w").write(str(os.getpid()))
    time.sleep(300)
pulumi.export("network", network.name)
pulumi.export("hidden", pulumi.Output.secret("do not show"))
"""

NOTES = """
from pathlib import Path

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult


class Provider(ResourceProvider):
    def create(self, props):
        Path(props["path"]).write_text(props["text"])
        return CreateResult(props["path"], dict(props))

    def diff(self, id_, olds, news):
        return DiffResult(changes=olds["text"] != news["text"])

    def update(self, id_, olds, news):
        Path(id_).write_text(news["text"])
        return UpdateResult(dict(news))

    def read(self, id_, props):
        if not Path(id_).exists():
            return ReadResult("", {})
        found = {**props, "text": Path(id_).read_text()}
        return ReadResult(id_, found, found)

    def delete(self, id_, props):
        Path(id_).unlink(missing_ok=True)


class Note(Resource, module="test", name="Note"):
    def __init__(self, name, **props):
        super().__init__(Provider(), name, props)
"""


class Stack:
    """A tiny project with a stack in a backend of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"toolchain-test-{os.getpid()}"
        self.note = folder / "note.txt"
        state = folder / "state"
        state.mkdir()
        (folder / "Pulumi.yaml").write_text(
            "name: tools\nruntime:\n  name: python\n  options:\n    toolchain: pip\n"
            f"    virtualenv: {json.dumps(str(ROOT / '.venv'))}\n"
        )
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "notes.py").write_text(NOTES)
        given = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        self.environment = {
            **given,
            **toolchain.environment(ROOT, given),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "HOME": str(folder),
        }
        assert "PULUMI_HOME" in self.environment, "the tools are not set up: make setup"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pulumi(self, *arguments: str, code: int = 0) -> str:
        with self.start(*arguments) as child:
            text, _ = child.communicate(timeout=180)
        assert child.returncode == code, text
        return text

    def docker(self, kind: str) -> list[str]:
        found = subprocess.run(
            ["docker", kind, "ls", "--filter", f"name={self.name}", "--format", "{{.Name}}"],
            check=True,
            capture_output=True,
            text=True,
        )
        return found.stdout.split()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("a project"))
    made.pulumi("stack", "init", "one")
    made.pulumi("config", "set", "name", made.name)
    made.pulumi("config", "set", "path", str(made.note))
    yield made
    for kind in ("network", "volume"):
        for name in made.docker(kind):
            subprocess.run(["docker", kind, "rm", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def first(stack: Stack) -> str:
    """What the first `pulumi up` printed."""
    return stack.pulumi("up", "--yes", "--skip-preview")


def test_up_makes_everything_without_a_warning(stack: Stack, first: str) -> None:
    assert stack.docker("network") == stack.docker("volume") == [stack.name]
    assert stack.note.read_text() == "first"
    assert "a word from the program" in first
    assert "warning" not in first
    assert "4 created" in first
    assert "do not show" not in first


def test_a_second_up_changes_nothing(stack: Stack, first: str) -> None:
    stack.pulumi("up", "--yes", "--expect-no-changes")


def test_drift_is_seen_and_repaired(stack: Stack, first: str) -> None:
    stack.note.write_text("by hand")
    subprocess.run(["docker", "volume", "rm", stack.name], check=True, capture_output=True)
    drift = stack.pulumi("preview", "--refresh", "--run-program", "--diff")
    assert "by hand" in drift
    assert "1 to create" in drift
    stack.pulumi("refresh", "--yes")
    stack.pulumi("up", "--yes")
    assert stack.note.read_text() == "first"
    assert stack.docker("volume") == [stack.name]


def test_modules_are_imported_anew_for_the_update(stack: Stack, first: str) -> None:
    """One `pulumi up` runs the program twice; a module may change the second time."""
    stack.pulumi("config", "set", "text", "second")
    stack.pulumi("up", "--yes")
    assert stack.note.read_text() == "second"


def test_the_plugins_are_listed_with_their_versions(stack: Stack) -> None:
    listed = {
        plugin["name"]: plugin["version"] for plugin in json.loads(stack.pulumi("plugin", "ls", "--json"))
    }
    assert {"docker": "5.2.0", "postgresql": "3.18.2"}.items() <= listed.items()
    assert re.search(r"written in python: executable='.*' version='3\.", stack.pulumi("about"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("error", "ValueError: boom"),
        ("told", "write the key again"),
        ("exit", "Program exited with no good"),
    ],
)
def test_a_fault_of_the_program_is_told_once(stack: Stack, first: str, fault: str, words: str) -> None:
    stack.pulumi("config", "set", "fault", fault)
    try:
        text = stack.pulumi("preview", code=1)
    finally:
        stack.pulumi("config", "rm", "fault")
    diagnostics = text[text.index("Diagnostics:") :]
    assert diagnostics.count(words) == 1
    assert "runpy" not in text
    assert ("Traceback" in text) == (fault == "error")


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait(condition: object, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_program_ends_with_the_cli(stack: Stack, first: str, number: signal.Signals) -> None:
    note = Path(f"{stack.note}.pid")
    note.unlink(missing_ok=True)
    stack.pulumi("config", "set", "fault", "wait")
    try:
        with stack.start("preview") as child:
            wait(lambda: note.exists() and note.read_text(), "the program did not begin")
            child.send_signal(number)
            if number == signal.SIGINT:
                child.communicate(timeout=60)
                assert child.returncode != 0
            else:
                child.wait(timeout=60)
        wait(lambda: not is_there(int(note.read_text())), "the program outlived the CLI")
    finally:
        stack.pulumi("config", "rm", "fault")


def test_destroy_leaves_nothing(stack: Stack, first: str) -> None:
    stack.pulumi("destroy", "--yes")
    assert stack.docker("network") == stack.docker("volume") == []
    assert not stack.note.exists()
    # The user's own Pulumi, whose home would be here, was not touched.
    assert not (stack.folder / ".pulumi").exists()


def install_plugin(
    server: ReleaseServer, store: Store, progress: Progress, pin: str | None, archive: bytes
) -> str:
    """Install a plugin that the server offers, by the real CLI; gives the source line."""
    here = this_machine()
    name = f"pulumi-resource-docker-v5.2.0-{here.go_name}.tar.gz"
    server.files[f"/{name}"] = archive
    pulumi_cli = shutil.which("pulumi", path=toolchain.environment(ROOT)["PATH"])
    assert pulumi_cli is not None
    with store.making("plugin") as making:
        source = vendor.install_plugin(
            "docker",
            Release(version="5.2.0", sha256={here.go_name: pin}),
            here,
            vendor.Mirrors(plugins=server.base),
            pulumi=Path(pulumi_cli),
            made=making.made,
            scratch=making.scratch,
            log=store.logs / "plugin.log",
            progress=progress,
        )
        making.finish(version="5.2.0", source=source)
    return source


PLUGIN = archive_of({"pulumi-resource-docker": "#!/bin/sh\necho 5.2.0\n"})


@pytest.mark.parametrize("pinned", [True, False])
def test_the_real_cli_installs_the_vendors_plugin(
    server: ReleaseServer, store: Store, progress: Progress, pinned: bool
) -> None:
    pin = hashlib.sha256(PLUGIN).hexdigest() if pinned else None
    source = install_plugin(server, store, progress, pin, PLUGIN)
    assert source == f"pulumi plugin install ({'checksum pinned' if pinned else 'pinned by version'})"
    artifact = store.get("plugin")
    assert artifact is not None
    assert os.access(artifact.folder / "pulumi-resource-docker", os.X_OK)
    assert leftovers(store) == []


def test_another_plugin_than_the_pinned_one_is_refused(
    server: ReleaseServer, store: Store, progress: Progress
) -> None:
    with pytest.raises(ChecksumError, match="was refused: its SHA-256 is"):
        install_plugin(server, store, progress, "0" * 64, PLUGIN)
    assert store.get("plugin") is None
    assert leftovers(store) == []


@pytest.fixture(scope="module")
def schema() -> dict[str, dict[str, dict[str, object]]]:
    """The schema that the Docker plugin in use serves."""
    environment = {**os.environ, **toolchain.environment(ROOT)}
    plugin = Path(environment["PULUMI_HOME"], "plugins/resource-docker-v5.2.0/pulumi-resource-docker")
    said = subprocess.run(
        ["pulumi", "package", "get-schema", str(plugin)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(said.stdout))


def test_the_docker_plugin_knows_every_resource_and_property_of_the_sdk(
    schema: dict[str, dict[str, dict[str, object]]],
) -> None:
    compared = 0
    for resource in vars(pulumi_docker).values():
        token = getattr(resource, "pulumi_type", None)
        # Image is built into the vendor's plugin and no part of the Terraform provider; nothing here uses it.
        if not (inspect.isclass(resource) and issubclass(resource, pulumi.CustomResource)):
            continue
        if token == "docker:index/image:Image":
            continue
        arguments = getattr(pulumi_docker, f"{resource.__name__}Args")
        names = input_type_py_to_pulumi_names(arguments)
        is_provider = issubclass(resource, pulumi.ProviderResource)
        served = schema["provider"] if is_provider else schema["resources"][str(token)]
        assert set(served["inputProperties"]) == set(names.values()), token  # type: ignore[call-overload]
        required = {
            names[name]
            for name, parameter in inspect.signature(arguments).parameters.items()
            if parameter.default is inspect.Parameter.empty
        }
        assert set(served.get("requiredInputs", ())) == required, token  # type: ignore[call-overload]
        compared += 1
    assert compared == 12


def test_the_docker_plugin_knows_every_nested_property_of_the_sdk(
    schema: dict[str, dict[str, dict[str, object]]],
) -> None:
    from pulumi_docker import _inputs

    compared = 0
    for token, kind in schema["types"].items():
        name = token.rpartition(":")[2]
        arguments = getattr(_inputs, f"{name}Args", None)
        if arguments is None:
            continue
        assert set(kind["properties"]) == set(input_type_py_to_pulumi_names(arguments).values()), token  # type: ignore[call-overload]
        compared += 1
    assert compared > 50
