"""What is used: a table of all tools, and what to do where one is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from local.toolchain import docker_engine, images, inventory, python_environment
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.pins import Pins
from local.toolchain.setup import Row, docker_row, image_rows, tool_rows, unusable_plugins
from local.toolchain.store import Store

HEADINGS = ("tool", "version", "source", "path")


def examine(project: Path, stack: str, machine: Machine, store: Store, settings: Pins) -> list[Row]:
    """Look at every tool and change nothing."""
    found = inventory.take(store, machine, settings, os.environ, project)
    rows = tool_rows(project, store, found)
    rows += [
        Row(tool="PATH", version="", source="in the way", remedy=problem)
        for problem in unusable_plugins(found)
    ]
    docker = docker_row(docker_engine.look(machine, settings.docker_minimum))
    rows.append(docker)
    if docker.remedy or not python_environment.python_of(project).exists():
        rows.append(Row(tool="images", version="", source="unknown", remedy="first mend what is above"))
        return rows
    try:
        rows += image_rows(images.show(project, stack, store.root))
    except ToolchainError as error:
        rows.append(Row(tool="images", version="", source="missing", remedy=str(error)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Give the rows as aligned text, and below it what to do about each missing tool."""
    cells = [HEADINGS, *((row.tool, row.version, row.source, row.path) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    remedies = [f"{row.tool}: {row.remedy}" for row in rows if row.remedy]
    return "\n".join([*lines, *([""] if remedies else []), *remedies])


def summary(rows: Sequence[Row]) -> str:
    """Give one line for each tool: its name, version and source."""
    names = max(len(row.tool) for row in rows)
    versions = max(len(row.version) for row in rows)
    return "\n".join(f"{row.tool:{names}}  {row.version:{versions}}  {row.source}".rstrip() for row in rows)
