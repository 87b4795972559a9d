"""Whether a migration that Hasura's catalog state has lost is still in the database.

Either `hasura migrate apply --down` rolled it back, or somebody edited the state. The first statement of its
up.sql tells: run again, in a transaction that always rolls back, it fails because what it makes is there
already. Any other outcome proves nothing, and a person has to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.schema.ledger import Timeouts
from components.schema.migrations import Migration, MigrationSet
from components.schema.plan import SourceState, lost_in_catalog
from components.schema.rehearsal import Script, rehearse
from components.schema.sql import Unterminated, statements

THERE_ALREADY = ("42P07", "42701", "42710", "42723", "42P06")
"""Duplicate table or index, column, object, function, schema
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
LIMITS = Timeouts(lock=1, statement=5)
LARGEST = 1 << 20
"""Bytes of a file up to which it is looked at."""


def with_evidence(
    client: HasuraClient, migrations: MigrationSet, states: Mapping[str, SourceState]
) -> dict[str, SourceState]:
    """`states` with `still_there` filled in where the catalog state has lost something. Changes nothing."""
    found = dict(states)
    for source, state in states.items():
        local = {migration.version: migration for migration in migrations.of(source)}
        there = {
            row.version
            for row in lost_in_catalog(state)
            if row.version in local and _is_there(client, local[row.version])
        }
        if there:
            found[source] = replace(state, still_there=frozenset(there))
    return found


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
            return Script(shown=migration.up.shown, text=text[statement.start : statement.end])
    return None
