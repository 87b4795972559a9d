"""The front-end API: the calls that clerk-js makes from a browser, under /v1 and /__clerk/v1.

A browser is known by the cookie `__client`. clerk-js sends form bodies, and methods other than GET and POST
as `POST ?_method=...`. Neither a dev browser nor a testing token is asked for; whoever brings them is served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.clerk import errors
from local.clerk.backend_api import check_version
from local.clerk.environment import environment
from local.clerk.errors import ApiError
from local.clerk.instance import LocalInstance
from local.clerk.representations import (
    JsonObject,
    browser_session_json,
    client_json,
    public_user_json,
    sign_in_json,
)
from local.clerk.state import Client, Session, SignIn, SignInToken, User, new_id, now_ms

COOKIE = "__client"

# Clerk's fixed code for test addresses (`name+clerk_test@...`): nothing is ever sent by mail.
TEST_CODE = "424242"

Handler = Callable[[Request], Awaitable[Response]]


async def form(request: Request) -> dict[str, str]:
    """The urlencoded body as single values."""
    return {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}


def _origin(request: Request) -> str | None:
    return request.headers.get("origin")


@dataclass(frozen=True)
class FrontendApi:
    """Handlers of the front-end API over one instance."""

    instance: LocalInstance

    def routes(self) -> list[Route]:
        """The routes, without the `/__clerk` prefix."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/v1/dev_browser", self.dev_browser),
            ("GET", "/v1/environment", self.environment),
            ("PATCH", "/v1/environment", self.environment),
            ("GET", "/v1/client", self.get_client),
            ("PUT", "/v1/client", self.put_client),
            ("DELETE", "/v1/client/sessions", self.sign_out),
            ("POST", "/v1/client/sign_ins", self.create_sign_in),
            ("POST", "/v1/client/sign_ins/{id}/prepare_first_factor", self.prepare_first_factor),
            ("POST", "/v1/client/sign_ins/{id}/attempt_first_factor", self.attempt_first_factor),
            ("GET", "/v1/client/sessions/{id}", self.get_session),
            ("POST", "/v1/client/sessions/{id}/touch", self.touch),
            ("POST", "/v1/client/sessions/{id}/end", self.end),
            ("POST", "/v1/client/sessions/{id}/remove", self.remove),
            ("POST", "/v1/client/sessions/{id}/tokens", self.create_token),
            ("POST", "/v1/client/sessions/{id}/tokens/{template:path}", self.create_token),
            ("GET", "/v1/me", self.me),
        ]
        return [Route(path, self._versioned(handler), methods=[method]) for method, path, handler in table]

    def _versioned(self, handler: Handler) -> Handler:
        async def versioned(request: Request) -> Response:
            check_version(request)
            return await handler(request)

        return versioned

    async def dev_browser(self, request: Request) -> Response:
        return JSONResponse({"id": new_id("dvb")})

    async def environment(self, request: Request) -> Response:
        return JSONResponse(environment(self.instance.record.id, self.instance.settings.public_url))

    # The client

    def _client(self, request: Request) -> Client | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        return next((item for item in self.instance.store.all(Client) if item.cookie == cookie), None)

    def _client_json(self, request: Request, client: Client) -> JsonObject:
        # Read again: a handler may have changed the client since it was looked up.
        present = self.instance.store.find(Client, client.id) or client
        sessions = [
            self._session_json(request, session)
            for session in self.instance.sessions()
            if session.client_id == client.id and session.status == "active"
        ]
        return client_json(present, sessions)

    def _session_json(self, request: Request, session: Session) -> JsonObject:
        user = self._user(session.user_id)
        token = None
        if session.status == "active":
            token = self.instance.mint(session, template_name=None, origin=_origin(request))
        return browser_session_json(session, user, token)

    def _answer(self, request: Request, response: JsonObject | None, client: Client | None) -> Response:
        shown = None if client is None else self._client_json(request, client)
        answer = JSONResponse({"response": response, "client": shown})
        if client is not None:
            answer.set_cookie(
                COOKIE, client.cookie, max_age=7 * 24 * 3600, path="/", httponly=True, samesite="lax"
            )
        return answer

    async def get_client(self, request: Request) -> Response:
        client = self._client(request)
        shown = None if client is None else self._client_json(request, client)
        return JSONResponse({"response": shown, "client": None})

    async def put_client(self, request: Request) -> Response:
        client = self._client(request) or self.instance.new_client()
        return self._answer(request, self._client_json(request, client), client)

    async def sign_out(self, request: Request) -> Response:
        client = self._client(request)
        if client is None:
            return self._answer(request, None, None)
        for session in self.instance.sessions():
            if session.client_id == client.id and session.status == "active":
                self.instance.finish_session(session, "removed")
        return self._answer(request, self._client_json(request, client), client)

    async def me(self, request: Request) -> Response:
        client = self._client(request)
        if client is None or client.last_active_session_id is None:
            raise errors.authentication_invalid()
        session = self.instance.session(client.last_active_session_id)
        if session is None or session.status != "active":
            raise errors.authentication_invalid()
        return self._answer(request, public_user_json(self._user(session.user_id)), client)

    def _user(self, user_id: str) -> User:
        user = self.instance.store.find(User, user_id)
        if user is None:
            raise errors.authentication_invalid()
        return user

    # Signing in

    async def create_sign_in(self, request: Request) -> Response:
        fields = await form(request)
        strategy = fields.get("strategy", "email_code")
        if strategy == "ticket":
            return self._sign_in_by_ticket(request, fields.get("ticket", ""))
        if strategy != "email_code":
            raise ApiError([errors.value_invalid("strategy", "be one of ticket, email_code")])
        identifier = fields.get("identifier", "")
        if not identifier:
            raise ApiError([errors.missing("identifier")])
        for user in self.instance.store.all(User):
            if identifier.lower() in (address.lower() for address in user.email_addresses):
                client = self._client(request) or self.instance.new_client()
                sign_in = SignIn(id=new_id("sia"), client_id=client.id, user_id=user.id, created_at=now_ms())
                self.instance.store.save(sign_in)
                return self._pending(request, sign_in, user, client)
        raise ApiError([errors.identifier_not_found("identifier")])

    def _pending(self, request: Request, sign_in: SignIn, user: User, client: Client) -> Response:
        body = sign_in_json(
            sign_in.id, user=user, status="needs_first_factor", strategy="email_code", session_id=None
        )
        return self._answer(request, body, client)

    def _sign_in_by_ticket(self, request: Request, token: str) -> Response:
        ticket = next((item for item in self.instance.store.all(SignInToken) if item.token == token), None)
        if ticket is None or ticket.status != "pending":
            raise errors.ticket_unusable("unknown" if ticket is None else ticket.status)
        if ticket.expire_at < now_ms():
            raise errors.ticket_unusable("expired")
        self.instance.store.save(replace(ticket, status="accepted", updated_at=now_ms()))
        client = self._client(request) or self.instance.new_client()
        return self._complete(request, new_id("sia"), self._user(ticket.user_id), client, "ticket")

    def _complete(
        self, request: Request, sign_in_id: str, user: User, client: Client, strategy: str
    ) -> Response:
        session = self.instance.start_session(user, client)
        body = sign_in_json(
            sign_in_id, user=user, status="complete", strategy=strategy, session_id=session.id
        )
        return self._answer(request, body, client)

    def _sign_in(self, request: Request) -> tuple[SignIn, User, Client]:
        sign_in_id = request.path_params["id"]
        sign_in = self.instance.store.find(SignIn, sign_in_id)
        client = self._client(request)
        if sign_in is None or client is None or sign_in.client_id != client.id:
            raise errors.not_found("not found", f"No sign in was found with id {sign_in_id}")
        return sign_in, self._user(sign_in.user_id), client

    async def prepare_first_factor(self, request: Request) -> Response:
        return self._pending(request, *self._sign_in(request))

    async def attempt_first_factor(self, request: Request) -> Response:
        sign_in, user, client = self._sign_in(request)
        if (await form(request)).get("code") != TEST_CODE:
            raise ApiError([errors.code_incorrect("code")])
        self.instance.store.delete(sign_in)
        return self._complete(request, sign_in.id, user, client, "email_code")

    # Sessions

    def _session(self, request: Request) -> tuple[Session, Client]:
        client = self._client(request)
        session = self.instance.session(request.path_params["id"])
        if client is None or session is None or session.client_id != client.id:
            raise errors.authentication_invalid()
        return session, client

    def _active(self, request: Request) -> tuple[Session, Client]:
        session, client = self._session(request)
        if session.status != "active":
            raise errors.authentication_invalid()
        return session, client

    async def get_session(self, request: Request) -> Response:
        session, client = self._session(request)
        return self._answer(request, self._session_json(request, session), client)

    async def touch(self, request: Request) -> Response:
        session, client = self._active(request)
        now = now_ms()
        self.instance.store.save(replace(session, updated_at=now))
        self.instance.store.save(replace(client, last_active_session_id=session.id, updated_at=now))
        return self._answer(request, self._session_json(request, session), client)

    async def end(self, request: Request) -> Response:
        return self._finish(request, "ended")

    async def remove(self, request: Request) -> Response:
        return self._finish(request, "removed")

    def _finish(self, request: Request, status: str) -> Response:
        session, client = self._session(request)
        finished = self.instance.finish_session(session, status)
        return self._answer(request, self._session_json(request, finished), client)

    async def create_token(self, request: Request) -> Response:
        session, _ = self._active(request)
        token = self.instance.mint(
            session, template_name=request.path_params.get("template"), origin=_origin(request)
        )
        return JSONResponse({"object": "token", "jwt": token})
