"""Makes a backup: dumps both databases, restores each into a scratch database, compares, and only then keeps it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from components.backup import archive
from components.backup.archive import DumpedDatabase, Manifest, Purpose
from components.backup.contents import Contents, differences, read
from components.backup.databases import Setting, create_beside, derived_name, drop, settings_of
from components.backup.problem import BackupError
from components.backup.stack_servers import Stack, StackDatabase

Tell = Callable[[str], None]
"""Takes a line about how far something has come."""


def back_up(stack: Stack, folder: Path, *, now: datetime, tell: Tell) -> Path:
    """Makes a backup of both databases in ``folder``, and gives its file.

    :param now: the moment (UTC) that its name holds.
    :raises BackupError: when it cannot be made, or what was dumped does not restore to what was there. No backup is
        left then, and no scratch database.
    :raises OSError: when the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{stack.name}-{archive.stamp(now)}.tar"
    with tempfile.TemporaryDirectory(prefix=f".{file.stem}.", dir=folder) as work:
        dumps: dict[Purpose, Path] = {}
        held: dict[Purpose, DumpedDatabase] = {}
        for database in stack.databases:
            dump = Path(work) / archive.dump_name(database.purpose)
            tell(f"dumps the {database.purpose} database {database.name} (PostgreSQL {database.server})")
            settings, contents = _dump(database, dump, tell)
            tell(f"restores it into a scratch database: {len(contents.tables)} tables, {contents.rows} rows")
            _check(database, dump, contents, now, tell)
            dumps[database.purpose] = dump
            held[database.purpose] = DumpedDatabase(
                name=database.name, server=database.server, settings=settings, contents=contents
            )
        manifest = Manifest(project=stack.project, stack=stack.name, made=now, databases=held)
        archive.write(file, manifest, dumps)
    return file


def _dump(database: StackDatabase, dump: Path, tell: Tell) -> tuple[tuple[Setting, ...], Contents]:
    """Dumps a database, and gives what it held at the moment of the dump, whatever others write meanwhile."""
    with database.tools.session(database.name) as session:
        session.execute("begin isolation level repeatable read read only")
        [row] = session.rows("select pg_export_snapshot() as snapshot")
        with dump.open("xb") as target:
            dump.chmod(0o600)
            database.tools.dump(database.name, target, snapshot=str(row["snapshot"]))
        return settings_of(session, database.name), read(session, tell)


def _check(database: StackDatabase, dump: Path, expected: Contents, now: datetime, tell: Tell) -> None:
    scratch = derived_name(database.name, f"scratch_{archive.stamp(now)}")
    with fresh_database(database, scratch), dump.open("rb") as source:
        found = restored(database, scratch, source, tell)
    if told := differences(expected, found):
        raise BackupError(
            f"The dump of {database.name} does not restore to what was there, so it is no backup:\n"
            + "\n".join(f"  {line}" for line in told)
        )


def restored(database: StackDatabase, name: str, source: IO[bytes], tell: Tell) -> Contents:
    """Restores a dump into the empty database ``name``, and gives what that holds then.

    :raises BackupError: when it does not restore.
    """
    database.tools.restore(name, source)
    with database.tools.session(name) as session:
        session.execute("begin isolation level repeatable read read only")
        return read(session, tell)


@contextmanager
def fresh_database(database: StackDatabase, name: str, *, keep: bool = False) -> Iterator[None]:
    """An empty database beside the stack's own. It is removed at the end, with ``keep`` only after an error.

    :raises BackupError: when the server refuses to make one.
    """
    try:
        try:
            with database.tools.session(database.maintenance) as session:
                create_beside(session, name, like=database.name)
        except BackupError as error:
            raise BackupError(
                f"No database could be made beside {database.name} to restore into: {error}. Where somebody else runs "
                f"the server, its login needs this: alter role {database.defaults.owner} createdb"
            ) from None
        yield
    except BaseException as error:
        try:
            _drop(database, name)
        except BackupError as left:
            raise BackupError(f"{error}\nThe database {name} is left: {left}") from None
        raise
    if not keep:
        _drop(database, name)


def _drop(database: StackDatabase, name: str) -> None:
    with database.tools.session(database.maintenance) as session:
        drop(session, name)
