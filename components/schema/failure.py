"""Why a step failed, for a person: file, line and statement, who held the lock, what was done before it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError, SqlResult
from components.schema import ledger
from components.schema.ledger import Timeouts
from components.schema.migrations import SqlFile
from components.schema.problems import Problem, SchemaError
from components.schema.rehearsal import (
    SYNTAX_ERROR,
    Failure,
    Rehearsal,
    Script,
    find_syntax_error,
    rehearse,
)
from components.schema.steps import THE_LEDGER, Step

LOCATE_UP_TO = 4 << 20
"""Bytes of a file up to which the failing statement is looked for."""
LOCATE_WITHIN = 30.0
"""Seconds for which the failing statement is looked for: what ran before it runs again."""
NOT_IN_A_TRANSACTION = ("25001", "2D000")
"""Active SQL transaction, invalid transaction termination (a `commit` in a procedure or a `do` block):
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
INSUFFICIENT_PRIVILEGE = "42501"
HIDDEN = "<insufficient privilege>"
"""The query of another role in pg_stat_activity, for one without the right to see it."""
POLL_SECONDS = 0.1
LISTED = 10
OTHER = "another deployment is at work"


def explained(
    client: HasuraClient,
    source: str,
    step: Step,
    error: HasuraError,
    *,
    timeouts: Timeouts,
    done: Sequence[str],
) -> SchemaError:
    """What `step` failed of. Looks at the database, and leaves it as it is."""
    failure, blockers = None, list[str]()
    if error.sqlstate == ledger.LOCK_NOT_AVAILABLE:
        failure, blockers = _blocked(client, source, step, error, timeouts)
    elif not step.alone:
        failure = _locate(client, source, step, error, timeouts)
    text = f"{error.postgres_message or error.message} (SQLSTATE {error.sqlstate or 'unknown'})"
    if error.detail:
        text += f"\n    detail: {error.detail}"
    if error.hint:
        text += f"\n    hint: {error.hint}"
    if failure is not None:
        path, line = failure.shown, failure.line
        text += "\n    statement: " + " ".join(failure.statement.split())
    else:
        path, line = (step.scripts[0].shown if step.scripts else f"migrations/{source}"), None
    remedy = ""
    if step.alone:
        remedy = (
            "It ran outside a transaction, so a part of it may be there: "
            "`pulumi preview` says what to look at."
        )
    elif error.sqlstate == ledger.LOCK_NOT_AVAILABLE:
        remedy = (
            "Try again when it has ended."
            if blockers and blockers[0].startswith(OTHER)
            else "Try again when the lock is free, or raise `lockTimeout` (seconds)."
        )
    elif error.sqlstate in NOT_IN_A_TRANSACTION:
        remedy = "Put the statement alone into a migration whose first line is `-- no-transaction`."
    elif error.sqlstate == INSUFFICIENT_PRIVILEGE and step.about == THE_LEDGER:
        remedy = (
            f"The engine's role needs a schema of its own for the ledger. An administrator of the database makes it: "
            f"`create schema {ledger.SCHEMA} authorization <the engine's role>`."
        )
    return SchemaError(
        [Problem(path=path, line=line, message=text, remedy=remedy)],
        title="seeds failed:" if step.about.startswith("seeded") else "migrations failed:",
        notes=[*blockers, *so_far(done), "Nothing else was run."],
    )


def so_far(done: Sequence[str]) -> list[str]:
    """What had been done, in words."""
    if len(done) > LISTED:
        told = f"{', '.join(done[:LISTED])} and {len(done) - LISTED} more, the last: {done[-1]}"
    else:
        told = ", ".join(done) or "nothing"
    return [f"Done before it: {told}."]


def _locate(
    client: HasuraClient, source: str, step: Step, error: HasuraError, timeouts: Timeouts
) -> Failure | None:
    """The failing statement, found by running the text again in a transaction that always rolls back."""
    rehearsal = _rehearsal(step, error, timeouts)
    return _found(client, source, rehearsal, error) if rehearsal is not None else None


def _rehearsal(step: Step, error: HasuraError, timeouts: Timeouts) -> Rehearsal | None:
    if not step.scripts or error.sqlstate is None or _size(step) > LOCATE_UP_TO:
        return None
    if error.sqlstate == ledger.QUERY_CANCELED and timeouts.statement > LOCATE_WITHIN:
        return None
    scripts = [Script(shown=s.shown, text=s.text()) if isinstance(s, SqlFile) else s for s in step.scripts]
    if error.sqlstate == SYNTAX_ERROR:
        return find_syntax_error(scripts, timeouts, within=LOCATE_WITHIN)
    # Several scripts in one step are one transaction.
    return rehearse(scripts, timeouts, committed_each=False, within=LOCATE_WITHIN)


def _found(client: HasuraClient, source: str, rehearsal: Rehearsal, error: HasuraError) -> Failure | None:
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


def _blocked(
    client: HasuraClient, source: str, step: Step, error: HasuraError, timeouts: Timeouts
) -> tuple[Failure | None, list[str]]:
    """The statement that waited in vain, and who held the lock: seen while the statement waits once more."""
    for pid, user, since in _asked(client, source, ledger.lock_holder()).rows:
        return None, [f"{OTHER}: pid {pid}, user {user}, since {since}"]
    rehearsal = None if step.alone else _rehearsal(step, error, timeouts)
    if rehearsal is None:
        return None, _told("holds locks", _asked(client, source, ledger.lock_owners(LISTED)))
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(_found, client, source, rehearsal, error)
        while not wait([looking], timeout=POLL_SECONDS).done:
            told = told or _told("blocked by", _asked(client, source, ledger.blockers(rehearsal.tag)))
    return looking.result(), told or _told("holds locks", _asked(client, source, ledger.lock_owners(LISTED)))


def _asked(client: HasuraClient, source: str, sql: str) -> SqlResult:
    try:
        return client.run_sql(sql, source, read_only=True)
    except (HasuraError, AnswerLost, EngineUnreachable):
        return SqlResult()


def _told(how: str, answer: SqlResult) -> list[str]:
    return [
        f"{how}: pid {pid}, user {user}"
        + (
            " (what it does, roles in pg_read_all_stats may see)"
            if query == HIDDEN
            else f", {state}, query since {since}: {' '.join(query.split())}"
        )
        for pid, user, state, since, query in answer.rows
    ]


def _size(step: Step) -> int:
    return sum(s.size if isinstance(s, SqlFile) else len(s.text) for s in step.scripts)
