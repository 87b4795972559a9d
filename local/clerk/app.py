"""The ASGI application: both APIs, JWKS, health check and what stands around every answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.clerk import errors
from local.clerk.backend_api import BackendApi
from local.clerk.errors import ApiError
from local.clerk.faults import FaultSwitch
from local.clerk.frontend_api import FrontendApi
from local.clerk.instance import LocalInstance

Handler = Callable[[Request], Awaitable[Response]]

access_log = logging.getLogger("local.clerk.access")

# Pages on this machine only: the key of a local stack is known to everybody.
LOOPBACK_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


def build(instance: LocalInstance) -> ASGIApp:
    """The application for one instance."""
    shared = [*FrontendApi(instance).routes(), Route("/.well-known/jwks.json", _jwks(instance))]
    routes: list[BaseRoute] = [
        Route("/healthz", _healthz),
        *BackendApi(instance).routes(),
        *shared,
        Mount("/__clerk", routes=shared),
        Route("/_local/rotate-key", _rotate_key(instance), methods=["POST"]),
    ]
    middleware = [
        Middleware(Signed),
        Middleware(
            CORSMiddleware,
            allow_origin_regex=LOOPBACK_ORIGINS,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["X-Local-Clerk"],
        ),
        Middleware(MethodOverride),
    ]
    if instance.settings.faults:
        middleware.append(Middleware(FaultSwitch))
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={ApiError: _api_error, HTTPException: _no_route, Exception: _defect},
    )


class Signed:
    """ASGI layer: marks every answer as the stand-in's, and logs method, path and status.

    Query strings and headers are left out of the log: they may hold tickets, tokens and keys.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Local-Clerk"] = "stand-in"
                level = logging.DEBUG if path == "/healthz" else logging.INFO
                access_log.log(level, "%s %s %s", method, path, message["status"])
            await send(message)

        await self.app(scope, receive, mark)


class MethodOverride:
    """ASGI layer: clerk-js sends `POST ?_method=PATCH` where PATCH is meant."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            method = QueryParams(scope["query_string"]).get("_method", "POST").upper()
            scope = {**scope, "method": method}
        await self.app(scope, receive, send)


def _jwks(instance: LocalInstance) -> Handler:
    async def jwks(request: Request) -> Response:
        age = instance.settings.jwks_max_age
        # Hasura reads the keys again only if a cache header tells it when.
        headers = {} if age is None else {"Cache-Control": f"public, max-age={age}"}
        return JSONResponse(instance.jwks(), headers=headers)

    return jwks


def _rotate_key(instance: LocalInstance) -> Handler:
    async def rotate(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {instance.settings.secret_key}":
            raise errors.key_invalid()
        keep = request.query_params.get("old", "keep")
        if keep not in ("keep", "drop"):
            raise ApiError([errors.value_invalid("old", "be keep or drop")])
        return JSONResponse({"kid": instance.rotate_key(keep_old=keep == "keep").id})

    return rotate


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok", "service": "local Clerk (stand-in)"})


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101
    return JSONResponse(error.body(), status_code=error.status)


async def _no_route(request: Request, error: Exception) -> Response:
    return await _api_error(request, errors.url_not_found())


async def _defect(request: Request, error: Exception) -> Response:
    return await _api_error(request, errors.internal())
