"""The set-up: has every tool, in order, each from the first source that can serve."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.toolchain import (
    builds,
    docker_engine,
    golang,
    images,
    inventory,
    pins,
    python_environment,
    toolset,
    vendor,
)
from local.toolchain.decisions import (
    Candidate,
    DockerSituation,
    DockerStep,
    Step,
    docker_plan,
    obstacles,
    steps,
)
from local.toolchain.errors import ChecksumError, SourceUnavailableError, ToolchainError
from local.toolchain.inventory import Inventory, Tool
from local.toolchain.machine import Machine
from local.toolchain.pins import Pins
from local.toolchain.progress import Progress
from local.toolchain.python_environment import VenvSituation, VenvStep, venv_plan
from local.toolchain.store import Making, Store


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line for the user: a tool, its version, its source, its path, and what to do if it is missing."""

    tool: str
    version: str
    source: str
    path: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a set-up gives: a row for each tool, and what the user must read."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be set up.

    :param development: with what tests and checks need.
    :param stack: the stack whose images are wanted; None leaves images and Docker out.
    """

    project: Path
    stack: str | None
    development: bool


class Setup:
    """One run of the set-up on one machine."""

    def __init__(
        self, request: Request, machine: Machine, store: Store, progress: Progress, settings: Pins
    ) -> None:
        self._request = request
        self._machine = machine
        self._store = store
        self._progress = progress
        self._pins = settings
        self._where = vendor.mirrors(os.environ)

    def run(self) -> Result:
        """Have everything; does nothing where all is there. Raises ToolchainError with all that is wrong."""
        found, venv, docker = self._look()
        docker_source = "on this machine"
        if not self._all_there(found, venv, docker):
            with self._store.lock(self._progress):
                # Another set-up may have done it while this one waited.
                found, venv, docker = self._look()
                candidates = self._candidates(found)
                self._refuse_early(candidates, venv, docker)
                python_environment.prepare(
                    self._request.project, venv, logs=self._store.logs, progress=self._progress
                )
                if docker is not None:
                    docker_source = docker_engine.prepare(
                        docker, logs=self._store.logs, progress=self._progress
                    )
                self._have_tools(found, candidates)
                toolset.assemble(self._store, self._take())
        docker = docker_engine.look(self._machine, self._pins.docker_minimum) if docker is not None else None
        rows = tool_rows(self._request.project, self._store, self._take())
        if docker is None or self._request.stack is None:
            return Result(rows=tuple(rows))
        rows.append(docker_row(docker, docker_source))
        have = images.ensure(self._request.project, self._request.stack, self._store.root, self._progress)
        rows += image_rows(have)
        return Result(rows=tuple(rows), warnings=tuple(image.warning for image in have if image.warning))

    def _look(self) -> tuple[Inventory, VenvSituation, DockerSituation | None]:
        return (
            self._take(),
            python_environment.look(
                self._request.project,
                self._machine,
                self._pins.python_minimum,
                development=self._request.development,
            ),
            None
            if self._request.stack is None
            else docker_engine.look(self._machine, self._pins.docker_minimum),
        )

    def _take(self) -> Inventory:
        return inventory.take(self._store, self._machine, self._pins, os.environ, self._request.project)

    def _all_there(self, found: Inventory, venv: VenvSituation, docker: DockerSituation | None) -> bool:
        return (
            toolset.find(self._store, found) is not None
            and not unusable_plugins(found)
            and venv_plan(venv).step is VenvStep.USE
            and (docker is None or docker_plan(docker).step is DockerStep.USE)
        )

    def _candidates(self, found: Inventory) -> dict[str, Candidate]:
        """Ask the vendor's hosts once, and give what is known of each missing tool."""
        addresses = {}
        if not found.pulumi.present:
            addresses["pulumi"] = vendor.cli_address(
                self._where, self._pins.pulumi.version, self._machine.release_name
            )
        for name, tool in found.plugins.items():
            if not tool.present:
                addresses[tool.name] = vendor.plugin_address(
                    self._where, name, self._pins.plugins[name].version, self._machine.go_name
                )
        answers = vendor.probe(addresses)
        modules = (builds.CLI_MODULE, builds.DOCKER_MODULE)
        needed = max((golang.required(module) for module in modules), key=pins.version_numbers)
        no_go = golang.obstacle(self._machine, self._pins, needed) if addresses else None
        return {
            tool.name: Candidate(
                wanted=tool.wanted,
                on_machine=tool.machine.version if tool.machine else None,
                vendor_obstacle=answers[tool.name],
                build_obstacle=None if tool.name == "pulumi-resource-postgresql" else no_go,
            )
            for tool in (found.pulumi, *found.plugins.values())
            if tool.name in addresses
        }

    def _refuse_early(
        self, candidates: Mapping[str, Candidate], venv: VenvSituation, docker: DockerSituation | None
    ) -> None:
        """Raise ToolchainError with every problem that is known before anything is changed."""
        problems = unusable_plugins(self._take())
        plan = venv_plan(venv)
        if plan.step is VenvStep.FAIL:
            problems.append(plan.problem)
        if docker is not None and (docker_way := docker_plan(docker)).step is DockerStep.FAIL:
            problems.append(docker_way.problem)
        problems += [obstacles(name, known) for name, known in candidates.items() if not steps(known)]
        if problems:
            raise ToolchainError("\n\n".join(problems))

    def _have_tools(self, found: Inventory, candidates: Mapping[str, Candidate]) -> None:
        if not found.pulumi.present:
            release = self._pins.pulumi

            def download_cli(making: Making, _log: Path) -> str:
                return vendor.install_cli(
                    release, self._machine, self._where, made=making.made, scratch=making.scratch,
                    progress=self._progress,
                )  # fmt: skip

            def build_cli(making: Making, log: Path) -> str:
                builds.build_cli(
                    self._go(builds.CLI_MODULE), release.version, made=making.made, log=log,
                    progress=self._progress,
                )  # fmt: skip
                return "built from Go modules"

            self._have(found.pulumi, candidates["pulumi"], download_cli, build_cli)
        for name, tool in found.plugins.items():
            if not tool.present:
                self._have_plugin(name, tool, candidates[tool.name])

    def _have_plugin(self, name: str, tool: Tool, candidate: Candidate) -> None:
        release = self._pins.plugins[name]

        def install(making: Making, log: Path) -> str:
            return vendor.install_plugin(
                name, release, self._machine, self._where, pulumi=self._pulumi(), made=making.made,
                scratch=making.scratch, log=log, progress=self._progress,
            )  # fmt: skip

        def build(making: Making, log: Path) -> str:
            if name == "postgresql":
                toolset.copy_postgresql_launcher(making.made)
                return "the project's own, over psycopg"
            builds.build_docker_plugin(
                self._go(builds.DOCKER_MODULE), release.version, made=making.made, scratch=making.scratch,
                log=log, progress=self._progress,
            )  # fmt: skip
            return "built from Go modules"

        self._have(tool, candidate, install, build)

    def _have(
        self,
        tool: Tool,
        candidate: Candidate,
        download: Callable[[Making, Path], str],
        build: Callable[[Making, Path], str],
    ) -> None:
        """Try the sources in order: one that fails gives way to the next, a wrong checksum ends it."""
        failures = []
        for step in steps(candidate):
            begun = time.monotonic()
            name, make = (tool.vendor_name, download) if step is Step.DOWNLOAD else (tool.built_name, build)
            log = self._store.logs / f"{name}.log"
            try:
                with self._store.making(name) as making:
                    if step is Step.DOWNLOAD:
                        with self._progress.step(f"{tool.name} {tool.wanted}: the vendor's download"):
                            source = make(making, log)
                    else:
                        source = make(making, log)
                    seconds = round(time.monotonic() - begun)
                    timed = f"{source} ({seconds} s)" if seconds else source
                    making.finish(version=tool.wanted, source=timed)
            except ChecksumError:
                raise
            except (SourceUnavailableError, ToolchainError) as error:
                failures.append(str(error))
                if step is Step.DOWNLOAD:
                    self._progress.say(f"  {error}")
                continue
            return
        raise ToolchainError(f"{tool.name} {tool.wanted} could not be had.\n" + "\n".join(failures))

    def _go(self, module: Path) -> golang.Go:
        return golang.obtain(
            self._machine, self._pins, golang.required(module), logs=self._store.logs, progress=self._progress
        )

    def _pulumi(self) -> Path:
        tool = self._take().pulumi
        if tool.machine_serves and tool.machine is not None:
            return tool.machine.path
        assert tool.artifact is not None  # noqa: S101 (`_have_tools` has the CLI first)
        return tool.artifact.folder / "pulumi"


def unusable_plugins(found: Inventory) -> list[str]:
    """Give a problem for each plugin on PATH that is too old: Pulumi would take it before any other."""
    return [
        f"{tool.name} {tool.machine.version} at {tool.machine.path} is on PATH, so Pulumi would use it, but "
        f"it is not version {tool.wanted} or newer. Take that folder off PATH or remove the file, then run "
        "this again."
        for tool in found.plugins.values()
        if tool.machine is not None and tool.machine.decisive and not tool.machine_serves
    ]


def tool_rows(project: Path, store: Store, found: Inventory) -> list[Row]:
    """Give the rows of the Python environment and of Pulumi's tools, missing ones with a remedy."""
    python = python_environment.python_of(project)
    version = _python_version(project)
    rows = [
        Row(
            tool="python", version=version, source=".venv, from requirements.txt", path=str(python),
            remedy="" if version else "run `make setup`",
        )
    ]  # fmt: skip
    host_source, host_path = "", ""
    tools = toolset.find(store, found)
    if toolset.brings_language_host(found):
        host_source = "the project's own, over the Pulumi SDK"
        host_path = str(tools.bin / "pulumi-language-python") if tools else ""
    elif found.machine_language_host is not None:
        host_source, host_path = "on this machine", str(found.machine_language_host)
    elif found.pulumi.artifact is not None:
        host_source, host_path = "with the CLI", str(found.pulumi.artifact.folder / "pulumi-language-python")
    rows.append(_tool_row(found.pulumi))
    rows.append(
        Row(
            tool="pulumi-language-python", version=found.pulumi.wanted if host_source else "",
            source=host_source or "missing", path=host_path, remedy="" if host_source else "run `make setup`",
        )
    )  # fmt: skip
    rows += [_tool_row(tool) for tool in found.plugins.values()]
    return rows


def _tool_row(tool: Tool) -> Row:
    if tool.machine_serves and tool.machine is not None:
        return Row(
            tool=tool.name,
            version=tool.machine.version,
            source="on this machine",
            path=str(tool.machine.path),
        )
    if tool.artifact is not None:
        return Row(
            tool=tool.name,
            version=tool.artifact.version,
            source=tool.artifact.source,
            path=str(tool.artifact.folder / tool.name),
        )
    return Row(tool=tool.name, version=tool.wanted, source="missing", remedy="run `make setup`")


def _python_version(project: Path) -> str:
    try:
        text = (project / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return fields.get("version", "") if python_environment.python_of(project).exists() else ""


def docker_row(docker: DockerSituation, source: str = "on this machine") -> Row:
    """Give Docker's row."""
    plan = docker_plan(docker)
    usable = plan.step is DockerStep.USE
    return Row(
        tool="docker",
        version=docker.server_version or "",
        source=source if usable else str(docker.trouble or "too old"),
        path=docker.named_host or "the default daemon",
        remedy="" if usable else plan.problem or "run `make setup`",
    )


def image_rows(have: list[images.Image]) -> list[Row]:
    """Give the images' rows, which say of a stand-in that it is one."""
    rows = []
    for image in have:
        _name, _, tag = image.image.rpartition(":")
        source = f"{image.source}, a stand-in" if image.warning else image.source
        rows.append(Row(tool=f"image {image.part}", version=tag, source=source, path=image.image))
    return rows
