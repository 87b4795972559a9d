"""Carry out a plan of migrations through the engine, exactly once each.

Every migration is one transaction that takes the deployment lock, checks the ledger, writes its ledger
row and runs its file. So whatever is lost, killed or run twice at the same time: the row is there if and
only if the change is, and after any doubt the ledger is read again and the plan made anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import Empty, Queue
from threading import Event, Thread

from components.hasura.client import (
    AnswerLost,
    EngineUnreachable,
    HasuraClient,
    HasuraError,
    inconsistent_objects,
)
from components.hasura.json_types import JsonObject
from components.schema import catalog_state, ledger
from components.schema.evidence import with_evidence
from components.schema.failure import explained, so_far
from components.schema.ledger import LedgerRow
from components.schema.migrations import Migration, MigrationSet, findings_of
from components.schema.plan import Plan, SourcePlan, SourceState, make_plan
from components.schema.problems import Problem, SchemaError
from components.schema.sql import findings, is_without_transaction
from components.schema.steps import Settings, Step, steps

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
PROGRESS_SECONDS = 10.0
"""How often a deployment that takes long tells how far it has come."""
LOST_AFTER = 60.0
"""Seconds for which a request may show nowhere in the database, or a short one be without an answer, before its answer
is taken for lost. Not the time that a migration may take: one at work shows."""
AT_WORK_POLL_SECONDS = 0.5
RECORDED_WITHIN = 5.0
"""Seconds after the end of what ran outside a transaction within which the ledger says so."""
NO_LEDGER = (ledger.UNDEFINED_TABLE, ledger.INVALID_SCHEMA)


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
    if catalog_state.may_be_elsewhere(state):
        found = {source: _with_older_record(client, source, each) for source, each in found.items()}
    return found


def _with_older_record(client: HasuraClient, source: str, state: SourceState) -> SourceState:
    """A database that only an older Hasura CLI has migrated."""
    if state.ledger is not None or state.catalog is not None:
        return state
    try:
        rows = client.run_sql(catalog_state.OLDER_VERSIONS, source, read_only=True).rows
    except HasuraError:
        # There is no such table, or nobody may read it: the Hasura CLI takes both for no record.
        return state
    return replace(state, catalog={int(version): dirty == "t" for version, dirty in rows}) if rows else state


def _catalog_knows_more(state: SourceState) -> bool:
    return bool(set(state.catalog or ()) - {row.version for row in state.ledger or ()} - state.rolled_back)


def read_state(client: HasuraClient, source: str, state: JsonObject) -> SourceState:
    """Ledger and catalog state of one source, `state` being the engine's whole catalog state."""
    return replace(_read_ledger(client, source), catalog=catalog_state.recorded(state, source))


def _read_ledger(client: HasuraClient, source: str, *, flush: bool = False) -> SourceState:
    sql = (ledger.flush(source) if flush else "") + ledger.read_sql(source)
    try:
        found = ledger.rows(client.run_sql(sql, source, read_only=not flush, within=LOST_AFTER))
    except HasuraError as error:
        if error.sqlstate in NO_LEDGER or error.code in ("not-exists", "not-found"):
            return SourceState()
        if error.code == "postgres-error" and error.internal is None:
            raise SchemaError([_silent(source)]) from None
        raise
    invalid: tuple[str, ...] = ()
    if not all(row.ended for row in found):
        answer = client.run_sql(ledger.invalid_indexes(), source, read_only=True)
        invalid = tuple(row[0] for row in answer.rows)
    return SourceState(
        ledger=tuple(row for row in found if row.state != "rolled back"),
        invalid_indexes=invalid,
        rolled_back=frozenset(row.version for row in found if row.state == "rolled back"),
    )


def _silent(source: str) -> Problem:
    return Problem(
        path=f"migrations/{source}",
        message="Postgres refused something, and the engine does not say what",
        remedy="HASURA_GRAPHQL_ADMIN_INTERNAL_ERRORS must be true, as it is by default: only admins see these errors.",
    )


def check_pending(plan: Plan, settings: Settings) -> list[Problem]:
    """What in the text of pending migrations would break their transactions."""
    problems: list[Problem] = []
    for source in plan.sources:
        several = len(source.ups) + len(source.downs) > 1
        for migration in source.ups:
            down = migration.undoing()
            for file in (migration.up, down) if down else (migration.up,):
                problems += [
                    Problem(path=file.shown, line=f.line, message=f.message, remedy=f.remedy)
                    for f in findings_of(file)
                ]
            if settings.transaction == "all" and migration.up.without_transaction and several:
                problems.append(_not_in_one(migration.up.shown))
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
        states = _states_at_rest(client, migrations, settings, report, patient=outcome.in_doubt)
        if before is not None and outcome.in_doubt:
            outcome.done += _found_since(before, states, outcome)
            outcome.in_doubt = False
        plan, problems = make_plan(migrations, states, settings.policy)
        if not problems:
            problems = tuple(check_pending(plan, settings))
        if problems:
            notes = so_far(outcome.done) if outcome.done else []
            raise SchemaError(problems, title="migrations were stopped:", notes=notes)
        if plan.empty:
            return before is not None
        idle = idle + 1 if states == before else 0
        before = states
        if idle > IDLE_ROUNDS:
            raise SchemaError(
                [Problem(path="migrations", message="the engine does not answer in time, again and again")],
                notes=so_far(outcome.done),
            )
        # Whatever has a ledger is a source of the engine.
        new = [source.source for source in plan.sources if states[source.source].ledger is None]
        if new:
            ensure_sources(client, new, settings.configurations)
        if all(run_plan(client, source, settings, outcome, report) for source in plan.sources):
            return True


def _states_at_rest(
    client: HasuraClient, migrations: MigrationSet, settings: Settings, report: Report, *, patient: bool
) -> dict[str, SourceState]:
    """The states when nothing runs outside a transaction any more. Raises `SchemaError` when that takes longer than
    another deployment is waited for; `patient`: it is our own, whose answer was lost, and takes what it takes."""
    since, last_seen, told = time.monotonic(), None, False
    while True:
        states = with_evidence(client, migrations, read_states(client, sorted(migrations.sources)))
        busy = [
            f"{source}/{row.key} ({state.at_work[row.version]})"
            for source, state in states.items()
            for row in state.unfinished
            if row.version in state.at_work
        ]
        now = time.monotonic()
        if busy:
            last_seen = now
            if not told:
                report(f"running outside a transaction: {', '.join(busy)}; waiting until it has ended")
                told = True
            if not patient and now - since > settings.timeouts.deployment > 0:
                raise SchemaError(
                    [
                        Problem(
                            path="migrations",
                            message=f"another deployment is at work: {', '.join(busy)}",
                            remedy="Try again when it has ended; `python -m components.schema status` shows it.",
                        )
                    ]
                )
        elif (
            last_seen is None
            or now - last_seen > RECORDED_WITHIN
            or not any(state.unfinished for state in states.values())
        ):
            return states
        time.sleep(AT_WORK_POLL_SECONDS)


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
        except HasuraError as error:
            # Two that write it at once, where the source's isolation level does not let one wait for the other.
            if error.sqlstate != ledger.SERIALIZATION_FAILURE or not left:
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
        answer = client.run_sql(ledger.told_catalog(source, versions), source, within=LOST_AFTER)
        same = same and answer.rows == ((str(len(applied[source])),),)
    return same


def ensure_sources(
    client: HasuraClient, sources: Sequence[str], configurations: Mapping[str, JsonObject]
) -> None:
    """Add those sources that the engine does not have, without tables: their migrations come before these."""
    _, metadata = client.export_metadata()
    listed = metadata.get("sources")
    names = {
        entry.get("name") for entry in (listed if isinstance(listed, list) else []) if isinstance(entry, dict)
    }
    missing = [source for source in sources if source not in names]
    problems = [
        Problem(
            path=f"migrations/{source}",
            message=f"the engine has no source named {source}",
            remedy=(
                "Add it to databases/databases.yaml of the metadata directory, or correct the folder's name."
            ),
        )
        for source in missing
        if source not in configurations
    ]
    for source in [] if problems else missing:
        try:
            client.add_source(source, configurations[source].get("configuration"))
        except HasuraError as error:
            if error.code == "already-exists":
                continue
            problems.append(
                Problem(
                    path=f"migrations/{source}",
                    message=f"the engine refuses the source {source}: {_reasons(error)}",
                    remedy=(
                        "Its configuration stands in databases/databases.yaml of the metadata directory. Does the "
                        "variable named there exist in the engine's environment, and does the database answer?"
                    ),
                )
            )
    if problems:
        raise SchemaError(problems)


def _reasons(error: HasuraError) -> str:
    objects = inconsistent_objects(error.internal)
    return "; ".join(each.reason for each in objects) or error.message


def run_plan(
    client: HasuraClient, plan: SourcePlan, settings: Settings, outcome: Outcome, report: Report
) -> bool:
    """True when the plan was carried out; False when the state has to be read again."""
    return send_steps(
        client,
        plan.source,
        steps(plan, settings, _kept_downs(client, plan, settings)),
        settings,
        outcome,
        report,
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
        _send(client, source, made, report)
    except (AnswerLost, EngineUnreachable) as error:
        outcome.in_doubt = True
        report(f"{error}; looking at the ledger")
        _settle(client, source, settings)
        return False
    except HasuraError as error:
        index = error.bulk_index
        if error.database_lost:
            outcome.done += _words(made[: index or 0])
            outcome.in_doubt = True
            report(f"{source}: the engine lost its database ({error}); looking at the ledger")
            _settle(client, source, settings)
            return False
        if index is None or index >= len(made):
            raise _refused(source, error, outcome) from None
        outcome.done += _words(made[:index])
        if _somebody_else_did(error):
            report(f"{source}: another deployment is at work on this database; waiting until it has ended")
            _wait_for_other(client, source, made, settings)
            return False
        raise explained(
            client, source, made[index], error, timeouts=settings.timeouts, done=outcome.done
        ) from None
    outcome.done += _words(made)
    return True


def _send(client: HasuraClient, source: str, made: Sequence[Step], report: Report) -> None:
    """Send the bulk, and tell now and then how far it has come. Raises what the client raises, and `AnswerLost` where
    it has gone out and the database knows nothing of it."""
    ended: Queue[BaseException | None] = Queue()
    sent = Event()

    def send() -> None:
        try:
            client.bulk([step.item for step in made], sent=sent.set)
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    # A daemon, so that whoever interrupts the deployment need not wait for an answer.
    Thread(target=send, daemon=True).start()
    since = seen = time.monotonic()
    versions = [step.version for step in made if step.version is not None]
    told = ""
    while True:
        try:
            error = ended.get(timeout=PROGRESS_SECONDS)
        except Empty:
            before, told = told, _so_many(client, source, versions)
            report(f"{source}: at work for {time.monotonic() - since:.0f} s{told}")
            if told != before or not sent.is_set() or _shows(client, source, made):
                seen = time.monotonic()
            elif time.monotonic() - seen > LOST_AFTER:
                raise AnswerLost(
                    f"{source}: migrations were sent, and for {LOST_AFTER:.0f} s nobody has been at work on them "
                    "in the database: something between here and there has swallowed them, or their answer"
                ) from None
        else:
            break
    if error is not None:
        raise error


def _so_many(client: HasuraClient, source: str, versions: Sequence[int]) -> str:
    if not versions:
        return ""
    try:
        answer = client.run_sql(ledger.progress(source, versions), source, read_only=True)
    except (AnswerLost, EngineUnreachable, HasuraError):
        return ""
    return f", {answer.rows[0][1]} of {len(versions)} migrations are in the ledger"


def _shows(client: HasuraClient, source: str, made: Sequence[Step]) -> bool:
    """Whether anybody is seen at work in the database: by the deployment lock, or, outside a transaction, by what
    runs there."""
    try:
        return any(
            client.run_sql(query, source, read_only=True).rows
            for query in (
                ledger.lock_holder(),
                *([ledger.running_queries()] if any(step.alone for step in made) else []),
            )
        )
    except (AnswerLost, EngineUnreachable, HasuraError):
        return False


def _refused(source: str, error: HasuraError, outcome: Outcome) -> SchemaError:
    """The request as a whole was refused, by the engine or by what stands before it: no item of it ran."""
    return SchemaError(
        [
            Problem(
                path=f"migrations/{source}",
                message=f"the request was refused as a whole: {error}",
                remedy=(
                    "Where something stands before the engine (an ingress, a proxy), does it let requests of this "
                    "size and kind through?"
                ),
            )
        ],
        title="migrations failed:",
        notes=[*so_far(outcome.done), "Nothing else was run."],
    )


def _somebody_else_did(error: HasuraError) -> bool:
    # Where the source's isolation level shows the guard an old snapshot, the ledger's key stops it.
    return error.sqlstate in (
        ledger.ALREADY_RECORDED,
        ledger.NEWER_RECORDED,
        ledger.PREDECESSOR_GONE,
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


def _kept_downs(client: HasuraClient, plan: SourcePlan, settings: Settings) -> dict[int, str]:
    """The down SQL of a plan's rows. Raises `SchemaError` with what would break its transaction."""
    texts = down_texts(client, plan)
    several = len(plan.downs) + len(plan.ups) > 1
    problems: list[Problem] = []
    for row in plan.downs:
        path = f"down SQL of {plan.source}/{row.key}"
        text = texts.get(row.version)
        if text is None:
            problems.append(Problem(path=path, message="is not in the ledger any more", remedy="Try again."))
            continue
        problems += [
            Problem(path=path, line=found.line, message=found.message, remedy=found.remedy)
            for found in findings(text)
        ]
        if settings.transaction == "all" and several and is_without_transaction(text):
            problems.append(_not_in_one(path))
    if problems:
        raise SchemaError(problems, title="migrations were stopped:")
    return texts


def down_texts(client: HasuraClient, plan: SourcePlan) -> dict[int, str]:
    """The down SQL that the ledger keeps for a plan's rows, by version."""
    if not plan.downs:
        return {}
    versions = [row.version for row in plan.downs]
    answer = client.run_sql(ledger.down_sql(plan.source, versions), plan.source, read_only=True)
    return {int(version): text for version, text in answer.rows}


def _not_in_one(path: str) -> Problem:
    return Problem(
        path=path,
        line=1,
        message="runs outside a transaction, while all migrations are to be one transaction",
        remedy="Deploy it on its own, or `pulumi config set transaction each`.",
    )


def _settle(client: HasuraClient, source: str, settings: Settings) -> None:
    """Wait until the engine answers again and no migration of ours is running any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    limit = settings.timeouts.deployment
    while True:
        try:
            within = limit + LOST_AFTER if limit > 0 else None
            client.run_sql(ledger.lock(settings.timeouts) + "select 1", source, within=within)
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


def ledger_keys(rows: Sequence[LedgerRow], local: Sequence[Migration]) -> dict[str, str]:
    """`{version_name: checksum}` of what a database holds, named as the local folders are where there is
    one."""
    names = {m.version: m.key for m in local}
    return {names.get(row.version, row.key): row.checksum for row in rows if row.state == "done"}
