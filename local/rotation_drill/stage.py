"""Throwaway containers for the drill: for each situation a local Clerk and an engine that trusts it."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx
import psycopg

from components.clerk import keys
from components.clerk.answers import TemplateContent
from components.clerk.claims import template_claims
from components.clerk.client import ClerkClient
from components.hasura.client import EngineUnreachable, HasuraClient
from components.hasura.jwt_secret import jwt_secret, jwt_secret_text
from local.images import resolve

from .timeline import OldKey, Situation

LABEL = "clerk-hasura.drill"
CLERK_PORT = 9500
TOKEN_LIFETIME = 3600
"""Seconds. No token may end by its own age while the drill looks."""
_START_SECONDS = 90
_TEMPLATE = "hasura"


class DrillError(Exception):
    """The drill cannot be held. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images of the stack: Postgres, the engine with its command, and the stand-ins' image."""

    postgres: str
    engine: str
    engine_command: tuple[str, ...]
    stand_ins: str
    engine_is_stand_in: bool


def images(postgres: str, hasura: str) -> Images:
    """Those that serve the configured ones on this machine. Raises ImageError where one is missing."""
    engine = resolve(hasura, "hasura")
    return Images(
        postgres=resolve(postgres, "postgres").image,
        engine=engine.image,
        engine_command=("python", "-m", "local.engine") if engine.stand_in else (),
        stand_ins=resolve("", "stand-ins").image,
        engine_is_stand_in=engine.stand_in,
    )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A local Clerk and the engine that reads its keys."""

    situation: Situation
    engine_name: str
    clerk_url: str
    session_id: str = field(repr=False)

    def token(self) -> str:
        """A token by the key that signs now."""
        with ClerkClient(self.clerk_url, keys.LOCAL_SECRET_KEY) as clerk:
            return clerk.session_token(self.session_id, _TEMPLATE)

    def rotate(self, old_key: OldKey) -> None:
        """Let the local Clerk sign with a new key from now on."""
        httpx.post(
            f"{self.clerk_url}/_local/rotate-key",
            params={"old": old_key},
            headers={"Authorization": f"Bearer {keys.LOCAL_SECRET_KEY}"},
            trust_env=False,
        ).raise_for_status()

    def accepts(self, token: str) -> bool:
        """Whether the engine answers a request with this token. Raises DrillError for another refusal."""
        with HasuraClient(_address(self.engine_name, 8080), "") as engine:
            answer = engine.graphql("{ __typename }", token=token)
        if not answer.errors:
            return True
        if set(answer.error_codes) != {"invalid-jwt"}:
            codes = ", ".join(answer.error_codes)
            raise DrillError(f"The engine answers {codes} instead of judging the token.")
        return False

    def restart_engine(self) -> None:
        """Restart the engine and wait until it answers."""
        _docker("restart", "--time", "5", self.engine_name)
        _until(lambda: _is_healthy(self.engine_name), f"{self.engine_name} is healthy again")


@contextmanager
def pairs(situations: Sequence[Situation], used: Images) -> Iterator[list[Pair]]:
    """A started pair for each situation. Everything is removed at the end, whatever happens."""
    drill = f"clerk-hasura-drill-{secrets.token_hex(4)}"
    with ExitStack() as made:
        _docker("network", "create", f"--label={LABEL}={drill}", drill)
        made.callback(_docker, "network", "rm", drill, check=False)
        password = secrets.token_urlsafe(24)
        database = f"{drill}-postgres"
        _run(made, drill, database, 5432, [used.postgres], environment={"POSTGRES_PASSWORD": password})
        _until(lambda: _answers(database, password), f"{database} answers")
        started = []
        for number, situation in enumerate(situations):
            clerk = f"{drill}-clerk-{number}"
            max_age = "none" if situation.max_age is None else str(situation.max_age)
            environment = {
                "LOCAL_CLERK_PORT": str(CLERK_PORT),
                "LOCAL_CLERK_PUBLIC_URL": f"http://{clerk}:{CLERK_PORT}",
                "LOCAL_CLERK_SECRET_KEY": keys.LOCAL_SECRET_KEY,
                "LOCAL_CLERK_DATA": "/data",
                "LOCAL_CLERK_JWKS_MAX_AGE": max_age,
            }
            command = [used.stand_ins, "python", "-m", "local.clerk"]
            _run(made, drill, clerk, CLERK_PORT, command, environment=environment)
            _until(partial(_is_healthy, clerk, CLERK_PORT), f"{clerk} is healthy")
            engine = f"{drill}-engine-{number}"
            environment = _engine_environment(database, password, number, f"http://{clerk}:{CLERK_PORT}")
            command = [used.engine, *used.engine_command]
            _run(made, drill, engine, 8080, command, environment=environment)
            started.append(
                Pair(
                    situation=situation,
                    engine_name=engine,
                    clerk_url=_address(clerk, CLERK_PORT),
                    session_id=_signed_in(_address(clerk, CLERK_PORT)),
                )
            )
        for pair in started:
            _until(partial(_is_healthy, pair.engine_name), f"{pair.engine_name} is healthy")
        yield started


def _engine_environment(database: str, password: str, number: int, issuer: str) -> dict[str, str]:
    url = f"postgresql://postgres:{password}@127.0.0.1:{_port(database, 5432)}/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database drill_{number}".encode())
    inner = f"postgresql://postgres:{password}@{database}:5432/drill_{number}"
    return {
        "HASURA_GRAPHQL_DATABASE_URL": inner,
        "HASURA_GRAPHQL_METADATA_DATABASE_URL": inner,
        "HASURA_GRAPHQL_ADMIN_SECRET": secrets.token_urlsafe(24),
        "HASURA_GRAPHQL_JWT_SECRET": jwt_secret_text(jwt_secret(keys=keys.jwks_url(issuer), issuer=issuer)),
        "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
    }


def _signed_in(clerk_url: str) -> str:
    with ClerkClient(clerk_url, keys.LOCAL_SECRET_KEY) as clerk:
        claims = template_claims("user", ["user"], {})
        clerk.create_jwt_template(
            TemplateContent(name=_TEMPLATE, claims=claims, lifetime=TOKEN_LIFETIME, allowed_clock_skew=5)
        )
        user = clerk.create_user(email_address="drill+clerk_test@example.com")
        return clerk.create_session(user.id).id


def _run(
    made: ExitStack,
    drill: str,
    name: str,
    port: int,
    image_and_command: Sequence[str],
    *,
    environment: Mapping[str, str],
) -> None:
    made.callback(_docker, "rm", "--force", "--volumes", name, check=False)
    _docker(
        "run",
        "--detach",
        f"--name={name}",
        f"--network={drill}",
        f"--label={LABEL}={drill}",
        f"--publish=127.0.0.1:0:{port}",
        # Values go by the client's environment, not by its arguments, which everybody here can read.
        *(f"--env={key}" for key in environment),
        *image_and_command,
        environment=environment,
    )


def _docker(*arguments: str, check: bool = True, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603
        ["docker", *arguments],  # noqa: S607 (the user's own docker)
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if check and done.returncode != 0:
        raise DrillError(f"`docker {arguments[0]}` failed: {done.stderr.strip()}")
    return done.stdout


def _port(container: str, port: int) -> int:
    """The port of this machine, which Docker chooses anew at each start."""
    return int(_docker("port", container, str(port)).splitlines()[0].rpartition(":")[2])


def _address(container: str, port: int) -> str:
    return f"http://127.0.0.1:{_port(container, port)}"


def _is_healthy(container: str, port: int = 8080) -> bool:
    try:
        return httpx.get(f"{_address(container, port)}/healthz", timeout=2, trust_env=False).is_success
    except (httpx.HTTPError, EngineUnreachable, DrillError, IndexError):
        return False


def _answers(container: str, password: str) -> bool:
    url = f"postgresql://postgres:{password}@127.0.0.1:{_port(container, 5432)}/postgres"
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DrillError(f"Not within {_START_SECONDS} s: {what}.")
        time.sleep(0.2)
