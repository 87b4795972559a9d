"""`/v2/query`: `run_sql` and `bulk`, with the metadata check where it is asked for."""

from __future__ import annotations

import psycopg

from local.engine.errors import EngineError, parse_failed
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject
from local.engine.run_sql import RunSql, execute, parse_run_sql
from local.engine.schema_change import after_change
from local.engine.state import EngineState
from local.engine.tables import DatabaseTable, TableName, read_tables

_SQL_TYPES = ("run_sql", "pg_run_sql", "postgres_run_sql")
_BULK_TYPES = ("bulk", "bulk_keep_going", "concurrent_bulk")


def run(state: EngineState, body: Json) -> Json:
    """Run a request as the administrator. Raises EngineError."""
    if not isinstance(body, dict):
        raise parse_failed(expected("Object", "Object", body))
    kind = body.get("type")
    if "type" not in body:
        raise parse_failed('key "type" not found')
    if kind not in _SQL_TYPES and kind not in _BULK_TYPES:
        raise parse_failed(f"Unrecognised RQLQuery type: {kind}")
    if "args" not in body:
        raise parse_failed('key "args" not found')
    if kind in _SQL_TYPES:
        return _run_sql(state, parse_run_sql(body["args"]))
    items = body["args"]
    if not isinstance(items, list):
        raise parse_failed(expected("[]", "Array", items), "$.args")
    answers: list[Json] = []
    for index, item in enumerate(items):
        try:
            answers.append(run(state, item))
        except EngineError as error:
            if kind != "bulk_keep_going":
                raise error.below(f"$[{index}]") from error
            answers.append(error.body(internal=True))
    return answers


def _run_sql(state: EngineState, request: RunSql) -> JsonObject:
    connections, isolation = state.source(request.source)
    try:
        with connections.connection() as connection:
            if not request.check_metadata_consistency:
                return execute(connection, request, isolation)
            with state.locked():
                return _checked(state, connection, request, isolation)
    except psycopg.OperationalError as error:
        message = "connection error"
        raise EngineError("postgres-error", message, status=500, internal=str(error).strip()) from error


def _checked(
    state: EngineState, connection: psycopg.Connection[tuple[object, ...]], request: RunSql, isolation: str
) -> JsonObject:
    version, metadata = state.catalog.metadata()
    known = {each.name for each in state.snapshot.model.inconsistencies}
    before = read_tables(connection)
    changed: list[JsonObject] = []

    def check() -> None:
        after: dict[TableName, DatabaseTable] = read_tables(connection)
        changed.append(after_change(metadata, request.source, before, after, cascade=request.cascade))

    answer = execute(connection, request, isolation, check)

    model = state.build(changed[0])
    new: list[Json] = [each.as_json() for each in model.inconsistencies if each.name not in known]
    if new:
        # The SQL is committed by now: the engine reports what it did to the metadata, no more.
        message = "cannot continue due to newly found inconsistent metadata"
        raise EngineError("unexpected", message, status=500, internal=new)
    state.commit(changed[0], model, version)
    return answer
