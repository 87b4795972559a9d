"""Restores a backup: into fresh databases, compared with what the backup says, and put in place by a rename.

Until the rename the stack's own databases are read by nobody here. The rename is one transaction on a server, so that a
death at any moment leaves either the former databases in place or the restored ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.backup import archive
from components.backup.archive import Manifest
from components.backup.contents import differences
from components.backup.databases import (
    Setting,
    derived_name,
    give_outside,
    is_ours,
    open_statements,
    setting_statement,
    swap,
)
from components.backup.making import Tell, fresh_database, restored
from components.backup.postgres_tools import Tools, identifier
from components.backup.problem import BackupError
from components.backup.stack_servers import Stack, StackDatabase


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A former database that a restoration has kept, and the name that it has now."""

    database: StackDatabase
    name: str


def problems(manifest: Manifest, stack: Stack, *, of_another_stack: bool) -> list[str]:
    """Why a backup must not be restored into a stack. Pure."""
    found = []
    if manifest.project != stack.project:
        found.append(f"It is a backup of the project {manifest.project}, not of {stack.project}.")
    if manifest.stack != stack.name and not of_another_stack:
        found.append(
            f"It is a backup of the stack {manifest.stack}, and the selected one is {stack.name}. If that is meant: "
            "--of-another-stack (make: ANOTHER_STACK=1)."
        )
    for database in stack.databases:
        dumped = manifest.databases[database.purpose]
        if dumped.server > database.server:
            found.append(
                f"Its {database.purpose} database is of PostgreSQL {dumped.server}, and {database.name} runs on "
                f"{database.server}, which cannot read it."
            )
    return found


def restore(file: Path, manifest: Manifest, stack: Stack, *, now: datetime, tell: Tell) -> list[Kept]:
    """Puts a backup in the place of the stack's databases, and gives the former ones.

    :param now: the moment (UTC) that the names of the former databases hold.
    :raises BackupError: when it does not restore, or not to what the backup says it holds. The stack's databases are
        as they were then, and nothing else is left.
    """
    for database in stack.databases:
        with database.tools.session(database.maintenance) as session:
            if not is_ours(session, database.name):
                owner = database.defaults.owner
                raise BackupError(
                    f"The database {database.name} belongs to another role, so it cannot be renamed. Where somebody "
                    f"else runs the server, the login needs this: alter database {identifier(database.name)} owner to "
                    f"{identifier(owner)}. Nothing was touched."
                )
    moment = archive.stamp(now)
    places = {
        database.purpose: (
            derived_name(database.name, f"restored_{moment}"),
            derived_name(database.name, f"before_{moment}"),
        )
        for database in stack.databases
    }
    with ExitStack() as fresh, tempfile.TemporaryDirectory(prefix="clerk-hasura-") as work:
        for database in stack.databases:
            name, _ = places[database.purpose]
            dumped = manifest.databases[database.purpose]
            expected = dumped.contents
            tell(f"restores the {database.purpose} database beside {database.name}: {expected.rows} rows")
            fresh.enter_context(fresh_database(database, name, keep=True))
            with archive.dump_of(file, database.purpose, Path(work)) as dump:
                found = restored(database, name, dump, tell)
            if told := differences(expected, found):
                raise BackupError(
                    f"The dump does not restore to what the backup says; {database.name} is as it was:\n"
                    + "\n".join(f"  {line}" for line in told)
                )
            with database.tools.session(database.maintenance) as session:
                give_outside(session, name, like=database.name, defaults=database.defaults)
            _give_settings(database, name, dumped.settings, tell)
        kept: list[Kept] = []
        for databases in _by_server(stack.databases):
            tell(f"puts them in the place of {' and '.join(database.name for database in databases)}")
            kept += _swapped(databases, places)
        return kept


def _give_settings(database: StackDatabase, name: str, settings: Iterable[Setting], tell: Tell) -> None:
    """Some need rights that whoever may restore does not have, or a role that is not on this server."""
    for setting in settings:
        try:
            with database.tools.session(database.maintenance) as session:
                session.execute(setting_statement(name, setting))
        except BackupError as error:
            of = f" of the role {setting.role}" if setting.role else ""
            tell(f"warning: {database.name} is without its setting {setting.name}{of}: {error}")


def _swapped(
    databases: Sequence[StackDatabase], places: Mapping[archive.Purpose, tuple[str, str]]
) -> list[Kept]:
    tools, maintenance = databases[0].tools, databases[0].maintenance
    by_name = {database.name: places[database.purpose] for database in databases}
    try:
        with tools.session(maintenance) as session:
            former = swap(session, by_name)
    except BaseException as error:
        for statement in open_statements(by_name):
            _attempt(tools, maintenance, statement)
        if isinstance(error, BackupError):
            raise BackupError(f"{error}. {' and '.join(by_name)} are as they were.") from None
        raise
    return [
        Kept(database=database, name=places[database.purpose][1])
        for database in databases
        if places[database.purpose][1] in former
    ]


def _attempt(tools: Tools, database: str, statement: str) -> None:
    try:
        with tools.session(database) as session:
            session.execute(statement)
    except BackupError:
        # The one of them that is missing takes no sessions anyway; the first error is the one to tell.
        return


def _by_server(databases: Sequence[StackDatabase]) -> list[list[StackDatabase]]:
    groups: list[list[StackDatabase]] = []
    for database in databases:
        for group in groups:
            if group[0].tools == database.tools:
                group.append(database)
                break
        else:
            groups.append([database])
    return groups
