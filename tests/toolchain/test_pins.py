"""The pins: one place for each version, and a lock that serves every platform."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.toolchain import builds, golang, pins
from local.toolchain.pins import Release, is_new_enough, version_numbers, with_checksums

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def locked() -> dict[str, str]:
    text = "".join((ROOT / name).read_text() for name in LOCKS)
    return {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text)}


def test_the_sdk_and_the_tools_have_one_version() -> None:
    settings, packages = pins.load(), locked()
    assert packages["pulumi"] == settings.pulumi.version
    assert packages["pulumi-docker"] == settings.plugins["docker"].version
    assert packages["pulumi-postgresql"] == settings.plugins["postgresql"].version
    # Both modules ask for the same, so that what is compiled for the first serves the second.
    for module in (builds.CLI_MODULE, builds.DOCKER_MODULE):
        text = (module / "go.mod").read_text()
        found = re.findall(r"\bgithub\.com/pulumi/pulumi/(?:pkg|sdk)/v3 v(\S+)", text)
        assert found == [settings.pulumi.version] * 2, module


def test_the_go_that_is_fetched_can_build_the_modules() -> None:
    settings = pins.load()
    for module in (builds.CLI_MODULE, builds.DOCKER_MODULE):
        assert version_numbers(golang.required(module)) <= version_numbers(settings.go_toolchain)


def test_every_pin_is_a_checksum_or_not_there_yet() -> None:
    settings = pins.load()
    for release in (settings.pulumi, *settings.plugins.values()):
        assert len(release.sha256) == 4
        for checksum in release.sha256.values():
            assert checksum is None or re.fullmatch(r"[0-9a-f]{64}", checksum)


def test_pins_are_written_as_they_are_read(tmp_path: Path) -> None:
    pins.save(pins.load(), tmp_path / "pins.json")
    assert (tmp_path / "pins.json").read_text() == pins.PINS_FILE.read_text()


def test_a_pin_is_filled_in_but_never_changed() -> None:
    release = Release(version="1.0.0", sha256={"a": None, "b": "1"})
    assert with_checksums(release, {"a": "0", "b": "1"}).sha256 == {"a": "0", "b": "1"}
    with pytest.raises(ValueError, match="another checksum than the pinned one for b"):
        with_checksums(release, {"a": "0", "b": "2"})


VERSIONS = [
    ("3.259.0", "3.259.0", True),
    ("v3.260.0-alpha.1", "3.259.0", True),
    ("3.258.99", "3.259.0", False),
    ("4.0.0", "3.259.0", False),
    ("3.1000.0", "3.259.0", True),
    ("", "3.259.0", False),
]


@pytest.mark.parametrize(("found", "wanted", "expected"), VERSIONS)
def test_new_enough_is_by_number_within_a_major_version(found: str, wanted: str, expected: bool) -> None:
    assert is_new_enough(found, wanted) is expected


def test_every_requirement_is_pinned_by_hash_and_names_no_index() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert not re.search(r"(?i)https?://|--(extra-)?index-url|--find-links|--trusted-host| @ ", text), (
            name
        )
        for block in re.split(r"\n(?=[\w.-]+==)", text)[1:]:
            assert "--hash=sha256:" in block, block.splitlines()[0]


PLATFORMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64"},
]


def test_the_lock_is_complete_for_every_python_and_platform() -> None:
    """It was resolved on one of them; what others need in addition must be in it all the same."""
    packages = locked()
    missing = set()
    for name in packages:
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, requires):
            for python, platform in itertools.product(("3.11", "3.12", "3.13"), PLATFORMS):
                environment = {
                    **platform,
                    "python_version": python,
                    "python_full_version": f"{python}.1",
                    "os_name": "posix",
                    "implementation_name": "cpython",
                    "platform_python_implementation": "CPython",
                    "extra": "",
                }
                applies = requirement.marker is None or requirement.marker.evaluate(environment)
                if applies and canonicalize_name(requirement.name) not in packages:
                    missing.add(f"{name} needs {requirement} on Python {python}, {platform['sys_platform']}")
    assert missing == set()
    assert len(packages) > 50


def test_no_wheel_is_locked_for_one_platform_only() -> None:
    """A compiled package has wheels for many platforms, so it must have many hashes."""
    text = (ROOT / "requirements.txt").read_text()
    for name in ("cryptography", "grpcio", "psycopg-binary", "pydantic-core"):
        [block] = re.findall(rf"(?ms)^{name}==.*?(?=^\S)", text)
        assert block.count("--hash=") > 20, name
