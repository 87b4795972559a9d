"""Run SQL statement by statement in a transaction that always ends in an error, so that nothing stays.

The engine does not report where in a text an error happened. So each statement is given to `EXECUTE` inside
one `DO` block that counts them, catches what is raised, and raises it again with the count. The same
block serves as a rehearsal of migrations that have not run yet. Pure: SQL out, the engine's error in.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.hasura.client import HasuraError
from components.schema.ledger import FRESH, QUERY_CANCELED, Timeouts, literal
from components.schema.sql import Statement, statements

RESULT = "MLRES"
"""SQLSTATE of the exception that carries the result out."""
SYNTAX_ERROR = "42601"
UNSAFE_NEW_ENUM_VALUE = "55P04"
"""A value that was added to an enum cannot be used before the commit of what added it
(https://www.postgresql.org/docs/current/sql-altertype.html, Notes)."""
FEATURE_NOT_SUPPORTED = "0A000"
_ONLY_IN_EARNEST = (("savepoint",), ("release",), ("rollback",), ("select",), ("with",))
"""First words of what `EXECUTE` refuses: savepoints, and `select ... into` a new table
(https://www.postgresql.org/docs/current/plpgsql-statements.html)."""
_NEAR = re.compile(r'at or near "(.*)"', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Script:
    """SQL and the path that a person knows it by."""

    shown: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The statement that failed. `line` is that of the word that Postgres names, else the statement's
    first; `script` the number of its script, from 0. `cannot_be_rehearsed`: it may run in earnest, and a block cannot
    run it."""

    script: int
    shown: str
    line: int
    statement: str
    sqlstate: str
    message: str
    detail: str = ""
    hint: str = ""
    cannot_be_rehearsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """`sql` is to be sent as one run_sql, whose answer (always an error) goes to `outcome`. `tag` stands near its
    start and in no other query: by it the server's list of running queries shows which one is this."""

    sql: str
    tag: str
    scripts: tuple[Script, ...]
    places: tuple[tuple[int, Statement], ...]

    def outcome(self, error: HasuraError) -> Failure | None:
        """None when every statement ran. Raises the error itself when it is not the rehearsal's own."""
        if error.sqlstate != RESULT:
            raise error
        result = json.loads(error.postgres_message or "{}")
        if result.get("at") is None:
            return None
        script, statement = self.places[int(result["at"])]
        text = self.scripts[script].text[statement.start : statement.end]
        message = str(result.get("message") or "")
        return Failure(
            script=script,
            shown=self.scripts[script].shown,
            line=statement.line + _lines_to_word(text, message),
            statement=text if len(text) <= 200 else text[:200] + " ...",
            sqlstate=str(result.get("sqlstate") or ""),
            message=message,
            detail=str(result.get("detail") or ""),
            hint=str(result.get("hint") or ""),
            cannot_be_rehearsed=result.get("sqlstate") == FEATURE_NOT_SUPPORTED
            and statement.words[:1] in _ONLY_IN_EARNEST,
        )


def rehearse(
    scripts: Sequence[Script], timeouts: Timeouts, *, committed_each: bool = True, within: float = 0
) -> Rehearsal:
    """Stop at the first statement that fails.

    `committed_each`: every script is a transaction of its own in earnest, at whose end deferred constraints
    are checked; else they are checked at the end of all. `within` are seconds after which the rehearsal itself is
    cut off; 0 is without limit.
    """
    return _build(scripts, timeouts, only_syntax=False, committed_each=committed_each, within=within)


def find_syntax_error(scripts: Sequence[Script], timeouts: Timeouts, *, within: float = 0) -> Rehearsal:
    """Look for the first statement that does not parse, whatever becomes of the others.

    Postgres parses a whole text before it runs any of it, so the statements before would perhaps
    not even have run.
    """
    return _build(scripts, timeouts, only_syntax=True, committed_each=False, within=within)


_CHECK_CONSTRAINTS = (
    "set constraints all immediate;\n"
    "select string_agg(format('%I.%I', n.nspname, c.conname), ', ') into deferred from pg_catalog.pg_constraint c "
    "join pg_catalog.pg_namespace n on n.oid = c.connamespace where c.condeferred;\n"
    "if deferred is not null then execute 'set constraints ' || deferred || ' deferred'; end if;\n"
)
"""What a commit would check is checked, and the next script finds constraints as a new transaction does."""
_LEAVE_NOTHING = (
    "for n in select name from pg_catalog.pg_prepared_statements where from_sql loop\n"
    "execute pg_catalog.format('deallocate %I', n);\nend loop;\n"
    "perform pg_catalog.pg_advisory_unlock_all();\n"
)
"""Prepared statements and locks of the session would outlive the end of the transaction."""


def _build(
    scripts: Sequence[Script], timeouts: Timeouts, *, only_syntax: bool, committed_each: bool, within: float
) -> Rehearsal:
    places = [(index, s) for index, script in enumerate(scripts) for s in statements(script.text)]
    # The server's own limit counts from the start of the whole block: it is set to what all may take together, and
    # each statement is held to its limit when it has ended.
    too_long = (
        (
            f"if pg_catalog.clock_timestamp() - since > interval '{timeouts.statement} s' then "
            f"raise exception using errcode = '{QUERY_CANCELED}', "
            "message = 'canceling statement due to statement timeout'; end if;"
        )
        if timeouts.statement and not only_syntax
        else ""
    )
    body: list[str] = []
    for count, (index, statement) in enumerate(places):
        if count and places[count - 1][0] != index:
            body += [_CHECK_CONSTRAINTS if committed_each else "", FRESH, timeouts.limits()]
        text = literal(scripts[index].text[statement.start : statement.end])
        if only_syntax:
            body.append(
                f"at := {count}; begin execute {text}; "
                f"exception when syntax_error then raise; when others then null; end;"
            )
        else:
            clock = "since := pg_catalog.clock_timestamp(); " if too_long else ""
            body.append(f"at := {count}; {clock}execute {text};{too_long}")
    tag = f"$r{secrets.token_hex(8)}$"
    longest = min((s for s in (within, timeouts.statement * len(places)) if s), default=0)
    sql = (
        f"{FRESH}discard temp;\n{replace(timeouts, statement=longest).limits()}do {tag}\n"
        "declare at int; deferred text; ok boolean := false; m text; d text; h text; s text; n text; "
        "since timestamptz;\nbegin\n"
        "begin\n" + "\n".join(body) + "\n"
        "set constraints all immediate;\n"
        f"ok := true; raise exception using errcode = '{RESULT}', message = 'done';\n"
        # `others` leaves these two out.
        "exception when query_canceled or assert_failure or others then\n"
        "get stacked diagnostics m = message_text, d = pg_exception_detail, h = pg_exception_hint, "
        f"s = returned_sqlstate;\nend;\n{_LEAVE_NOTHING}"
        f"raise exception using errcode = '{RESULT}', message = jsonb_build_object(\n"
        "'at', case when ok then null else at end, 'sqlstate', s, 'message', m, "
        "'detail', d, 'hint', h)::text;\n"
        f"end {tag};"
    )
    return Rehearsal(sql=sql, tag=tag, scripts=tuple(scripts), places=tuple(places))


def _lines_to_word(text: str, message: str) -> int:
    """Lines from the statement's first to the word that the message names, if it stands there only once."""
    found = _NEAR.search(message)
    if not found or text.count(found.group(1)) != 1:
        return 0
    return text.count("\n", 0, text.index(found.group(1)))
