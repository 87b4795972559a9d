"""Carry out a plan of migrations through the engine, exactly once each.

Every migration is one transaction that takes the deployment lock, checks the ledger, writes its ledger
row and runs its file. So whatever is lost, killed or run twice at the same time: the row is there if and
only if the change is, and after any doubt the ledger is read again and the plan made anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from components.hasura.client import (
    AnswerLost,
    EngineUnreachable,
    HasuraClient,
    HasuraError,
    RunSql,
)
from components.hasura.json_types import Json, JsonObject
from components.schema import catalog_state, ledger
from components.schema.evidence import with_evidence
from components.schema.ledger import LedgerRow, Origin, SqlParts, Timeouts
from components.schema.migrations import Migration, MigrationSet, SqlFile, findings_of
from components.schema.plan import Plan, Policy, SourcePlan, SourceState, make_plan
from components.schema.problems import Problem, SchemaError
from components.schema.rehearsal import SYNTAX_ERROR, Failure, Script, find_syntax_error, rehearse
from components.schema.sql import findings

Transaction = Literal["each", "all"]
Report = Callable[[str], None]

SAID = ("applied", "rolled back", "taking over", "seeded")
"""How the words of those steps begin that a person wants to hear of."""
SETTLE_SECONDS = 60.0
IDLE_ROUNDS = 5
CATALOG_ROUNDS = 5
READ_ROUNDS = 5
POLL_SECONDS = 0.1
QUIET_SECONDS = 0.4
"""Another deployment has ended when for so long nobody holds its lock and the ledger stays as it is."""
LOCATE_UP_TO = 4 << 20
"""Bytes of a file up to which the failing statement is looked for."""
NO_LEDGER = (ledger.UNDEFINED_TABLE, ledger.INVALID_SCHEMA)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a stack deploys. `stack` is written into the ledger; `configurations` are Hasura's
    configurations of the sources that have migrations, so that a source the engine does not know yet can
    be added first."""

    stack: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    policy: Policy = field(default_factory=Policy)
    transaction: Transaction = "each"
    configurations: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One item of a bulk: what it does in words, and the file or row that it is about."""

    item: RunSql
    about: str
    scripts: tuple[Script | SqlFile, ...] = ()
    alone: bool = False
    version: int | None = None


@dataclass(kw_only=True)
class Outcome:
    """What a deployment did, in words and in order. `in_doubt`: an answer was lost, the ledger may hold
    more."""

    done: list[str] = field(default_factory=list)
    in_doubt: bool = False


def read_states(client: HasuraClient, sources: Sequence[str]) -> dict[str, SourceState]:
    """Ledger and catalog state of each source. A source that the engine does not know has neither.

    A deployment at work writes the ledger, then the catalog state, then into the ledger that it did. So they
    are read in this order as well: what the ledger says was told is then there. Where the catalog state
    knows more, both are read again, until the ledger stands still: the Hasura CLI was at work then.
    """
    before: dict[str, SourceState] = {}
    for _ in range(READ_ROUNDS):
        ledgers = {source: _read_ledger(client, source) for source in sources}
        state = client.get_catalog_state()
        found = {
            source: replace(read, catalog=catalog_state.recorded(state, source))
            for source, read in ledgers.items()
        }
        if ledgers == before or not any(map(_catalog_knows_more, found.values())):
            break
        before = ledgers
    return found


def _catalog_knows_more(state: SourceState) -> bool:
    return bool(set(state.catalog or ()) - {row.version for row in state.ledger or ()} - state.rolled_back)


def read_state(client: HasuraClient, source: str, state: JsonObject) -> SourceState:
    """Ledger and catalog state of one source, `state` being the engine's whole catalog state."""
    return replace(_read_ledger(client, source), catalog=catalog_state.recorded(state, source))


def _read_ledger(client: HasuraClient, source: str, *, flush: bool = False) -> SourceState:
    sql = (ledger.flush(source) if flush else "") + ledger.read_sql(source)
    try:
        found = ledger.rows(client.run_sql(sql, source, read_only=not flush))
    except HasuraError as error:
        if error.sqlstate in NO_LEDGER or error.code in ("not-exists", "not-found"):
            return SourceState()
        raise
    invalid: tuple[str, ...] = ()
    if any(row.state == "started" for row in found):
        answer = client.run_sql(ledger.invalid_indexes(), source, read_only=True)
        invalid = tuple(row[0] for row in answer.rows)
    return SourceState(
        ledger=tuple(row for row in found if row.state != "rolled back"),
        invalid_indexes=invalid,
        rolled_back=frozenset(row.version for row in found if row.state == "rolled back"),
    )


def check_pending(plan: Plan, settings: Settings) -> list[Problem]:
    """What in the text of pending migrations would break their transactions."""
    problems: list[Problem] = []
    for source in plan.sources:
        for migration in source.ups:
            problems += [
                Problem(path=migration.up.shown, line=f.line, message=f.message, remedy=f.remedy)
                for f in findings_of(migration.up)
            ]
            if settings.transaction == "all" and migration.up.without_transaction and len(source.ups) > 1:
                problems.append(
                    Problem(
                        path=migration.up.shown,
                        line=1,
                        message="runs outside a transaction, while all migrations are to be one transaction",
                        remedy="Deploy it on its own, or `pulumi config set transaction each`.",
                    )
                )
    return problems


def deploy(
    client: HasuraClient, migrations: MigrationSet, settings: Settings, report: Report = lambda text: None
) -> Outcome:
    """Bring every source to what `migrations` says. Raises `SchemaError` with what failed and what had
    been done."""
    outcome = Outcome()
    try:
        changed = _until_done(client, migrations, settings, outcome, report)
    except SchemaError:
        # What did run is told to the catalog state all the same, else the Hasura CLI would run it again.
        if outcome.done:
            with contextlib.suppress(HasuraError, AnswerLost, EngineUnreachable):
                write_catalog(client, sorted(migrations.sources))
                client.reload_metadata()
        raise
    if changed:
        write_catalog(client, sorted(migrations.sources))
        if outcome.done:
            client.reload_metadata()
    return outcome


def _until_done(
    client: HasuraClient, migrations: MigrationSet, settings: Settings, outcome: Outcome, report: Report
) -> bool:
    """Whether there was anything to do."""
    idle = 0
    before: dict[str, SourceState] | None = None
    while True:
        states = with_evidence(client, migrations, read_states(client, sorted(migrations.sources)))
        if before is not None and outcome.in_doubt:
            outcome.done += _found_since(before, states, outcome)
            outcome.in_doubt = False
        plan, problems = make_plan(migrations, states, settings.policy)
        if not problems:
            problems = tuple(check_pending(plan, settings))
        if problems:
            notes = _so_far(outcome) if outcome.done else []
            raise SchemaError(problems, title="migrations were stopped:", notes=notes)
        if plan.empty:
            return before is not None
        idle = idle + 1 if states == before else 0
        before = states
        if idle > IDLE_ROUNDS:
            raise SchemaError(
                [Problem(path="migrations", message="the engine does not answer in time, again and again")],
                notes=_so_far(outcome),
            )
        # Whatever has a ledger is a source of the engine.
        new = [source.source for source in plan.sources if states[source.source].ledger is None]
        if new:
            ensure_sources(client, new, settings.configurations)
        if all(run_plan(client, source, settings, outcome, report) for source in plan.sources):
            return True


def _found_since(
    before: Mapping[str, SourceState], now: Mapping[str, SourceState], outcome: Outcome
) -> list[str]:
    """What the ledger has gained while no answer told of it."""
    found = []
    for source, state in now.items():
        known = {row.version for row in before[source].ledger or ()}
        for row in state.ledger or ():
            told = f"applied {source}/{row.key}"
            if row.version not in known and row.state == "done" and told not in outcome.done:
                found.append(f"{told} (as the ledger tells)")
    return found


def write_catalog(client: HasuraClient, sources: Sequence[str]) -> None:
    """Make the catalog state say what the ledgers say, in one write, and note in the ledgers that it does.

    It is done again when an answer is lost, or when another deployment wrote its ledger rows in the meantime:
    the engine replaces the catalog state as a whole, so the last to write it must have seen all.
    """
    for left in reversed(range(CATALOG_ROUNDS)):
        try:
            if _write_catalog_once(client, sources):
                return
        except AnswerLost:
            if not left:
                raise


def _write_catalog_once(client: HasuraClient, sources: Sequence[str]) -> bool:
    """Whether the ledgers still are what was written."""
    state = client.get_catalog_state()
    applied: dict[str, list[int]] = {}
    forgotten: dict[str, frozenset[int]] = {}
    untold: dict[str, list[int]] = {}
    for source in sources:
        found = _read_ledger(client, source, flush=True)
        if found.ledger is None:
            continue
        done = [row for row in found.ledger if row.state == "done"]
        applied[source] = [row.version for row in done]
        forgotten[source] = found.rolled_back
        if news := [*(row.version for row in done if not row.in_catalog), *found.rolled_back]:
            untold[source] = news
    wanted = catalog_state.updated(state, applied, forgotten)
    if wanted != state:
        client.set_catalog_state(wanted)
    same = True
    for source, versions in untold.items():
        answer = client.run_sql(ledger.told_catalog(source, versions), source)
        same = same and answer.rows == ((str(len(applied[source])),),)
    return same


def ensure_sources(
    client: HasuraClient, sources: Sequence[str], configurations: Mapping[str, JsonObject]
) -> None:
    """Add those sources that the engine does not have, without tables: their migrations come before these."""
    version, metadata = client.export_metadata()
    listed = metadata.get("sources")
    present: list[Json] = list(listed) if isinstance(listed, list) else []
    names = {entry.get("name") for entry in present if isinstance(entry, dict)}
    missing = [source for source in sources if source not in names]
    unknown = [source for source in missing if source not in configurations]
    if unknown:
        raise SchemaError(
            [
                Problem(
                    path=f"migrations/{source}",
                    message=f"the engine has no source named {source}",
                    remedy=(
                        "Add it to databases/databases.yaml of the metadata directory, or correct "
                        "the folder's name."
                    ),
                )
                for source in unknown
            ]
        )
    if not missing:
        return
    for source in missing:
        entry: JsonObject = {"name": source, "tables": [], **configurations[source]}
        present.append(entry)
    try:
        client.replace_metadata({**metadata, "sources": present}, version, allow_inconsistent=False)
    except HasuraError as error:
        reasons = (
            [str(item.get("reason", "")) for item in error.internal if isinstance(item, dict)]
            if isinstance(error.internal, list)
            else []
        )
        raise SchemaError(
            [
                Problem(
                    path="databases/databases.yaml",
                    message=(
                        f"the engine refuses the source {', '.join(missing)}: {'; '.join(reasons) or error}"
                    ),
                    remedy=(
                        "Does the variable named there exist in the engine's environment, and does "
                        "the database answer?"
                    ),
                )
            ]
        ) from None


def steps(plan: SourcePlan, settings: Settings, downs: Mapping[int, str]) -> list[Step]:
    """The items of one source's bulk. `downs` holds the kept down SQL by version. Reads the files' down
    SQL."""
    source, stack, limits = plan.source, settings.stack, settings.timeouts
    made = [Step(item=RunSql(sql=ledger.create(limits), source=source), about="the ledger")]
    taken: list[tuple[Origin, Migration]] = [
        *(("adopted", m) for m in plan.adopt),
        *(("baseline", m) for m in plan.baseline),
    ]
    rows = [
        ledger.insert(
            source,
            m.version,
            m.name,
            m.up.checksum,
            stack=stack,
            down=_down_text(m),
            origin=origin,
            unless_recorded=True,
        )
        for origin, m in taken
    ]
    if rows:
        made.append(
            Step(
                item=RunSql(sql=ledger.lock(limits) + "".join(rows), source=source),
                about="taking over " + ", ".join(m.key for m in (*plan.adopt, *plan.baseline)),
            )
        )
    for row in plan.downs:
        text = downs[row.version]
        made.append(
            Step(
                item=RunSql(
                    sql=ledger.lock(limits) + ledger.remove(source, row.version) + text + "\n;\nselect 1",
                    source=source,
                ),
                about=f"rolled back {source}/{row.key}",
                scripts=(Script(shown=f"down SQL of {source}/{row.key} (from the ledger)", text=text),),
            )
        )
    if settings.transaction == "all" and len(plan.ups) > 1:
        parts: list[str | SqlFile] = [ledger.lock(limits)]
        for m in plan.ups:
            parts += [_record(source, m, settings), m.up]
        made.append(
            Step(
                item=RunSql(sql=SqlParts(*parts, "select 1"), source=source),
                about=", ".join(f"applied {source}/{m.key}" for m in plan.ups),
                scripts=tuple(m.up for m in plan.ups),
            )
        )
        return made
    for m in plan.ups:
        made += (
            _steps_alone(source, m, settings)
            if m.up.without_transaction
            else [
                Step(
                    item=RunSql(
                        sql=SqlParts(
                            ledger.lock(limits)
                            if m is plan.ups[-1]
                            else ledger.LAZY_COMMIT + ledger.lock(limits),
                            _record(source, m, settings),
                            m.up,
                            ledger.confirm(source, m.version),
                        ),
                        source=source,
                    ),
                    about=f"applied {source}/{m.key}",
                    scripts=(m.up,),
                    version=m.version,
                )
            ]
        )
    return made


def _steps_alone(source: str, migration: Migration, settings: Settings) -> list[Step]:
    begun = ledger.lock(settings.timeouts) + _record(source, migration, settings, started=True)
    return [
        Step(item=RunSql(sql=begun, source=source), about=f"began {source}/{migration.key}"),
        Step(
            item=RunSql(sql=SqlParts(migration.up), source=source, no_transaction=True),
            about=f"ran {source}/{migration.key} outside a transaction",
            scripts=(migration.up,),
            alone=True,
        ),
        Step(
            item=RunSql(sql=ledger.finish(source, migration.version), source=source),
            about=f"applied {source}/{migration.key}",
            version=migration.version,
        ),
    ]


def _record(source: str, migration: Migration, settings: Settings, *, started: bool = False) -> str:
    return ledger.guard(source, migration.version, out_of_order=settings.policy.out_of_order) + ledger.insert(
        source,
        migration.version,
        migration.name,
        migration.up.checksum,
        stack=settings.stack,
        down=_down_text(migration),
        state="started" if started else "done",
    )


def _down_text(migration: Migration) -> str | None:
    return migration.down.text() if migration.down else None


def run_plan(
    client: HasuraClient, plan: SourcePlan, settings: Settings, outcome: Outcome, report: Report
) -> bool:
    """True when the plan was carried out; False when the state has to be read again."""
    return send_steps(
        client, plan.source, steps(plan, settings, _kept_downs(client, plan)), settings, outcome, report
    )


def send_steps(  # noqa: PLR0917
    client: HasuraClient,
    source: str,
    made: Sequence[Step],
    settings: Settings,
    outcome: Outcome,
    report: Report,
) -> bool:
    """Send steps as one bulk. False when the state has to be read again: the answer was lost, or somebody
    else has done one of them. Raises `SchemaError` for the step that failed; those before it stay and are
    in `outcome`."""
    _tell_who_is_at_work(client, source, settings, report)
    try:
        client.bulk([step.item for step in made])
    except (AnswerLost, EngineUnreachable) as error:
        outcome.in_doubt = True
        report(f"{error}; looking at the ledger")
        _settle(client, source, settings)
        return False
    except HasuraError as error:
        index = error.bulk_index if error.bulk_index is not None else len(made) - 1
        outcome.done += _words(made[:index])
        if error.database_lost:
            outcome.in_doubt = True
            report(f"{source}: the engine lost its database ({error}); looking at the ledger")
            _settle(client, source, settings)
            return False
        if _somebody_else_did(error):
            report(f"{source}: another deployment is at work on this database; waiting until it has ended")
            _wait_for_other(client, source, made, settings)
            return False
        raise _explained(client, source, made, index, error, settings, outcome) from None
    outcome.done += _words(made)
    return True


def _somebody_else_did(error: HasuraError) -> bool:
    # Where the source's isolation level shows the guard an old snapshot, the ledger's key stops it.
    return error.sqlstate in (
        ledger.ALREADY_RECORDED,
        ledger.NEWER_RECORDED,
        ledger.SERIALIZATION_FAILURE,
    ) or (
        error.sqlstate == ledger.UNIQUE_VIOLATION
        and '"migration_pkey"' in (error.postgres_message or "")
        and "(source, version)=" in (error.detail or "")
    )


def _wait_for_other(client: HasuraClient, source: str, made: Sequence[Step], settings: Settings) -> None:
    """Return when another deployment has done these steps, has ended, or makes no progress in time.

    It holds the lock for one migration at a time, so it shows by the ledger's growing and by the lock.
    """
    versions = [step.version for step in made if step.version is not None]
    rows, since = "", time.monotonic()
    while True:
        try:
            answer = client.run_sql(ledger.progress(source, versions or [0]), source, read_only=True)
        except (AnswerLost, EngineUnreachable, HasuraError):
            return
        found, within, held = answer.rows[0]
        now = time.monotonic()
        if found != rows:
            rows, since = found, now
        quiet = now - since
        limit = settings.timeouts.deployment
        if int(within) >= len(versions) > 0 or (held != "t" and quiet > QUIET_SECONDS) or quiet > limit > 0:
            return
        time.sleep(POLL_SECONDS)


def _tell_who_is_at_work(client: HasuraClient, source: str, settings: Settings, report: Report) -> None:
    for pid, user, since in client.run_sql(ledger.lock_holder(), source, read_only=True).rows:
        report(
            f"{source}: another deployment is at work (pid {pid}, user {user}, since {since}); "
            f"waiting for it up to {settings.timeouts.deployment:g} s"
        )


def _words(made: Sequence[Step]) -> list[str]:
    return [step.about for step in made if step.about.startswith(SAID)]


def _kept_downs(client: HasuraClient, plan: SourcePlan) -> dict[int, str]:
    if not plan.downs:
        return {}
    versions = [row.version for row in plan.downs]
    answer = client.run_sql(ledger.down_sql(plan.source, versions), plan.source, read_only=True)
    texts = {int(version): text for version, text in answer.rows}
    problems = [
        Problem(
            path=f"down SQL of {plan.source}/{row.key}",
            line=found.line,
            message=found.message,
            remedy=found.remedy,
        )
        for row in plan.downs
        for found in findings(texts[row.version])
    ]
    if problems:
        raise SchemaError(problems, title="migrations were stopped:")
    return texts


def _settle(client: HasuraClient, source: str, settings: Settings) -> None:
    """Wait until the engine answers again and no migration of ours is running any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            client.run_sql(ledger.lock(settings.timeouts) + "select 1", source)
            return
        except (AnswerLost, EngineUnreachable, HasuraError) as error:
            if isinstance(error, HasuraError) and not error.database_lost:
                if error.sqlstate != ledger.LOCK_NOT_AVAILABLE:
                    raise
                deadline = 0
            if time.monotonic() > deadline:
                raise SchemaError(
                    [
                        Problem(
                            path="",
                            message=f"migrations: the outcome is unknown, {error}",
                            remedy=(
                                "Run `pulumi up` again when the engine answers: the ledger knows "
                                "what has run."
                            ),
                        )
                    ]
                ) from None
            time.sleep(0.5)


def _explained(  # noqa: PLR0917
    client: HasuraClient,
    source: str,
    made: Sequence[Step],
    index: int,
    error: HasuraError,
    settings: Settings,
    outcome: Outcome,
) -> SchemaError:
    step = made[index]
    notes = [*_so_far(outcome), "Nothing else was run."]
    if error.sqlstate == ledger.LOCK_NOT_AVAILABLE:
        notes = [*_blocked_by(client, source), *notes]
    failure = None if step.alone else _locate(client, source, step, error, settings)
    if failure is not None:
        path, line = failure.shown, failure.line
    else:
        path = step.scripts[0].shown if step.scripts else f"migrations/{source}"
        line = None
    text = f"{error.postgres_message or error.message} (SQLSTATE {error.sqlstate or 'unknown'})"
    if error.detail:
        text += f"\n    detail: {error.detail}"
    if error.hint:
        text += f"\n    hint: {error.hint}"
    if failure is not None:
        text += "\n    statement: " + " ".join(failure.statement.split())
    remedy = ""
    if step.alone:
        remedy = (
            "It ran outside a transaction, so a part of it may be there: "
            "`pulumi preview` says what to look at."
        )
    elif error.sqlstate == ledger.LOCK_NOT_AVAILABLE:
        remedy = "Try again when the lock is free, or raise `lockTimeout` (seconds)."
    return SchemaError(
        [Problem(path=path, line=line, message=text, remedy=remedy)],
        title="seeds failed:" if step.about.startswith("seeded") else "migrations failed:",
        notes=notes,
    )


def _locate(
    client: HasuraClient, source: str, step: Step, error: HasuraError, settings: Settings
) -> Failure | None:
    """The failing statement, found by running the text again in a transaction that always rolls back."""
    if not step.scripts or error.sqlstate is None or _size(step) > LOCATE_UP_TO:
        return None
    scripts = [Script(shown=s.shown, text=s.text()) if isinstance(s, SqlFile) else s for s in step.scripts]
    rehearsal = (
        find_syntax_error(scripts, settings.timeouts)
        if error.sqlstate == SYNTAX_ERROR
        # Several scripts in one step are one transaction.
        else rehearse(scripts, settings.timeouts, committed_each=False)
    )
    try:
        client.run_sql(rehearsal.sql, source)
    except HasuraError as answer:
        try:
            found = rehearsal.outcome(answer)
        except HasuraError:
            return None
        return found if found is not None and found.sqlstate == error.sqlstate else None
    except (AnswerLost, EngineUnreachable):
        return None
    return None


def _size(step: Step) -> int:
    return sum(s.size if isinstance(s, SqlFile) else len(s.text) for s in step.scripts)


def _blocked_by(client: HasuraClient, source: str) -> list[str]:
    try:
        answer = client.run_sql(ledger.blockers(), source, read_only=True)
    except (HasuraError, AnswerLost, EngineUnreachable):
        return []
    return [
        f"holds locks: pid {pid}, user {user}, {state}, query since {since}: {' '.join(query.split())}"
        for pid, user, state, since, query in answer.rows
    ]


def _so_far(outcome: Outcome) -> list[str]:
    return ["Done before it: " + (", ".join(outcome.done) if outcome.done else "nothing") + "."]


def ledger_keys(rows: Sequence[LedgerRow], local: Sequence[Migration]) -> dict[str, str]:
    """`{version_name: checksum}` of what a database holds, named as the local folders are where there is
    one."""
    names = {m.version: m.key for m in local}
    return {names.get(row.version, row.key): row.checksum for row in rows if row.state == "done"}
