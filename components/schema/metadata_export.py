"""Writes an engine's metadata into the directory: what somebody clicked together becomes files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.hasura.client import HasuraClient
from components.hasura.json_types import JsonObject
from components.schema import version_control
from components.schema.canonical import keyed
from components.schema.changes import changes
from components.schema.engine_forms import as_meant
from components.schema.metadata_directory import MetadataDirectory, read_metadata
from components.schema.metadata_files import files
from components.schema.problems import Problem, SchemaError

_OF_METADATA: Final = frozenset({".yaml", ".yml", ".graphql"})


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Files by what was done with them, each by its path within the directory; ``unchanged`` is a number."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is to be done with a directory so that it says what an engine has.

    :param texts: every file by its path within the directory, with its text.
    :param written: those of them that are not there yet as they are to be.
    :param removed: those that are there and not among them.
    :param metadata: what the directory says then.
    """

    folder: Path
    texts: Mapping[str, str]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    metadata: MetadataDirectory

    def in_the_way(self) -> list[Problem]:
        """What would be lost: files that git does not have as they are here."""
        there = [name for name in (*self.written, *self.removed) if (self.folder / name).exists()]
        return [
            Problem(
                path=f"{self.folder}/{name}", message="is not in git as it is here, and would be overwritten"
            )
            for name in version_control.uncommitted(self.folder, sorted(there))
        ]

    def carry_out(self) -> Exported:
        _write(self.folder, {name: self.texts[name] for name in self.written})
        for name in self.removed:
            (self.folder / name).unlink()
        unchanged = len(self.texts) - len(self.written)
        return Exported(written=self.written, removed=self.removed, unchanged=unchanged)


def planned_export(live: JsonObject, folder: Path, *, shown_as: str | None = None) -> Export:
    """What `export` would do with metadata as the engine exports it. Touches nothing.

    :raises SchemaError: when it cannot stand in files, a written-out password for example, or would not be read back
        as the same.
    """
    metadata = as_meant(live)
    texts = files(metadata)
    with tempfile.TemporaryDirectory(prefix="clerk-hasura-") as scratch:
        _write(Path(scratch), texts)
        found = read_metadata(Path(scratch), shown_as=shown_as or str(folder))
    _compare(metadata, found.keyed())
    there = _files_of(folder)
    return Export(
        folder=folder,
        texts=texts,
        written=tuple(
            sorted(
                name
                for name, text in texts.items()
                if name not in there or (folder / name).read_bytes() != text.encode()
            )
        ),
        removed=tuple(name for name in there if name not in texts),
        metadata=found,
    )


def export(client: HasuraClient, folder: Path, *, overwrite: bool) -> Exported:
    """Makes the directory say what the engine has. Nothing is written that would not be read back as the same.

    :param overwrite: also where the directory holds what git does not have.
    :raises SchemaError: when it does, or when the metadata cannot stand in files, a written-out password for example.
        The directory is as it was then.
    """
    _, live = client.export_metadata()
    planned = planned_export(live, folder)
    if not overwrite and (lost := planned.in_the_way()):
        raise SchemaError(
            lost,
            title="nothing was written:",
            notes=["Commit it first, or say that it may be lost: --overwrite (make: OVERWRITE=1)."],
        )
    return planned.carry_out()


def uncommitted(folder: Path) -> list[str]:
    """Files of metadata in the folder that git does not have as they are here; outside of git all of them."""
    return version_control.uncommitted(folder, _files_of(folder))


def _files_of(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in _OF_METADATA
    )


def _compare(metadata: JsonObject, found: JsonObject) -> None:
    wanted = keyed(metadata)
    if found == wanted:
        return
    raise SchemaError(
        [Problem(path="", message=str(change)) for change in changes(found, wanted)],
        title="nothing was written, because the files would not say what the engine has:",
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
