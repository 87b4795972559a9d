"""The cache of finished tools: whole or absent, whoever interrupts whom."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.progress import Progress

_RECORD = "artifact.json"
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One finished tool in the cache."""

    folder: Path
    version: str
    source: str
    """Where it came from, for the user, e.g. `built from Go modules (210 s)`."""


class Store:
    """The cache below `root`.

    A tool is made in `staging/` and renamed to `tools/`, which is atomic. What a killed set-up left in
    `staging/` is removed by the next one that holds the lock.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self._tools = root / "tools"
        self._staging = root / "staging"

    def get(self, name: str) -> Artifact | None:
        """Give the finished artifact `name`, or None."""
        folder = self._tools / name
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return Artifact(folder=folder, version=record["version"], source=record["source"])

    @contextmanager
    def making(self, name: str) -> Iterator[Making]:
        """Give an empty folder to make the artifact `name` in; put it in place when the block calls `finish`.

        Whatever ends the block without that, leaves nothing.
        """
        work = self._staging / f"{name}-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        made = work / "made"
        made.mkdir(parents=True)
        making = Making(made=made, scratch=work / "scratch")
        making.scratch.mkdir()
        try:
            yield making
            if making.record is not None:
                (made / _RECORD).write_text(json.dumps(making.record, indent=2) + "\n", encoding="utf-8")
                self._put(made, name, aside=work / "replaced")
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _put(self, made: Path, name: str, *, aside: Path) -> None:
        target = self._tools / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.get(name) is not None:
            # Somebody else was faster; the name says that theirs is the same.
            return
        if target.exists():
            # A folder without its record: nothing of ours, and rename needs the place empty.
            target.rename(aside)
        try:
            made.rename(target)
        except OSError:
            if self.get(name) is None:
                raise

    @contextmanager
    def lock(self, progress: Progress) -> Iterator[None]:
        """Hold the cache for one set-up; others wait and say so. It goes with its process (flock(2))."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "setup.lock").open("a+", encoding="utf-8") as file:
            if not _try_lock(file.fileno()):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                with progress.step(f"another set-up is running (process {holder}); waiting for it"):
                    while not _try_lock(file.fileno()):
                        time.sleep(_POLL_SECONDS)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            shutil.rmtree(self._staging, ignore_errors=True)
            yield


@dataclass(kw_only=True)
class Making:
    """An artifact being made: files go to `made`, working files to `scratch`."""

    made: Path
    scratch: Path
    record: dict[str, str] | None = None

    def finish(self, *, version: str, source: str) -> None:
        """Say that `made` is whole."""
        self.record = {"version": version, "source": source}


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def digest(*files_or_folders: Path) -> str:
    """Give 12 hex digits that change with the names, modes (executable or not) and contents of the files."""
    sums = hashlib.sha256()
    for start in files_or_folders:
        files = [start] if start.is_file() else sorted(p for p in start.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = file.name if start.is_file() else file.relative_to(start).as_posix()
            sums.update(f"{name}\0{os.access(file, os.X_OK)}\0".encode())
            sums.update(hashlib.sha256(file.read_bytes()).digest())
    return sums.hexdigest()[:12]
