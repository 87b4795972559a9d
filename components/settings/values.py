"""A stack's settings as typed, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from components.clerk.claims import Json
from components.clerk.keys import is_loopback
from components.project_name import PROJECT
from components.settings.database_url import DatabaseUrl, TlsMode

LOCAL_CLERK_CONTAINER_PORT = 9500
"""Port of the local Clerk inside its container; ``localClerkPort`` is where it is published."""

Part = Literal["postgres", "hasura", "stand-ins", "caddy"]
"""What an image serves. The local Clerk is one of the stand-ins."""

LOOPBACK = "127.0.0.1"
"""Where the stack's Postgres is published, whatever the bind address: only the deployment needs it."""

PUBLIC_PASSPHRASE = "local-stack-only"  # noqa: S105
"""Passphrase of the committed `Pulumi.dev.yaml`. It is public, so nothing worth hiding may be encrypted with it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a container may use: memory in MB, CPUs, processes and threads. 0 is no limit."""

    memory_mb: int
    cpus: float
    pids: int


@dataclass(frozen=True, kw_only=True)
class ContainerSettings:
    """What all containers of the stack share. Times in seconds, sizes in MB."""

    bind_address: str
    public_ports_allowed: bool
    start_seconds: int
    health_interval_seconds: int
    log_file_mb: int
    log_files: int
    stand_ins: bool
    overlay_encryption: bool


@dataclass(frozen=True, kw_only=True)
class Address:
    """A host and a port to connect to."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class PostgresSettings:
    """A Postgres container of the stack's own, and what is created inside it.

    ``address`` is where the deployment reaches its published port, ``role`` what the engine acts as.
    """

    image: str
    port: int
    address: Address
    max_connections: int
    limits: Limits
    stop_seconds: int
    database: str
    metadata_database: str
    role: str
    extensions: tuple[str, ...]
    protect: bool


@dataclass(frozen=True, kw_only=True)
class ExternalPostgresSettings:
    """A Postgres that somebody else runs: the data database and the one for Hasura's own catalog.

    ``ca_certificate`` is PEM text, empty where the system's certificate authorities are trusted. ``pooler`` says
    that a connection pooler in transaction mode may stand in between. ``data_key`` and ``metadata_key`` are the
    configuration keys that name the two databases.
    """

    data: DatabaseUrl
    data_key: str
    metadata: DatabaseUrl
    metadata_key: str
    tls: TlsMode
    ca_certificate: str
    pooler: bool
    extensions: tuple[str, ...]


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
    ``jwks_key`` are the configuration keys that decide on the two addresses. ``issuer`` may be
    ``keys.ANY_ISSUER``. ``proxy_url`` and ``satellite_domain`` are what clerk-js must be told besides the
    publishable key; empty where that is enough.
    """

    local: bool
    local_port: int
    development_keys_allowed: bool
    publishable_key: str
    api_url: str
    frontend_api_url: str
    proxy_url: str
    satellite_domain: str
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
    """The Hasura engine. ``admin_url`` is where the deployment reaches its admin API; ``dumps``: it may be asked
    for dumps of its databases (``backupDirectory``). ``replicas`` is how many serve at once as a service of Docker
    Swarm, 0 for one in a plain container; ``placement`` which nodes run them. ``environment`` are the variables that
    metadata reads, name to value; any of them may be secret.
    """

    image: str
    port: int
    admin_url: str
    replicas: int
    placement: tuple[str, ...]
    limits: Limits
    stop_seconds: int
    connections: int
    cors_domains: tuple[str, ...]
    console: bool
    dev_mode: bool
    dumps: bool
    log_level: str
    jwt: JwtSettings
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IngressSettings:
    """What everybody reaches. Without ``certificate`` (PEM text) one is obtained by ACME; ``acme_ca_certificate``
    is PEM text, empty where the authority's TLS is one that everybody trusts.
    """

    domain: str
    email: str
    acme_directory: str
    acme_ca_certificate: str
    certificate: str
    certificate_key: str = field(repr=False)
    address: str
    http_port: int
    https_port: int
    body_kb: int
    requests_per_minute: int
    trusted_proxies: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where everybody finds it, without a path."""
        return f"https://{self.domain}" + (f":{self.https_port}" if self.https_port != 443 else "")


@dataclass(frozen=True, kw_only=True)
class CaddySettings:
    """Caddy, before the engine's replicas, before everybody, or both. ``image`` is empty for the one built here."""

    image: str
    limits: Limits
    ingress: IngressSettings | None


@dataclass(frozen=True, kw_only=True)
class ExternalEngineSettings:
    """An engine that somebody else runs, on a database of theirs. ``url`` is its root, without a slash at the end."""

    url: str
    admin_secret: str = field(repr=False)

    @property
    def in_the_clear(self) -> bool:
        """Whether the admin secret would cross a network without TLS."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not is_loopback(parts.netloc)


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
class ProofSettings:
    """Whether row isolation is proven as a part of the deployment, and the table in which that is done.

    ``user_column`` holds Clerk's user id, ``text_column`` any text; ``row`` are further columns of a throwaway
    row. All by their names in the API.
    """

    enabled: bool
    table: str
    user_column: str
    text_column: str
    row: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a deployment is told, checked.

    ``rotation`` is the word that another word in its place makes all generated secrets anew.
    ``public_passphrase`` says that the stack's secrets are encrypted with the passphrase of the local stack.
    ``external_engine`` is None where the engine is a container of the stack's own; otherwise there is no container, and
    ``postgres`` is None. ``hasura`` says then how that engine is expected to check tokens, and where it is.
    """

    stack: str
    production: bool
    public_passphrase: bool
    rotation: str
    containers: ContainerSettings
    postgres: PostgresSettings | ExternalPostgresSettings | None
    clerk: ClerkSettings
    hasura: HasuraSettings
    caddy: CaddySettings | None
    schema: SchemaSettings
    proof: ProofSettings
    external_engine: ExternalEngineSettings | None = None
    project: str = field(default=PROJECT)

    def docker_name(self, part: str | None = None) -> str:
        """Name of a Docker object of this stack, unique on a Docker host that carries several stacks."""
        return "-".join(filter(None, (self.project, self.stack, part)))

    @property
    def images(self) -> Mapping[Part, str]:
        """Part of the stack to the image configured for it, of every part that this stack runs. The stand-ins'
        image has no configured name, nor has Caddy's where it is built here."""
        images: dict[Part, str] = {} if self.external_engine else {"hasura": self.hasura.image}
        if isinstance(self.postgres, PostgresSettings):
            images["postgres"] = self.postgres.image
        if self.clerk.local:
            images["stand-ins"] = ""
        if self.caddy:
            images["caddy"] = self.caddy.image
        return images

    @property
    def ports(self) -> Mapping[str, int]:
        """Configuration key to published port, of every port that this stack publishes."""
        published = {} if self.external_engine else {"hasuraPort": self.hasura.port}
        if isinstance(self.postgres, PostgresSettings):
            published["postgresPort"] = self.postgres.port
        if self.clerk.local:
            published["localClerkPort"] = self.clerk.local_port
        if self.caddy and self.caddy.ingress:
            published["ingressHttpPort"] = self.caddy.ingress.http_port
            published["ingressHttpsPort"] = self.caddy.ingress.https_port
        return published

    def published_on(self, key: str) -> str:
        """The address on which the port of a configuration key is published."""
        if key.startswith("ingress") and self.caddy and self.caddy.ingress:
            return self.caddy.ingress.address
        return self.containers.bind_address if key == "hasuraPort" else LOOPBACK
