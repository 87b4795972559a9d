"""From a stack's configuration to its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import pydantic

from components.clerk import keys
from components.clerk.claims import Claims, Json
from components.project_name import PROJECT
from components.settings.clerk_keys import key_problems
from components.settings.database_keys import external_postgres, is_external
from components.settings.engine_keys import environment_problems, environment_texts
from components.settings.ingress_keys import caddy
from components.settings.problems import Problem, SettingsError
from components.settings.relations import ports, relation_problems
from components.settings.stack_config import (
    MAYBE_SECRET_KEYS,
    SECRET_KEYS,
    SHOWN_KEYS,
    StackConfig,
    value_problems,
)
from components.settings.values import (
    LOCAL_CLERK_CONTAINER_PORT,
    LOOPBACK,
    PUBLIC_PASSPHRASE,
    Address,
    ClerkSettings,
    ContainerSettings,
    ExternalEngineSettings,
    ExternalPostgresSettings,
    HasuraSettings,
    JwtSettings,
    JwtTemplateSettings,
    Limits,
    PostgresSettings,
    ProofSettings,
    SchemaSettings,
    Settings,
)

_LOCAL_CLERKS_PROXY_PATH: Final = "/__clerk"
"""Without a proxy URL clerk-js calls every frontend API by https, which the local Clerk does not speak."""


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
    shown = [
        Problem(
            key=key,
            what="is set with --secret, yet it is shown: in previews, in the state, and claims in every token",
            write=f"pulumi config set {key} VALUE    # without --secret, and nothing in it that must not be seen",
        )
        for key in sorted(SHOWN_KEYS & encrypted)
    ]
    public = environment.get("PULUMI_CONFIG_PASSPHRASE") == PUBLIC_PASSPHRASE
    exposed = [
        Problem(
            key=key,
            what="is encrypted with the public passphrase of the local stack, so anybody could read it",
            write=f"pulumi config rm {_whole_or_part(key)}, replace it at its issuer, then "
            + (
                "export CLERK_SECRET_KEY=... or use a stack with a passphrase of its own"
                if key == "clerkSecretKey"
                else "use a stack with a passphrase of its own"
            ),
        )
        for key in sorted((SECRET_KEYS | MAYBE_SECRET_KEYS) & encrypted)
        if public and config.get(key)
    ]
    try:
        parsed = StackConfig.model_validate(dict(config))
    except pydantic.ValidationError as error:
        invalid = value_problems(error)
        # Rules between keys need only the fields that are valid, so they still run on the rest.
        wrong = {problem.key for problem in invalid}
        raise SettingsError(
            [
                *invalid,
                *in_plain_text,
                *shown,
                *exposed,
                *key_problems(config, wrong, environment),
                *environment_problems(config.get("engineEnvironment")),
            ]
        ) from None
    as_given = parsed.model_dump(by_alias=True)
    if problems := [
        *in_plain_text,
        *shown,
        *exposed,
        *key_problems(as_given, set(), environment),
        *environment_problems(parsed.engine_environment),
        *relation_problems(parsed, stack),
    ]:
        raise SettingsError(problems, _provisional(parsed, problems, stack, public))
    return _settings(parsed, stack, public_passphrase=public)


def _whole_or_part(key: str) -> str:
    """What `pulumi config rm` is told of a secret: of variables, of which others may be none, the one."""
    return f"--path {key}.NAME, for each that is secret" if key in MAYBE_SECRET_KEYS else key


def _provisional(parsed: StackConfig, problems: list[Problem], stack: str, public: bool) -> Settings | None:
    """The settings with harmless values where the given ones are wrong."""
    harmless: Mapping[str, object] = {
        "clerkPublishableKey": keys.publishable_key_for("clerk.example.com", kind="live"),
        "clerkSatelliteDomain": "",
        "databaseUrl": "postgresql://user:password@host/database",
        "metadataDatabaseUrl": "postgresql://user:password@host/metadata",
    }
    wrong = {problem.key for problem in problems}
    fields = {info.alias: name for name, info in StackConfig.model_fields.items()}
    update = {fields[key]: value for key, value in harmless.items() if key in wrong}
    try:
        return _settings(parsed.model_copy(update=update), stack, public_passphrase=public)
    except ValueError:
        return None


def _settings(parsed: StackConfig, stack: str, *, public_passphrase: bool) -> Settings:
    bind_address, published = str(parsed.bind_address), ports(parsed, stack)
    if parsed.local_clerk:
        origin = f"127.0.0.1:{published['localClerkPort']}"
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
        production=parsed.production,
        public_passphrase=public_passphrase,
        rotation=parsed.secrets_rotation,
        proof=ProofSettings(
            enabled=parsed.proof,
            table=parsed.proof_table,
            user_column=parsed.proof_user_column,
            text_column=parsed.proof_text_column,
            row=cast("dict[str, Json]", parsed.proof_row),
        ),
        containers=ContainerSettings(
            bind_address=bind_address,
            public_ports_allowed=parsed.allow_public_ports,
            start_seconds=parsed.start_seconds,
            health_interval_seconds=parsed.health_interval_seconds,
            log_file_mb=parsed.log_file_mb,
            log_files=parsed.log_files,
            stand_ins=parsed.stand_ins,
            overlay_encryption=parsed.overlay_encryption,
        ),
        postgres=_postgres(parsed, published),
        external_engine=ExternalEngineSettings(url=parsed.engine_url, admin_secret=parsed.admin_secret)
        if parsed.engine_url
        else None,
        clerk=ClerkSettings(
            local=parsed.local_clerk,
            local_port=published.get("localClerkPort", parsed.local_clerk_port),
            development_keys_allowed=parsed.allow_development_keys,
            publishable_key=publishable_key,
            api_url=api_url,
            frontend_api_url=frontend_api_url,
            proxy_url=f"{frontend_api_url}{_LOCAL_CLERKS_PROXY_PATH}"
            if parsed.local_clerk
            else parsed.clerk_proxy_url,
            satellite_domain="" if parsed.local_clerk else parsed.clerk_satellite_domain,
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
            port=published.get("hasuraPort", parsed.hasura_port),
            admin_url=parsed.engine_url
            or parsed.hasura_admin_url
            or f"http://{_in_url(reachable(bind_address))}:{published['hasuraPort']}",
            replicas=parsed.replicas,
            placement=parsed.hasura_placement,
            limits=Limits(
                memory_mb=parsed.hasura_memory_mb, cpus=float(parsed.hasura_cpus), pids=parsed.pids_limit
            ),
            stop_seconds=parsed.hasura_stop_seconds,
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
            environment=environment_texts(parsed.engine_environment),
        ),
        caddy=caddy(parsed, published),
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


def _postgres(
    parsed: StackConfig, published: Mapping[str, int]
) -> PostgresSettings | ExternalPostgresSettings | None:
    if parsed.engine_url:
        return None
    return external_postgres(parsed) if is_external(parsed) else _container(parsed, published["postgresPort"])


def _container(parsed: StackConfig, port: int) -> PostgresSettings:
    host, _, configured_port = parsed.postgres_address.rpartition(":")
    return PostgresSettings(
        image=parsed.postgres_image,
        port=port,
        address=Address(host=host.strip("[]") or LOOPBACK, port=int(configured_port or port)),
        max_connections=parsed.postgres_max_connections,
        limits=Limits(
            memory_mb=parsed.postgres_memory_mb, cpus=float(parsed.postgres_cpus), pids=parsed.pids_limit
        ),
        stop_seconds=parsed.postgres_stop_seconds,
        database=parsed.database_name,
        metadata_database=parsed.metadata_database_name,
        role=parsed.database_role,
        extensions=parsed.database_extensions,
        protect=parsed.protect_data,
    )


def reachable(bind_address: str) -> str:
    """The address to connect to for a port bound to ``bind_address``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind_address, bind_address)  # noqa: S104 (compared, not bound)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
