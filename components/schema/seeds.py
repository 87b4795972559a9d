"""Seeds: `seeds/<source>/*.sql`, applied in the order of their names whenever their checksum changes.

They are meant for stacks that say so (development, previews). A seed is run again as a whole when it was
edited, so it has to bear that: `insert ... on conflict do update`, for example.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.hasura.client import HasuraClient, HasuraError, RunSql
from components.schema import ledger
from components.schema.deployment import NO_LEDGER, Outcome, Report, send_steps
from components.schema.ledger import SqlParts
from components.schema.migrations import SqlFile, entries, findings_of, is_directory_within, read_sql_file
from components.schema.problems import Problem, SchemaError
from components.schema.steps import THE_LEDGER, Settings, Step

ROUNDS = 20

Seeds = Mapping[str, Mapping[str, SqlFile]]
"""By source and file name."""


def read_seeds(root: Path, *, shown_as: str | None = None) -> dict[str, dict[str, SqlFile]]:
    """Read everything beneath `root`. Raises `SchemaError` with all problems."""
    shown = shown_as if shown_as is not None else str(root)
    problems: list[Problem] = []
    found: dict[str, dict[str, SqlFile]] = {}
    for folder in entries(root, shown, problems):
        place = f"{shown}/{folder.name}"
        if not is_directory_within(folder, root, place, problems):
            continue
        files: dict[str, SqlFile] = {}
        for entry in entries(folder, place, problems):
            if entry.suffix != ".sql":
                problems.append(
                    Problem(path=f"{place}/{entry.name}", message="not the name of a seed (*.sql)")
                )
                continue
            file = read_sql_file(entry, root, f"{place}/{entry.name}", problems, required=True)
            if file is not None:
                files[entry.name] = file
        found[folder.name] = files
    if problems:
        raise SchemaError(problems)
    return found


def checksums(seeds: Seeds) -> dict[str, dict[str, str]]:
    """`{source: {file: checksum}}`: inputs of the Pulumi resource."""
    return {source: {name: file.checksum for name, file in files.items()} for source, files in seeds.items()}


def applied(client: HasuraClient, source: str) -> dict[str, str]:
    """`{file: checksum}` of what was applied to `source`."""
    try:
        rows = client.run_sql(ledger.read_seeds_sql(source), source, read_only=True).rows
    except HasuraError as error:
        if error.sqlstate in NO_LEDGER or error.code in ("not-exists", "not-found"):
            return {}
        raise
    return {row[0]: row[1] for row in rows}


def check_seeds(seeds: Seeds) -> list[Problem]:
    """What in the text of seeds would break their transactions."""
    return [problem for files in seeds.values() for file in files.values() for problem in _findings(file)]


def _findings(file: SqlFile) -> list[Problem]:
    problems = [
        Problem(path=file.shown, line=f.line, message=f.message, remedy=f.remedy) for f in findings_of(file)
    ]
    if file.without_transaction:
        problems.append(
            Problem(
                path=file.shown,
                line=1,
                message="a seed always runs in a transaction",
                remedy="Make it a migration.",
            )
        )
    return problems


def sow(
    client: HasuraClient, seeds: Seeds, settings: Settings, report: Report = lambda text: None
) -> Outcome:
    """Apply each seed whose checksum is not the one that was applied last."""
    outcome = Outcome()
    problems = check_seeds(seeds)
    if problems:
        raise SchemaError(problems, title="seeds were stopped:")
    for source, files in seeds.items():
        for _ in range(ROUNDS):
            known = applied(client, source)
            pending = {name: file for name, file in files.items() if known.get(name) != file.checksum}
            if not pending or send_steps(
                client, source, _steps(source, pending, settings), settings, outcome, report
            ):
                break
        else:
            raise SchemaError(
                [
                    Problem(
                        path=f"seeds/{source}",
                        message="the engine does not answer in time, again and again",
                        remedy="Run the command again: seeds that were applied are not applied twice.",
                    )
                ],
                title="seeds failed:",
            )
    return outcome


def _steps(source: str, pending: Mapping[str, SqlFile], settings: Settings) -> list[Step]:
    made = [Step(item=RunSql(sql=ledger.create_seeds(settings.timeouts), source=source), about=THE_LEDGER)]
    for name, file in sorted(pending.items()):
        row = ledger.record_seed(source, name, file.checksum, stack=settings.stack)
        made.append(
            Step(
                item=RunSql(
                    sql=SqlParts(ledger.lock(settings.timeouts), row, file, ledger.FRESH), source=source
                ),
                about=f"seeded {source}/{name}",
                scripts=(file,),
            )
        )
    return made
