"""The engine's environment, under the vendor's names.

Reference: https://hasura.io/docs/2.0/deployment/graphql-engine-flags/reference/. Names that concern parts
which the stand-in does not have (events, console, telemetry, logs) are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.engine.jwks import CHECK_EVERY
from local.engine.jwt_secret import JwtConfig, JwtSecretError, parse_jwt_secret

APIS = ("metadata", "graphql", "pgdump", "developer", "config", "metrics")
DEFAULT_APIS = frozenset({"metadata", "config", "pgdump", "graphql"})

_CORS_DOMAIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9_.-]+(:[0-9]+)?$")


class SettingsError(ValueError):
    """The environment cannot be used. `problems` are the engine's messages, one a fault."""

    def __init__(self, problems: list[str], *, admin_secret_set: bool) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.admin_secret_set = admin_secret_set


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which origins may read answers from a browser; `None` for domains means all of them."""

    enabled: bool
    domains: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says, checked."""

    metadata_database_url: str = field(repr=False)
    default_source_from_env: bool
    """Whether HASURA_GRAPHQL_DATABASE_URL is set, so that a new catalog gets a source `default`."""
    admin_secret: str | None = field(repr=False)
    jwt: tuple[JwtConfig, ...]
    unauthorized_role: str | None
    host: str
    port: int
    cors: Cors
    apis: frozenset[str]
    use_prepared_statements: bool
    """For the metadata database; each source says it for itself."""
    admin_internal_errors: bool
    dev_mode: bool
    jwks_check_seconds: float
    """How often key sets are looked at. The engine's minute is fixed; here tests may shorten it."""
    environment: Mapping[str, str] = field(repr=False)
    """Everything, for `from_env` in metadata."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check the environment. Raises SettingsError with every problem."""
    problems: list[str] = []

    def problem(name: str, text: str) -> None:
        problems.append(f"Fatal Error:- Environment variable {name}: {text}")

    def flag(name: str, default: bool) -> bool:
        text = environment.get(name)
        if text is None:
            return default
        if text.lower() in ("true", "t", "yes", "y"):
            return True
        if text.lower() not in ("false", "f", "no", "n"):
            problem(
                name,
                "Not a valid boolean text. True values are t, true, y, yes; false values f, false, n, no.",
            )
        return False

    database = environment.get("HASURA_GRAPHQL_DATABASE_URL")
    metadata = environment.get("HASURA_GRAPHQL_METADATA_DATABASE_URL") or database
    if not metadata:
        problems.append(
            "Fatal Error: Required --metadata-database-url or connection string for metadata database: "
            "set HASURA_GRAPHQL_METADATA_DATABASE_URL or HASURA_GRAPHQL_DATABASE_URL"
        )
    secret = environment.get("HASURA_GRAPHQL_ADMIN_SECRET") or environment.get("HASURA_GRAPHQL_ACCESS_KEY")
    jwt: tuple[JwtConfig, ...] = ()
    jwt_text = environment.get("HASURA_GRAPHQL_JWT_SECRET")
    if jwt_text is not None:
        try:
            jwt = (parse_jwt_secret(jwt_text),)
        except JwtSecretError as error:
            problem("HASURA_GRAPHQL_JWT_SECRET", str(error))
        if not secret:
            problems.append(
                "Fatal Error : --jwt-secret (HASURA_GRAPHQL_JWT_SECRET) requires --admin-secret "
                "(HASURA_GRAPHQL_ADMIN_SECRET) or  --access-key (HASURA_GRAPHQL_ACCESS_KEY) to be set"
            )
    if environment.get("HASURA_GRAPHQL_AUTH_HOOK"):
        problem(
            "HASURA_GRAPHQL_AUTH_HOOK", "the stand-in engine has no authentication hook; use a JWT secret"
        )
    port_text = environment.get("HASURA_GRAPHQL_SERVER_PORT", "8080")
    if not (port_text.isdigit() and 0 < int(port_text) < 65536):
        problem("HASURA_GRAPHQL_SERVER_PORT", f"not a port between 1 and 65535: {port_text!r}")
    apis = _apis(environment.get("HASURA_GRAPHQL_ENABLED_APIS"))
    if apis is None:
        problem(
            "HASURA_GRAPHQL_ENABLED_APIS",
            f"Only expecting list of comma separated API types {','.join(APIS)}",
        )
    cors_text = environment.get("HASURA_GRAPHQL_CORS_DOMAIN", "*")
    domains = None if cors_text == "*" else tuple(each.strip() for each in cors_text.split(","))
    for domain in domains or ():
        if not _CORS_DOMAIN.match(domain):
            problem(
                "HASURA_GRAPHQL_CORS_DOMAIN",
                f"invalid domain: '{domain}'. "
                "All domains should have scheme + (optional wildcard) host + (optional port)",
            )
    host = environment.get("HASURA_GRAPHQL_SERVER_HOST", "*")
    check_text = environment.get("LOCAL_ENGINE_JWKS_CHECK_SECONDS", "60")
    if not (check_text.isdigit() and int(check_text) > 0):
        problem("LOCAL_ENGINE_JWKS_CHECK_SECONDS", f"not a number of seconds: {check_text!r}")
    settings = Settings(
        metadata_database_url=metadata or "",
        default_source_from_env=bool(database),
        admin_secret=secret or None,
        jwt=jwt,
        unauthorized_role=environment.get("HASURA_GRAPHQL_UNAUTHORIZED_ROLE") or None,
        host="0.0.0.0" if host in ("*", "*4", "!4") else host,  # noqa: S104 - the vendor's default
        port=int(port_text) if port_text.isdigit() else 0,
        cors=Cors(enabled=not flag("HASURA_GRAPHQL_DISABLE_CORS", False), domains=domains),
        apis=apis or DEFAULT_APIS,
        use_prepared_statements=flag("HASURA_GRAPHQL_USE_PREPARED_STATEMENTS", True),
        admin_internal_errors=flag("HASURA_GRAPHQL_ADMIN_INTERNAL_ERRORS", True),
        dev_mode=flag("HASURA_GRAPHQL_DEV_MODE", False),
        jwks_check_seconds=float(check_text) if check_text.isdigit() else CHECK_EVERY,
        environment=dict(environment),
    )
    if problems:
        raise SettingsError(problems, admin_secret_set=bool(secret))
    return settings


def _apis(text: str | None) -> frozenset[str] | None:
    if text is None:
        return DEFAULT_APIS
    names = frozenset(name.strip().lower() for name in text.split(","))
    return names if names <= set(APIS) else None
