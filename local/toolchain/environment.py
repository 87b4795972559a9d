"""The environment variables with which stock Pulumi works on the local stack."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from local.toolchain import docker_engine, inventory, pins, toolset
from local.toolchain.machine import PROJECT, cache_folder, this_machine
from local.toolchain.store import Store

PUBLIC_PASSPHRASE = "local-stack-only"  # noqa: S105
"""Passphrase of the committed `Pulumi.dev.yaml`: public, so for stacks with nothing worth hiding."""


def _entries(project: Path, tools: toolset.Toolset | None) -> list[str]:
    return [str(project / ".venv" / "bin"), *([str(tools.bin)] if tools is not None else [])]


def _toolset(project: Path, variables: Mapping[str, str]) -> toolset.Toolset | None:
    store = Store(cache_folder(variables))
    found = inventory.take(store, this_machine(), pins.load(), variables, project)
    if not found.complete:
        return None
    try:
        # Quick and local: a working copy with other launchers than the last one needs no set-up for them.
        return toolset.assemble(store, found)
    except OSError:
        # A set-up that runs at the same time may have tidied the folder away.
        return toolset.find(store, found)


def environment(project: Path | None = None, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the variables to add to a process's own: tools on PATH, a backend in the project's `.local`.

    `project` is the root of a working copy (default: this one), `variables` the environment to build on
    (default: this process's). Makes the backend's folder. Before the set-up has run, the tools are not in it.
    In a shell of `make activate` the backend is that of this shell.
    """
    root = PROJECT if project is None else project.resolve()
    given = os.environ if variables is None else variables
    tools = _toolset(root, given)
    entries = _entries(root, tools)
    kept = [entry for entry in given.get("PATH", "").split(os.pathsep) if entry and entry not in entries]
    settings = _settings(root, tools, given)
    if given.get("CLERK_HASURA_PROJECT") == str(root):
        # A shell of `make activate`: whoever has named another backend in it, or none, means that.
        del settings["PULUMI_BACKEND_URL"]
        settings |= {name: value for name, value in given.items() if name == "PULUMI_BACKEND_URL"}
    return {"PATH": os.pathsep.join([*entries, *kept]), **settings}


def _settings(root: Path, tools: toolset.Toolset | None, given: Mapping[str, str]) -> dict[str, str]:
    state = root / ".local" / "state"
    state.mkdir(parents=True, exist_ok=True)
    settings = {
        "CLERK_HASURA_PROJECT": str(root),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": PUBLIC_PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if tools is not None:
        settings["PULUMI_HOME"] = str(tools.home)
        # `pulumi login` is the user's, not the tools': it outlives them, and is there once PULUMI_BACKEND_URL is unset.
        settings["PULUMI_CREDENTIALS_PATH"] = (
            given.get("PULUMI_CREDENTIALS_PATH") or given.get("PULUMI_HOME") or str(_home(given) / ".pulumi")
        )
    host = docker_engine.host_of_context(given)
    if host is not None:
        settings["DOCKER_HOST"] = host
    return settings


def _home(given: Mapping[str, str]) -> Path:
    return Path(given["HOME"]) if given.get("HOME") else Path.home()


def export_lines(project: Path | None = None) -> str:
    """Give the environment as lines for a POSIX shell."""
    root = PROJECT if project is None else project.resolve()
    tools = _toolset(root, os.environ)
    front = os.pathsep.join(_entries(root, tools))
    lines = [f'export PATH={shlex.quote(front)}:"$PATH"']
    lines += [
        f"export {name}={shlex.quote(value)}" for name, value in _settings(root, tools, os.environ).items()
    ]
    return "\n".join(lines)
