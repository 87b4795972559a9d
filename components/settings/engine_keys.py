"""Rules about the engine: a container of the stack's own, or one that somebody else runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig

OF_OWN_CONTAINERS: Final[Mapping[str, object]] = {
    "secretsRotation": "",
    "postgresImage": "postgres:17.12-trixie",
    "postgresPort": 0,
    "postgresAddress": "",
    "postgresMaxConnections": 100,
    "postgresMemoryMb": 512,
    "postgresCpus": "1",
    "postgresStopSeconds": 60,
    "databaseName": "app",
    "metadataDatabaseName": "hasura_metadata",
    "databaseRole": "hasura",
    "databaseExtensions": ("pgcrypto",),
    "protectData": True,
    "databaseUrl": "",
    "metadataDatabaseUrl": "",
    "databaseHost": "",
    "databasePort": 5432,
    "databaseUser": "",
    "databasePassword": "",
    "databaseTls": "verify-full",
    "databaseCaCertificate": "",
    "databasePooler": False,
    "hasuraImage": "hasura/graphql-engine:v2.48.10",
    "hasuraPort": 0,
    "hasuraAdminUrl": "",
    "replicas": 0,
    "hasuraPlacement": (),
    "hasuraMemoryMb": 1024,
    "hasuraCpus": "1",
    "hasuraStopSeconds": 65,
    "hasuraConnections": 50,
    "hasuraCorsDomains": (),
    "hasuraConsole": False,
    "hasuraDevMode": False,
    "hasuraLogLevel": "info",
    "engineEnvironment": {},
    "jwtAllowedSkew": 0,
    "ingress": False,
    "ingressDomain": "",
    "ingressEmail": "",
    "ingressAcmeDirectory": "https://acme-v02.api.letsencrypt.org/directory",
    "ingressAcmeCaCertificate": "",
    "ingressCertificate": "",
    "ingressCertificateKey": "",
    "ingressAddress": "0.0.0.0",  # noqa: S104 (compared, not bound)
    "ingressHttpPort": 80,
    "ingressHttpsPort": 443,
    "ingressBodyKb": 1024,
    "ingressRequestsPerMinute": 600,
    "ingressTrustedProxies": (),
    "caddyImage": "",
    "caddyMemoryMb": 256,
    "caddyCpus": "1",
    "bindAddress": "127.0.0.1",
    "allowPublicPorts": False,
    "pidsLimit": 512,
    "startSeconds": 120,
    "healthIntervalSeconds": 2,
    "logFileMb": 10,
    "logFiles": 3,
    "overlayEncryption": False,
    "standIns": False,
}
"""The keys that say something of this stack's own containers and of their database, with the defaults of
`Pulumi.yaml`: beside ``engineUrl`` another value would do nothing."""


def external_engine_problems(parsed: StackConfig) -> list[Problem]:
    """What is wrong with the keys of an engine that somebody else runs, and which keys make no sense beside one."""
    problems = []
    if not parsed.admin_secret:
        problems.append(
            Problem(
                key="adminSecret",
                what="is not set, and engineUrl is; they belong together",
                write="pulumi config set --secret adminSecret    # asks for the value",
            )
        )
    if parsed.local_clerk:
        problems.append(
            Problem(
                key="localClerk",
                what="is true, yet engineUrl names an engine that somebody else runs, which does not know the keys "
                "of a local Clerk",
                write="pulumi config set localClerk false    # or: pulumi config rm engineUrl",
            )
        )
    given = parsed.model_dump(by_alias=True)
    problems += [
        Problem(
            key=key,
            what="is set, yet engineUrl names an engine that somebody else runs: this stack has no container and no "
            "database for which it could hold",
            write=f"pulumi config rm {key}    # or: pulumi config rm engineUrl",
        )
        for key, ordinary in OF_OWN_CONTAINERS.items()
        if _plain(given[key]) != ordinary
    ]
    return problems


def own_engine_problems(parsed: StackConfig) -> list[Problem]:
    """The other way round: what makes sense only where somebody else runs the engine."""
    if not parsed.admin_secret:
        return []
    return [
        Problem(
            key="adminSecret",
            what="is set, yet engineUrl names no engine that somebody else runs; the stack's own has a generated one",
            write=f"pulumi config rm adminSecret    # or: {set_command('engineUrl', 'https://...')}",
        )
    ]


RESPONSIBLE: Final[Mapping[str, str]] = {
    "HASURA_GRAPHQL_DATABASE_URL": "databaseUrl",
    "HASURA_GRAPHQL_METADATA_DATABASE_URL": "metadataDatabaseUrl",
    "HASURA_GRAPHQL_ADMIN_SECRET": "secretsRotation",
    "HASURA_GRAPHQL_ACCESS_KEY": "secretsRotation",
    "HASURA_GRAPHQL_JWT_SECRET": "clerkPublishableKey",
    "HASURA_GRAPHQL_PG_CONNECTIONS": "hasuraConnections",
    "HASURA_GRAPHQL_ENABLE_CONSOLE": "hasuraConsole",
    "HASURA_GRAPHQL_DEV_MODE": "hasuraDevMode",
    "HASURA_GRAPHQL_ENABLED_APIS": "hasuraConsole",
    "HASURA_GRAPHQL_GRACEFUL_SHUTDOWN_TIMEOUT": "hasuraStopSeconds",
    "HASURA_GRAPHQL_LOG_LEVEL": "hasuraLogLevel",
    "HASURA_GRAPHQL_USE_PREPARED_STATEMENTS": "databasePooler",
    "HASURA_GRAPHQL_CORS_DOMAIN": "hasuraCorsDomains",
    "HASURA_GRAPHQL_DISABLE_CORS": "hasuraCorsDomains",
    "HASURA_GRAPHQL_SERVER_PORT": "hasuraPort",
}
"""Variables that configure the engine itself, and the key that decides on each."""

ENGINES_OWN: Final = "HASURA_GRAPHQL_"
"""How the names begin by which the engine itself is configured."""
_PROCESSES_OWN: Final = re.compile(r"PATH|LD_[A-Z_]*")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a shell can export: POSIX.1-2017, base definitions 3.235 "Name"."""


def environment_problems(given: object) -> list[Problem]:
    """What is wrong with the variables of ``engineEnvironment``, without a word of their values.

    :param given: the key's value, an object or JSON text. What is neither is another rule's to tell.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return []
    if not isinstance(given, dict):
        return []
    return [
        Problem(
            key=f"engineEnvironment.{name}",
            what=wrong[0],
            write=wrong[1] or f"pulumi config rm --path 'engineEnvironment[\"{name}\"]'",
        )
        for name, value in given.items()
        for wrong in _wrong_with(str(name), value)
    ]


def environment_texts(given: Mapping[str, object]) -> dict[str, str]:
    """The variables as texts: `pulumi config set --path` makes numbers and truth values of what looks like one."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _wrong_with(name: str, value: object) -> list[tuple[str, str]]:
    """What is wrong, and what to do about it where that is not to remove the variable."""
    wrong = []
    if name.startswith(ENGINES_OWN):
        key = RESPONSIBLE.get(name)
        wrong.append(
            (f"configures the engine itself, and {key} decides on it", "")
            if key
            else ("configures the engine itself, which this project does", "")
        )
    elif not VARIABLE.fullmatch(name):
        wrong.append(("is not a name that a variable can have: letters, digits and _, no digit first", ""))
    elif _PROCESSES_OWN.fullmatch(name):
        wrong.append(("decides on which programs and libraries run in the container", ""))
    path = f"'engineEnvironment[\"{name}\"]'"
    again = f"pulumi config set --path {path} VALUE    # with --secret, where nobody may see it"
    if isinstance(value, float) or not isinstance(value, str | int):
        wrong.append(("is not a text", again))
    elif value == "":
        wrong.append(("is empty, which a variable of a service cannot be", again))
    elif isinstance(value, str) and any(character in value for character in "\n\r\0"):
        wrong.append(("holds more than one line, which no environment file can carry", again))
    return wrong


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | tuple | dict) else str(value)
