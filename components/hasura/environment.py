"""The engine's environment, complete and in one place.

Names and meanings: Hasura's "Server flag reference" (Hasura v2 documentation, deployment).
"""

from __future__ import annotations

from typing import Final, TypeVar

from components.settings import HasuraSettings

Text = TypeVar("Text")

SECRETS: Final = frozenset(
    {
        "HASURA_GRAPHQL_DATABASE_URL",
        "HASURA_GRAPHQL_METADATA_DATABASE_URL",
        "HASURA_GRAPHQL_ADMIN_SECRET",
        "HASURA_GRAPHQL_JWT_SECRET",
    }
)
"""The variables of the program's own whose values are secret. Its others may be shown."""


def environment(
    settings: HasuraSettings,
    *,
    database_url: Text,
    metadata_database_url: Text,
    admin_secret: Text,
    jwt_secret: Text,
    pooled: bool,
) -> dict[str, Text | str]:
    """Environment variables of the engine, but for those of ``engineEnvironment``.

    The four values that carry secrets are passed through untouched, so they may be plain text or Pulumi outputs.

    :param pooled: whether a pooler in transaction mode may stand before the databases.
    :returns: variable name to value.
    """
    wanted = {"metadata": True, "graphql": True, "config": settings.console, "pgdump": settings.dumps}
    apis = [api for api, is_wanted in wanted.items() if is_wanted]
    cors = (
        {"HASURA_GRAPHQL_CORS_DOMAIN": ", ".join(settings.cors_domains)}
        if settings.cors_domains
        else {"HASURA_GRAPHQL_DISABLE_CORS": "true"}
    )
    return {
        "HASURA_GRAPHQL_DATABASE_URL": database_url,
        "HASURA_GRAPHQL_METADATA_DATABASE_URL": metadata_database_url,
        "HASURA_GRAPHQL_ADMIN_SECRET": admin_secret,
        "HASURA_GRAPHQL_JWT_SECRET": jwt_secret,
        "HASURA_GRAPHQL_PG_CONNECTIONS": str(settings.connections),
        "HASURA_GRAPHQL_ENABLE_CONSOLE": _flag(settings.console),
        "HASURA_GRAPHQL_DEV_MODE": _flag(settings.dev_mode),
        # Only the admin sees internal errors, and a failed migration cannot be explained without them.
        "HASURA_GRAPHQL_ADMIN_INTERNAL_ERRORS": "true",
        "HASURA_GRAPHQL_ENABLED_APIS": ",".join(apis),
        "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
        # A function is exposed only by a permission that somebody wrote and reviewed.
        "HASURA_GRAPHQL_INFER_FUNCTION_PERMISSIONS": "false",
        # Shorter than what the container is given, so that the engine ends by itself.
        "HASURA_GRAPHQL_GRACEFUL_SHUTDOWN_TIMEOUT": str(max(0, settings.stop_seconds - 5)),
        "HASURA_GRAPHQL_LOG_LEVEL": settings.log_level,
        "HASURA_GRAPHQL_ENABLED_LOG_TYPES": "startup,http-log,webhook-log,websocket-log",
        # For the catalog's connections, whose default it is to prepare, and for a source that says nothing of its
        # own; deprecated for sources, yet the only switch for the catalog.
        **({"HASURA_GRAPHQL_USE_PREPARED_STATEMENTS": "false"} if pooled else {}),
        **cors,
    }


def names(settings: HasuraSettings) -> frozenset[str]:
    """The variables that an engine of these settings has, those of ``engineEnvironment`` among them."""
    own = environment(
        settings, database_url="", metadata_database_url="", admin_secret="", jwt_secret="", pooled=False
    )
    return frozenset({*own, *settings.environment})


def secret_names(settings: HasuraSettings) -> frozenset[str]:
    """Those of them whose values nobody may see. Of ``engineEnvironment`` that is each: one may be a password."""
    return SECRETS | frozenset(settings.environment)


def _flag(value: bool) -> str:
    return "true" if value else "false"
