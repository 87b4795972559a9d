"""The stack's configuration as typed, frozen values.

`Pulumi.yaml` declares every key with its type, default and description; this module gives them meaning. Nothing
here reads a file, the network or Pulumi's engine except :func:`configured`, so every rule can be tested as data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import pulumi
import pulumi.runtime.config as runtime_config
import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.clerk import keys
from components.clerk.claims import Claims, Json
from components.clerk.signing_key import verification_key

PROJECT = "clerk-hasura"

PUBLIC_PASSPHRASE = "local-stack-only"  # noqa: S105
"""Passphrase of the committed `Pulumi.dev.yaml`. It is public, so nothing worth hiding may be encrypted with it."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the configuration.

    :param key: configuration key without its namespace, for example ``hasuraPort``.
    :param what: what is wrong with its value. Never holds a secret value.
    :param write: what to do about it, usually a command.
    """

    key: str
    what: str
    write: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}\n    {self.write}"


class SettingsError(Exception):
    """The configuration cannot be used. Holds every problem, not only the first.

    :param problems: all problems found, in the order of the keys in `Pulumi.yaml` where there is one.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{count} in this stack's configuration; nothing was touched.\n{lines}")


@dataclass(frozen=True, kw_only=True)
class ContainerSettings:
    """What all containers of the stack share. Times in seconds, sizes in MB."""

    bind_address: str
    start_seconds: int
    health_interval_seconds: int
    log_file_mb: int
    log_files: int
    stand_ins: bool


@dataclass(frozen=True, kw_only=True)
class PostgresSettings:
    """The Postgres container and what is created inside it."""

    image: str
    port: int
    max_connections: int
    shared_buffers_mb: int
    stop_seconds: int
    database: str
    metadata_database: str
    owner: str
    extensions: tuple[str, ...]
    protect: bool


@dataclass(frozen=True, kw_only=True)
class JwtTemplateSettings:
    """The JWT template that Clerk signs tokens by. Times in seconds.

    ``signing_key`` is empty where the instance's own key signs.
    """

    name: str
    lifetime: int
    clock_skew: int
    claims: Mapping[str, Json]
    claims_namespace: str
    adopt: bool
    role: str
    signing_algorithm: str
    signing_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ClerkSettings:
    """The Clerk instance, real or local, and the addresses that follow from its publishable key.

    ``engine_jwks_url`` is what the engine fetches. It differs from ``jwks_url`` only for the local Clerk, which
    the engine reaches by the container's name and everybody else by a loopback port. ``issuer_key`` and
    ``jwks_key`` are the configuration keys that decide on the two addresses.
    """

    local: bool
    local_port: int
    production: bool
    development_keys_allowed: bool
    publishable_key: str
    api_url: str
    frontend_api_url: str
    jwks_url: str
    jwks_key: str
    engine_jwks_url: str
    issuer: str
    issuer_key: str
    template: JwtTemplateSettings


@dataclass(frozen=True, kw_only=True)
class JwtSettings:
    """How the engine checks a token, besides its keys and its issuer. Skew in seconds.

    ``header`` says where the token comes in, in Hasura's form: ``type`` and, but for Authorization, ``name``.
    """

    audience: tuple[str, ...]
    allowed_skew: int
    header: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class HasuraSettings:
    """The Hasura engine. ``dumps``: it may be asked for dumps of its databases (``backupDirectory``)."""

    image: str
    port: int
    connections: int
    cors_domains: tuple[str, ...]
    console: bool
    dev_mode: bool
    dumps: bool
    log_level: str
    jwt: JwtSettings


@dataclass(frozen=True, kw_only=True)
class SchemaSettings:
    """Where migrations and metadata lie, and how migrations are applied. Times in seconds, 0 is no limit."""

    migrations_directory: str
    metadata_directory: str
    lock_timeout: int
    statement_timeout: int
    transaction: Literal["each", "all"]
    rollback: Literal["refuse", "down"]
    out_of_order: bool
    baseline: Mapping[str, int]
    rehearse: bool
    lint: Literal["off", "warn", "error"]
    backup_directory: str
    seeds_directory: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a deployment is told, checked."""

    stack: str
    containers: ContainerSettings
    postgres: PostgresSettings
    clerk: ClerkSettings
    hasura: HasuraSettings
    schema: SchemaSettings
    proof: bool
    project: str = field(default=PROJECT)

    def docker_name(self, part: str | None = None) -> str:
        """Name of a Docker object of this stack, unique on a Docker host that carries several stacks."""
        return "-".join(filter(None, (self.project, self.stack, part)))

    @property
    def ports(self) -> Mapping[str, int]:
        """Configuration key to published port, of every port that this stack publishes."""
        published = {"postgresPort": self.postgres.port, "hasuraPort": self.hasura.port}
        if self.clerk.local:
            published["localClerkPort"] = self.clerk.local_port
        return published


_IMAGE = re.compile(r"^[a-z0-9][a-z0-9._/:-]*(:(?P<tag>[\w][\w.-]*)|@sha256:[0-9a-f]{64})$")
_FLOATING_TAGS = frozenset({"latest", "main", "master", "edge", "nightly", "stable"})


def _pinned_image(value: str) -> str:
    match = _IMAGE.match(value)
    if match is None:
        raise ValueError("is not an image with a tag or digest, like hasura/graphql-engine:v2.48.10")
    if match["tag"] in _FLOATING_TAGS:
        raise ValueError(f"has the floating tag {match['tag']}; name one version")
    return value


def _structured(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _clerk_url(value: str) -> str:
    return keys.checked_url(value, name="the address") if value else ""


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


Port = Annotated[int, Field(ge=1, le=65535)]
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Image = Annotated[str, AfterValidator(_pinned_image)]
ClerkUrl = Annotated[str, AfterValidator(_clerk_url)]
StringList = Annotated[tuple[str, ...], BeforeValidator(_structured)]
ClaimTree = Annotated[dict[str, object], BeforeValidator(_structured)]


class _StackConfig(BaseModel):
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
    jwt_issuer: ClerkUrl
    production: bool
    allow_development_keys: bool
    proof: bool
    proof_in_production: bool
    jwt_template_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
    jwt_template_lifetime: Annotated[int, Field(ge=30, le=315_360_000)]
    jwt_template_clock_skew: Annotated[int, Field(ge=0, le=300)]
    jwt_template_claims: ClaimTree
    claims_namespace: Annotated[str, Field(min_length=1)]
    jwt_signing_algorithm: str
    jwt_signing_key: str = Field(repr=False)
    adopt_template: bool
    user_role: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]
    postgres_image: Image
    postgres_port: Port
    postgres_max_connections: Annotated[int, Field(ge=10, le=10_000)]
    postgres_shared_buffers_mb: Annotated[int, Field(ge=16, le=1_048_576)]
    postgres_stop_seconds: Annotated[int, Field(ge=1, le=3600)]
    database_name: Identifier
    metadata_database_name: Identifier
    database_owner: Identifier
    database_extensions: StringList
    protect_data: bool
    hasura_image: Image
    hasura_port: Port
    hasura_connections: Annotated[int, Field(ge=1, le=1000)]
    hasura_cors_domains: StringList
    hasura_console: bool
    hasura_dev_mode: bool
    hasura_log_level: Literal["debug", "info", "warn", "error"]
    jwt_audience: StringList
    jwt_allowed_skew: Annotated[int, Field(ge=0, le=300)]
    jwt_header: Annotated[dict[str, str], BeforeValidator(_structured), AfterValidator(_header)]
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
    start_seconds: Annotated[int, Field(ge=5, le=3600)]
    health_interval_seconds: Annotated[int, Field(ge=1, le=60)]
    log_file_mb: Annotated[int, Field(ge=1, le=10_000)]
    log_files: Annotated[int, Field(ge=1, le=100)]
    stand_ins: bool


KEYS: tuple[str, ...] = tuple(info.alias or name for name, info in _StackConfig.model_fields.items())
"""Every configuration key that the program reads, in the order of `Pulumi.yaml`."""


SECRET_KEYS: frozenset[str] = frozenset({"clerkSecretKey", "jwtSigningKey"})
"""Keys whose value may only be set with `pulumi config set --secret`."""


def parse(
    config: Mapping[str, object],
    *,
    stack: str,
    environment: Mapping[str, str],
    encrypted: frozenset[str] = SECRET_KEYS,
) -> Settings:
    """Turns a stack's configuration into settings.

    :param config: key without namespace to value, as Pulumi gives it: text, or JSON text for objects and arrays,
        with the defaults of `Pulumi.yaml` filled in.
    :param stack: name of the stack.
    :param environment: environment variables; ``CLERK_SECRET_KEY`` replaces the configured key.
    :param encrypted: keys whose value is encrypted in the stack's file.
    :raises SettingsError: with every problem found.
    """
    in_plain_text = [
        Problem(
            key=key,
            what="is a secret, yet stands in plain text in the stack's file",
            write=f"roll it at its issuer, then: pulumi config set --secret {key}    # asks for the value",
        )
        for key in sorted(SECRET_KEYS - encrypted)
        if config.get(key)
    ]
    try:
        parsed = _StackConfig.model_validate(dict(config))
    except pydantic.ValidationError as error:
        invalid = _problems(error)
        # Rules between keys need only the fields that are valid, so they still run on the rest.
        wrong = {problem.key for problem in invalid}
        raise SettingsError([*invalid, *in_plain_text, *_key_problems(config, wrong, environment)]) from None
    as_given = parsed.model_dump(by_alias=True)
    if problems := [
        *in_plain_text,
        *_key_problems(as_given, set(), environment),
        *_relation_problems(parsed),
    ]:
        raise SettingsError(problems)
    return _settings(parsed, stack)


def configured() -> tuple[dict[str, object], frozenset[str]]:
    """The running Pulumi program's configuration, as :func:`parse` takes it.

    :returns: key without namespace to value with the defaults of `Pulumi.yaml`, and the encrypted keys.
    """
    prefix = f"{pulumi.get_project()}:"
    config: dict[str, object] = {
        key.removeprefix(prefix): value
        # The SDK lists no keys; without the list a misspelt one would pass unseen.
        for key, value in runtime_config.CONFIG.get().items()
        if key.startswith(prefix)
    }
    return config, frozenset(key for key in SECRET_KEYS if runtime_config.is_config_secret(prefix + key))


def _set(key: str, example: str) -> str:
    return f"pulumi config set {key} {example}"


def _problems(error: pydantic.ValidationError) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False, include_input=False, include_context=True):
        key = str(detail["loc"][0])
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "extra_forbidden":
            near = _nearest(key)
            problems.append(
                Problem(
                    key=key,
                    what="is not a key of this project" + (f"; did you mean {near}?" if near else ""),
                    write=f"pulumi config rm {key}",
                )
            )
        elif kind == "missing":
            problems.append(Problem(key=key, what="has no value", write=_set(key, "VALUE")))
        else:
            what = {
                "greater_than_equal": f"is below {context.get('ge')}",
                "less_than_equal": f"is above {context.get('le')}",
                "int_parsing": "is not a whole number",
                "bool_parsing": "is neither true nor false",
                "literal_error": f"is not one of {context.get('expected')}",
                "string_pattern_mismatch": f"does not match {context.get('pattern')}",
                "ip_any_address": "is not an IP address",
                "value_error": str(context.get("error", "cannot be read")),
            }.get(kind, detail["msg"])
            problems.append(Problem(key=key, what=what, write=_set(key, _EXAMPLES.get(key, "VALUE"))))
    return problems


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
    "hasuraLogLevel": "info",
}


def _nearest(key: str) -> str | None:
    import difflib  # noqa: PLC0415 (only on the error path, which a preview without errors never pays for)

    close = difflib.get_close_matches(key, KEYS, n=1)
    return close[0] if close else None


def _key_problems(
    config: Mapping[str, object], invalid: set[str], environment: Mapping[str, str]
) -> list[Problem]:
    """What is wrong with Clerk's two keys, alone and together."""
    if {"localClerk", "clerkPublishableKey", "clerkSecretKey"} & invalid:
        return []
    local = str(config.get("localClerk", "false")).lower() == "true"
    publishable, configured = (
        str(config.get("clerkPublishableKey", "")),
        str(config.get("clerkSecretKey", "")),
    )
    secret = environment.get("CLERK_SECRET_KEY") or configured
    problems: list[Problem] = []
    if configured and environment.get("PULUMI_CONFIG_PASSPHRASE") == PUBLIC_PASSPHRASE:
        problems.append(
            Problem(
                key="clerkSecretKey",
                what="is encrypted with the public passphrase of the local stack, so anybody could read it",
                write="pulumi config rm clerkSecretKey, roll that key in Clerk's dashboard, then "
                "export CLERK_SECRET_KEY=... or use a stack with a passphrase of its own",
            )
        )
    if local:
        if publishable:
            problems.append(
                Problem(
                    key="localClerk",
                    what="is true, yet clerkPublishableKey names a Clerk application; only one can sign people in",
                    write="pulumi config set localClerk false    # or: pulumi config rm clerkPublishableKey",
                )
            )
        return problems
    kinds: dict[str, str] = {}
    if not publishable:
        problems.append(
            Problem(
                key="clerkPublishableKey",
                what="is not set, and this stack does not run the local Clerk",
                write=_set("clerkPublishableKey", "pk_test_...    # Clerk dashboard, API keys"),
            )
        )
    else:
        try:
            kinds["clerkPublishableKey"] = keys.parse_publishable_key(publishable).kind
        except keys.KeyFormatError as error:
            problems.append(Problem(key="clerkPublishableKey", what=error.problem, write=error.remedy))
    if not secret:
        problems.append(
            Problem(
                key="clerkSecretKey",
                what="is not set, and CLERK_SECRET_KEY is not in the environment",
                write="pulumi config set --secret clerkSecretKey    # asks for the value; Clerk dashboard, API keys",
            )
        )
    else:
        try:
            kinds["clerkSecretKey"] = keys.parse_secret_key(secret)
        except keys.KeyFormatError as error:
            problems.append(Problem(key="clerkSecretKey", what=error.problem, write=error.remedy))
    if len(set(kinds.values())) > 1:
        problems.append(
            Problem(
                key="clerkSecretKey",
                what=f"is a {kinds['clerkSecretKey']} key and clerkPublishableKey is a "
                f"{kinds['clerkPublishableKey']} key; they belong to two Clerk instances",
                write="take both keys from the API keys page of one instance",
            )
        )
    return problems


def _relation_problems(parsed: _StackConfig) -> list[Problem]:
    problems = [*_signing_problems(parsed), *_satellite_problems(parsed)]
    ports = {"hasuraPort": parsed.hasura_port, "postgresPort": parsed.postgres_port}
    if parsed.local_clerk:
        ports["localClerkPort"] = parsed.local_clerk_port
    taken: dict[int, str] = {}
    for key, port in ports.items():
        if port in taken:
            problems.append(
                Problem(key=key, what=f"is {port}, which {taken[port]} uses as well", write=_set(key, "PORT"))
            )
        taken.setdefault(port, key)
    if parsed.database_name == parsed.metadata_database_name:
        problems.append(
            Problem(
                key="metadataDatabaseName",
                what="is the data database as well; Hasura's catalog needs a database of its own",
                write=_set("metadataDatabaseName", "hasura_metadata"),
            )
        )
    if parsed.hasura_connections >= parsed.postgres_max_connections:
        problems.append(
            Problem(
                key="hasuraConnections",
                what=f"is {parsed.hasura_connections}, not below postgresMaxConnections "
                f"({parsed.postgres_max_connections}); the engine would starve everybody else",
                write=_set("hasuraConnections", str(max(1, parsed.postgres_max_connections // 2))),
            )
        )
    if parsed.local_clerk and not parsed.stand_ins:
        problems.append(
            Problem(
                key="localClerk",
                what="is true, yet standIns is false, and the local Clerk is a stand-in",
                write="pulumi config set localClerk false    # or, for development: pulumi config set standIns true",
            )
        )
    for key, is_set in (("localClerk", parsed.local_clerk), ("standIns", parsed.stand_ins)):
        if parsed.production and is_set:
            problems.append(
                Problem(
                    key=key,
                    what="is true on a production stack, yet a stand-in has none of the real thing's security",
                    write=f"pulumi config rm {key}    # or, if nobody real signs in: pulumi config rm production",
                )
            )
    live_key = not parsed.local_clerk and parsed.clerk_publishable_key.startswith("pk_live_")
    if parsed.proof and live_key and not parsed.proof_in_production:
        problems.append(
            Problem(
                key="proof",
                what="is true, yet clerkPublishableKey is that of a production instance; "
                "each proof makes two users there and removes them again",
                write="pulumi config set proof false    # or, if that is meant: "
                "pulumi config set proofInProduction true",
            )
        )
    if parsed.user_role == "admin":
        problems.append(
            Problem(
                key="userRole",
                what="is admin, which Hasura lets do everything",
                write=_set("userRole", "user"),
            )
        )
    return problems


def _signing_problems(parsed: _StackConfig) -> list[Problem]:
    """What is wrong with the template's own signing key. Never holds it."""
    key, algorithm = parsed.jwt_signing_key, parsed.jwt_signing_algorithm
    if not key and not algorithm:
        return []
    if not key:
        return [
            Problem(
                key="jwtSigningKey",
                what=f"is not set, and jwtSigningAlgorithm is {algorithm}; they belong together",
                write="pulumi config set --secret jwtSigningKey < key.pem   # or config rm jwtSigningAlgorithm",
            )
        ]
    if not algorithm:
        return [
            Problem(
                key="jwtSigningAlgorithm",
                what="is not set, and jwtSigningKey is; they belong together",
                write=_set("jwtSigningAlgorithm", "RS256    # or: pulumi config rm jwtSigningKey"),
            )
        ]
    try:
        verification_key(key, algorithm)
    except keys.KeyFormatError as error:
        return [Problem(key="jwtSigningKey", what=error.problem, write=error.remedy)]
    return []


def _satellite_problems(parsed: _StackConfig) -> list[Problem]:
    domain, publishable = parsed.clerk_satellite_domain, parsed.clerk_publishable_key
    if not domain or parsed.local_clerk:
        return []
    if parsed.clerk_proxy_url:
        return [
            Problem(
                key="clerkSatelliteDomain",
                what="is set, and so is clerkProxyUrl; only one of them can be the frontend API",
                write="pulumi config rm clerkSatelliteDomain    # or: pulumi config rm clerkProxyUrl",
            )
        ]
    try:
        key = keys.parse_publishable_key(publishable)
        keys.frontend_api_url(key, None, domain)
    except keys.KeyFormatError as error:
        return [Problem(key="clerkSatelliteDomain", what=error.problem, write=error.remedy)]
    if key.kind == "test":
        return [
            Problem(
                key="clerkSatelliteDomain",
                what="is set, yet satellites of a development instance use the publishable key's frontend API",
                write="pulumi config rm clerkSatelliteDomain",
            )
        ]
    return []


def _settings(parsed: _StackConfig, stack: str) -> Settings:
    bind_address = str(parsed.bind_address)
    if parsed.local_clerk:
        origin = f"127.0.0.1:{parsed.local_clerk_port}"
        publishable_key = keys.publishable_key_for(origin)
        api_url = frontend_api_url = f"http://{origin}"
    else:
        publishable_key, api_url = parsed.clerk_publishable_key, parsed.clerk_api_url
        frontend_api_url = keys.frontend_api_url(
            keys.parse_publishable_key(publishable_key),
            parsed.clerk_proxy_url or None,
            parsed.clerk_satellite_domain or None,
        )
    origin_key = next(
        (
            key
            for key, value in (
                ("clerkProxyUrl", parsed.clerk_proxy_url),
                ("clerkSatelliteDomain", parsed.clerk_satellite_domain),
            )
            if value
        ),
        "clerkPublishableKey",
    )
    jwks_url = parsed.jwks_url or keys.jwks_url(frontend_api_url)
    engine_jwks_url = (
        keys.jwks_url(f"http://{PROJECT}-{stack}-clerk:{LOCAL_CLERK_CONTAINER_PORT}")
        if parsed.local_clerk and not parsed.jwks_url
        else jwks_url
    )
    return Settings(
        stack=stack,
        proof=parsed.proof,
        containers=ContainerSettings(
            bind_address=bind_address,
            start_seconds=parsed.start_seconds,
            health_interval_seconds=parsed.health_interval_seconds,
            log_file_mb=parsed.log_file_mb,
            log_files=parsed.log_files,
            stand_ins=parsed.stand_ins,
        ),
        postgres=PostgresSettings(
            image=parsed.postgres_image,
            port=parsed.postgres_port,
            max_connections=parsed.postgres_max_connections,
            shared_buffers_mb=parsed.postgres_shared_buffers_mb,
            stop_seconds=parsed.postgres_stop_seconds,
            database=parsed.database_name,
            metadata_database=parsed.metadata_database_name,
            owner=parsed.database_owner,
            extensions=parsed.database_extensions,
            protect=parsed.protect_data,
        ),
        clerk=ClerkSettings(
            local=parsed.local_clerk,
            local_port=parsed.local_clerk_port,
            production=parsed.production,
            development_keys_allowed=parsed.allow_development_keys,
            publishable_key=publishable_key,
            api_url=api_url,
            frontend_api_url=frontend_api_url,
            jwks_url=jwks_url,
            jwks_key="jwksUrl" if parsed.jwks_url else origin_key,
            engine_jwks_url=engine_jwks_url,
            issuer=parsed.jwt_issuer or frontend_api_url,
            issuer_key="jwtIssuer" if parsed.jwt_issuer else origin_key,
            template=JwtTemplateSettings(
                name=parsed.jwt_template_name,
                lifetime=parsed.jwt_template_lifetime,
                clock_skew=parsed.jwt_template_clock_skew,
                claims=cast(Claims, parsed.jwt_template_claims),
                claims_namespace=parsed.claims_namespace,
                adopt=parsed.adopt_template,
                role=parsed.user_role,
                signing_algorithm=parsed.jwt_signing_algorithm,
                signing_key=parsed.jwt_signing_key,
            ),
        ),
        hasura=HasuraSettings(
            image=parsed.hasura_image,
            port=parsed.hasura_port,
            connections=parsed.hasura_connections,
            cors_domains=parsed.hasura_cors_domains,
            console=parsed.hasura_console,
            dev_mode=parsed.hasura_dev_mode,
            dumps=bool(parsed.backup_directory),
            log_level=parsed.hasura_log_level,
            jwt=JwtSettings(
                audience=parsed.jwt_audience,
                allowed_skew=parsed.jwt_allowed_skew,
                header=parsed.jwt_header,
            ),
        ),
        schema=SchemaSettings(
            migrations_directory=parsed.migrations_directory,
            metadata_directory=parsed.metadata_directory,
            lock_timeout=parsed.lock_timeout,
            statement_timeout=parsed.statement_timeout,
            transaction=parsed.transaction,
            rollback=parsed.rollback,
            out_of_order=parsed.out_of_order,
            baseline=parsed.baseline,
            rehearse=parsed.rehearse,
            lint=parsed.lint,
            backup_directory=parsed.backup_directory,
            seeds_directory=parsed.seeds_directory,
        ),
    )


LOCAL_CLERK_CONTAINER_PORT = 9500
"""Port of the local Clerk inside its container; ``localClerkPort`` is where it is published."""
