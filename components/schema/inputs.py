"""The inputs of the two resources. Pure.

They are the diff that a preview shows, so they are shaped for people; files are read again when something is to
be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from components.schema.directories import Schema
from components.schema.lint import Lint
from components.schema.plan import NOTHING, Rollback
from components.schema.seeds import checksums
from components.schema.steps import Transaction

IN_LINE = "in line with the ledger"
"""What the input `catalog_state` says; a refresh that finds otherwise puts the difference in its place."""
CONSISTENT = "every object fits its database"
"""What the input `consistency` says."""


class MigrationSettings(TypedDict, total=False):
    """How migrations are applied; time-outs in seconds."""

    stack: str
    transaction: Transaction
    rollback: Rollback
    out_of_order: bool
    baseline: dict[str, int]
    deployment_timeout: float
    lock_timeout: float
    statement_timeout: float
    rehearse: bool
    lint: Lint
    backup: str


def migration_inputs(
    schema: Schema, *, endpoint: object, admin_secret: object, settings: MigrationSettings
) -> dict[str, object]:
    """Inputs of `MigrationsProvider`. `endpoint` is the engine's root URL; it and the secret may be Pulumi's
    outputs."""
    inputs: dict[str, object] = {
        "endpoint": endpoint,
        "admin_secret": admin_secret,
        "directory": schema.migrations_directory,
        "migrations": schema.migrations.checksums(),
        "sources": schema.configurations(),
        "settings": settings,
        "catalog_state": IN_LINE,
        "plan": NOTHING,
    }
    if schema.seeds:
        inputs |= {"seeds_directory": schema.seeds_directory, "seeds": checksums(schema.seeds)}
    return inputs


def metadata_inputs(
    schema: Schema, *, endpoint: object, admin_secret: object, replicas: Sequence[object] = ()
) -> dict[str, object]:
    """Inputs of `MetadataProvider`. `replicas` are endpoints besides `endpoint` that share its metadata
    database. `after` changes with the migrations, so that metadata is looked at again after each."""
    return {
        "endpoint": endpoint,
        "admin_secret": admin_secret,
        "directory": schema.metadata_directory,
        "metadata": schema.metadata.keyed(),
        "after": {
            source: f"{len(found)} up to {found[-1].key}" if found else "none"
            for source, found in schema.migrations.sources.items()
        },
        "consistency": CONSISTENT,
        "replicas": list(replicas),
    }
