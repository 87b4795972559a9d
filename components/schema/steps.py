"""The items of a deployment's bulk: which SQL goes to the engine, in which order, for one source's plan. Reads
files, talks to nobody.

Every migration is one transaction that takes the deployment lock, checks the ledger, writes its ledger row and runs
its file. One that cannot run in a transaction is three items: its row says that it began, its file, its row says
that it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.hasura.client import RunSql
from components.hasura.json_types import JsonObject
from components.schema import ledger
from components.schema.ledger import LedgerRow, Origin, SqlParts, Timeouts
from components.schema.migrations import Migration, SqlFile
from components.schema.plan import Policy, SourcePlan
from components.schema.rehearsal import Script
from components.schema.sql import is_without_transaction

Transaction = Literal["each", "all"]
THE_LEDGER = "the ledger"
"""What a step is about that makes the ledger or takes its lock."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a stack deploys. `stack` is written into the ledger; `configurations` are Hasura's
    configurations of the sources that may have migrations, so that a source the engine does not know yet can
    be added first."""

    stack: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    policy: Policy = field(default_factory=Policy)
    transaction: Transaction = "each"
    configurations: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One item of a bulk: what it does in words, and the files or rows that it is about. `alone`: it runs outside a
    transaction."""

    item: RunSql
    about: str
    scripts: tuple[Script | SqlFile, ...] = ()
    alone: bool = False
    version: int | None = None


def steps(plan: SourcePlan, settings: Settings, downs: Mapping[int, str]) -> list[Step]:
    """The items of one source's bulk. `downs` holds the kept down SQL by version."""
    source, limits = plan.source, settings.timeouts
    made = [
        Step(item=RunSql(sql=ledger.create(limits), source=source), about=THE_LEDGER),
        *_taking_over(plan, settings),
    ]
    if settings.transaction == "all" and len(plan.downs) + len(plan.ups) > 1:
        return [*made, _as_one(plan, settings, downs)]
    for row in plan.downs:
        made += _down(source, row, downs[row.version], settings)
    for after, migration in _in_turn(plan):
        made += _up(source, migration, after, settings, last=migration is plan.ups[-1])
    return made


def _in_turn(plan: SourcePlan) -> Iterator[tuple[int | None, Migration]]:
    """The ups, each with the version that it follows."""
    after = plan.after
    for migration in plan.ups:
        yield after, migration
        after = migration.version


def down_script(source: str, row: LedgerRow, text: str) -> Script:
    """The kept down SQL of a row, as a person knows it."""
    return Script(shown=f"down SQL of {source}/{row.key} (from the ledger)", text=text)


def down_text(migration: Migration) -> str | None:
    """What the ledger keeps, to go back when the folder is gone."""
    down = migration.undoing()
    return down.text() if down else None


def _taking_over(plan: SourcePlan, settings: Settings) -> Sequence[Step]:
    taken: list[tuple[Origin, Migration]] = [
        *(("adopted", m) for m in plan.adopt),
        *(("baseline", m) for m in plan.baseline),
    ]
    if not taken:
        return ()
    rows = [
        ledger.insert(
            plan.source,
            m.version,
            m.name,
            m.up.checksum,
            stack=settings.stack,
            down=down_text(m),
            origin=origin,
            unless_recorded=True,
        )
        for origin, m in taken
    ]
    return [
        Step(
            item=RunSql(sql=ledger.lock(settings.timeouts) + "".join(rows), source=plan.source),
            about="taking over " + ", ".join(m.key for m in (*plan.adopt, *plan.baseline)),
        )
    ]


def _up(
    source: str, migration: Migration, after: int | None, settings: Settings, *, last: bool
) -> list[Step]:
    if migration.up.without_transaction:
        return _alone(
            source,
            begun=_record(source, migration, after, settings, state="started"),
            script=migration.up,
            ended=ledger.finish(source, migration.version),
            version=migration.version,
            done=f"applied {source}/{migration.key}",
            settings=settings,
        )
    sql = SqlParts(
        ledger.lock(settings.timeouts),
        _record(source, migration, after, settings),
        migration.up,
        ledger.FRESH,
        "" if last else ledger.LAZY_COMMIT,
        ledger.confirm(source, [migration.version]),
    )
    return [
        Step(
            item=RunSql(sql=sql, source=source),
            about=f"applied {source}/{migration.key}",
            scripts=(migration.up,),
            version=migration.version,
        )
    ]


def _down(source: str, row: LedgerRow, text: str, settings: Settings) -> list[Step]:
    script, done = down_script(source, row, text), f"rolled back {source}/{row.key}"
    if is_without_transaction(text):
        return _alone(
            source,
            begun=ledger.begin_removal(source, row.version),
            script=script,
            ended=ledger.remove(source, row.version),
            version=None,
            done=done,
            settings=settings,
        )
    sql = ledger.lock(settings.timeouts) + ledger.remove(source, row.version) + text + "\n;\n" + ledger.FRESH
    return [Step(item=RunSql(sql=sql, source=source), about=done, scripts=(script,))]


def _as_one(plan: SourcePlan, settings: Settings, downs: Mapping[int, str]) -> Step:
    source = plan.source
    between = ledger.FRESH + settings.timeouts.limits()
    parts: list[str | SqlFile] = [ledger.lock(settings.timeouts)]
    for row in plan.downs:
        parts += [ledger.remove(source, row.version), downs[row.version], "\n;\n", between]
    if plan.ups:
        versions = [migration.version for migration in plan.ups]
        # The lock is held to the end, so what holds for all of them now holds for each in its turn.
        parts.append(
            ledger.guard(source, versions, out_of_order=settings.policy.out_of_order, after=plan.after)
        )
        for migration in plan.ups:
            parts += [_row(source, migration, settings), migration.up, between]
        parts.append(ledger.confirm(source, versions))
    about = [
        *(f"rolled back {source}/{row.key}" for row in plan.downs),
        *(f"applied {source}/{m.key}" for m in plan.ups),
    ]
    return Step(
        item=RunSql(sql=SqlParts(*parts), source=source),
        about=", ".join(about),
        scripts=(
            *(down_script(source, row, downs[row.version]) for row in plan.downs),
            *(m.up for m in plan.ups),
        ),
    )


def _alone(
    source: str,
    *,
    begun: str,
    script: Script | SqlFile,
    ended: str,
    version: int | None,
    done: str,
    settings: Settings,
) -> list[Step]:
    text = SqlParts(script) if isinstance(script, SqlFile) else script.text
    return [
        Step(item=RunSql(sql=ledger.lock(settings.timeouts) + begun, source=source), about=THE_LEDGER),
        Step(
            item=RunSql(sql=text, source=source, no_transaction=True),
            about=f"ran {script.shown} outside a transaction",
            scripts=(script,),
            alone=True,
        ),
        Step(
            # Not under the lock: whoever holds it now must not keep what has ended from being recorded.
            item=RunSql(sql=ledger.FRESH + ended, source=source),
            about=done,
            version=version,
        ),
    ]


def _record(
    source: str,
    migration: Migration,
    after: int | None,
    settings: Settings,
    *,
    state: Literal["done", "started"] = "done",
) -> str:
    guard = ledger.guard(source, [migration.version], out_of_order=settings.policy.out_of_order, after=after)
    return guard + _row(source, migration, settings, state=state)


def _row(
    source: str,
    migration: Migration,
    settings: Settings,
    *,
    state: Literal["done", "started"] = "done",
) -> str:
    return ledger.insert(
        source,
        migration.version,
        migration.name,
        migration.up.checksum,
        stack=settings.stack,
        down=down_text(migration),
        state=state,
    )
