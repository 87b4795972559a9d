"""Runs what a GraphQL request asks, and puts the answer together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    validate,
)

from local.engine.connections import Connections
from local.engine.errors import EngineError, validation_failed
from local.engine.graphql_request import (
    Constant,
    GraphQLRequest,
    Introspection,
    Operation,
    Run,
    read_operation,
)
from local.engine.graphql_schema import RoleSchema, table_lookup
from local.engine.json_types import Json
from local.engine.query import Aggregate, Insert, SelectMany, SelectOne
from local.engine.session import Session
from local.engine.sql import Statement, mutation_statement, query_statement

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONSTRAINT_MESSAGES = {
    "23001": ("constraint-violation", "Can not delete or update due to data being referred. "),
    "23502": ("constraint-violation", "Not-NULL violation. "),
    "23503": ("constraint-violation", "Foreign key violation. "),
    "23505": ("constraint-violation", "Uniqueness violation. "),
    "23514": ("permission-error", "Check constraint violation. "),
    "23P01": ("constraint-violation", "Exclusion violation. "),
}


def answer(
    request: GraphQLRequest,
    role: RoleSchema,
    session: Session,
    source_of: Callable[[str], tuple[Connections, str]],
) -> str:
    """The JSON text of the answer's body. `source_of` gives connections and isolation level of a source.

    Raises EngineError; nothing of a mutation stays then.
    """
    operation = read_operation(request, role)
    fields: dict[str, str] = {}
    runs = [part for part in operation.parts if isinstance(part, Run)]
    sources = list(dict.fromkeys(run.source for run in runs))
    if operation.mutation and len(sources) > 1:
        raise validation_failed("mutations over several sources are not supported in one request")
    found: dict[str, str] = {}
    for source in sources:
        connections, isolation = source_of(source)
        mine = [run for run in runs if run.source == source]
        with _transaction(connections, isolation, read_only=not operation.mutation) as connection:
            for run in mine:
                found[run.alias] = _run(connection, run, role, session)
    for part in operation.parts:
        if isinstance(part, Constant):
            fields[part.alias] = json.dumps(part.value)
        elif isinstance(part, Introspection):
            fields[part.alias] = json.dumps(_introspect(part, operation, role))
        else:
            fields[part.alias] = found[part.alias]
    return '{"data":{' + ",".join(f"{json.dumps(alias)}:{value}" for alias, value in fields.items()) + "}}"


@contextmanager
def _transaction(
    connections: Connections, isolation: str, *, read_only: bool
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    try:
        with connections.connection() as connection:
            mode = "READ ONLY" if read_only else "READ WRITE"
            connection.pgconn.exec_(f"BEGIN ISOLATION LEVEL {isolation} {mode}".encode())
            try:
                yield connection
            except BaseException:
                connection.pgconn.exec_(b"ROLLBACK")
                raise
            committed = connection.pgconn.exec_(b"COMMIT")
            if committed.status != psycopg.pq.ExecStatus.COMMAND_OK:
                # A deferred constraint speaks only now.
                sqlstate = (committed.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
                message = (committed.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
                raise _postgres_error(sqlstate, message, "$")
    except psycopg.OperationalError as error:
        raise EngineError("postgres-error", "connection error", status=500, internal=str(error)) from error


def _run(
    connection: psycopg.Connection[tuple[object, ...]], run: Run, role: RoleSchema, session: Session
) -> str:
    tables = table_lookup(role.model, run.source)
    action = run.action
    path = "$"
    if isinstance(action, SelectMany | SelectOne | Aggregate):
        row = _row(connection, query_statement(action, session, tables), path)
        return str(row[0])
    if isinstance(action, Insert):
        path = f"{run.path}.args.{'object' if action.output.one is not None else 'objects'}"
        if not action.rows:
            return _empty_response(action)
    row = _row(connection, mutation_statement(action, session, tables), path)
    if row[1] is not True:
        message = "check constraint of an insert/update permission has failed"
        raise EngineError("permission-error", message, path=path)
    return str(row[0])


def _empty_response(insert: Insert) -> str:
    values: dict[str, Json] = {}
    for item in insert.output.response:
        kind = type(item).__name__
        values[item.alias] = (
            0 if kind == "AffectedItem" else [] if kind == "ReturningItem" else insert.table.graphql_name
        )
    return json.dumps(values)


def _row(
    connection: psycopg.Connection[tuple[object, ...]], statement: Statement, path: str
) -> tuple[object, ...]:
    cursor = psycopg.RawCursor(connection)
    try:
        row = cursor.execute(statement.text, list(statement.parameters), prepare=False).fetchone()
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise _postgres_error(error.sqlstate or "", error.diag.message_primary or str(error), path) from error
    if row is None:
        raise EngineError("unexpected", "the database gave no row", status=500)
    return row


def _postgres_error(sqlstate: str, message: str, path: str) -> EngineError:
    if sqlstate in _CONSTRAINT_MESSAGES:
        code, prefix = _CONSTRAINT_MESSAGES[sqlstate]
        return EngineError(code, prefix + message, path=path)
    if sqlstate.startswith("22"):
        return EngineError("data-exception", message, path=path)
    if sqlstate == "40001":
        return EngineError("concurrent-update", "serialization failure due to concurrent update", path=path)
    internal: Json = {"error": {"status_code": sqlstate, "message": message}}
    return EngineError("unexpected", "database query error", status=500, path=path, internal=internal)


def _introspect(part: Introspection, operation: Operation, role: RoleSchema) -> Json:
    fragments: Iterable[FragmentDefinitionNode] = (
        each for each in operation.document.definitions if isinstance(each, FragmentDefinitionNode)
    )
    asked = next(each for each in operation.document.definitions if isinstance(each, OperationDefinitionNode))
    document = DocumentNode(
        definitions=(
            OperationDefinitionNode(
                operation=OperationType.QUERY,
                name=None,
                variable_definitions=asked.variable_definitions,
                directives=(),
                selection_set=SelectionSetNode(selections=(part.field,)),
            ),
            *fragments,
        )
    )
    errors = [
        error
        for error in validate(role.schema, document)
        if not ("is never used" in error.message or "Unknown type" in error.message)
    ]
    if errors:
        raise validation_failed(errors[0].message)
    result = execute_sync(role.schema, document, variable_values=operation.variables)
    if not isinstance(result, ExecutionResult) or result.errors or result.data is None:
        message = (
            result.errors[0].message if isinstance(result, ExecutionResult) and result.errors else "failed"
        )
        raise validation_failed(message)
    value: Json = result.data[part.alias]
    return value
