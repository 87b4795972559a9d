"""`run_sql`: SQL text in libpq's simple-query protocol, answered as the engine does.

Several statements run as one simple query between BEGIN and COMMIT; the answer is the last result, every
value as text. A `commit` in the text ends the transaction there, as in the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from local.engine.errors import EngineError, parse_failed
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject

_DDL = re.compile(
    r"\balter\b|\bdrop\b|\breplace\b|\bcreate function\b|\bcomment on\b", re.IGNORECASE | re.MULTILINE
)

# What a semicolon may hide in: strings, quoted names, dollar quotes, comments.
_TOKEN = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|"""
    r"""(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)|--[^\n]*|/\*.*?\*/|\w+|.""",
    re.DOTALL,
)

_STATUS_NAMES = {
    ExecStatus.EMPTY_QUERY: "EmptyQuery",
    ExecStatus.FATAL_ERROR: "FatalError",
    ExecStatus.BAD_RESPONSE: "BadResponse",
    ExecStatus.NONFATAL_ERROR: "NonfatalError",
    ExecStatus.COPY_IN: "CopyIn",
    ExecStatus.COPY_OUT: "CopyOut",
}


@dataclass(frozen=True, kw_only=True)
class RunSql:
    """The arguments of one `run_sql`."""

    sql: str
    source: str
    cascade: bool
    check_metadata_consistency: bool
    read_only: bool
    no_transaction: bool


def parse_run_sql(args: Json) -> RunSql:
    """Read the arguments. Raises EngineError where they are of the wrong shape."""
    if not isinstance(args, dict):
        raise parse_failed(expected("RunSQL", "Object", args), "$.args")
    if "sql" not in args:
        raise parse_failed('key "sql" not found', "$.args")
    sql = args["sql"]
    if not isinstance(sql, str):
        raise parse_failed(expected("Text", "String", sql), "$.args.sql")
    if "\x00" in sql:
        raise parse_failed("SQL text cannot hold the character NUL", "$.args.sql")
    source = args.get("source")
    if source is not None and not isinstance(source, str):
        raise parse_failed(expected("Text", "String", source), "$.args.source")
    read_only = _flag(args, "read_only") or False
    wanted = _flag(args, "check_metadata_consistency")
    return RunSql(
        sql=sql,
        source=source or "default",
        cascade=_flag(args, "cascade") or False,
        check_metadata_consistency=not read_only and (bool(_DDL.search(sql)) if wanted is None else wanted),
        read_only=read_only,
        no_transaction=_flag(args, "no_transaction") or False,
    )


def _flag(args: JsonObject, name: str) -> bool | None:
    value = args.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise parse_failed(expected("Bool", "Boolean", value), f"$.args.{name}")


def execute(
    connection: psycopg.Connection[tuple[object, ...]],
    request: RunSql,
    isolation: str,
    before_commit: Callable[[], None] = lambda: None,
) -> JsonObject:
    """Run the SQL and give the engine's answer.

    `isolation` is an isolation level in words. `before_commit` runs on the same connection after the SQL,
    inside its transaction where there still is one; what it raises rolls back. Raises EngineError.
    """
    if request.no_transaction:
        answer: JsonObject = {"result_type": "CommandOk", "result": None}
        for statement in split_statements(request.sql):
            answer = _answer(connection, statement)
        before_commit()
        return answer
    mode = "READ ONLY" if request.read_only else "READ WRITE"
    _command(connection, f"BEGIN ISOLATION LEVEL {isolation} {mode}")
    try:
        answer = _answer(connection, request.sql)
        before_commit()
    except BaseException:
        # A connection in COPY mode cannot take a command; closing it ends the transaction just as well.
        if connection.pgconn.exec_(b"ROLLBACK").status != ExecStatus.COMMAND_OK:
            connection.close()
        raise
    _command(connection, "COMMIT")
    return answer


def split_statements(sql: str) -> list[str]:
    """Split at top-level semicolons; parts without any SQL are left out."""
    parts, start, filled = [], 0, False
    for token in _TOKEN.finditer(sql):
        if token.group() == ";":
            if filled:
                parts.append(sql[start : token.start()])
            start, filled = token.end(), False
        elif not token.group().isspace() and not token.group().startswith(("--", "/*")):
            filled = True
    if filled:
        parts.append(sql[start:])
    return parts or [sql]


def _command(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> None:
    result = connection.pgconn.exec_(sql.encode())
    if result.status != ExecStatus.COMMAND_OK:
        raise _failure(sql, result)


def _answer(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> JsonObject:
    result = connection.pgconn.exec_(sql.encode())
    if result.status == ExecStatus.COMMAND_OK:
        return {"result_type": "CommandOk", "result": None}
    if result.status == ExecStatus.TUPLES_OK:
        names: list[Json] = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
        rows: list[Json] = [
            [_text(result.get_value(row, column)) for column in range(result.nfields)]
            for row in range(result.ntuples)
        ]
        return {"result_type": "TuplesOk", "result": [names, *rows]}
    raise _failure(sql, result)


def _text(value: bytes | None) -> str:
    return "NULL" if value is None else value.decode(errors="replace")


def _failure(sql: str, result: PGresult) -> EngineError:
    status = _STATUS_NAMES.get(ExecStatus(result.status), str(result.status))

    def field(which: DiagnosticField) -> str | None:
        value = result.error_field(which)
        return None if value is None else value.decode(errors="replace")

    error: Json
    if status.startswith("Copy"):
        error = f"Unexpected execStatus: {status}"
    else:
        error = {
            "exec_status": status,
            "status_code": field(DiagnosticField.SQLSTATE),
            "message": field(DiagnosticField.MESSAGE_PRIMARY),
            "description": field(DiagnosticField.MESSAGE_DETAIL),
            "hint": field(DiagnosticField.MESSAGE_HINT),
        }
    internal: Json = {"statement": sql, "prepared": False, "arguments": [], "error": error}
    return EngineError("postgres-error", "query execution failed", internal=internal)
