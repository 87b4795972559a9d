"""Read a directory of migrations: `<source>/<version>_<name>/{up,down}.sql`, the Hasura CLI's layout
(config v3).

Files are checked and checksummed in one pass, piece by piece; their SQL is not kept. The checksum is
SHA-256 over the bytes with CRLF as LF, so that a checkout on Windows is the same migration.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from components.schema.problems import Problem, SchemaError
from components.schema.sql import NO_STATEMENT, Finding, findings_in, is_without_transaction

CHUNK = 1 << 20
_NAME = re.compile(r"([0-9]+)_(.*)", re.DOTALL)
_BOM = b"\xef\xbb\xbf"
MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class SqlFile:
    """A file that was read and found fit: `shown` is its path as a person knows it, `size` in bytes."""

    path: Path
    shown: str
    checksum: str
    size: int
    without_transaction: bool = False

    def text(self) -> str:
        """Its SQL, with line ends as LF."""
        return self.path.read_bytes().replace(b"\r\n", b"\n").decode()

    def scannable(self) -> Iterator[str]:
        """Its SQL in pieces, byte by byte, for the scanner alone: a cut can then be anywhere."""
        for chunk in _lines_unified(self.path):
            yield chunk.decode("latin-1")

    def pieces(self) -> Iterator[str]:
        """Its SQL in pieces of about a megabyte, with line ends as LF."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for chunk in _lines_unified(self.path):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


@lru_cache(maxsize=1 << 14)
def findings_of(file: SqlFile) -> tuple[Finding, ...]:
    """What in its text would break its transaction. Kept, by checksum among others: preview and deployment
    both ask for it."""
    return tuple(findings_in(file.scannable(), alone=file.without_transaction))


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One folder. `key` is the folder's name, `version` its number, `name` what follows the underscore."""

    source: str
    version: int
    name: str
    key: str
    up: SqlFile
    down: SqlFile | None = None

    def undoing(self) -> SqlFile | None:
        """Its down.sql, if it does anything: the Hasura console writes one of comments where it knows no way back."""
        if self.down is None or any(finding.message == NO_STATEMENT for finding in findings_of(self.down)):
            return None
        return self.down


@dataclass(frozen=True, kw_only=True)
class MigrationSet:
    """All migrations by source, each source's in the order of versions."""

    sources: Mapping[str, tuple[Migration, ...]]

    def checksums(self) -> dict[str, dict[str, str]]:
        """`{source: {version_name: checksum of up.sql}}`: the inputs of the Pulumi resource."""
        return {
            source: {migration.key: migration.up.checksum for migration in migrations}
            for source, migrations in self.sources.items()
        }

    def of(self, source: str) -> tuple[Migration, ...]:
        return self.sources.get(source, ())


def read_migrations(root: Path, *, shown_as: str | None = None) -> MigrationSet:
    """Read everything beneath `root`. Raises `SchemaError` with all problems; `shown_as` replaces the root's
    path in them (a path relative to the project reads better than an absolute one)."""
    shown = shown_as if shown_as is not None else str(root)
    problems: list[Problem] = []
    sources: dict[str, tuple[Migration, ...]] = {}
    for entry in entries(root, shown, problems):
        place = f"{shown}/{entry.name}"
        if not is_directory_within(entry, root, place, problems):
            continue
        sources[entry.name] = _read_source(entry, root, place, problems)
    if problems:
        raise SchemaError(sorted(problems, key=lambda p: (p.path, p.line or 0)))
    return MigrationSet(sources=sources)


def _read_source(folder: Path, root: Path, shown: str, problems: list[Problem]) -> tuple[Migration, ...]:
    found: dict[int, Migration] = {}
    places: dict[int, str] = {}
    for entry in _scanned(folder, shown, problems):
        place = f"{shown}/{entry.name}"
        match = _NAME.fullmatch(entry.name)
        if match is None:
            problems.append(
                Problem(
                    path=place,
                    message="not the name of a migration",
                    remedy="A migration is a folder <version>_<name>, such as 1700000000000_users.",
                )
            )
            continue
        if not entry.is_dir(follow_symlinks=False) and not is_directory_within(
            Path(entry.path), root, place, problems
        ):
            continue
        version = int(match.group(1))
        if version > MAX_VERSION:
            problems.append(
                Problem(
                    path=place,
                    message=f"the version is larger than {MAX_VERSION}",
                    remedy="Use milliseconds since 1970.",
                )
            )
            continue
        if version in places:
            problems.append(
                Problem(
                    path=place,
                    message=f"version {version} is there twice: also {places[version]}",
                    remedy="Give one of the two another version.",
                )
            )
            continue
        places[version] = place
        names = _names(entry.path, place, problems)
        if names is None:
            continue
        up = read_sql_file(Path(f"{entry.path}/up.sql"), root, f"{place}/up.sql", problems, required=True)
        down = None
        if "down.sql" in names:
            file = Path(f"{entry.path}/down.sql")
            down = read_sql_file(file, root, f"{place}/down.sql", problems, required=False)
        problems += [
            Problem(
                path=f"{place}/{extra}",
                message="metadata in a migration is not run",
                remedy="Put it into the metadata directory.",
            )
            for extra in ("up.yaml", "down.yaml")
            if extra in names
        ]
        if up is not None:
            found[version] = Migration(
                source=folder.name, version=version, name=match.group(2), key=entry.name, up=up, down=down
            )
    return tuple(found[version] for version in sorted(found))


def _scanned(folder: Path, shown: str, problems: list[Problem]) -> list[os.DirEntry[str]]:
    # A scan tells folders from files without a further call for each of what may be thousands.
    try:
        with os.scandir(folder) as found:
            seen = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
            return [e for e in seen if _can_be_named(e.name, shown, problems)]
    except OSError as error:
        problems.append(Problem(path=shown, message=f"cannot be read: {error.strerror}"))
        return []


def _names(folder: str, shown: str, problems: list[Problem]) -> frozenset[str] | None:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208  names are enough
    except OSError as error:
        problems.append(Problem(path=shown, message=f"cannot be read: {error.strerror}"))
        return None


def entries(folder: Path, shown: str, problems: list[Problem]) -> list[Path]:
    """What lies in a folder, hidden names left out, by name."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        problems.append(Problem(path=shown, message=f"cannot be read: {error.strerror}"))
        return []
    return [
        entry
        for entry in found
        if not entry.name.startswith(".") and _can_be_named(entry.name, shown, problems)
    ]


def _can_be_named(name: str, shown: str, problems: list[Problem]) -> bool:
    """Whether a name is text, as it has to be in ledger, state and messages."""
    if name.isascii() or name.encode(errors="replace").decode() == name:
        return True
    told = name.encode(errors="backslashreplace").decode()
    problems.append(
        Problem(path=f"{shown}/{told}", message="its name is not UTF-8", remedy="Give it another one.")
    )
    return False


def is_directory_within(entry: Path, root: Path, shown: str, problems: list[Problem]) -> bool:
    """Whether `entry` is a folder beneath `root`, else the reason in `problems`."""
    if not _stays_within(entry, root, shown, problems):
        return False
    if not entry.is_dir():
        problems.append(
            Problem(
                path=shown,
                message="not a folder",
                remedy="Migrations are laid out as <source>/<version>_<name>/up.sql.",
            )
        )
        return False
    return True


def _stays_within(entry: Path, root: Path, shown: str, problems: list[Problem]) -> bool:
    if not entry.is_symlink():
        return True
    try:
        target = entry.resolve(strict=True)
    except (OSError, RuntimeError):
        problems.append(Problem(path=shown, message="a symbolic link to nothing", remedy="Remove it."))
        return False
    if target.is_relative_to(root.resolve()):
        return True
    problems.append(
        Problem(
            path=shown,
            message="a symbolic link that leaves the migrations folder",
            remedy="Put the file itself here: what is deployed must be under version control.",
        )
    )
    return False


def read_sql_file(
    path: Path, root: Path, shown: str, problems: list[Problem], *, required: bool
) -> SqlFile | None:
    """Look at a file without keeping its content: None, with the reason in `problems`, when it is not fit."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if required:
            problems.append(
                Problem(
                    path=shown,
                    message="missing",
                    remedy="Each migration needs an up.sql with at least one statement.",
                )
            )
        return None
    except OSError as error:
        problems.append(Problem(path=shown, message=f"cannot be read: {error.strerror}"))
        return None
    if stat.S_ISLNK(mode):
        if not _stays_within(path, root, shown, problems):
            return None
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        problems.append(
            Problem(
                path=shown,
                message=f"not a regular file but {_kind(mode)}",
                remedy="Put a file of SQL here.",
            )
        )
        return None
    return _checked(path, shown, problems, required=required)


def _checked(path: Path, shown: str, problems: list[Problem], *, required: bool) -> SqlFile | None:  # noqa: PLR0911
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, lines, blank = 0, 1, True
    first = b""
    try:
        for chunk in _lines_unified(path):
            if size == 0:
                if chunk.startswith(_BOM):
                    problems.append(
                        Problem(
                            path=shown,
                            line=1,
                            message="begins with a byte order mark",
                            remedy=(
                                "Save it as UTF-8 without BOM: Postgres takes the mark for a "
                                "character of SQL."
                            ),
                        )
                    )
                    return None
                first = chunk.split(b"\n", 1)[0]
            digest.update(chunk)
            size += len(chunk)
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                lines += chunk.count(b"\n", 0, max(error.start, 0))
                problems.append(_not_utf8(shown, lines))
                return None
            if (nul := chunk.find(b"\0")) >= 0:
                problems.append(
                    Problem(
                        path=shown,
                        line=lines + chunk.count(b"\n", 0, nul),
                        message="holds a NUL byte",
                        remedy="Postgres has no such character: remove it.",
                    )
                )
                return None
            lines += chunk.count(b"\n")
            blank = blank and not chunk.strip()
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            problems.append(_not_utf8(shown, lines))
            return None
    except OSError as error:
        problems.append(Problem(path=shown, message=f"cannot be read: {error.strerror}"))
        return None
    if blank:
        if required:
            problems.append(
                Problem(
                    path=shown,
                    message="empty",
                    remedy="Each migration needs an up.sql with at least one statement.",
                )
            )
        return None
    return SqlFile(
        path=path,
        shown=shown,
        checksum=digest.hexdigest(),
        size=size,
        without_transaction=is_without_transaction(first.decode()),
    )


def _not_utf8(shown: str, line: int) -> Problem:
    return Problem(path=shown, line=line, message="not UTF-8", remedy="Save the file as UTF-8.")


def _lines_unified(path: Path) -> Iterator[bytes]:
    """The file in pieces with CRLF as LF; a piece never ends between the two."""
    held = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if not held and b"\r" not in chunk:
                yield chunk
                continue
            joined = held + chunk
            held = b"\r" if joined.endswith(b"\r") else b""
            yield joined.removesuffix(b"\r").replace(b"\r\n", b"\n")
    if held:
        yield held


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFDIR: "a folder",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
