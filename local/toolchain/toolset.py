"""The tools of one set of versions, side by side as the Pulumi CLI expects them.

`bin/` goes on PATH: the CLI and, where it brings none, the language host beside it, where the CLI looks for
it. `home/` becomes PULUMI_HOME: the plugins are where
`pulumi plugin install` puts them, so versions are honoured, `pulumi plugin ls` shows them, nothing is warned
of, and the user's own `~/.pulumi` stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.inventory import LAUNCHERS, POSTGRESQL_LAUNCHER, Inventory
from local.toolchain.store import Store, digest

_LANGUAGE_FILES = (
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    "language_host.py",
    "language_program.py",
    "project-python.sh",
)


@dataclass(frozen=True, kw_only=True)
class Toolset:
    """Where the tools are: `bin` for PATH, `home` for PULUMI_HOME."""

    bin: Path
    home: Path


def brings_language_host(inventory: Inventory) -> bool:
    """Tell whether our own language host is used: with a CLI built here, or a machine's without one."""
    if inventory.pulumi.machine_serves:
        return inventory.machine_language_host is None
    artifact = inventory.pulumi.artifact
    return artifact is not None and not (artifact.folder / "pulumi-language-python").exists()


def name_of(inventory: Inventory) -> str:
    """Give the toolset's name in the cache; it changes with everything that the toolset holds."""
    parts = [digest(LAUNCHERS), str(brings_language_host(inventory))]
    for tool in (inventory.pulumi, *inventory.plugins.values()):
        if tool.machine_serves and tool.machine is not None:
            parts.append(f"{tool.name} {tool.machine.version} {tool.machine.path}")
        elif tool.artifact is not None:
            parts.append(tool.artifact.folder.name)
    return f"toolset-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def find(store: Store, inventory: Inventory) -> Toolset | None:
    """Give the toolset, where it was assembled before."""
    artifact = store.get(name_of(inventory)) if inventory.complete else None
    if artifact is None:
        return None
    return Toolset(bin=artifact.folder / "bin", home=artifact.folder / "home")


def assemble(store: Store, inventory: Inventory) -> Toolset:
    """Give the toolset, put together from a complete inventory where it is new."""
    found = find(store, inventory)
    if found is not None:
        return found
    name = name_of(inventory)
    with store.making(name) as making:
        binaries = making.made / "bin"
        binaries.mkdir()
        pulumi = inventory.pulumi
        if not pulumi.machine_serves and pulumi.artifact is not None:
            _link_all(pulumi.artifact.folder, binaries)
        if brings_language_host(inventory):
            for file in _LANGUAGE_FILES:
                shutil.copy2(LAUNCHERS / file, binaries / file)
        for plugin, tool in inventory.plugins.items():
            folder = making.made / "home" / "plugins" / f"resource-{plugin}-v{tool.wanted}"
            folder.mkdir(parents=True)
            if tool.machine_serves and tool.machine is not None:
                if tool.machine.decisive:
                    folder.rmdir()
                else:
                    _link_symbolically(tool.machine.path.parent, folder)
            elif tool.artifact is not None:
                _link_all(tool.artifact.folder, folder)
        # Which stack is selected outlives a change of versions.
        (store.root / "workspaces").mkdir(exist_ok=True)
        (making.made / "home" / "workspaces").symlink_to(store.root / "workspaces")
        making.finish(version="1", source="assembled")
    artifact = store.get(name)
    assert artifact is not None  # noqa: S101 (`making` has just put it there)
    return Toolset(bin=artifact.folder / "bin", home=artifact.folder / "home")


def copy_postgresql_launcher(made: Path) -> None:
    """Put the project's own PostgreSQL plugin, which is a launcher of a Python module, into `made`."""
    for file in POSTGRESQL_LAUNCHER:
        shutil.copy2(file, made / file.name)


def _link_all(source: Path, target: Path) -> None:
    # Hard links: the CLI resolves symbolic ones and would look for its language host beside the original.
    for file in source.iterdir():
        if file.is_file() and file.name != "artifact.json":
            os.link(file, target / file.name)


def _link_symbolically(source: Path, target: Path) -> None:
    for file in source.iterdir():
        (target / file.name).symlink_to(file)
