"""From a stack's configuration to its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pydantic

from components.clerk import keys
from components.clerk.claims import Claims
from components.settings.clerk_keys import key_problems
from components.settings.problems import Problem, SettingsError
from components.settings.relations import relation_problems
from components.settings.stack_config import SECRET_KEYS, StackConfig, value_problems
from components.settings.values import (
    LOCAL_CLERK_CONTAINER_PORT,
    PROJECT,
    ClerkSettings,
    ContainerSettings,
    HasuraSettings,
    JwtSettings,
    JwtTemplateSettings,
    PostgresSettings,
    SchemaSettings,
    Settings,
)


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
        parsed = StackConfig.model_validate(dict(config))
    except pydantic.ValidationError as error:
        invalid = value_problems(error)
        # Rules between keys need only the fields that are valid, so they still run on the rest.
        wrong = {problem.key for problem in invalid}
        raise SettingsError([*invalid, *in_plain_text, *key_problems(config, wrong, environment)]) from None
    as_given = parsed.model_dump(by_alias=True)
    if problems := [
        *in_plain_text,
        *key_problems(as_given, set(), environment),
        *relation_problems(parsed),
    ]:
        raise SettingsError(problems)
    return _settings(parsed, stack)


def _settings(parsed: StackConfig, stack: str) -> Settings:
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
