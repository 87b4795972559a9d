"""The stack's configuration as typed, frozen values.

`Pulumi.yaml` declares every key with its type, default and description; this package gives them meaning. Nothing
here reads a file, the network or Pulumi, so every rule can be tested as data.
"""

from components.settings.database_url import DatabaseUrl
from components.settings.problems import Problem, SettingsError
from components.settings.reading import parse
from components.settings.stack_config import KEYS, MAYBE_SECRET_KEYS, SECRET_KEYS, SHOWN_KEYS
from components.settings.values import (
    LOCAL_CLERK_CONTAINER_PORT,
    LOOPBACK,
    PUBLIC_PASSPHRASE,
    Address,
    CaddySettings,
    ClerkSettings,
    ContainerSettings,
    ExternalEngineSettings,
    ExternalPostgresSettings,
    HasuraSettings,
    IngressSettings,
    JwtSettings,
    JwtTemplateSettings,
    Limits,
    PostgresSettings,
    ProofSettings,
    SchemaSettings,
    Settings,
)

__all__ = [
    "KEYS",
    "LOCAL_CLERK_CONTAINER_PORT",
    "LOOPBACK",
    "MAYBE_SECRET_KEYS",
    "PUBLIC_PASSPHRASE",
    "SECRET_KEYS",
    "SHOWN_KEYS",
    "Address",
    "CaddySettings",
    "ClerkSettings",
    "ContainerSettings",
    "DatabaseUrl",
    "ExternalEngineSettings",
    "ExternalPostgresSettings",
    "HasuraSettings",
    "IngressSettings",
    "JwtSettings",
    "JwtTemplateSettings",
    "Limits",
    "PostgresSettings",
    "Problem",
    "ProofSettings",
    "SchemaSettings",
    "Settings",
    "SettingsError",
    "parse",
]
