"""A stack's settings as typed, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.clerk.claims import Json

PROJECT = "clerk-hasura"

LOCAL_CLERK_CONTAINER_PORT = 9500
"""Port of the local Clerk inside its container; ``localClerkPort`` is where it is published."""

PUBLIC_PASSPHRASE = "local-stack-only"  # noqa: S105
"""Passphrase of the committed `Pulumi.dev.yaml`. It is public, so nothing worth hiding may be encrypted with it."""


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
