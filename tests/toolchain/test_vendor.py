"""The vendor's path, against a server on loopback."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from local.toolchain import pinning, pins, vendor
from local.toolchain.errors import ChecksumError, SourceUnavailableError, ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.pins import Release
from local.toolchain.progress import Progress
from local.toolchain.store import Store
from tests.toolchain.release_server import FAKE_CLI, ReleaseServer, archive_of, leftovers

VERSION = "3.259.0"
WRONG = "0" * 64


def install(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, pin: str | None
) -> str:
    release = Release(version=VERSION, sha256={"linux-x64": pin})
    with store.making("pulumi") as making:
        source = vendor.install_cli(
            release,
            machine,
            vendor.Mirrors(releases=server.base),
            made=making.made,
            scratch=making.scratch,
            progress=progress,
        )
        making.finish(version=VERSION, source=source)
    return source


def refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, pin: str | None
) -> str:
    with pytest.raises(ToolchainError) as caught:
        install(server, machine, store, progress, pin)
    assert store.get("pulumi") is None
    assert leftovers(store) == []
    return f"{type(caught.value).__name__}: {caught.value}"


def test_the_pinned_checksum_is_accepted(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    server.publish(VERSION, "linux-x64", cli_archive, checksum=WRONG)
    pin = hashlib.sha256(cli_archive).hexdigest()
    assert install(server, machine, store, progress, pin) == "vendor's download (checksum pinned)"
    made = store.get("pulumi")
    assert made is not None
    assert {"pulumi", "pulumi-language-python"} <= {file.name for file in made.folder.iterdir()}
    # A pin needs no word of the vendor.
    assert not any("checksums" in line for line in server.requests)


def test_without_a_pin_the_vendors_list_decides_and_the_source_says_so(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    server.publish(VERSION, "linux-x64", cli_archive)
    source = install(server, machine, store, progress, None)
    assert source == "vendor's download (checksum from the vendor's list, not pinned)"


def test_another_checksum_than_the_pinned_one_is_refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    server.publish(VERSION, "linux-x64", cli_archive)
    text = refused(server, machine, store, progress, WRONG)
    assert text.startswith("ChecksumError")
    for part in (WRONG, hashlib.sha256(cli_archive).hexdigest(), "pins.json", server.base):
        assert part in text


def test_another_checksum_than_the_vendors_is_refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    server.publish(VERSION, "linux-x64", cli_archive, checksum=WRONG)
    text = refused(server, machine, store, progress, None)
    assert text.startswith("ChecksumError")
    assert "in the vendor's list" in text


def test_a_list_without_the_archive_is_no_permission(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    server.publish(VERSION, "darwin-arm64", cli_archive)
    text = refused(server, machine, store, progress, None)
    assert "does not name pulumi-v3.259.0-linux-x64.tar.gz" in text


def test_a_download_that_is_cut_short_is_refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress, cli_archive: bytes
) -> None:
    path = server.publish(VERSION, "linux-x64", cli_archive)
    server.faults[path] = "truncate"
    text = refused(server, machine, store, progress, None)
    assert text.startswith("SourceUnavailableError")
    assert "cut short" in text


def test_a_server_that_hangs_is_given_up(
    server: ReleaseServer,
    machine: Machine,
    store: Store,
    progress: Progress,
    cli_archive: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = server.publish(VERSION, "linux-x64", cli_archive)
    server.faults[path] = "hang"
    monkeypatch.setattr(vendor, "STALL_SECONDS", 0.3)
    text = refused(server, machine, store, progress, None)
    assert text.startswith("SourceUnavailableError")
    assert "timed out" in text


def test_an_archive_that_is_not_one_is_refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress
) -> None:
    server.publish(VERSION, "linux-x64", b"<html>sign in to the network</html>")
    assert "cannot be unpacked" in refused(server, machine, store, progress, None)


def test_a_cli_of_another_version_is_refused(
    server: ReleaseServer, machine: Machine, store: Store, progress: Progress
) -> None:
    server.publish(VERSION, "linux-x64", archive_of({"pulumi/pulumi": "#!/bin/sh\necho v3.1.0\n"}))
    assert "is not version 3.259.0 (it says 'v3.1.0')" in refused(server, machine, store, progress, None)


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(
        archive_of(
            {
                "pulumi/pulumi": FAKE_CLI,
                "pulumi/../../escaped": "x",
                "/pulumi/absolute": "x",
                "elsewhere/file": "x",
            },
            links={"pulumi/link": "/etc/passwd"},
        )
    )
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    vendor.unpack_cli(archive, target)
    assert [file.name for file in target.iterdir()] == ["pulumi"]
    assert not list(tmp_path.rglob("escaped"))


def test_the_probe_asks_all_at_once_and_says_why(server: ReleaseServer) -> None:
    server.files["/there"] = b"x"
    server.faults["/silent"] = "hang"
    found = vendor.probe(
        {
            "there": f"{server.base}/there",
            "absent": f"{server.base}/absent",
            "silent": f"{server.base}/silent",
            "refused": "http://127.0.0.1:9/x",
            "nonsense": "no address",
        },
        timeout=1.0,
    )
    assert found["there"] is None
    assert "HTTP 404" in str(found["absent"])
    assert "no answer within 1 s" in str(found["silent"]) or "timed out" in str(found["silent"])
    assert "127.0.0.1:9 cannot be reached" in str(found["refused"])
    assert found["nonsense"] is not None
    assert server.requests.count("HEAD /there") == 1


def test_no_probe_without_a_question() -> None:
    assert vendor.probe({}) == {}


def test_mirrors_are_named_by_the_environment() -> None:
    assert vendor.mirrors({}).releases == vendor.DEFAULT_RELEASES
    named = vendor.mirrors(
        {
            "CLERK_HASURA_PULUMI_RELEASES": "https://m.test/pulumi/",
            "CLERK_HASURA_PLUGIN_SERVER": "https://m.test/p",
        }
    )
    assert vendor.cli_address(named, VERSION, "linux-x64") == (
        "https://m.test/pulumi/v3.259.0/pulumi-v3.259.0-linux-x64.tar.gz"
    )
    assert vendor.plugin_address(named, "docker", "5.2.0", "linux-amd64") == (
        "https://m.test/p/pulumi-resource-docker-v5.2.0-linux-amd64.tar.gz"
    )


def offer_everything(server: ReleaseServer, settings: pins.Pins) -> dict[str, str]:
    """Publish an archive for each pin; gives the checksums by file name."""
    sums, lines = {}, []
    for platform in settings.pulumi.sha256:
        name = vendor.cli_archive(settings.pulumi.version, platform)
        sums[name] = hashlib.sha256(name.encode()).hexdigest()
        lines.append(f"{sums[name]}  {name}")
    version = settings.pulumi.version
    server.files[f"/v{version}/pulumi-{version}-checksums.txt"] = "\n".join(lines).encode()
    for plugin, release in settings.plugins.items():
        for platform in release.sha256:
            name = f"pulumi-resource-{plugin}-v{release.version}-{platform}.tar.gz"
            server.files[f"/{name}"] = name.encode()
            sums[name] = hashlib.sha256(name.encode()).hexdigest()
    return sums


def test_pin_writes_the_checksum_of_every_platform(
    server: ReleaseServer, progress: Progress, tmp_path: Path
) -> None:
    settings = pins.load()
    sums = offer_everything(server, settings)
    where = vendor.Mirrors(releases=server.base, plugins=server.base)
    file = tmp_path / "pins.json"
    pins.save(pinning.pin(settings, where, progress), file)
    pinned = pins.load(file)
    for release in (pinned.pulumi, *pinned.plugins.values()):
        assert set(release.sha256.values()) <= set(sums.values())
    assert pinned.pulumi.sha256["darwin-arm64"] == sums["pulumi-v3.259.0-darwin-arm64.tar.gz"]
    # Asked again, the answer is the same.
    assert pinning.pin(pinned, where, progress) == pinned


def test_pin_refuses_a_release_that_changed(server: ReleaseServer, progress: Progress) -> None:
    settings = pins.load()
    offer_everything(server, settings)
    where = vendor.Mirrors(releases=server.base, plugins=server.base)
    pinned = pinning.pin(settings, where, progress)
    server.files["/pulumi-resource-docker-v5.2.0-linux-amd64.tar.gz"] = b"something else"
    with pytest.raises(ChecksumError, match="linux-amd64"):
        pinning.pin(pinned, where, progress)


def test_pin_says_when_the_vendor_cannot_be_reached(progress: Progress) -> None:
    with pytest.raises(SourceUnavailableError, match=r"127\.0\.0\.1:9"):
        pinning.pin(pins.load(), vendor.Mirrors(releases="http://127.0.0.1:9"), progress)
