"""The versions and checksums of all tools, from pins.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

PINS_FILE = Path(__file__).with_name("pins.json")


@dataclass(frozen=True, kw_only=True)
class Release:
    """One pinned release: its version, and the SHA-256 of its archive per platform (None: not pinned yet)."""

    version: str
    sha256: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Pins:
    """Every version that the toolchain asks for."""

    python_minimum: str
    docker_minimum: str
    go_minimum: str
    """The oldest Go that can fetch a newer one by itself."""
    go_toolchain: str
    """The Go that builds, where the machine's is too old."""
    pulumi: Release
    plugins: Mapping[str, Release]


def load(file: Path = PINS_FILE) -> Pins:
    """Read the pins. The file is the project's own, so a malformed one raises KeyError or ValueError."""
    data = json.loads(file.read_text(encoding="utf-8"))
    return Pins(
        python_minimum=data["python"]["minimum"],
        docker_minimum=data["docker"]["minimum"],
        go_minimum=data["go"]["minimum"],
        go_toolchain=data["go"]["toolchain"],
        pulumi=Release(**data["pulumi"]),
        plugins={name: Release(**release) for name, release in data["plugins"].items()},
    )


def save(pins: Pins, file: Path = PINS_FILE) -> None:
    """Write the pins in the form that `load` reads."""
    data = {
        "python": {"minimum": pins.python_minimum},
        "docker": {"minimum": pins.docker_minimum},
        "go": {"minimum": pins.go_minimum, "toolchain": pins.go_toolchain},
        "pulumi": _as_data(pins.pulumi),
        "plugins": {name: _as_data(release) for name, release in pins.plugins.items()},
    }
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _as_data(release: Release) -> dict[str, object]:
    return {"version": release.version, "sha256": dict(sorted(release.sha256.items()))}


def with_checksums(release: Release, found: Mapping[str, str]) -> Release:
    """Give the release with the checksums of `found` (platform: SHA-256) filled in.

    Raises ValueError where one differs from a pin: a published release does not change.
    """
    changed = [
        platform
        for platform, checksum in found.items()
        if release.sha256.get(platform) not in (None, checksum)
    ]
    if changed:
        raise ValueError(
            f"version {release.version}: the vendor now names another checksum than the pinned one for "
            f"{', '.join(sorted(changed))}. Find out why before you change a pin."
        )
    return replace(release, sha256={**release.sha256, **found})


def version_numbers(text: str) -> tuple[int, ...]:
    """Give the numbers of the first dotted version in `text`: `go1.26.8` gives (1, 26, 8), `dev` gives ()."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def is_new_enough(found: str, wanted: str) -> bool:
    """Tell whether `found` is `wanted` or a later version of the same major version."""
    have, need = version_numbers(found), version_numbers(wanted)
    return bool(have) and have[0] == need[0] and have >= need
