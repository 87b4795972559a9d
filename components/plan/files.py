"""The SQL of pending migrations, from their files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.plan.migrations import Key, PlannedMigration, Sql, beginning
from components.plan.redaction import Redact
from components.schema.destructive import Destruction, destructions
from components.schema.migrations import CHUNK, SqlFile, read_migrations
from components.schema.problems import SchemaError


def read_sql(
    migrations: Iterable[PlannedMigration], directory: str, root: Path, redact: Redact
) -> dict[Key, Sql]:
    """What is in the files of migrations that run, each text through `redact`.

    `directory` is that of the migrations, relative to `root`. A file that is not there, or is not the one that the
    preview saw, is left out.
    """
    wanted = {(one.source, one.key): one.checksum for one in migrations if one.action == "run"}
    if not wanted:
        return {}
    try:
        local = read_migrations(root / directory, shown_as=directory)
    except (SchemaError, OSError):
        return {}
    return {
        (source, one.key): _sql(one.up, redact)
        for source, listed in local.sources.items()
        for one in listed
        if wanted.get((source, one.key)) == one.up.checksum
    }


def _sql(file: SqlFile, redact: Redact) -> Sql:
    lines, first, last = 0, "", ""
    for piece in file.pieces():
        first = first or redact(piece)
        lines += piece.count("\n")
        last = piece[-1:] or last
    # What is secret is taken out before the rest is cut off: half of a secret has no form to be known by.
    text = beginning(first)
    return Sql(
        text=text,
        lines=lines + (last not in ("", "\n")),
        size=file.size,
        cut=text != first or file.size > CHUNK,
        destroys=tuple(
            Destruction(line=one.line, what=redact(one.what)) for one in destructions(file.pieces())
        ),
        without_transaction=file.without_transaction,
    )
