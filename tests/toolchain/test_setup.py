"""The whole set-up, through its command, without anything that takes minutes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.toolchain import builds, golang, inventory, pins
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine, this_machine
from local.toolchain.progress import Progress
from local.toolchain.setup import Request, Setup
from local.toolchain.store import digest
from tests.toolchain.release_server import FAKE_CLI, ReleaseServer, leftovers
from tests.toolchain.set_up import SetUp, tools_of
from tests.toolchain.test_commands import wait_until_ended

PLATFORM = this_machine().release_name
GO_PLATFORM = this_machine().go_name
PINS = pins.load()


@pytest.fixture
def here(tmp_path: Path) -> SetUp:
    return SetUp(tmp_path)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def offer_vendor(here: SetUp, server: ReleaseServer, cli_archive: bytes) -> str:
    """Let the machine reach a vendor; gives the path of the CLI's archive there."""
    here.variables["CLERK_HASURA_PULUMI_RELEASES"] = server.base
    here.variables["CLERK_HASURA_PLUGIN_SERVER"] = server.base
    for name, release in PINS.plugins.items():
        server.files[f"/pulumi-resource-{name}-v{release.version}-{GO_PLATFORM}.tar.gz"] = (
            b"asked for by the CLI"
        )
    return server.publish(PINS.pulumi.version, PLATFORM, cli_archive)


def test_without_a_vendor_all_is_built(here: SetUp) -> None:
    code, text = here.with_go().run()
    assert code == 0, text
    tools = tools_of(text)
    assert tools["pulumi"].startswith("3.259.0 built from Go modules")
    assert tools["pulumi-language-python"] == "3.259.0 the project's own, over the Pulumi SDK"
    assert tools["pulumi-resource-docker"].startswith("5.2.0 built from Go modules")
    assert tools["pulumi-resource-postgresql"] == "3.18.2 the project's own, over psycopg"
    assert len(here.go_log()) == 3
    assert leftovers(here.store) == []


def test_a_second_set_up_does_nothing(here: SetUp) -> None:
    first = here.with_go().run()
    before, built = here.files(), here.go_log()
    # Whatever it might ask is gone or would fail.
    here.with_program("go", "#!/bin/sh\nexit 9\n")
    second = here.run()
    assert second == first or second[1] in first[1]
    assert second[0] == 0
    assert here.files() == before
    assert here.go_log() == built


def test_the_vendors_downloads_come_first(here: SetUp, server: ReleaseServer, cli_archive: bytes) -> None:
    offer_vendor(here, server, cli_archive)
    code, text = here.with_go().run()
    assert code == 0, text
    tools = tools_of(text)
    assert "vendor's download (checksum from the vendor's list, not pinned)" in tools["pulumi"]
    assert tools["pulumi-language-python"] == "3.259.0 with the CLI"
    assert "pulumi plugin install (pinned by version)" in tools["pulumi-resource-docker"]
    assert "pulumi plugin install (pinned by version)" in tools["pulumi-resource-postgresql"]
    assert here.go_log() == []
    asked = list(server.requests)
    assert here.run()[0] == 0
    assert server.requests == asked


def test_a_wrong_checksum_ends_the_set_up(here: SetUp, server: ReleaseServer, cli_archive: bytes) -> None:
    offer_vendor(here, server, cli_archive)
    server.publish(PINS.pulumi.version, PLATFORM, cli_archive, checksum="0" * 64)
    code, text = here.with_go().run()
    assert code == 1
    assert "was refused: its SHA-256 is" in text
    # Another source would hide that somebody changed the release.
    assert here.go_log() == []
    assert leftovers(here.store) == []
    assert not (here.store.root / "tools").exists()


def test_a_download_that_breaks_gives_way_to_the_build(
    here: SetUp, server: ReleaseServer, cli_archive: bytes
) -> None:
    server.faults[offer_vendor(here, server, cli_archive)] = "truncate"
    code, text = here.with_go().run()
    assert code == 0, text
    assert "was cut short" in text
    assert "built from Go modules" in tools_of(text)["pulumi"]


def test_the_machines_own_come_before_all(here: SetUp, server: ReleaseServer, cli_archive: bytes) -> None:
    offer_vendor(here, server, cli_archive)
    here.with_program("pulumi", FAKE_CLI).with_program("pulumi-language-python", "#!/bin/sh\n")
    plugins = here.folder / "home" / ".pulumi" / "plugins"
    for name, release in PINS.plugins.items():
        folder = plugins / f"resource-{name}-v{release.version}"
        folder.mkdir(parents=True)
        (folder / f"pulumi-resource-{name}").write_text("#!/bin/sh\n")
        (folder / f"pulumi-resource-{name}").chmod(0o755)
    code, text = here.run()
    assert code == 0, text
    for tool in ("pulumi", "pulumi-language-python", "pulumi-resource-docker", "pulumi-resource-postgresql"):
        assert tools_of(text)[tool].endswith("on this machine"), text
    assert server.requests == []
    [toolset] = (here.store.root / "tools").glob("toolset-*")
    assert list((toolset / "bin").iterdir()) == []
    assert (toolset / "home/plugins/resource-docker-v5.2.0/pulumi-resource-docker").exists()


def test_an_older_cli_of_the_machine_is_not_used(here: SetUp) -> None:
    here.with_go().with_program("pulumi", "#!/bin/sh\necho v3.1.0\n")
    code, text = here.run()
    assert code == 0, text
    assert "built from Go modules" in tools_of(text)["pulumi"]


def test_a_cli_without_its_language_host_gets_ours(here: SetUp) -> None:
    here.with_go().with_program("pulumi", FAKE_CLI)
    code, text = here.run()
    assert code == 0, text
    assert tools_of(text)["pulumi"] == "3.259.0 on this machine"
    assert tools_of(text)["pulumi-language-python"] == "3.259.0 the project's own, over the Pulumi SDK"


def test_an_old_plugin_on_path_is_an_error_because_pulumi_would_take_it(here: SetUp) -> None:
    here.with_go().with_program("pulumi-resource-docker", "#!/bin/sh\necho 4.5.0\n")
    code, text = here.run()
    assert code == 1
    assert f"pulumi-resource-docker 4.5.0 at {here.bin / 'pulumi-resource-docker'} is on PATH" in text
    assert here.go_log() == []


def test_without_any_source_every_reason_is_given_at_once(
    here: SetUp, machine: Machine, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in here.environment().items():
        monkeypatch.setenv(name, value)
    here.with_program("docker", "#!/bin/sh\necho 'permission denied on the socket' >&2\nexit 1\n")
    monkeypatch.setattr(golang, "_USUAL_PLACES", ())
    request = Request(project=here.folder, stack="dev", development=False)
    (here.folder / "requirements.txt").write_text("")
    with pytest.raises(ToolchainError) as caught:
        Setup(request, machine, here.store, progress, PINS).run()
    text = str(caught.value)
    for part in (
        "pulumi 3.259.0 cannot be had",
        "pulumi-resource-docker 5.2.0 cannot be had",
        "127.0.0.1:9 cannot be reached",
        "install Go 1.21 or newer",
        "usermod -aG docker",
    ):
        assert part in text
    # Nothing was touched before the user was told.
    assert not (here.folder / ".venv").exists()
    assert not (here.store.root / "tools").exists()


def test_a_build_that_fails_shows_the_compilers_words(here: SetUp) -> None:
    code, text = here.with_go(FAKE_GO_FAILS="1").run()
    assert code == 1
    assert "Building pulumi failed (exit code 1)" in text
    assert "undefined: a.Name" in text
    assert "The whole log: " in text
    assert leftovers(here.store) == []


def test_an_interrupted_build_leaves_nothing(here: SetUp) -> None:
    note = here.folder / "builder"
    here.with_go(FAKE_GO_HANGS=str(note))
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)):
        note.unlink(missing_ok=True)
        with here.start() as child:
            until(lambda: note.exists() and note.read_text().strip() != "", "the build did not begin")
            child.send_signal(number)
            text, _ = child.communicate(timeout=30)
        assert child.returncode == code, text
        assert "Traceback" not in text
        wait_until_ended(int(note.read_text()))
        assert leftovers(here.store) == []
        assert not (here.store.root / "tools").exists()
    del here.variables["FAKE_GO_HANGS"]
    assert here.run()[0] == 0


def test_a_killed_download_is_begun_anew(here: SetUp, server: ReleaseServer, cli_archive: bytes) -> None:
    path = offer_vendor(here, server, cli_archive)
    server.faults[f"GET {path}"] = "hang"
    with here.start() as child:
        until(lambda: f"GET {path}" in server.requests, "the download did not begin")
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not (here.store.root / "tools").exists()
    server.faults.clear()
    code, text = here.run()
    assert code == 0, text
    assert leftovers(here.store) == []


def test_two_set_ups_at_once_build_once(here: SetUp) -> None:
    here.with_go()
    with here.start() as one, here.start() as other:
        texts = [child.communicate(timeout=120)[0] for child in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), texts
    assert len(here.go_log()) == 3
    assert tools_of(texts[0])["pulumi"] == tools_of(texts[1])["pulumi"]


def test_changed_sources_are_built_again(here: SetUp) -> None:
    assert here.with_go().run()[0] == 0
    store = here.store
    name = f"pulumi-resource-docker-5.2.0-built-{digest(builds.DOCKER_MODULE)}-{PLATFORM}"
    assert store.get(name) is not None
    # What an older working copy built has another name.
    (store.root / "tools" / name).rename(store.root / "tools" / name.replace("-built-", "-built-older"))
    assert here.run()[0] == 0
    assert store.get(name) is not None
    assert len(here.go_log()) == 5


def test_the_version_of_a_program_is_asked_once(here: SetUp) -> None:
    count = here.folder / "asked"
    here.with_go().with_program("pulumi", f"#!/bin/sh\necho asked >> {count}\n{FAKE_CLI}")
    assert here.run()[0] == 0
    asked = count.read_text().count("asked")
    assert here.run()[0] == 0
    assert count.read_text().count("asked") == asked == 1
    assert "3.259.0" in json.loads((here.store.root / "seen.json").read_text()).popitem()[1]


def test_a_cache_that_cannot_be_written_is_named(here: SetUp) -> None:
    (here.folder / "file").write_text("x")
    here.with_go().variables["CLERK_HASURA_CACHE"] = str(here.folder / "file" / "cache")
    code, text = here.run()
    assert code == 1
    assert f"The cache is {here.folder / 'file' / 'cache'}; CLERK_HASURA_CACHE names another one." in text


def test_the_selected_stack_outlives_a_change_of_versions(here: SetUp) -> None:
    assert here.with_go().run()[0] == 0
    [toolset] = (here.store.root / "tools").glob("toolset-*")
    (toolset / "home" / "workspaces" / "project.json").write_text("{}")
    assert (here.store.root / "workspaces" / "project.json").exists()


def test_doctor_names_what_is_missing_and_changes_nothing(here: SetUp) -> None:
    here.with_program("docker", "#!/bin/sh\necho 'permission denied on the socket' >&2\nexit 1\n")
    code, text = here.run("doctor")
    assert code == 1
    lines = text.splitlines()
    assert lines[0].split() == ["tool", "version", "source", "path"]
    rows = {line.split()[0]: line for line in lines[1:] if line}
    assert "missing" in rows["pulumi"]
    assert "pulumi: run `make setup`" in lines
    assert any(line.startswith("docker: ") and "usermod -aG docker" in line for line in lines)
    assert "python " in text
    assert [path for path in here.files() if not path.endswith("seen.json")] == []


def test_doctor_is_content_when_all_is_there(here: SetUp) -> None:
    assert here.with_go().run()[0] == 0
    here.with_program("docker", "#!/bin/sh\necho 28.0.1\n")
    text = here.run("doctor")[1]
    rows = {line.split()[0]: line for line in text.splitlines()[1:] if line}
    for tool in ("pulumi", "pulumi-resource-docker", "pulumi-resource-postgresql"):
        assert str(here.store.root / "tools") in rows[tool]
        assert "missing" not in rows[tool]
    assert "28.0.1" in rows["docker"]


def test_the_launchers_folder_names_the_postgresql_artifact() -> None:
    assert (inventory.LAUNCHERS / "pulumi-resource-postgresql").is_file()
