"""What the database itself shows of a migration, where ledger and catalog state do not tell.

A migration that the catalog state has lost: either `hasura migrate apply --down` rolled it back, or somebody edited
the state. The first statement of its up.sql tells: run again, in a transaction that always rolls back, it fails
because what it makes is there already. Any other outcome proves nothing, and a person has to say.

A migration outside a transaction that has not been seen to end: it may be running at this moment.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.schema import ledger
from components.schema.ledger import LedgerRow, Timeouts
from components.schema.migrations import Migration, MigrationSet
from components.schema.plan import SourceState, lost_in_catalog
from components.schema.rehearsal import Script, rehearse
from components.schema.sql import Unterminated, statements

THERE_ALREADY = ("42P07", "42701", "42710", "42723", "42P06")
"""Duplicate table or index, column, object, function, schema
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
MAKING = (("create",), ("alter",))
"""What statements begin with that can fail in that way. Others, such as an update of every row, are not run at all."""
LIMITS = Timeouts(lock=0.5, statement=1)
CUT_FROM = 90
"""Characters from which a query in the server's list may be the beginning of a longer one: `track_activity_query_size`
is not less than 100 bytes."""
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
LARGEST = 1 << 20
"""Bytes of a file up to which it is looked at."""


def with_evidence(
    client: HasuraClient, migrations: MigrationSet, states: Mapping[str, SourceState]
) -> dict[str, SourceState]:
    """`states` with `still_there` filled in where the catalog state has lost something, and `at_work` where something
    has not been seen to end. Changes nothing."""
    found = dict(states)
    for source, state in states.items():
        local = {migration.version: migration for migration in migrations.of(source)}
        there = {
            row.version
            for row in lost_in_catalog(state)
            if row.version in local and _is_there(client, local[row.version])
        }
        at_work = _at_work(client, source, state.unfinished, local) if state.unfinished else {}
        if there or at_work:
            found[source] = replace(state, still_there=frozenset(there), at_work=at_work)
    return found


def _at_work(
    client: HasuraClient, source: str, rows: Sequence[LedgerRow], local: Mapping[int, Migration]
) -> dict[int, str]:
    versions = [row.version for row in rows if row.state == "rolling back"]
    texts = {row.version: local[row.version].up.text() for row in rows if row.version in local}
    if versions:
        kept = client.run_sql(ledger.down_sql(source, versions), source, read_only=True)
        texts |= {int(version): text for version, text in kept.rows}
    bare = {version: _bare(text) for version, text in texts.items()}
    found = {}
    for pid, since, query in client.run_sql(ledger.running_queries(), source, read_only=True).rows:
        running = _bare(query)
        for version, text in bare.items():
            if running == text or (len(running) >= CUT_FROM and text.startswith(running)):
                found[version] = f"pid {pid}, since {since}"
    return found


def _bare(text: str) -> str:
    """Without what the engine, or the server's list of queries, may leave out: comments, white space, the end."""
    return "".join(_COMMENT.sub("", text).split()).removesuffix(";")


def _is_there(client: HasuraClient, migration: Migration) -> bool:
    first = _first_statement(migration)
    if first is None:
        return False
    rehearsal = rehearse([first], LIMITS)
    try:
        client.run_sql(rehearsal.sql, migration.source)
    except HasuraError as error:
        with contextlib.suppress(HasuraError):
            failure = rehearsal.outcome(error)
            return failure is not None and failure.sqlstate in THERE_ALREADY
    except (AnswerLost, EngineUnreachable):
        pass
    return False


def _first_statement(migration: Migration) -> Script | None:
    if migration.up.size > LARGEST or migration.up.without_transaction:
        return None
    text = migration.up.text()
    with contextlib.suppress(Unterminated):
        for statement in statements(text):
            if statement.words[:1] not in MAKING:
                return None
            return Script(shown=migration.up.shown, text=text[statement.start : statement.end])
    return None
