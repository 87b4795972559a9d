"""A backup as a file: a tar archive with a manifest and one dump for each database, and its checksum beside it.

The dumps are in PostgreSQL's custom format, so that `tar -x` and stock `pg_restore` are enough to use them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Literal

from components.backup.contents import Contents, TableContent
from components.backup.databases import Setting
from components.backup.problem import BackupError

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"

Purpose = Literal["data", "metadata"]
PURPOSES: Final[tuple[Purpose, ...]] = ("data", "metadata")


@dataclass(frozen=True, kw_only=True)
class DumpedDatabase:
    """One of the databases: its name, the server's major version, its own settings, and what it held."""

    name: str
    server: int
    settings: tuple[Setting, ...] = ()
    contents: Contents


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup is of. ``made`` is in UTC."""

    project: str
    stack: str
    made: datetime
    databases: Mapping[Purpose, DumpedDatabase]


def stamp(moment: datetime) -> str:
    """A moment (UTC) as names have it: ``20260301T120000Z``."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


def dump_name(purpose: Purpose) -> str:
    """Name of a database's dump in the archive."""
    return f"{purpose}.dump"


def checksum_file(file: Path) -> Path:
    """Where the checksum of a backup is, in the form of `sha256sum`."""
    return file.with_name(f"{file.name}.sha256")


def write(file: Path, manifest: Manifest, dumps: Mapping[Purpose, Path]) -> None:
    """Makes the archive of dumps, readable by its owner only, and then its checksum; both appear whole or not at all.

    :raises OSError: when that cannot be done; nothing is left then.
    """
    partial = file.with_name(f".{file.name}.partial")
    sum_partial = file.with_name(f".{file.name}.sha256.partial")
    try:
        with _private(partial) as target:
            with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, _MANIFEST, json.dumps(_to_json(manifest), indent=1).encode(), manifest.made)
                for purpose, dump in dumps.items():
                    info = archive.gettarinfo(dump, dump_name(purpose))
                    info.uid = info.gid = 0
                    info.uname = info.gname = ""
                    with dump.open("rb") as content:
                        archive.addfile(info, content)
            target.flush()
            os.fsync(target.fileno())
        digest = _digest(partial)
        with _private(sum_partial) as target:
            target.write(f"{digest}  {file.name}\n".encode())
            target.flush()
            os.fsync(target.fileno())
        # The checksum first: a backup without one is not a backup.
        sum_partial.rename(checksum_file(file))
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
        sum_partial.unlink(missing_ok=True)


def read_manifest(file: Path) -> Manifest:
    """The manifest of a backup whose checksum is right.

    :raises BackupError: when there is no such file, the checksum is another, or it is no backup of this form.
    """
    beside = checksum_file(file)
    try:
        words = beside.read_text(encoding="utf-8").split()
        digest = _digest(file)
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}. Nothing was touched.") from None
    if not words or words[0] != digest:
        raise BackupError(
            f"{file} is not what was written: its SHA-256 sum is not the one in {beside}. Nothing was touched. "
            "Take another backup, or another copy of this one."
        )
    try:
        with tarfile.open(file, mode="r:") as archive, _member(archive, _MANIFEST) as content:
            return _from_json(json.load(content))
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise BackupError(
            f"{file} is no backup of this project, or of a newer version of it ({error}). Nothing was touched."
        ) from None


@contextmanager
def dump_of(file: Path, purpose: Purpose, folder: Path) -> Iterator[IO[bytes]]:
    """The dump of one database, for reading, unpacked into ``folder`` for as long as it is used.

    :raises BackupError: when it is not in the backup.
    """
    unpacked = folder / dump_name(purpose)
    try:
        with (
            tarfile.open(file, mode="r:") as archive,
            _member(archive, dump_name(purpose)) as content,
            _private(unpacked) as target,
        ):
            shutil.copyfileobj(content, target)
    except (tarfile.TarError, KeyError) as error:
        raise BackupError(
            f"{file} holds no dump {dump_name(purpose)}: {error}. Nothing was touched."
        ) from None
    with unpacked.open("rb") as dump:
        yield dump
    unpacked.unlink()


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def _add(archive: tarfile.TarFile, name: str, content: bytes, made: datetime) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o600, int(made.timestamp())
    archive.addfile(info, io.BytesIO(content))


def _private(file: Path) -> IO[bytes]:
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _to_json(manifest: Manifest) -> dict[str, object]:
    return {
        "format": FORMAT,
        "project": manifest.project,
        "stack": manifest.stack,
        "made": manifest.made.isoformat(),
        "databases": {
            purpose: {
                "name": database.name,
                "server": database.server,
                "settings": [asdict(setting) for setting in database.settings],
                "tables": {
                    name: {"rows": table.rows, "content": table.content}
                    for name, table in database.contents.tables.items()
                },
                "objects": sorted(database.contents.objects),
            }
            for purpose, database in manifest.databases.items()
        },
    }


def _from_json(value: dict[str, object]) -> Manifest:
    if value["format"] != FORMAT:
        raise ValueError(f"its form is {value['format']}")
    databases = value["databases"]
    if not isinstance(databases, dict):
        raise TypeError("databases")
    return Manifest(
        project=str(value["project"]),
        stack=str(value["stack"]),
        made=datetime.fromisoformat(str(value["made"])),
        databases={
            purpose: DumpedDatabase(
                name=str(databases[purpose]["name"]),
                server=int(databases[purpose]["server"]),
                settings=tuple(
                    Setting(role=str(each["role"]), name=str(each["name"]), value=str(each["value"]))
                    for each in databases[purpose]["settings"]
                ),
                contents=Contents(
                    tables={
                        str(name): TableContent(rows=int(table["rows"]), content=str(table["content"]))
                        for name, table in databases[purpose]["tables"].items()
                    },
                    objects=frozenset(map(str, databases[purpose]["objects"])),
                ),
            )
            for purpose in PURPOSES
        },
    )
