"""The environment with which stock Pulumi works on the local stack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from local import toolchain
from local.toolchain import inventory, toolset
from tests.toolchain.set_up import SetUp


@pytest.fixture
def here(tmp_path: Path) -> SetUp:
    made = SetUp(tmp_path).with_go()
    assert made.run()[0] == 0
    return made


def test_the_tools_come_first_and_nothing_of_the_users_is_used(here: SetUp) -> None:
    folder = here.folder / "copy of it"
    folder.mkdir()
    given = here.environment()
    found = toolchain.environment(folder, given)
    path = found["PATH"].split(":")
    assert path[0] == str(folder / ".venv/bin")
    assert (Path(path[1]) / "pulumi").is_file()
    assert (Path(path[1]) / "pulumi-language-python").is_file()
    assert path[2:] == given["PATH"].split(":")
    assert found["PULUMI_BACKEND_URL"] == f"file://{folder}/.local/state"
    assert (folder / ".local/state").is_dir()
    home = Path(found["PULUMI_HOME"])
    assert home.is_relative_to(here.folder / "cache")
    assert sorted(plugin.name for plugin in (home / "plugins").iterdir()) == [
        "resource-docker-v5.2.0",
        "resource-postgresql-v3.18.2",
    ]
    # `pulumi login` stays where it is without them.
    assert found["PULUMI_CREDENTIALS_PATH"] == f"{given['HOME']}/.pulumi"
    # Within that environment the answer is the same.
    assert toolchain.environment(folder, {**given, **found}) == found


def test_a_shell_of_activate_may_name_another_backend(here: SetUp) -> None:
    given = here.environment()
    found = {**given, **toolchain.environment(here.folder, given)}
    other = {**found, "PULUMI_BACKEND_URL": "s3://states"}
    assert {**other, **toolchain.environment(here.folder, other)} == other
    own_login = {name: value for name, value in found.items() if name != "PULUMI_BACKEND_URL"}
    assert {**own_login, **toolchain.environment(here.folder, own_login)} == own_login
    # Outside of such a shell, and in one of another working copy, the local stack's hold.
    for project in ({}, {"CLERK_HASURA_PROJECT": "/elsewhere"}):
        outside = {**given, **project, "PULUMI_BACKEND_URL": "s3://states"}
        assert (
            toolchain.environment(here.folder, outside)["PULUMI_BACKEND_URL"] == found["PULUMI_BACKEND_URL"]
        )


def test_before_the_set_up_there_are_settings_but_no_tools(tmp_path: Path) -> None:
    found = toolchain.environment(tmp_path, SetUp(tmp_path / "fresh").environment())
    assert "PULUMI_HOME" not in found
    assert found["PULUMI_BACKEND_URL"].startswith("file://")


def test_changed_launchers_need_no_set_up(here: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    before = toolchain.environment(here.folder, here.environment())
    changed = Path(shutil.copytree(inventory.LAUNCHERS, here.folder / "launchers"))
    with (changed / "language_host.py").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr(toolset, "LAUNCHERS", changed)
    after = toolchain.environment(here.folder, here.environment())
    assert after["PULUMI_HOME"] != before["PULUMI_HOME"]
    host = Path(after["PATH"].split(":")[1], "language_host.py")
    assert host.read_text().endswith("# changed\n")


def test_the_printed_lines_put_the_tools_on_path(here: SetUp) -> None:
    code, lines = here.run("activate")
    assert code == 0
    said = subprocess.run(
        ["sh", "-euc", f"{lines}\npulumi version; echo $PULUMI_HOME; echo $PATH"],
        env=here.environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said[0] == "3.259.0"
    assert Path(said[1], "plugins", "resource-docker-v5.2.0").is_dir()
    assert said[2].endswith(here.environment()["PATH"])
