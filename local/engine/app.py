"""The HTTP side: paths, authentication, the shapes of answers and errors."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.engine import ENGINE_VERSION, STAND_IN_HEADER, graphql_execution, metadata_api, pg_dump, sql_api
from local.engine.errors import EngineError
from local.engine.graphql_request import parse_request
from local.engine.json_text import decode
from local.engine.json_types import Json
from local.engine.jwt_secret import JwtConfig, VerificationKey
from local.engine.log import log
from local.engine.session import Session, authenticate
from local.engine.settings import Cors, Settings
from local.engine.state import EngineState

_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_VERSION: dict[str, Json] = {"server_type": "ce", "version": ENGINE_VERSION}

Keys = Callable[[JwtConfig], Sequence[VerificationKey]]


def create_app(settings: Settings, state: EngineState, keys_of: Keys) -> ASGIApp:
    """The application. `keys_of` gives the keys now in force for a JWT secret."""
    return _StandIn(_Api(settings, state, keys_of).application())


class _StandIn:
    """Says on every answer that this is not the engine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                name, value = STAND_IN_HEADER
                message["headers"] = [*message.get("headers", []), (name.lower().encode(), value.encode())]
            await send(message)

        await self._app(scope, receive, marked)


class _Api:
    def __init__(self, settings: Settings, state: EngineState, keys_of: Keys) -> None:
        self._settings = settings
        self._state = state
        self._keys_of = keys_of

    def application(self) -> Starlette:
        apis = self._settings.apis
        routes = [
            Route("/healthz", self._answered(self._health), methods=["GET"]),
            Route("/hasura/healthz", self._answered(self._health), methods=["GET"]),
            Route("/v1/version", self._answered(self._version), methods=["GET"]),
        ]
        if "metadata" in apis:
            routes += [
                Route("/v1/metadata", self._answered(self._metadata), methods=["POST"]),
                Route("/v2/query", self._answered(self._sql), methods=["POST"]),
                Route("/v1/query", self._answered(self._query), methods=["POST"]),
            ]
        if "graphql" in apis:
            routes += [
                Route("/v1/graphql", self._answered(self._graphql), methods=["GET", "POST"]),
                Route("/v1alpha1/graphql", self._answered(self._graphql), methods=["GET", "POST"]),
            ]
        if "pgdump" in apis:
            routes.append(Route("/v1alpha1/pg_dump", self._answered(self._dump), methods=["POST"]))
        if "config" in apis:
            routes.append(Route("/v1alpha1/config", self._answered(self._config), methods=["GET"]))
        missing = dict.fromkeys((404, 405), self._not_found)
        return Starlette(routes=routes, exception_handlers=missing, middleware=_cors(self._settings.cors))

    # Endpoints

    def _health(self, request: Request, _: bytes) -> Response:
        try:
            self._state.catalog.resource_version()
        except (psycopg.Error, EngineError):
            return Response("ERROR", 500, {"content-type": _TEXT})
        if self._state.snapshot.model.inconsistencies:
            text = "inconsistent objects in schema"
            if request.query_params.get("strict") == "true":
                return Response(f"ERROR: {text}", 500, {"content-type": _TEXT})
            return Response(f"WARN: {text}", headers={"content-type": _TEXT})
        return Response("OK", headers={"content-type": _TEXT})

    def _version(self, _: Request, __: bytes) -> Response:
        return _json(_VERSION)

    def _config(self, request: Request, _: bytes) -> Response:
        self._admin(self._session(request), "$")
        return _json(
            {
                "version": ENGINE_VERSION,
                "is_function_permissions_inferred": True,
                "is_remote_schema_permissions_enabled": False,
                "is_admin_secret_set": self._settings.admin_secret is not None,
                "is_auth_hook_set": False,
                "is_jwt_set": bool(self._settings.jwt),
                "jwt": [],
                "is_allow_list_enabled": False,
                "live_queries": {"batch_size": 100, "refetch_delay": 1},
                "streaming_queries": {"batch_size": 100, "refetch_delay": 1},
                "console_assets_dir": None,
                "experimental_features": [],
                "is_prometheus_metrics_enabled": False,
            }
        )

    def _metadata(self, request: Request, body: bytes) -> Response:
        session = self._session(request)
        document = _document(body)
        self._admin(session, "$.args")
        return _json(metadata_api.run(self._state, document))

    def _sql(self, request: Request, body: bytes) -> Response:
        session = self._session(request)
        document = _document(body)
        self._admin(session, "$.args")
        return _json(sql_api.run(self._state, document))

    def _dump(self, request: Request, body: bytes) -> Response:
        session = self._session(request)
        document = _document(body)
        self._admin(session, "$")
        return Response(
            pg_dump.dump(self._state, document), headers={"content-type": "application/sql; charset=utf-8"}
        )

    def _query(self, request: Request, body: bytes) -> Response:
        session = self._session(request)
        document = _document(body)
        self._admin(session, "$.args")
        kind = document.get("type") if isinstance(document, dict) else None
        if kind in ("run_sql", "bulk"):
            return _json(sql_api.run(self._state, document))
        return _json(metadata_api.run(self._state, document))

    def _graphql(self, request: Request, body: bytes) -> Response:
        keeps_status = request.url.path.startswith("/v1alpha1")
        session: Session | None = None
        try:
            session = self._session(request)
            if request.method == "GET":
                raise EngineError("not-supported", "PersistedQueryNotSupported")
            document = _document(body)
            if isinstance(document, list):
                return _text("[" + ",".join(self._one(each, session) for each in document) + "]")
            return _text(self._one(document, session, raising=True))
        except EngineError as error:
            shown = error.graphql_body(internal=self._shows_internal(session))
            return _json(shown, error.status if keeps_status else 200)

    def _one(self, document: Json, session: Session, *, raising: bool = False) -> str:
        try:
            role = self._state.schema(session.role, admin=session.is_admin, backend=session.backend)
            return graphql_execution.answer(parse_request(document), role, session, self._state.source)
        except EngineError as error:
            if raising:
                raise
            return json.dumps(error.graphql_body(internal=self._shows_internal(session)))

    # Shared

    def _session(self, request: Request) -> Session:
        headers = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw
        ]
        session = authenticate(headers, self._settings, self._keys_of, time.time())
        request.state.session = session
        return session

    @staticmethod
    def _admin(session: Session, path: str) -> None:
        if not session.is_admin:
            raise EngineError("access-denied", "restricted access : admin only", path=path)

    def _shows_internal(self, session: Session | None) -> bool:
        if self._settings.dev_mode:
            return True
        return session is not None and session.is_admin and self._settings.admin_internal_errors

    async def _not_found(self, _: Request, __: Exception) -> Response:
        error = EngineError("not-found", "resource does not exist", status=404)
        return _json(error.body(internal=False), 404)

    def _answered(
        self, endpoint: Callable[[Request, bytes], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._guarded, endpoint, request, body)

        return answered

    def _guarded(
        self, endpoint: Callable[[Request, bytes], Response], request: Request, body: bytes
    ) -> Response:
        session: Session | None = None
        try:
            return endpoint(request, body)
        except EngineError as error:
            session = getattr(request.state, "session", None)
            return _json(error.body(internal=self._shows_internal(session)), error.status)
        except psycopg.Error as error:
            log("unstructured", "error", f"{request.url.path}: {type(error).__name__} {error.sqlstate or ''}")
            failure = EngineError("postgres-error", "connection error", status=500)
            return _json(failure.body(internal=False), 500)
        except Exception as error:
            # A fault of the stand-in itself: the log says where, the client only that.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log(
                "unstructured", "error", f"{type(error).__name__} at {frame.filename}:{frame.lineno}: {error}"
            )
            failure = EngineError("unexpected", "internal error of the stand-in", status=500)
            return _json(failure.body(internal=False), 500)


def _cors(cors: Cors) -> list[Middleware]:
    if not cors.enabled:
        return []
    wildcards = [domain for domain in cors.domains or () if "*." in domain]
    patterns = [domain.replace(".", r"\.").replace(r"*\.", r"[A-Za-z0-9-]+\.") for domain in wildcards]
    return [
        Middleware(
            CORSMiddleware,
            # With credentials the origin itself must be named, never "*" (Fetch standard).
            allow_origin_regex=".*" if cors.domains is None else "|".join(patterns) or None,
            allow_origins=[domain for domain in cors.domains or () if domain not in wildcards],
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=["*"],
            allow_credentials=True,
            max_age=1728000,
        )
    ]


def _document(body: bytes) -> Json:
    try:
        return decode(body)
    except ValueError as error:
        raise EngineError("invalid-json", str(error)) from error


def _json(value: Json, status: int = 200) -> Response:
    return _text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), status)


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status_code=status, headers={"content-type": _JSON})
