"""The Backend API: what api.clerk.com answers under /v1, for one instance."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.clerk import errors
from local.clerk.errors import ApiError
from local.clerk.instance import LocalInstance
from local.clerk.parameters import (
    DEFAULT_LIFETIME,
    DEFAULT_SKEW,
    LIFETIME,
    SESSION_TOKEN_TYPES,
    SESSION_TYPES,
    SIGN_IN_TOKEN_TYPES,
    Body,
    TemplateParameters,
    checked,
    require,
    template_parameters,
    user_problems,
    within,
)
from local.clerk.representations import (
    deleted,
    session_json,
    sign_in_token_json,
    template_json,
    user_json,
)
from local.clerk.shortcodes import Json
from local.clerk.state import Session, SignInToken, Template, User, new_id, now_ms

# A version is the date of its release. Newer SDKs send newer dates than any published list has, so the
# form and the first version are all that can be checked.
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
FIRST_API_VERSION = "2021-02-05"
TICKET_LIFETIME = 2_592_000

Handler = Callable[[Request], Awaitable[Response]]


def check_version(request: Request) -> None:
    """Raise ApiError unless the API version, if given, is a release date and given once."""
    header = request.headers.get("clerk-api-version")
    query = request.query_params.get("__clerk_api_version")
    if header is not None and query is not None:
        raise errors.api_version("given both as a header and as a query parameter")
    version = header if header is not None else query
    if version is not None and not (_API_VERSION.fullmatch(version) and version >= FIRST_API_VERSION):
        raise errors.api_version(f"{version} is not a known version")


async def json_body(request: Request) -> Body:
    """The body as a JSON object; an absent one is an empty object."""
    raw = await request.body()
    if not raw:
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind != "application/json":
        raise errors.content_type(kind, "application/json")
    try:
        body = json.loads(raw)
    except ValueError:
        raise errors.body_invalid() from None
    if not isinstance(body, dict):
        raise errors.body_invalid()
    return body


def page(request: Request, items: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The part of `items` that `limit` (1..500, default 10) and `offset` ask for."""
    values: dict[str, int] = {}
    for name, default, least, most in (("limit", 10, 1, 500), ("offset", 0, 0, 2**31)):
        text = request.query_params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ApiError([errors.value_invalid(name, f"be a number of at least {least}")])
        values[name] = int(text)
    return items[values["offset"] : values["offset"] + values["limit"]]


def values_of(request: Request, name: str) -> list[str]:
    """Every value of a query parameter, also when it is written `name[]`."""
    query = request.query_params
    return query.getlist(name) + query.getlist(f"{name}[]")


@dataclass(frozen=True)
class BackendApi:
    """Handlers of the Backend API over one instance."""

    instance: LocalInstance

    def routes(self) -> list[Route]:
        """The routes; each but none asks for the secret key first."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/jwt_templates", self.list_templates),
            ("POST", "/v1/jwt_templates", self.create_template),
            ("GET", "/v1/jwt_templates/{id}", self.get_template),
            ("PATCH", "/v1/jwt_templates/{id}", self.update_template),
            ("DELETE", "/v1/jwt_templates/{id}", self.delete_template),
            ("GET", "/v1/jwks", self.jwks),
            ("GET", "/v1/instance", self.get_instance),
            ("GET", "/v1/domains", self.domains),
            ("GET", "/v1/users", self.list_users),
            ("POST", "/v1/users", self.create_user),
            ("GET", "/v1/users/count", self.count_users),
            ("GET", "/v1/users/{id}", self.get_user),
            ("PATCH", "/v1/users/{id}", self.update_user),
            ("DELETE", "/v1/users/{id}", self.delete_user),
            ("GET", "/v1/sessions", self.list_sessions),
            ("POST", "/v1/sessions", self.create_session),
            ("GET", "/v1/sessions/{id}", self.get_session),
            ("POST", "/v1/sessions/{id}/revoke", self.revoke_session),
            ("POST", "/v1/sessions/{id}/tokens", self.create_token),
            ("POST", "/v1/sessions/{id}/tokens/{template:path}", self.create_token),
            ("POST", "/v1/sign_in_tokens", self.create_sign_in_token),
            ("POST", "/v1/sign_in_tokens/{id}/revoke", self.revoke_sign_in_token),
            ("POST", "/v1/testing_tokens", self.create_testing_token),
        ]
        return [Route(path, self._guarded(handler), methods=[method]) for method, path, handler in table]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            header = request.headers.get("authorization")
            if header is None:
                raise errors.key_invalid()
            scheme, _, key = header.partition(" ")
            if scheme.lower() != "bearer" or not key:
                raise errors.authorization_format()
            if not hmac.compare_digest(key.encode(), self.instance.settings.secret_key.encode()):
                raise errors.key_invalid()
            check_version(request)
            return await handler(request)

        return guarded

    # JWT templates

    async def list_templates(self, request: Request) -> Response:
        templates = [template_json(template) for template in self.instance.templates()]
        part = page(request, templates)
        if request.query_params.get("paginated") == "true":
            return JSONResponse({"data": part, "total_count": len(templates)})
        return JSONResponse(part)

    async def create_template(self, request: Request) -> Response:
        wanted = template_parameters(await json_body(request))
        self._require_free_name(wanted.name)
        now = now_ms()
        template = Template(
            id=new_id("jtmpl"),
            name=wanted.name,
            claims=wanted.claims,
            lifetime=DEFAULT_LIFETIME if wanted.lifetime is None else wanted.lifetime,
            allowed_clock_skew=(
                DEFAULT_SKEW if wanted.allowed_clock_skew is None else wanted.allowed_clock_skew
            ),
            custom_signing_key=False,
            signing_algorithm="RS256",
            signing_key=None,
            created_at=now,
            updated_at=now,
        )
        return JSONResponse(template_json(self.instance.store.save(_with_signing(template, wanted))))

    async def get_template(self, request: Request) -> Response:
        return JSONResponse(template_json(self._template(request)))

    async def update_template(self, request: Request) -> Response:
        template = self._template(request)
        body = await json_body(request)
        wanted = template_parameters(body)
        self._require_free_name(wanted.name, besides=template.id)
        changed = replace(template, name=wanted.name, claims=wanted.claims, updated_at=now_ms())
        # Whether null resets a value is not documented; here it does, and an absent one stays.
        if "lifetime" in body:
            lifetime = DEFAULT_LIFETIME if wanted.lifetime is None else wanted.lifetime
            changed = replace(changed, lifetime=lifetime)
        if "allowed_clock_skew" in body:
            skew = DEFAULT_SKEW if wanted.allowed_clock_skew is None else wanted.allowed_clock_skew
            changed = replace(changed, allowed_clock_skew=skew)
        if wanted.custom_signing_key is not None:
            changed = _with_signing(changed, wanted)
        return JSONResponse(template_json(self.instance.store.save(changed)))

    async def delete_template(self, request: Request) -> Response:
        template = self._template(request)
        if template.id == self.instance.record.session_template_id:
            raise errors.session_token_template()
        self.instance.store.delete(template)
        return JSONResponse(deleted("jwt_template", template.id))

    def _template(self, request: Request) -> Template:
        template_id = request.path_params["id"]
        template = self.instance.store.find(Template, template_id)
        if template is None:
            raise errors.not_found("JWT template not found", f"No JWT template exists with id: {template_id}")
        return template

    def _require_free_name(self, name: str, besides: str = "") -> None:
        if any(other.name == name and other.id != besides for other in self.instance.store.all(Template)):
            raise ApiError([errors.exists("name", "name")])

    # The instance

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(self.instance.jwks())

    async def get_instance(self, request: Request) -> Response:
        return JSONResponse(
            {
                "object": "instance",
                "id": self.instance.record.id,
                "environment_type": "development",
                "allowed_origins": [],
                "workspace_id": None,
            }
        )

    async def domains(self, request: Request) -> Response:
        url = self.instance.settings.public_url
        domain = {
            "object": "domain",
            "id": self.instance.record.domain_id,
            "name": url.split("://")[1],
            "is_satellite": False,
            "frontend_api_url": url,
            "accounts_portal_url": None,
            "proxy_url": None,
            "development_origin": "",
            "cname_targets": [],
        }
        return JSONResponse({"data": [domain], "total_count": 1})

    # Users

    async def list_users(self, request: Request) -> Response:
        users = self._matching_users(request)
        order = request.query_params.get("order_by", "-created_at")
        if order.lstrip("+-") == "created_at" and order.startswith("-"):
            users.reverse()
        return JSONResponse(page(request, [user_json(user) for user in users]))

    async def count_users(self, request: Request) -> Response:
        return JSONResponse({"object": "total_count", "total_count": len(self._matching_users(request))})

    def _matching_users(self, request: Request) -> list[User]:
        ids, emails = values_of(request, "user_id"), values_of(request, "email_address")
        external, query = values_of(request, "external_id"), request.query_params.get("query", "").lower()
        return [
            user
            for user in self.instance.store.all(User)
            if (not ids or user.id in ids)
            and (not emails or set(emails) & set(user.email_addresses))
            and (not external or user.external_id in external)
            and query
            in " ".join([user.id, user.first_name or "", user.last_name or "", *user.email_addresses]).lower()
        ]

    async def create_user(self, request: Request) -> Response:
        body = await json_body(request)
        require(user_problems(body, creating=True))
        addresses: list[str] = body.get("email_address") or []  # type: ignore[assignment]
        self._require_unique(body, addresses)
        now = now_ms()
        user = User(
            id=new_id("user"),
            email_addresses=addresses,
            external_id=None,
            first_name=None,
            last_name=None,
            public_metadata={},
            private_metadata={},
            unsafe_metadata={},
            created_at=now,
            updated_at=now,
            last_sign_in_at=None,
        )
        return JSONResponse(user_json(self.instance.store.save(_with_fields(user, body))))

    async def get_user(self, request: Request) -> Response:
        return JSONResponse(user_json(self._user(request.path_params["id"])))

    async def update_user(self, request: Request) -> Response:
        user = self._user(request.path_params["id"])
        body = await json_body(request)
        require(user_problems(body, creating=False))
        self._require_unique(body, [], besides=user.id)
        changed = _with_fields(replace(user, updated_at=now_ms()), body)
        return JSONResponse(user_json(self.instance.store.save(changed)))

    async def delete_user(self, request: Request) -> Response:
        user = self._user(request.path_params["id"])
        self.instance.delete_user(user)
        return JSONResponse(deleted("user", user.id))

    def _user(self, user_id: str) -> User:
        user = self.instance.store.find(User, user_id)
        if user is None:
            raise errors.not_found("not found", f"No user was found with id {user_id}")
        return user

    def _require_unique(self, body: Body, addresses: list[str], besides: str = "") -> None:
        others = [user for user in self.instance.store.all(User) if user.id != besides]
        taken = {address.lower() for user in others for address in user.email_addresses}
        wanted = [address.lower() for address in addresses]
        problems = []
        if taken & set(wanted) or len(set(wanted)) < len(wanted):
            problems.append(errors.exists("email_address", "email address"))
        external = body.get("external_id")
        if external is not None and any(user.external_id == external for user in others):
            problems.append(errors.exists("external_id", "external id"))
        require(problems)

    # Sessions and their tokens

    async def list_sessions(self, request: Request) -> Response:
        query = request.query_params
        sessions = [
            session_json(session)
            for session in reversed(self.instance.sessions())
            if query.get("user_id") in (None, session.user_id)
            and query.get("client_id") in (None, session.client_id)
            and query.get("status") in (None, session.status)
        ]
        part = page(request, sessions)
        if query.get("paginated") == "true":
            return JSONResponse({"data": part, "total_count": len(sessions)})
        return JSONResponse(part)

    async def create_session(self, request: Request) -> Response:
        body = await json_body(request)
        require(checked(body, SESSION_TYPES, required=("user_id",)))
        user = self._user(str(body["user_id"]))
        return JSONResponse(session_json(self.instance.start_session(user, self.instance.new_client())))

    async def get_session(self, request: Request) -> Response:
        return JSONResponse(session_json(self._session(request)))

    async def revoke_session(self, request: Request) -> Response:
        return JSONResponse(session_json(self.instance.finish_session(self._session(request), "revoked")))

    def _session(self, request: Request) -> Session:
        session_id = request.path_params["id"]
        session = self.instance.session(session_id)
        if session is None:
            raise errors.not_found("Session not found", f"No session was found with id {session_id}")
        return session

    async def create_token(self, request: Request) -> Response:
        session = self._session(request)
        body = await json_body(request)
        require(checked(body, SESSION_TOKEN_TYPES) + within(body, "expires_in_seconds", LIFETIME))
        if session.status != "active":
            raise errors.not_found("Session not found", f"No session was found with id {session.id}")
        lifetime = body.get("expires_in_seconds")
        token = self.instance.mint(
            session,
            template_name=request.path_params.get("template"),
            origin=None,
            lifetime=lifetime if isinstance(lifetime, int) else None,
        )
        return JSONResponse({"object": "token", "jwt": token})

    # Tickets

    async def create_sign_in_token(self, request: Request) -> Response:
        body = await json_body(request)
        require(
            checked(body, SIGN_IN_TOKEN_TYPES, required=("user_id",))
            + within(body, "expires_in_seconds", (1, 2**31))
        )
        user = self._user(str(body["user_id"]))
        lifetime, now = body.get("expires_in_seconds"), now_ms()
        seconds = lifetime if isinstance(lifetime, int) else TICKET_LIFETIME
        ticket = SignInToken(
            id=new_id("sit"),
            user_id=user.id,
            token=secrets.token_urlsafe(48),
            status="pending",
            created_at=now,
            updated_at=now,
            expire_at=now + seconds * 1000,
        )
        return JSONResponse(sign_in_token_json(self.instance.store.save(ticket), with_token=True))

    async def revoke_sign_in_token(self, request: Request) -> Response:
        ticket_id = request.path_params["id"]
        ticket = self.instance.store.find(SignInToken, ticket_id)
        if ticket is None:
            raise errors.not_found("not found", f"No sign in token was found with id {ticket_id}")
        revoked = replace(ticket, status="revoked", updated_at=now_ms())
        return JSONResponse(sign_in_token_json(self.instance.store.save(revoked), with_token=False))

    async def create_testing_token(self, request: Request) -> Response:
        # The stand-in has no bot protection to pass, so nothing needs to remember the token.
        expires = now_ms() // 1000 + 3600
        token = f"{expires}-c_{secrets.token_urlsafe(24)}"
        return JSONResponse({"object": "testing_token", "token": token, "expires_at": expires})


def _with_fields(user: User, body: Body) -> User:
    for name in ("external_id", "first_name", "last_name"):
        if name in body:
            user = replace(user, **{name: body[name]})  # type: ignore[arg-type]
    for name in ("public_metadata", "private_metadata", "unsafe_metadata"):
        if name in body:
            user = replace(user, **{name: body[name] or {}})  # type: ignore[arg-type]
    return user


def _with_signing(template: Template, wanted: TemplateParameters) -> Template:
    if wanted.custom_signing_key is not True or wanted.signing_algorithm is None:
        return replace(template, custom_signing_key=False, signing_algorithm="RS256", signing_key=None)
    return replace(
        template,
        custom_signing_key=True,
        signing_algorithm=wanted.signing_algorithm,
        signing_key=wanted.signing_key,
    )
