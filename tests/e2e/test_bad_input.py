"""What a person gets wrong, as the real CLI shows it: every problem at once, no traceback, nothing touched."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project_copy import ProjectCopy

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture(scope="module")
def fresh(project: ProjectCopy) -> ProjectCopy:
    """A stack that exists and has nothing in it."""
    project.run("pulumi", "stack", "init", project.stack).ok()
    return project


@pytest.fixture
def edited(fresh: ProjectCopy) -> Iterator[Callable[[str, str | bytes | None], Path]]:
    """Writes (or with None removes) a file of the copy and puts it back afterwards."""
    before: dict[Path, bytes | None] = {}

    def edit(name: str, content: str | bytes | None) -> Path:
        path = fresh.folder / name
        before.setdefault(path, path.read_bytes() if path.exists() else None)
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    yield edit
    for path, content in before.items():
        if content is None:
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        else:
            path.write_bytes(content)


def config(project: ProjectCopy, change: dict[str, str]) -> str:
    own = (project.folder / f"Pulumi.{project.stack}.yaml").read_text()
    lines = "".join(f'  clerk-hasura:{key}: "{value}"\n' for key, value in change.items())
    kept = [line for line in own.splitlines() if not any(f":{key}:" in line for key in change)]
    return "\n".join(kept).replace("config:", f"config:\n{lines}".rstrip("\n"), 1) + "\n"


@pytest.mark.parametrize("command", ["preview", "up"])
def test_all_problems_of_the_configuration_at_once(
    fresh: ProjectCopy, edited: Callable[[str, str], Path], command: str
) -> None:
    change = {
        "jwtTemplateLifetime": "29",
        "jwtTemplateClockSkew": "301",
        "jwtTemplateName": "my/template",
        "hasuraPrt": "1",
        "localClerk": "false",
        "clerkPublishableKey": "pk_test_x",
    }
    edited(f"Pulumi.{fresh.stack}.yaml", config(fresh, change))
    edited("migrations/default/1700000000001_empty/up.sql", "")
    said = fresh.pulumi(command, *(["--yes", "--skip-preview"] if command == "up" else [])).failed()
    for key in (
        "jwtTemplateLifetime",
        "jwtTemplateClockSkew",
        "jwtTemplateName",
        "hasuraPrt",
        "clerkPublishableKey",
        "clerkSecretKey",
        "migrations/default/1700000000001_empty/up.sql",
    ):
        assert key in said, (key, said)
    assert "nothing was touched" in said
    assert fresh.left() == []


def test_a_metadata_file_that_does_not_parse_is_named_with_its_line(
    fresh: ProjectCopy, edited: Callable[[str, str], Path]
) -> None:
    name = "hasura_metadata/databases/default/tables/public_users.yaml"
    text = (fresh.folder / name).read_text()
    edited(name, text + "\nselect_permissions: [\n")
    said = fresh.pulumi("preview").failed()
    assert f"{name}:" in said
    assert fresh.left() == []


def test_files_that_are_none_are_named_and_nothing_hangs(
    fresh: ProjectCopy, edited: Callable[[str, str | bytes | None], Path], tmp_path: Path
) -> None:
    """A FIFO that nobody writes to, a link that leaves the folder, a byte order mark: all at once."""
    folder = "migrations/default/"
    pipe = edited(f"{folder}1700000000001_pipe/up.sql", "")
    pipe.unlink()
    os.mkfifo(pipe)
    link = edited(f"{folder}1700000000002_link/up.sql", "")
    (tmp_path / "outside.sql").write_text("select 1;")
    link.unlink()
    link.symlink_to(tmp_path / "outside.sql")
    edited(f"{folder}1700000000003_mark/up.sql", b"\xef\xbb\xbfselect 1;")
    said = fresh.run(
        "timeout", "120", "pulumi", "preview", "--stack", fresh.stack, "--non-interactive", "--color=never"
    ).failed()
    for problem in (
        "1700000000001_pipe/up.sql: not a regular file but a FIFO",
        "1700000000002_link/up.sql: a symbolic link that leaves the migrations folder",
        "1700000000003_mark/up.sql:1: begins with a byte order mark",
    ):
        assert folder + problem in said
    assert fresh.left() == []


def test_a_port_in_use_is_named_with_its_key(fresh: ProjectCopy) -> None:
    with socket.create_server(("127.0.0.1", fresh.ports["hasuraPort"])):
        said = fresh.pulumi("preview").failed()
    assert f"hasuraPort: port {fresh.ports['hasuraPort']} on 127.0.0.1 is taken" in said
    [free] = re.findall(r"pulumi config set hasuraPort (\d+)    # free now", said)
    socket.create_server(("127.0.0.1", int(free))).close()
    assert fresh.left() == []


@pytest.mark.parametrize("name", ["prod", "staging"])
def test_a_new_environment_is_told_at_once_what_it_lacks(fresh: ProjectCopy, name: str) -> None:
    other = fresh.beside(f"{fresh.stack}-{name}", {})
    shutil.copy(fresh.folder / f"Pulumi.{name}.yaml", fresh.folder / f"Pulumi.{other.stack}.yaml")
    own = {} if name == "prod" else {"PULUMI_CONFIG_PASSPHRASE": "own"}
    other.pulumi("stack", "init", **own).ok()
    said = other.pulumi("preview", **own).failed()
    expected = {
        "clerkPublishableKey: is not set": "pulumi config set clerkPublishableKey pk_test_...",
        "clerkSecretKey: is not set": "pulumi config set --secret clerkSecretKey",
    }
    if name == "prod":
        expected |= {
            "secretsprovider: is the public passphrase": "pulumi stack change-secrets-provider",
            "postgresImage: has no digest": f"make pin-images STACK={other.stack}",
            "hasuraImage: has no digest": f"make pin-images STACK={other.stack}",
        }
    assert f"{len(expected)} problems; nothing was touched." in said
    lines = [line.strip() for line in said.splitlines()]
    for what, command in expected.items():
        [at] = [index for index, line in enumerate(lines) if line.startswith(what)]
        assert lines[at + 1].startswith(command), said
    assert other.left() == []


def test_docker_that_does_not_answer_is_said_before_anything_else(fresh: ProjectCopy, tmp_path: Path) -> None:
    said = fresh.pulumi("preview", DOCKER_HOST=f"unix://{tmp_path}/docker.sock").failed()
    assert "Docker does not answer" in said
    assert "make doctor" in said


def test_a_volume_of_an_earlier_stack_is_told_and_never_taken(fresh: ProjectCopy) -> None:
    volume = f"clerk-hasura-{fresh.stack}-postgres"
    subprocess.run(["docker", "volume", "create", volume], check=True, capture_output=True)
    try:
        said = fresh.run("make", "up").failed()
        assert f"docker volume rm {volume}" in said
        assert fresh.left() == [volume]
    finally:
        subprocess.run(["docker", "volume", "rm", volume], check=True, capture_output=True)


def test_a_secret_key_in_the_public_stack_is_refused(
    fresh: ProjectCopy, edited: Callable[[str, str], Path]
) -> None:
    edited(f"Pulumi.{fresh.stack}.yaml", (fresh.folder / f"Pulumi.{fresh.stack}.yaml").read_text())
    fresh.pulumi("config", "set", "--secret", "clerkSecretKey", "sk_test_canary" + "a" * 30).ok()
    said = fresh.pulumi("preview").failed()
    assert "public passphrase" in said
    assert "canary" not in said
    assert fresh.left() == []
