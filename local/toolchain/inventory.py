"""Which tools are there: on the machine, and in the cache."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.toolchain import builds
from local.toolchain.commands import answer
from local.toolchain.machine import Machine, find_on_path
from local.toolchain.pins import Pins, is_new_enough
from local.toolchain.store import Artifact, Store, digest

LAUNCHERS = Path(__file__).with_name("launchers")
POSTGRESQL_LAUNCHER = (LAUNCHERS / "pulumi-resource-postgresql", LAUNCHERS / "project-python.sh")


@dataclass(frozen=True, kw_only=True)
class MachineTool:
    """A tool that the machine brings.

    :param decisive: Pulumi will use this one whatever else is there, because it is on PATH.
    """

    version: str
    path: Path
    decisive: bool = False


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool: what is wanted, and what is there.

    :param vendor_name: name of the artifact in the cache that the vendor's download becomes.
    :param built_name: the same for what is built here.
    """

    name: str
    wanted: str
    vendor_name: str
    built_name: str
    machine: MachineTool | None
    artifact: Artifact | None

    @property
    def machine_serves(self) -> bool:
        """Whether the machine's own is new enough."""
        return self.machine is not None and is_new_enough(self.machine.version, self.wanted)

    @property
    def present(self) -> bool:
        """Whether nothing has to be done."""
        return self.machine_serves or self.artifact is not None


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All tools of Pulumi.

    :param plugins: by plugin name, `docker` and `postgresql`.
    :param machine_language_host: the machine's `pulumi-language-python`, where its CLI is used.
    """

    pulumi: Tool
    plugins: Mapping[str, Tool]
    machine_language_host: Path | None

    @property
    def complete(self) -> bool:
        """Whether every tool is there."""
        return self.pulumi.present and all(tool.present for tool in self.plugins.values())

    @property
    def missing(self) -> list[str]:
        """The names of the tools that are not there."""
        return [tool.name for tool in (self.pulumi, *self.plugins.values()) if not tool.present]


def take(
    store: Store, machine: Machine, pins: Pins, variables: Mapping[str, str], project: Path
) -> Inventory:
    """Look at the machine and the cache; starts no process for what it has seen before."""
    outside = (store.root, project / ".venv")
    seen = _Seen(store.root / "seen.json")
    search = variables.get("PATH", "")
    pulumi = _tool(
        store,
        machine.release_name,
        "pulumi",
        pins.pulumi.version,
        content=digest(builds.CLI_MODULE),
        found=_versioned(find_on_path("pulumi", search, outside=outside), "version", seen),
    )
    own = {"docker": digest(builds.DOCKER_MODULE), "postgresql": digest(*POSTGRESQL_LAUNCHER)}
    plugins = {
        name: _tool(
            store,
            machine.release_name,
            f"pulumi-resource-{name}",
            release.version,
            content=own[name],
            found=_machine_plugin(name, release.version, variables, outside, seen),
        )
        for name, release in pins.plugins.items()
    }
    host = None
    if pulumi.machine is not None and pulumi.machine_serves:
        beside = pulumi.machine.path.resolve().with_name("pulumi-language-python")
        host = find_on_path("pulumi-language-python", search, outside=outside)
        host = host or (beside if os.access(beside, os.X_OK) else None)
    return Inventory(pulumi=pulumi, plugins=plugins, machine_language_host=host)


def _tool(
    store: Store, platform: str, name: str, wanted: str, *, content: str, found: MachineTool | None
) -> Tool:
    vendor_name = f"{name}-{wanted}-vendor-{platform}"
    built_name = f"{name}-{wanted}-built-{content}-{platform}"
    return Tool(
        name=name,
        wanted=wanted,
        vendor_name=vendor_name,
        built_name=built_name,
        machine=found,
        artifact=store.get(vendor_name) or store.get(built_name),
    )


def _machine_plugin(
    name: str, wanted: str, variables: Mapping[str, str], outside: tuple[Path, ...], seen: _Seen
) -> MachineTool | None:
    executable = f"pulumi-resource-{name}"
    on_path = find_on_path(executable, variables.get("PATH", ""), outside=outside)
    if on_path is not None:
        found = _versioned(on_path, "--version", seen)
        return MachineTool(version=found.version if found else "unknown", path=on_path, decisive=True)
    home = variables.get("PULUMI_HOME")
    if not home or any(Path(home).resolve().is_relative_to(folder.resolve()) for folder in outside):
        home = str(Path(variables.get("HOME") or Path.home()) / ".pulumi")
    installed = Path(home) / "plugins" / f"resource-{name}-v{wanted}" / executable
    return MachineTool(version=wanted, path=installed) if os.access(installed, os.X_OK) else None


def _versioned(path: Path | None, argument: str, seen: _Seen) -> MachineTool | None:
    """Ask an executable for its version, once for each state of its file."""
    if path is None:
        return None
    status = path.stat()
    key = f"{path}\0{status.st_mtime_ns}\0{status.st_size}"
    version = seen.get(key)
    if version is None:
        said = answer([str(path), argument], timeout=10)
        text = said.stdout if said is not None and said.returncode == 0 else ""
        found = re.search(r"\d+\.\d+\.\d+\S*", text)
        if found is None:
            return None
        version = found[0]
        seen.put(key, version)
    return MachineTool(version=version, path=path)


class _Seen:
    """Versions asked before, in a file of the cache. Losing it costs a question, no more."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._versions: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._versions = {}

    def get(self, key: str) -> str | None:
        return self._versions.get(key)

    def put(self, key: str, version: str) -> None:
        path = key.split("\0", 1)[0]
        kept = {other: value for other, value in self._versions.items() if other.split("\0", 1)[0] != path}
        self._versions = {**kept, key: version}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(self._versions), encoding="utf-8")
        partial.replace(self._file)
