"""Rules about the engine: a container of the stack's own, or one that somebody else runs."""

from __future__ import annotations

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


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | tuple) else str(value)
