"""HTTP client of a Hasura v2 engine: SQL, metadata, catalog state, GraphQL.

Shapes of requests and answers follow the vendor's API reference
(https://hasura.io/docs/2.0/api-reference/schema-api/run-sql/ and .../metadata-api/).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from components.clerk import keys
from components.hasura.json_types import Json, JsonObject

if TYPE_CHECKING:
    import httpx

READ_ATTEMPTS = 3
CONNECT_TIMEOUT = 5.0
STREAM_FROM = 1 << 20
"""Bodies with more SQL than this many characters are sent in pieces."""


class HasuraError(Exception):
    """The engine answered with an error.

    `status` is HTTP's, `code` and `path` are the engine's (`postgres-error`, `$[1]`), `message` its text,
    `internal` whatever it added. Neither text nor repr holds the admin secret.
    """

    def __init__(
        self, *, status: int, code: str, path: str, message: str, internal: Json = None, request: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.path = path
        self.message = message
        self.internal = internal
        self.request = request

    def __str__(self) -> str:
        about = f"{self.request}: " if self.request else ""
        return f"{about}{self.postgres_message or self.message} ({self.code}, HTTP {self.status})"

    def _postgres(self, key: str) -> str | None:
        if isinstance(self.internal, dict):
            error = self.internal.get("error")
            if isinstance(error, dict):
                value = error.get(key)
                return value if isinstance(value, str) else None
            if isinstance(error, str) and key == "message":
                return error
        return None

    @property
    def sqlstate(self) -> str | None:
        """Postgres's five characters, where the engine passes them on."""
        return self._postgres("status_code")

    @property
    def postgres_message(self) -> str | None:
        return self._postgres("message")

    @property
    def detail(self) -> str | None:
        return self._postgres("description")

    @property
    def hint(self) -> str | None:
        return self._postgres("hint")

    @property
    def database_lost(self) -> bool:
        """Whether the engine lost its database in between: a commit may have happened or not."""
        if self.sqlstate is not None:
            # Classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
            return self.sqlstate.startswith("08") or self.sqlstate in ("57P01", "57P02", "57P03")
        error = self.internal.get("error") if isinstance(self.internal, dict) else None
        return self.code == "postgres-error" and (
            self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or (isinstance(error, dict) and error.get("exec_status") == "FatalError")
        )

    @property
    def bulk_index(self) -> int | None:
        """Which item of a bulk failed (0-based), from a path such as `$[3]` or `$.args[3]`."""
        start = self.path.find("[")
        end = self.path.find("]", start)
        digits = self.path[start + 1 : end] if 0 <= start < end else ""
        return int(digits) if digits.isdigit() else None


class EngineUnreachable(Exception):
    """No connection could be made: nothing was sent, hence nothing has happened."""


class AnswerLost(Exception):
    """The request may have been carried out: the answer was lost on its way, or came from a proxy."""


@dataclass(frozen=True, kw_only=True)
class RunSql:
    """One `run_sql`: the engine runs its text as one transaction, unless `no_transaction`.

    `sql` is the text, whole or as a function that gives it in pieces each time it is called (a large
    migration is then never held in memory as one text).
    """

    sql: str | SqlPieces
    source: str = "default"
    no_transaction: bool = False
    read_only: bool = False
    check_metadata_consistency: bool = False
    kind: str = "postgres"

    def pieces(self) -> Iterable[str]:
        return (self.sql,) if isinstance(self.sql, str) else self.sql.pieces()

    @property
    def size(self) -> int:
        """Characters of SQL, or at least their order of magnitude."""
        return len(self.sql) if isinstance(self.sql, str) else self.sql.size

    def _frame(self) -> tuple[str, str]:
        name = "run_sql" if self.kind == "postgres" else f"{self.kind}_run_sql"
        rest: JsonObject = {
            "source": self.source,
            "check_metadata_consistency": self.check_metadata_consistency,
        }
        if self.no_transaction:
            rest["no_transaction"] = True
        if self.read_only:
            rest["read_only"] = True
        return (
            f'{{"type":{json.dumps(name)},"args":{{"sql":"',
            f'",{json.dumps(rest)[1:-1]}}}}}',
        )

    def encoded(self) -> Iterator[bytes]:
        """The request's JSON, in pieces."""
        head, tail = self._frame()
        yield head.encode()
        for piece in self.pieces():
            yield json.dumps(piece, ensure_ascii=False)[1:-1].encode()
        yield tail.encode()


class SqlPieces:
    """SQL that is produced piece by piece, any number of times."""

    size: int = 0

    def pieces(self) -> Iterable[str]:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SqlResult:
    """Result of the last statement: `columns` and `rows` as text (`NULL` for null); both empty for a
    command."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class InconsistentObject:
    """What the engine cannot build: `definition` is the metadata it means, `reason` its words."""

    type: str
    name: str
    reason: str
    definition: Json = None


@dataclass(frozen=True, kw_only=True)
class GraphQLAnswer:
    """Status and body of a GraphQL request; `data` is None when there are only errors."""

    status: int
    data: JsonObject | None
    errors: list[JsonObject] = field(default_factory=list)

    @property
    def error_codes(self) -> list[str]:
        codes = []
        for error in self.errors:
            extensions = error.get("extensions")
            if isinstance(extensions, dict):
                codes.append(str(extensions.get("code", "")))
        return codes


def inconsistent_objects(value: Json) -> tuple[InconsistentObject, ...]:
    """Read the list that replace, reload and get_inconsistent_metadata answer with: one entry an object."""
    found: list[InconsistentObject] = []
    for item in value if isinstance(value, list) else []:
        if not isinstance(item, dict):
            continue
        reason = str(item.get("reason", "")).removeprefix("Inconsistent object: ")
        # Objects that conflict with each other share one reason; endpoints among them come as their definitions alone.
        conflicting, endpoints = item.get("objects"), item.get("conflicts")
        if isinstance(conflicting, list):
            found += [_inconsistent(entry, reason) for entry in conflicting if isinstance(entry, dict)]
        elif isinstance(endpoints, list):
            found += [
                InconsistentObject(
                    type="rest_endpoint",
                    name=f"rest_endpoint {entry.get('name')}",
                    reason=reason,
                    definition=entry,
                )
                for entry in endpoints
                if isinstance(entry, dict)
            ]
        else:
            found.append(_inconsistent(item, reason))
    return tuple(found)


def _inconsistent(item: JsonObject, reason: str) -> InconsistentObject:
    kind = str(item.get("type", ""))
    return InconsistentObject(
        type=kind,
        name=str(item.get("name") or kind),
        reason=reason,
        definition=item.get("definition"),
    )


class HasuraClient:
    """An engine at `endpoint` (its root, such as http://127.0.0.1:8080), spoken to as its administrator.

    `timeout` is in seconds and holds for every request except SQL, whose length only the database knows:
    there a dead peer is found by TCP keep-alive, and whoever asks may set a limit. Reads are tried again when
    the network fails; writes never are. Errors: `HasuraError` (the engine refused), `EngineUnreachable` (nothing
    was sent), `AnswerLost` (outcome unknown).
    """

    def __init__(
        self,
        endpoint: str,
        admin_secret: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
    ) -> None:
        import httpx

        self.endpoint = endpoint.rstrip("/")
        self._timeout = timeout
        self._admin = {"X-Hasura-Admin-Secret": admin_secret}
        self._http = httpx.Client(
            base_url=self.endpoint,
            transport=transport or _transport(self.endpoint),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        )

    def __repr__(self) -> str:
        return f"HasuraClient({self.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def healthy(self, *, strict: bool = False) -> bool:
        """Whether /healthz says so; `strict` also wants consistent metadata. False when nobody answers."""
        import httpx

        try:
            answer = self._http.get("/healthz", params={"strict": "true"} if strict else {})
        except httpx.TransportError:
            return False
        return answer.status_code == HTTPStatus.OK and (not strict or answer.text.strip() == "OK")

    def clock(self) -> float | None:
        """What time it is at the engine, in whole seconds since 1970; None where it does not tell."""
        import httpx

        try:
            told = self._http.get("/healthz").headers.get("Date", "")
            return parsedate_to_datetime(told).timestamp()
        except (httpx.TransportError, ValueError):
            return None

    def version(self) -> str:
        answer = self._read("GET", "/v1/version", None)
        return str(answer.get("version", "")) if isinstance(answer, dict) else ""

    def run_sql(
        self,
        sql: str,
        source: str = "default",
        *,
        read_only: bool = False,
        no_transaction: bool = False,
        check_metadata_consistency: bool = False,
        kind: str = "postgres",
        within: float | None = None,
    ) -> SqlResult:
        """Run `sql` in one transaction and give the last statement's result. Read-only SQL is retried. `within` is
        how long the answer is waited for, in seconds; None is without limit."""
        item = RunSql(
            sql=sql,
            source=source,
            read_only=read_only,
            no_transaction=no_transaction,
            check_metadata_consistency=check_metadata_consistency,
            kind=kind,
        )
        content = b"".join(item.encoded())
        if read_only:
            return _sql_result(self._read("POST", "/v2/query", content))
        return _sql_result(self._write("/v2/query", content, within=within))

    def bulk(self, items: Sequence[RunSql], *, sent: Callable[[], None] = lambda: None) -> list[SqlResult]:
        """Run items in order, each in its own transaction; the engine stops at the first that fails.

        `HasuraError.bulk_index` tells which one; those before it stay. `sent` is called when there is nothing left to
        send but what is in the machine's own buffers.
        """

        def body() -> Iterator[bytes]:
            yield b'{"type":"bulk","args":['
            for index, item in enumerate(items):
                if index:
                    yield b","
                yield from item.encoded()
            yield b"]}"
            sent()

        small = sum(item.size for item in items) < STREAM_FROM
        answer = self._write("/v2/query", b"".join(body()) if small else body(), within=None)
        return [_sql_result(part) for part in answer] if isinstance(answer, list) else []

    def export_metadata(self) -> tuple[int, JsonObject]:
        """(resource_version, metadata)."""
        answer = self._read("POST", "/v1/metadata", _body("export_metadata", {}, version=2))
        if not isinstance(answer, dict):
            raise HasuraError(
                status=200,
                code="unexpected",
                path="$",
                message="the export is not an object",
                request="export_metadata",
            )
        return int(cast(int, answer["resource_version"])), cast(JsonObject, answer["metadata"])

    def replace_metadata(
        self, metadata: JsonObject, resource_version: int, *, allow_inconsistent: bool = False
    ) -> tuple[InconsistentObject, ...]:
        """Replace the whole metadata if nobody has written since `resource_version`, else HasuraError 409.

        With `allow_inconsistent` the objects that the engine could not build are given back.
        """
        args: JsonObject = {"allow_inconsistent_metadata": allow_inconsistent, "metadata": metadata}
        body: JsonObject = {
            "type": "replace_metadata",
            "version": 2,
            "resource_version": resource_version,
            "args": args,
        }
        answer = self._write("/v1/metadata", json.dumps(body).encode(), within=self._timeout)
        return inconsistent_objects(answer.get("inconsistent_objects")) if isinstance(answer, dict) else ()

    def add_source(self, name: str, configuration: Json) -> None:
        """Add a Postgres source without tables; `HasuraError` where its database cannot be had. What else does not fit
        in the metadata does not matter here."""
        body = _body("pg_add_source", {"name": name, "configuration": configuration})
        self._write("/v1/metadata", body, within=self._timeout)

    def reload_metadata(self) -> tuple[InconsistentObject, ...]:
        """Let the engine look at its databases again; gives what does not fit. Retried, as twice is once."""
        answer = self._read("POST", "/v1/metadata", _body("reload_metadata", {}))
        return inconsistent_objects(answer.get("inconsistent_objects")) if isinstance(answer, dict) else ()

    def inconsistent(self) -> tuple[InconsistentObject, ...]:
        answer = self._read("POST", "/v1/metadata", _body("get_inconsistent_metadata", {}))
        return inconsistent_objects(answer.get("inconsistent_objects")) if isinstance(answer, dict) else ()

    def get_catalog_state(self) -> JsonObject:
        """What the Hasura CLI keeps about itself (`cli_state`); {} when it was never used."""
        answer = self._read("POST", "/v1/metadata", _body("get_catalog_state", {}))
        state = answer.get("cli_state") if isinstance(answer, dict) else None
        return state if isinstance(state, dict) else {}

    def catalog_id(self) -> str:
        """What tells this engine's catalog from every other one; it stays when the engine moves."""
        answer = self._read("POST", "/v1/metadata", _body("get_catalog_state", {}))
        return str(answer.get("id")) if isinstance(answer, dict) else ""

    def set_catalog_state(self, state: JsonObject) -> None:
        """Replace `cli_state` as a whole."""
        body = _body("set_catalog_state", {"type": "cli", "state": state})
        self._write("/v1/metadata", body, within=self._timeout)

    def pg_dump(self, target: BinaryIO, source: str = "default", *, options: Sequence[str] = ()) -> int:
        """Write a dump of the source's database to `target`, piece by piece; gives its size in bytes.

        The engine runs its own pg_dump (https://hasura.io/docs/2.0/api-reference/pgdump/), so API `pgdump`
        has to be enabled. `options` are that program's. Where it fails, `HasuraError.internal` holds its words.
        """
        import httpx

        body: JsonObject = {"opts": list(options), "clean_output": False, "source": source}
        size = 0
        with (
            self._told(": the dump was cut off"),
            self._http.stream(
                "POST",
                "/v1alpha1/pg_dump",
                json=body,
                headers=self._admin,
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            ) as answer,
        ):
            if answer.status_code != HTTPStatus.OK:
                answer.read()
                raise self._refusal(answer, "POST /v1alpha1/pg_dump")
            for piece in answer.iter_bytes():
                size += target.write(piece)
        return size

    def graphql(
        self,
        query: str,
        variables: Mapping[str, Json] | None = None,
        *,
        token: str | None = None,
        role: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GraphQLAnswer:
        """POST /v1/graphql with `token` as bearer; without a token and without headers, anonymously.

        Never sends the admin secret.
        """
        import httpx

        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if role is not None:
            sent["X-Hasura-Role"] = role
        body: JsonObject = {"query": query, "variables": dict(variables or {})}
        try:
            answer = self._http.post("/v1/graphql", json=body, headers=sent)
        except httpx.TransportError as error:
            raise EngineUnreachable(f"{self.endpoint} does not answer: {_reason(error)}") from None
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise HasuraError(
                status=answer.status_code,
                code="unexpected",
                path="$",
                message="the answer is not a JSON object",
                request="POST /v1/graphql",
            )
        return GraphQLAnswer(
            status=answer.status_code, data=value.get("data"), errors=value.get("errors") or []
        )

    def _read(self, method: str, path: str, content: bytes | None) -> Json:
        import stamina

        for attempt in stamina.retry_context(
            on=AnswerLost, attempts=READ_ATTEMPTS, wait_initial=0.2, wait_max=2.0
        ):
            with attempt, self._told(f"{path}: the answer was lost"):
                return self._send(method, path, content, within=self._timeout)
        raise AssertionError("the last attempt either returns or raises")

    def _write(self, path: str, content: bytes | Iterator[bytes], *, within: float | None) -> Json:
        with self._told(f"{path}: the answer was lost"):
            return self._send("POST", path, content, within=within)

    @contextmanager
    def _told(self, loss: str) -> Iterator[None]:
        """What breaks on the network, as EngineUnreachable or AnswerLost; `loss` follows the endpoint in the latter."""
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise EngineUnreachable(f"{self.endpoint} does not answer: {_reason(error)}") from None
        except httpx.TransportError as error:
            raise AnswerLost(f"{self.endpoint}{loss}: {_reason(error)}") from None

    def _send(
        self, method: str, path: str, content: bytes | Iterator[bytes] | None, *, within: float | None
    ) -> Json:
        import httpx

        headers = {**self._admin, "Content-Type": "application/json"}
        timeout = httpx.Timeout(within, connect=CONNECT_TIMEOUT)
        answer = self._http.request(method, path, content=content, headers=headers, timeout=timeout)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise self._refusal(answer, f"{method} {path}")
        try:
            return cast(Json, answer.json())
        except ValueError:
            raise AnswerLost(f"{self.endpoint}{path}: the answer is not JSON") from None

    def _refusal(self, answer: httpx.Response, request: str) -> HasuraError | AnswerLost:
        """What an answer of status 400 or above means; one that is not the engine's leaves the outcome open."""
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict) or "code" not in value:
            if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return AnswerLost(
                    f"{self.endpoint}, {request}: HTTP {answer.status_code}, not in the engine's own words"
                )
            value = {"error": answer.text[:200], "code": "unexpected", "path": "$"}
        return HasuraError(
            status=answer.status_code,
            code=str(value.get("code", "")),
            path=str(value.get("path", "$")),
            message=str(value.get("error", "")),
            internal=value.get("internal"),
            request=request,
        )


def _body(kind: str, args: JsonObject, *, version: int | None = None) -> bytes:
    body: JsonObject = {"type": kind, "args": args}
    if version is not None:
        body["version"] = version
    return json.dumps(body).encode()


def _sql_result(value: Json) -> SqlResult:
    table = value.get("result") if isinstance(value, dict) else None
    if not isinstance(table, list) or not table:
        return SqlResult()
    rows = [tuple(str(cell) for cell in row) for row in table if isinstance(row, list)]
    return SqlResult(columns=rows[0], rows=tuple(rows[1:]))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _transport(endpoint: str) -> httpx.HTTPTransport:
    import httpx

    return httpx.HTTPTransport(
        socket_options=_keep_alive(),
        # Reading the certificates takes longer than several requests: only where they are looked at.
        verify=not endpoint.lower().startswith("http://"),
        proxy=_proxy(endpoint),
    )


def _proxy(endpoint: str) -> str | None:
    """The proxy that the environment names for an address; none for this machine's own."""
    import urllib.request

    import httpx

    url = httpx.URL(endpoint)
    if keys.is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def _keep_alive() -> list[tuple[int, int, int]]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
    if idle is not None:
        options.append((socket.IPPROTO_TCP, idle, 30))
    if hasattr(socket, "TCP_KEEPINTVL"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10))
    if hasattr(socket, "TCP_KEEPCNT"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6))
    return options
