"""The keys of `Pulumi.yaml`: their types, and what is said about a value that has another."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.clerk import keys
from components.settings.database_url import TlsMode
from components.settings.problems import Problem, set_command

_IMAGE = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9._/-]*(:\d+/[a-z0-9._/-]+)?)"
    r"(?=[:@])(:(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?$"
)
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_WITHIN_AN_ENGINE = ("/v1/graphql", "/v1/metadata", "/v2/query", "/healthz", "/console")
_FLOATING_TAGS = frozenset({"latest", "main", "master", "edge", "nightly", "stable"})


def _pinned_image(value: str) -> str:
    match = _IMAGE.match(value)
    if match is None or not (match["tag"] or match["digest"]):
        raise ValueError("is not an image with a tag or digest, like hasura/graphql-engine:v2.48.10")
    if match["tag"] in _FLOATING_TAGS and not match["digest"]:
        raise ValueError(f"has the floating tag {match['tag']}; name one version")
    return value


def _structured(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None


def _listed(value: object) -> object:
    try:
        return _structured(value)
    except ValueError:
        # What was meant for one entry is no list, and is told as one.
        return value


def _clerk_url(value: str) -> str:
    return keys.checked_url(value, name="the address") if value else ""


def _issuer(value: str) -> str:
    return value if value == keys.ANY_ISSUER else _clerk_url(value)


class _Header(BaseModel):
    """Where a token comes in, as Hasura's JWT secret says it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["Authorization", "Cookie", "CustomHeader"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None


def _header(value: dict[str, object]) -> dict[str, str]:
    if not value:
        return {}
    try:
        header = _Header.model_validate(value)
    except pydantic.ValidationError:
        header = None
    if header is None or (header.type == "Authorization") != (header.name is None):
        raise ValueError(
            'is none of {"type": "Authorization"}, {"type": "Cookie", "name": "NAME"} and '
            '{"type": "CustomHeader", "name": "NAME"}'
        )
    return header.model_dump(exclude_none=True)


def _admin_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/@?#]+", value):
        raise ValueError("is not an address like http://127.0.0.1:8080, without a path")
    return value


def _domain(value: str) -> str:
    if value and not (len(value) <= 253 and _DOMAIN.fullmatch(value)):
        raise ValueError("is not a host name like api.example.com")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            raise ValueError(f"has {each}, which is not a network like 10.0.0.0/8") from None
    return value


def _has_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _engine_url(value: str) -> str:
    if "@" in value:
        raise ValueError("holds a login, and is shown; the admin secret goes into adminSecret")
    if value and not (re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value) and _has_a_host(value)):
        raise ValueError("is not an address like https://example.hasura.app")
    value = value.rstrip("/")
    if within := next((path for path in _WITHIN_AN_ENGINE if value.endswith(path)), None):
        raise ValueError(f"is the address of a part of the engine; write it without {within}")
    return value


def _address(value: str) -> str:
    if value and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/@\[\]]+):[1-9]\d{0,4}", value):
        raise ValueError("is not an address like 127.0.0.1:15432")
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
"""0 derives the port from the stack's name."""
Cpus = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d)?$")]
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Role = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,53}$")]
"""Names of logins are a role's with nine more characters, and PostgreSQL's names have 63 at the most."""
GraphqlName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Image = Annotated[str, AfterValidator(_pinned_image)]
OptionalImage = Annotated[str, AfterValidator(lambda value: _pinned_image(value) if value else "")]
ClerkUrl = Annotated[str, AfterValidator(_clerk_url)]
StringList = Annotated[tuple[str, ...], BeforeValidator(_listed)]
JsonObject = Annotated[dict[str, object], BeforeValidator(_structured)]


class StackConfig(BaseModel):
    """The keys of `Pulumi.yaml`, one field each. Defaults live there, not here."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True
    )

    local_clerk: bool
    local_clerk_port: Port
    clerk_publishable_key: str
    clerk_secret_key: str = Field(repr=False)
    clerk_api_url: Annotated[ClerkUrl, Field(min_length=1)]
    clerk_proxy_url: ClerkUrl
    clerk_satellite_domain: str
    jwks_url: ClerkUrl
    jwt_issuer: Annotated[str, AfterValidator(_issuer)]
    production: bool
    allow_development_keys: bool
    secrets_rotation: Annotated[str, Field(max_length=100)]
    proof: bool
    proof_in_production: bool
    proof_table: GraphqlName
    proof_user_column: GraphqlName
    proof_text_column: GraphqlName
    proof_row: JsonObject
    # What names Clerk takes is not documented; one that people gave by hand must be adoptable.
    jwt_template_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9 ._~-]{0,98}[A-Za-z0-9_~-])?$")]
    jwt_template_lifetime: Annotated[int, Field(ge=30, le=315_360_000)]
    jwt_template_clock_skew: Annotated[int, Field(ge=0, le=300)]
    jwt_template_claims: JsonObject
    claims_namespace: Annotated[str, Field(min_length=1)]
    jwt_signing_algorithm: str
    jwt_signing_key: str = Field(repr=False)
    adopt_template: bool
    user_role: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]
    postgres_image: Image
    postgres_port: Port
    postgres_max_connections: Annotated[int, Field(ge=10, le=10_000)]
    postgres_memory_mb: Annotated[int, Field(ge=256, le=4_194_304)]
    postgres_cpus: Cpus
    postgres_stop_seconds: Annotated[int, Field(ge=1, le=3600)]
    postgres_address: Annotated[str, AfterValidator(_address)]
    database_name: Identifier
    metadata_database_name: Identifier
    database_role: Role
    database_extensions: StringList
    protect_data: bool
    database_url: str = Field(repr=False)
    metadata_database_url: str = Field(repr=False)
    database_host: Annotated[str, Field(pattern=r"^[^\s/@?#]*$")]
    database_port: Annotated[int, Field(ge=1, le=65535)]
    database_user: str
    database_password: str = Field(repr=False)
    database_tls: TlsMode
    database_ca_certificate: str
    database_pooler: bool
    engine_url: Annotated[str, AfterValidator(_engine_url)]
    admin_secret: str = Field(repr=False)
    hasura_image: Image
    hasura_port: Port
    hasura_admin_url: Annotated[str, AfterValidator(_admin_url)]
    replicas: Annotated[int, Field(ge=0, le=100)]
    hasura_placement: StringList
    hasura_memory_mb: Annotated[int, Field(ge=0, le=4_194_304)]
    hasura_cpus: Cpus
    hasura_stop_seconds: Annotated[int, Field(ge=1, le=3600)]
    hasura_connections: Annotated[int, Field(ge=1, le=1000)]
    hasura_cors_domains: StringList
    hasura_console: bool
    hasura_dev_mode: bool
    hasura_log_level: Literal["debug", "info", "warn", "error"]
    engine_environment: JsonObject = Field(repr=False)
    jwt_audience: StringList
    jwt_allowed_skew: Annotated[int, Field(ge=0, le=300)]
    jwt_header: Annotated[dict[str, str], BeforeValidator(_structured), AfterValidator(_header)]
    ingress: bool
    ingress_domain: Annotated[str, AfterValidator(_domain)]
    ingress_email: Annotated[str, Field(pattern=r"^$|^[^\s@]+@[^\s@]+$")]
    ingress_acme_directory: Annotated[str, Field(pattern=r"^https://[^\s/@?#]+(/[^\s]*)?$")]
    ingress_acme_ca_certificate: str
    ingress_certificate: str
    ingress_certificate_key: str = Field(repr=False)
    ingress_address: pydantic.IPvAnyAddress
    ingress_http_port: Port
    ingress_https_port: Port
    ingress_body_kb: Annotated[int, Field(ge=1, le=1_048_576)]
    ingress_requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)]
    ingress_trusted_proxies: Annotated[StringList, AfterValidator(_networks)]
    caddy_image: OptionalImage
    caddy_memory_mb: Annotated[int, Field(ge=0, le=4_194_304)]
    caddy_cpus: Cpus
    migrations_directory: Annotated[str, Field(min_length=1)]
    metadata_directory: Annotated[str, Field(min_length=1)]
    lock_timeout: Annotated[int, Field(ge=1, le=3600)]
    statement_timeout: Annotated[int, Field(ge=0, le=86_400)]
    transaction: Literal["each", "all"]
    rollback: Literal["refuse", "down"]
    out_of_order: bool
    baseline: Annotated[dict[str, Annotated[int, Field(ge=0)]], BeforeValidator(_structured)]
    rehearse: bool
    lint: Literal["off", "warn", "error"]
    backup_directory: str
    seeds_directory: str
    bind_address: pydantic.IPvAnyAddress
    allow_public_ports: bool
    overlay_encryption: bool
    pids_limit: Annotated[int, Field(ge=0, le=4_194_304)]
    start_seconds: Annotated[int, Field(ge=5, le=3600)]
    health_interval_seconds: Annotated[int, Field(ge=1, le=60)]
    log_file_mb: Annotated[int, Field(ge=1, le=10_000)]
    log_files: Annotated[int, Field(ge=1, le=100)]
    stand_ins: bool


KEYS: tuple[str, ...] = tuple(info.alias or name for name, info in StackConfig.model_fields.items())
"""Every configuration key that the program reads, in the order of `Pulumi.yaml`."""


SECRET_KEYS: frozenset[str] = frozenset(
    {
        "adminSecret",
        "clerkSecretKey",
        "jwtSigningKey",
        "databaseUrl",
        "metadataDatabaseUrl",
        "databasePassword",
        "ingressCertificateKey",
    }
)
"""Keys whose value may only be set with `pulumi config set --secret`."""


MAYBE_SECRET_KEYS: frozenset[str] = frozenset({"engineEnvironment"})
"""Keys whose values may be secret and need not be. They are treated as secret in any case."""


SHOWN_KEYS: frozenset[str] = frozenset({"jwtTemplateClaims", "proofRow"})
"""Keys in which a secret would not stay one."""


def value_problems(error: pydantic.ValidationError) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False, include_input=False, include_context=True):
        key = str(detail["loc"][0])
        kind, context = detail["type"], detail.get("ctx", {})
        if key in _FORMER:
            what, write = _FORMER[key]
            problems.append(Problem(key=key, what=what, write=write))
        elif kind == "extra_forbidden":
            near = _nearest(key)
            problems.append(
                Problem(
                    key=key,
                    what="is not a key of this project" + (f"; did you mean {near}?" if near else ""),
                    write=f"pulumi config rm {key}",
                )
            )
        elif kind == "missing":
            problems.append(Problem(key=key, what="has no value", write=set_command(key, "VALUE")))
        else:
            what = {
                "greater_than_equal": f"is below {context.get('ge')}",
                "less_than_equal": f"is above {context.get('le')}",
                "int_parsing": "is not a whole number",
                "bool_parsing": "is neither true nor false",
                "literal_error": f"is not one of {context.get('expected')}",
                "string_pattern_mismatch": f"does not match {context.get('pattern')}",
                "ip_any_address": "is not an IP address",
                "tuple_type": "is not a list",
                "dict_type": "is not an object",
                "value_error": str(context.get("error", "cannot be read")),
            }.get(kind, detail["msg"])
            write = {
                "bool_parsing": set_command(key, "true    # or false"),
                "tuple_type": f"pulumi config set --path '{key}[0]' VALUE",
                "dict_type": f"pulumi config set --path {key}.NAME VALUE",
            }.get(kind, set_command(key, _EXAMPLES.get(key, "VALUE")))
            problems.append(Problem(key=key, what=what, write=write))
    return problems


_FORMER = {
    "databaseOwner": (
        "has given way to databaseRole, what the engine acts as; the databases belong to another role, named after it",
        "pulumi config rm databaseOwner && pulumi config set databaseRole NAME    # the same name",
    ),
    "postgresSharedBuffersMb": (
        "has given way to postgresMemoryMb, the memory of the whole container, of which shared_buffers takes a quarter",
        "pulumi config rm postgresSharedBuffersMb && pulumi config set postgresMemoryMb MEGABYTES    # four times it",
    ),
}
"""Keys of earlier versions, with what is said to a stack that still sets one."""

_EXAMPLES = {
    "hasuraPort": "8080",
    "postgresPort": "15432",
    "localClerkPort": "9500",
    "jwtTemplateName": "hasura",
    "jwtTemplateLifetime": "60    # seconds, 30 to 315360000",
    "jwtTemplateClockSkew": "5    # seconds, 0 to 300",
    "hasuraImage": "hasura/graphql-engine:v2.48.10",
    "postgresImage": "postgres:17.12-trixie",
    "clerkApiUrl": "https://api.clerk.com",
    "clerkProxyUrl": "https://app.example.com/__clerk",
    "jwksUrl": "https://clerk.example.com/.well-known/jwks.json",
    "jwtIssuer": "https://clerk.example.com",
    "jwtHeader": '\'{"type": "Cookie", "name": "NAME"}\'',
    "jwtAllowedSkew": "5    # seconds, 0 to 300",
    "bindAddress": "127.0.0.1",
    "replicas": "3",
    "ingressDomain": "api.example.com",
    "ingressEmail": "ops@example.com",
    "ingressAcmeDirectory": "https://acme-v02.api.letsencrypt.org/directory",
    "ingressAddress": "192.0.2.1",
    "ingressHttpPort": "80",
    "ingressHttpsPort": "443",
    "ingressTrustedProxies": "'[\"10.0.0.0/8\"]'",
    "caddyImage": "registry.example.com/caddy:2.11.9",
    "caddyCpus": "1.5    # 0 is no limit",
    "engineUrl": "https://example.hasura.app",
    "hasuraAdminUrl": "http://127.0.0.1:8080",
    "postgresAddress": "127.0.0.1:15432",
    "hasuraCpus": "1.5    # 0 is no limit",
    "postgresCpus": "1.5    # 0 is no limit",
    "databaseTls": "verify-full",
    "hasuraLogLevel": "info",
}


def _nearest(key: str) -> str | None:
    import difflib

    close = difflib.get_close_matches(key, KEYS, n=1)
    return close[0] if close else None
