"""A dump of a database before a migration that drops or rewrites data: no dump, no migration."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.schema.destructive import destructions
from components.schema.plan import Plan, SourcePlan
from components.schema.problems import Problem, SchemaError

OPTIONS = ("--no-owner", "--no-privileges", "--quote-all-identifiers")
_END = b"PostgreSQL database dump complete"
_TAIL = 400


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Where the dump of `source` is, and the first statement that made it necessary."""

    source: str
    path: Path
    reason: str

    def told(self) -> str:
        return f"dump of {self.source} before {self.reason}: {self.path}"


def reason(plan: SourcePlan) -> str | None:
    """The first statement that needs a dump, with its place; None when nothing does."""
    if plan.downs:
        return f"{plan.downs[0].key} is rolled back"
    for migration in plan.ups:
        for found in destructions(migration.up.scannable()):
            return f"{migration.up.shown}:{found.line}: {found.what}"
    return None


def back_up(client: HasuraClient, plan: Plan, folder: Path, *, stack: str) -> list[Backup]:
    """Dump each source whose plan needs it into `folder`, readable by its owner only.

    Raises `SchemaError` when one cannot be dumped; its unfinished file is removed.
    """
    made = []
    for source, why in due(plan):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = folder / f"{stack or 'stack'}-{source}-{stamp}.sql"
        try:
            _dump(client, source, path)
        except (OSError, HasuraError, EngineUnreachable, AnswerLost, ValueError) as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise SchemaError(
                [
                    Problem(
                        path=f"migrations/{source}",
                        message=f"no dump could be made: {_words(error)}",
                        remedy=(
                            "The engine makes it: HASURA_GRAPHQL_ENABLED_APIS has to hold pgdump (on an engine of "
                            "this stack `backupDirectory` sees to that), and its pg_dump must not be older than "
                            "the server. Or take a backup yourself and `pulumi config rm backupDirectory`."
                        ),
                    )
                ],
                title=f"nothing was run, because a dump is due before {why}:",
            ) from None
        made.append(Backup(source=source, path=path, reason=why))
    return made


def _words(error: Exception) -> str:
    said = error.internal if isinstance(error, HasuraError) else None
    return f"{error}: {' '.join(said.split())}" if isinstance(said, str) else str(error)


def due(plan: Plan) -> Iterable[tuple[str, str]]:
    """The sources that are dumped before `plan` is carried out, each with the reason."""
    for source in plan.sources:
        why = reason(source)
        if why is not None:
            yield source.source, why


def _dump(client: HasuraClient, source: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "w+b") as target:
        size = client.pg_dump(target, source, options=OPTIONS)
        target.flush()
        os.fsync(target.fileno())
        target.seek(max(0, size - _TAIL))
        if _END not in target.read():
            raise ValueError(f"pg_dump's last line is missing from the {size} bytes that came")
