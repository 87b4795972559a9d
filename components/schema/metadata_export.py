"""Writes an engine's metadata into the directory: what somebody clicked together becomes files."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.hasura.client import HasuraClient
from components.hasura.json_types import JsonObject
from components.schema.canonical import keyed
from components.schema.changes import changes
from components.schema.engine_forms import as_meant
from components.schema.metadata_directory import read_metadata
from components.schema.metadata_files import files
from components.schema.problems import Problem, SchemaError

_OF_METADATA: Final = frozenset({".yaml", ".yml", ".graphql"})


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Files by what was done with them, each by its path within the directory; ``unchanged`` is a number."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def export(client: HasuraClient, folder: Path, *, overwrite: bool) -> Exported:
    """Makes the directory say what the engine has. Nothing is written that would not be read back as the same.

    :param overwrite: also where the directory holds what git does not have.
    :raises SchemaError: when it does, or when the metadata cannot stand in files, a written-out password for example.
        The directory is as it was then.
    """
    if not overwrite and (left := uncommitted(folder)):
        raise SchemaError(
            [
                Problem(
                    path=f"{folder}/{name}", message="is not in git as it is here, and would be overwritten"
                )
                for name in left
            ],
            title="nothing was written:",
            notes=["Commit it first, or say that it may be lost: --overwrite (make: OVERWRITE=1)."],
        )
    _, live = client.export_metadata()
    metadata = as_meant(live)
    texts = files(metadata)
    with tempfile.TemporaryDirectory(prefix="clerk-hasura-") as scratch:
        _write(Path(scratch), texts)
        _compare(metadata, read_metadata(Path(scratch), shown_as=str(folder)).keyed())
    there = _files_of(folder)
    written = [
        name
        for name, text in texts.items()
        if name not in there or (folder / name).read_bytes() != text.encode()
    ]
    _write(folder, {name: texts[name] for name in written})
    removed = [name for name in there if name not in texts]
    for name in removed:
        (folder / name).unlink()
    return Exported(
        written=tuple(sorted(written)), removed=tuple(removed), unchanged=len(texts) - len(written)
    )


def uncommitted(folder: Path) -> list[str]:
    """Files of metadata in the folder that git does not have as they are here; outside of git all of them."""
    there = _files_of(folder)
    if not there:
        return []
    try:
        tracked = _git(folder, "ls-files", "-z", "--cached", ".")
        changed = _git(folder, "diff", "-z", "--name-only", "--relative", "HEAD", "--", ".")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return there
    kept = tracked - changed
    return [name for name in there if name not in kept]


def _git(folder: Path, *arguments: str) -> set[str]:
    """What git lists, by paths within the folder."""
    answer = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split("\0"))


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
