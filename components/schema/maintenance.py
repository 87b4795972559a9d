"""What people do beyond `pulumi up`: look, go back, take over, repair, rehearse. Through the engine, as
there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.hasura.client import HasuraClient, HasuraError
from components.hasura.json_types import JsonObject
from components.schema import catalog_state, ledger
from components.schema.backup import back_up
from components.schema.deployment import (
    Outcome,
    Report,
    down_texts,
    read_state,
    read_states,
    run_plan,
    write_catalog,
)
from components.schema.evidence import with_evidence
from components.schema.ledger import LedgerRow, Timeouts
from components.schema.migrations import Migration, MigrationSet
from components.schema.plan import Plan, SourcePlan, make_plan
from components.schema.problems import Problem, SchemaError
from components.schema.rehearsal import UNSAFE_NEW_ENUM_VALUE, Failure, Script, rehearse
from components.schema.sql import adds_enum_value, is_without_transaction
from components.schema.steps import Settings, down_script, down_text


@dataclass(frozen=True, kw_only=True)
class StatusRow:
    """One version of one source. `file`: whether its folder is here, and unchanged since it ran.
    `ledger`: how it came there. `engine`: what Hasura's catalog state, and so the Hasura CLI, says."""

    source: str
    version: int
    name: str
    file: Literal["present", "edited", "missing"]
    ledger: str
    engine: Literal["applied", "dirty", "-"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """All rows, oldest first, what a deployment would do, and why it would not."""

    rows: tuple[StatusRow, ...]
    plan: Plan
    problems: tuple[Problem, ...]


def status(client: HasuraClient, migrations: MigrationSet, settings: Settings) -> Status:
    """Compare files, ledgers and catalog state. Changes nothing."""
    states = with_evidence(client, migrations, read_states(client, sorted(migrations.sources)))
    rows: list[StatusRow] = []
    for source, state in states.items():
        local = {m.version: m for m in migrations.of(source)}
        recorded = {row.version: row for row in state.ledger or ()}
        catalog = state.catalog or {}
        for version in sorted({*local, *recorded, *catalog}):
            rows.append(_status_row(source, version, local.get(version), recorded.get(version), catalog))
    plan, problems = make_plan(migrations, states, settings.policy)
    return Status(rows=tuple(rows), plan=plan, problems=problems)


def _status_row(
    source: str,
    version: int,
    migration: Migration | None,
    row: LedgerRow | None,
    catalog: Mapping[int, bool],
) -> StatusRow:
    edited = migration is not None and row is not None and migration.up.checksum != row.checksum
    dirty = catalog.get(version)
    return StatusRow(
        source=source,
        version=version,
        name=migration.name if migration else row.name if row else "",
        file="missing" if migration is None else "edited" if edited else "present",
        ledger="-" if row is None else row.origin if row.ended else row.state,
        engine="-" if dirty is None else "dirty" if dirty else "applied",
    )


def roll_back(
    client: HasuraClient,
    source: str,
    count: int,
    settings: Settings,
    *,
    dumps: Path | None = None,
    report: Report = print,
) -> Outcome:
    """Run the kept down SQL of the newest `count` migrations of `source`, newest first. `dumps` is the folder
    for a dump before it; None is without one."""
    chosen = tuple(reversed(_recorded(client, source).values()))[:count]
    problems = [
        Problem(
            path=f"{source}/{row.key}",
            message="has no down SQL in the ledger",
            remedy="Write a new migration that undoes it.",
        )
        if row.ended
        else Problem(
            path=f"{source}/{row.key}",
            message="runs outside a transaction, or did so and was not seen to end",
            remedy="`pulumi preview` says what to look at.",
        )
        for row in chosen
        if not (row.has_down and row.ended)
    ]
    if problems:
        raise SchemaError(problems, title="nothing was rolled back:")
    outcome = Outcome()
    if chosen:
        plan = SourcePlan(source=source, downs=chosen)
        if dumps is not None:
            for made in back_up(client, Plan(sources=(plan,)), dumps, stack=settings.stack):
                report(made.told())
        _carry_out(client, plan, settings, outcome, report)
        write_catalog(client, [source])
        client.reload_metadata()
    return outcome


def _carry_out(
    client: HasuraClient, plan: SourcePlan, settings: Settings, outcome: Outcome, report: Report
) -> None:
    if not run_plan(client, plan, settings, outcome, report):
        raise SchemaError(
            [
                Problem(
                    path=plan.source,
                    message="the outcome is not known, or another deployment was at work",
                    remedy=(
                        "`python -m components.schema status` shows what is there now; nothing runs twice."
                    ),
                )
            ]
        )


def take_over(
    client: HasuraClient, migrations: MigrationSet, source: str, version: int, settings: Settings
) -> Outcome:
    """Record the migrations of `source` up to `version` as done without running them."""
    rows = _recorded(client, source)
    if rows:
        raise SchemaError(
            [
                Problem(
                    path=source,
                    message=f"its ledger already holds {len(rows)} migrations",
                    remedy="A baseline is for a database that has none.",
                )
            ]
        )
    chosen = tuple(m for m in migrations.of(source) if m.version <= version)
    if not any(m.version == version for m in chosen):
        raise SchemaError([Problem(path=source, message=f"there is no migration {version}")])
    outcome = Outcome()
    _carry_out(client, SourcePlan(source=source, baseline=chosen), settings, outcome, lambda _: None)
    write_catalog(client, [source])
    return outcome


def mark_done(
    client: HasuraClient, migrations: MigrationSet, source: str, version: int, settings: Settings
) -> None:
    """Say that the change of `version` is in the database, whatever ledger and catalog state think."""
    migration = _local(migrations, source, version)
    sql = ledger.create(settings.timeouts)
    if version in _recorded(client, source):
        sql += ledger.finish(source, version) + ledger.untold(source, version)
    elif migration is not None:
        # The guard also takes out what was rolled back and not yet forgotten.
        sql += ledger.guard(source, [version], out_of_order=True) + ledger.insert(
            source,
            version,
            migration.name,
            migration.up.checksum,
            stack=settings.stack,
            down=down_text(migration),
            origin="adopted",
        )
    else:
        raise SchemaError([_neither(source, version)])
    client.run_sql(sql, source)
    write_catalog(client, [source])


def forget(client: HasuraClient, source: str, version: int, timeouts: Timeouts) -> None:
    """Take `version` out of ledger and catalog state; if its folder is here, the next `pulumi up` runs it."""
    state = client.get_catalog_state()
    found = read_state(client, source, state)
    known = {row.version for row in found.ledger or ()}
    if version not in known and version not in (found.catalog or {}):
        raise SchemaError([Problem(path=source, message=f"neither ledger nor catalog state holds {version}")])
    if version in known:
        client.run_sql(ledger.lock(timeouts) + ledger.forget(source, [version]), source)
    changed: JsonObject = catalog_state.without(state, source, version)
    if changed != state:
        client.set_catalog_state(changed)


def accept(
    client: HasuraClient, migrations: MigrationSet, source: str, version: int, timeouts: Timeouts
) -> None:
    """Take the folder of `version`, as it is now, for the one that ran: its name, its up.sql and its down.sql."""
    migration = _local(migrations, source, version)
    if migration is None or version not in _recorded(client, source):
        raise SchemaError([_neither(source, version)])
    row = ledger.accept(source, version, migration.name, migration.up.checksum, down=down_text(migration))
    client.run_sql(ledger.lock(timeouts) + row, source)


REHEARSE_UP_TO = 16 << 20
"""Bytes of SQL up to which what is pending is rehearsed: the text is held in memory several times."""


def rehearse_pending(client: HasuraClient, plan: Plan, settings: Settings) -> tuple[list[str], list[Problem]]:
    """Run what is pending in transactions that always roll back: what would succeed in words, and what
    would not."""
    said: list[str] = []
    problems: list[Problem] = []
    for source in plan.sources:
        downs = kept_downs(client, source)
        left_out = [
            *(row.key for row, text in downs if is_without_transaction(text)),
            *(m.key for m in source.ups if m.up.without_transaction),
        ]
        if left_out:
            said.append(
                f"{source.source}: not rehearsed, because outside a transaction: {', '.join(left_out)}"
            )
        downs = [(row, text) for row, text in downs if not is_without_transaction(text)]
        ups = [m for m in source.ups if not m.up.without_transaction]
        size = sum(m.up.size for m in ups) + sum(len(text) for _, text in downs)
        if size > REHEARSE_UP_TO:
            said.append(
                f"{source.source}: not rehearsed, because larger than {REHEARSE_UP_TO >> 20} MB: "
                f"{size / (1 << 20):.0f} MB of SQL"
            )
            continue
        scripts = [
            *(down_script(source.source, row, text) for row, text in downs),
            *(Script(shown=m.up.shown, text=m.up.text()) for m in ups),
        ]
        if not scripts:
            continue
        each = settings.transaction == "each"
        rehearsal = rehearse(scripts, settings.timeouts, committed_each=each)
        try:
            client.run_sql(rehearsal.sql, source.source)
        except HasuraError as error:
            failure = rehearsal.outcome(error)
            if failure is None:
                said.append(
                    f"{source.source}: rehearsed, would succeed: "
                    f"{', '.join([*(row.key for row, _ in downs), *(m.key for m in ups)])}"
                )
                continue
            found = _would_fail(failure)
            keys = [*(row.key for row, _ in downs), *(m.key for m in ups)]
            before = _left_out_before(keys[failure.script], source, left_out)
            why = _only_in_rehearsal(failure, before, scripts) if each else None
            if failure.cannot_be_rehearsed:
                said.append(
                    f"{source.source}: rehearsed up to {failure.shown}:{failure.line}, whose statement runs in earnest "
                    "only (a savepoint, or `select ... into`)"
                )
            elif why:
                said.append(
                    f"{source.source}: rehearsed up to {failure.shown}:{failure.line}, {why}: {found.message}"
                )
            else:
                problems.append(found)
    return said, problems


def _would_fail(failure: Failure) -> Problem:
    return Problem(
        path=failure.shown,
        line=failure.line,
        message=f"would fail: {failure.message} (SQLSTATE {failure.sqlstate})"
        + (f"\n    detail: {failure.detail}" if failure.detail else "")
        + (f"\n    hint: {failure.hint}" if failure.hint else "")
        + "\n    statement: "
        + " ".join(failure.statement.split()),
    )


def _left_out_before(key: str, plan: SourcePlan, left_out: Sequence[str]) -> list[str]:
    """What would run before the migration `key` and was not rehearsed."""
    order = [*(row.key for row in plan.downs), *(m.key for m in plan.ups)]
    return [other for other in left_out if order.index(other) < order.index(key)]


def _only_in_rehearsal(failure: Failure, before: Sequence[str], scripts: Sequence[Script]) -> str | None:
    """Why a failure proves nothing, or None when the deployment would fail in the same way."""
    if before:
        return f"which may need what was left out before it ({', '.join(before)})"
    if failure.sqlstate == UNSAFE_NEW_ENUM_VALUE and not adds_enum_value(scripts[failure.script].text):
        return "which uses a value that is added to an enum before it and usable once that is committed"
    return None


def kept_downs(client: HasuraClient, plan: SourcePlan) -> list[tuple[LedgerRow, str]]:
    """What a plan rolls back, in that order, with the down SQL that the ledger keeps."""
    texts = down_texts(client, plan)
    return [(row, texts[row.version]) for row in plan.downs if row.version in texts]


def _recorded(client: HasuraClient, source: str) -> dict[int, LedgerRow]:
    """The ledger's rows, oldest first."""
    found = read_state(client, source, client.get_catalog_state())
    return {row.version: row for row in found.ledger or ()}


def _local(migrations: MigrationSet, source: str, version: int) -> Migration | None:
    return next((m for m in migrations.of(source) if m.version == version), None)


def _neither(source: str, version: int) -> Problem:
    return Problem(
        path=f"{source}/{version}",
        message="neither the ledger nor the migrations folder has this version",
        remedy="`python -m components.schema status` lists what there is.",
    )
