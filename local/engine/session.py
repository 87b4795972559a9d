# ruff: noqa: PLR0917
"""Who sends a request: the administrator, a role named by a signed token, or nobody. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from local.engine.errors import EngineError
from local.engine.jwt_secret import JwtConfig, VerificationKey
from local.engine.jwt_verification import PREFIX, claims_of, roles_of, session_variables_of
from local.engine.settings import Settings

ADMIN = "admin"

_SECRET_HEADERS = ("x-hasura-admin-secret", "x-hasura-access-key")
_ROLE_HEADER = "x-hasura-role"


@dataclass(frozen=True, kw_only=True)
class Session:
    """The role that a request acts in, and its session variables (names in lower case)."""

    role: str
    variables: dict[str, str]
    backend: bool = False
    """Whether backend-only permissions count: only with the admin secret, and only when asked for."""

    @property
    def is_admin(self) -> bool:
        """Whether every permission check is passed over."""
        return self.role == ADMIN

    def variable(self, name: str) -> str:
        """The value of a session variable. Raises EngineError where it is missing."""
        value = self.variables.get(name.lower())
        if value is None:
            raise EngineError("not-found", f'missing session variable: "{name.lower()}"')
        return value


def authenticate(
    headers: Sequence[tuple[str, str]],
    settings: Settings,
    keys_of: Callable[[JwtConfig], Sequence[VerificationKey]],
    now: float,
) -> Session:
    """The session of a request with these headers (names in lower case).

    `now` is in seconds since 1970. Raises EngineError with the engine's code and message.
    """
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name, value)
    variables = {name: value for name, value in first.items() if name.startswith(PREFIX)}
    if settings.admin_secret is None:
        return _with_role(variables)
    sent = next((first[name] for name in _SECRET_HEADERS if name in first), None)
    if sent is not None:
        if not hmac.compare_digest(sent.encode(), settings.admin_secret.encode()):
            message = 'invalid "x-hasura-admin-secret"/"x-hasura-access-key"'
            raise EngineError("access-denied", message, status=401)
        return _with_role(variables)
    if not settings.jwt:
        if settings.unauthorized_role is not None:
            return Session(role=settings.unauthorized_role, variables=variables)
        message = '"x-hasura-admin-secret"/"x-hasura-access-key" required, but not found'
        raise EngineError("access-denied", message, status=401)
    return _from_token(headers, first, variables, settings, keys_of, now)


def _with_role(variables: dict[str, str]) -> Session:
    kept = {name: value for name, value in variables.items() if name not in _SECRET_HEADERS}
    backend = kept.get("x-hasura-use-backend-only-permissions", "").lower() == "true"
    return Session(role=kept.get(_ROLE_HEADER, ADMIN), variables=kept, backend=backend)


def _from_token(
    headers: Sequence[tuple[str, str]],
    first: dict[str, str],
    variables: dict[str, str],
    settings: Settings,
    keys_of: Callable[[JwtConfig], Sequence[VerificationKey]],
    now: float,
) -> Session:
    config = settings.jwt[0]
    tokens = _tokens(headers, config)
    if len(tokens) > 1:
        raise EngineError("invalid-headers", "Could not verify JWT: Multiple JWTs found")
    if not tokens:
        if settings.unauthorized_role is not None:
            return Session(role=settings.unauthorized_role, variables=variables)
        message = "Missing 'Authorization' or 'Cookie' header in JWT authentication mode"
        raise EngineError("invalid-headers", message)
    claims = claims_of(tokens[0], config, keys_of(config), now)
    default, allowed = roles_of(claims)
    role = first.get(_ROLE_HEADER) or default
    if role not in allowed:
        raise EngineError("access-denied", "Your requested role is not in allowed roles")
    return Session(role=role, variables={**session_variables_of(claims), _ROLE_HEADER: role})


def _tokens(headers: Sequence[tuple[str, str]], config: JwtConfig) -> list[str]:
    if config.header_type == "Authorization":
        return [_bearer(value) for name, value in headers if name == "authorization"]
    if config.header_type == "Cookie":
        return [
            token
            for name, value in headers
            if name == "cookie" and (token := _cookie(value, config.header_name or "")) is not None
        ]
    return [value for name, value in headers if name == config.header_name]


def _bearer(value: str) -> str:
    words = value.split()
    if len(words) != 2 or words[0] != "Bearer":
        raise EngineError("invalid-headers", "Malformed Authorization header")
    return words[1]


def _cookie(header: str, name: str) -> str | None:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None
