"""The selected stack and the checkout that an engine is taken over into: what is written, and what would be lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components import selected_stack
from components.adoption.history import History
from components.hasura.json_types import Json
from components.schema import version_control
from components.schema.metadata_export import Export


@dataclass(frozen=True, kw_only=True)
class Local:
    """The selected stack, and where its files are."""

    name: str
    config: selected_stack.Configuration
    migrations: Path
    metadata: Path

    def values(self, changes: Mapping[str, str]) -> dict[str, str]:
        return {**self.config.values, **changes}


@dataclass(frozen=True, kw_only=True)
class Files:
    """Migrations: path within their folder to text, and paths within it that go. What stands there as it is to be is
    not among them."""

    written: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


def files_of(local: Local, decided: History) -> Files:
    wanted = {f"{source}/{key}/up.sql": text for (source, key), text in decided.written.items()}
    there = {
        path.relative_to(local.migrations).as_posix()
        for source in decided.replaced
        for path in (local.migrations / source).rglob("*")
        if path.is_file()
    }
    return Files(
        written={
            name: text
            for name, text in wanted.items()
            if name not in there or (local.migrations / name).read_bytes() != text.encode()
        },
        removed=tuple(sorted(there - set(wanted))),
    )


def in_the_way(local: Local, export: Export | None, files: Files) -> list[str]:
    lost = [problem.path for problem in export.in_the_way()] if export else []
    there = [name for name in (*files.written, *files.removed) if (local.migrations / name).exists()]
    lost += [
        f"{local.migrations}/{name}" for name in version_control.uncommitted(local.migrations, sorted(there))
    ]
    return [
        f"{path}: is not in git as it is here, and would be overwritten or removed\n"
        "    commit it first, or say that it may be lost: OVERWRITE=1 (--overwrite)"
        for path in lost
    ]


def write(
    local: Local, changes: Mapping[str, Json], secret: str, export: Export, files: Files
) -> tuple[str, ...]:
    """The configuration first: it is what may fail. Gives the keys that were set."""
    secrets = {} if local.config.values.get("adminSecret") == secret else {"adminSecret": secret}
    selected_stack.configure(changes, secrets)
    export.carry_out()
    for name, text in files.written.items():
        file = local.migrations / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    for name in files.removed:
        (local.migrations / name).unlink()
    for folder in {path for name in files.removed for path in (local.migrations / name).parents}:
        if folder.is_relative_to(local.migrations) and folder != local.migrations:
            _remove_if_empty(folder)
    return (*changes, *secrets)


def _remove_if_empty(folder: Path) -> None:
    for each in (folder, *folder.parents):
        try:
            each.rmdir()
        except OSError:
            return
