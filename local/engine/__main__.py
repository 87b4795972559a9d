"""Starts the local engine: `python -m local.engine`, configured by the vendor's environment names."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import psycopg
import uvicorn

from local.engine import ENGINE_VERSION
from local.engine.app import create_app
from local.engine.errors import EngineError
from local.engine.json_types import JsonObject
from local.engine.jwks import JwksError, KeySet
from local.engine.jwt_secret import JwtConfig, VerificationKey
from local.engine.log import log
from local.engine.settings import Settings, SettingsError, read_settings
from local.engine.state import EngineState

_DRAIN_SECONDS = 30
"""How long requests may take to end after SIGTERM; the engine's figure."""

_ATTEMPTS = 2


def main() -> int:
    """Run until SIGTERM; the exit code."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        if not error.admin_secret_set:
            _warn_of_no_admin_secret()
        for problem in error.problems:
            log("startup", "error", {"kind": "env_var", "info": problem})
        return 1
    log(
        "startup",
        "warn",
        {
            "kind": "stand_in",
            "info": f"THIS IS A STAND-IN for hasura/graphql-engine {ENGINE_VERSION}, not the engine itself. "
            "It is meant for local use where that image cannot be had.",
        },
    )
    if settings.admin_secret is None:
        _warn_of_no_admin_secret()
    log("startup", "info", {"kind": "server_configuration", "info": _shown(settings)})
    state = EngineState(settings)
    try:
        _start(state)
    except psycopg.Error as error:
        reason = EngineError("postgres-error", "connection error", internal=str(error)).body(internal=True)
        log("startup", "error", {"kind": "catalog_migrate", "info": reason})
        return 1
    except EngineError as error:
        log("startup", "error", {"kind": "catalog_migrate", "info": error.body(internal=True)})
        return 1
    key_sets = {
        config.jwk_url: KeySet(config.jwk_url, check_every=settings.jwks_check_seconds)
        for config in settings.jwt
        if config.jwk_url
    }
    try:
        for key_set in key_sets.values():
            key_set.start()
    except JwksError as error:
        log("startup", "error", {"kind": "jwt_conf", "info": str(error)})
        return 1

    def keys_of(config: JwtConfig) -> Sequence[VerificationKey]:
        if config.jwk_url is not None:
            return key_sets[config.jwk_url].keys
        return [config.key] if config.key is not None else []

    config = uvicorn.Config(
        create_app(settings, state, keys_of),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        server_header=False,
    )
    # uvicorn raises the signal again once it has shut down; that must not end the process with an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log("startup", "info", {"kind": "server", "info": f"starting API server on port {settings.port}"})
    uvicorn.Server(config).run()
    for key_set in key_sets.values():
        key_set.stop()
    state.stop()
    log("startup", "info", {"kind": "server", "info": "gracefully shut down"})
    return 0


def _warn_of_no_admin_secret() -> None:
    log("startup", "warn", {"kind": "no_admin_secret", "info": "WARNING: No admin secret provided"})


def _start(state: EngineState) -> None:
    """Start the state; try twice to reach the metadata database, as the engine does."""
    for attempt in range(_ATTEMPTS):
        try:
            state.start()
        except psycopg.OperationalError:
            message: JsonObject = {"message": "Postgres connection failed", "retry_attempt": attempt}
            log("pg-client", "warn", {"message": message})
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            return


def _shown(settings: Settings) -> JsonObject:
    return {
        "admin_secret_set": settings.admin_secret is not None,
        "cors_domains": "*" if settings.cors.domains is None else list(settings.cors.domains),
        "cors_enabled": settings.cors.enabled,
        "dev_mode": settings.dev_mode,
        "enabled_apis": [*sorted(settings.apis)],
        "jwk_urls": [config.jwk_url for config in settings.jwt if config.jwk_url],
        "jwt_secret_set": bool(settings.jwt),
        "unauthorized_role": settings.unauthorized_role,
    }


if __name__ == "__main__":
    sys.exit(main())
