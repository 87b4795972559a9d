"""The files of pending migrations: their SQL, and what a linter says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from components.plan.migrations import Key, PlannedMigrations, Sql, beginning, destroyed
from components.plan.redaction import Redact
from components.schema.destructive import Destruction
from components.schema.lint import lint
from components.schema.migrations import CHUNK, SqlFile, read_migrations
from components.schema.problems import SchemaError
from components.schema.remarks import Remark, of_lint


@dataclass(frozen=True, kw_only=True)
class Files:
    """What is in the files of migrations that run."""

    sql: dict[Key, Sql] = field(default_factory=dict)
    findings: tuple[Remark, ...] = ()


def read_files(planned: PlannedMigrations, root: Path, redact: Redact) -> Files:
    """Reads them beneath `root`, each text through `redact`.

    A file that is not there, or is not the one that the preview saw, is left out. They are linted where the preview
    has not done it because it did not reach the engine.
    """
    wanted = {(one.source, one.key): one.checksum for one in planned.migrations if one.action == "run"}
    if not wanted:
        return Files()
    try:
        local = read_migrations(root / planned.directory, shown_as=planned.directory)
    except (SchemaError, OSError):
        return Files()
    found = {
        (source, one.key): one.up
        for source, listed in local.sources.items()
        for one in listed
        if wanted.get((source, one.key)) == one.up.checksum
    }
    findings = lint(list(found.values())) if planned.lint and not planned.ledger_read else []
    return Files(
        sql={key: _sql(file, redact) for key, file in found.items()},
        findings=tuple(map(of_lint, findings)),
    )


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
        destroys=tuple(Destruction(line=one.line, what=redact(one.what)) for one in destroyed(file.pieces())),
        without_transaction=file.without_transaction,
    )
