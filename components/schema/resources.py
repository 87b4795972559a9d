"""Migrations and metadata as Pulumi resources: what `__main__.py` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi.dynamic import Resource

from components.schema.directories import Schema
from components.schema.ledger import Timeouts
from components.schema.plan import Rollback
from components.schema.provider import (
    CONSISTENT,
    IN_LINE,
    MetadataProvider,
    MigrationSettings,
    MigrationsProvider,
)


def _options(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(
        pulumi.ResourceOptions(additional_secret_outputs=["admin_secret"]), opts
    )


class Migrations(Resource, module="hasura", name="Migrations"):
    """All migrations of all sources. Its diff is `version_name: checksum`, line by line."""

    def __init__(
        self,
        name: str,
        *,
        schema: Schema,
        endpoint: pulumi.Input[str],
        admin_secret: pulumi.Input[str],
        transaction: str = "each",
        rollback: Rollback = "refuse",
        out_of_order: bool = False,
        baseline: Mapping[str, int] | None = None,
        timeouts: Timeouts | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`endpoint` is the engine's root URL; `timeouts` in milliseconds; `baseline` per source the newest version
        that the database already has without any record."""
        limits = timeouts or Timeouts()
        settings: MigrationSettings = {
            "stack": pulumi.get_stack(),
            "transaction": "all" if transaction == "all" else "each",
            "rollback": rollback,
            "out_of_order": out_of_order,
            "deployment_timeout": limits.deployment,
            "lock_timeout": limits.lock,
            "statement_timeout": limits.statement,
        }
        if baseline:
            settings["baseline"] = dict(baseline)
        super().__init__(
            MigrationsProvider(),
            name,
            {
                "endpoint": endpoint,
                "admin_secret": pulumi.Output.secret(admin_secret),
                "directory": schema.migrations_directory,
                "migrations": schema.migrations.checksums(),
                "sources": schema.configurations(),
                "settings": settings,
                "catalog_state": IN_LINE,
            },
            _options(opts),
        )


class Metadata(Resource, module="hasura", name="Metadata"):
    """The whole metadata. Its diff is the keyed tree: source, table, permission, role, column."""

    def __init__(
        self,
        name: str,
        *,
        schema: Schema,
        endpoint: pulumi.Input[str],
        admin_secret: pulumi.Input[str],
        replicas: Sequence[pulumi.Input[str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`replicas` are endpoints besides `endpoint` that share its metadata database. Let it depend on
        `Migrations` (`opts.depends_on`)."""
        super().__init__(
            MetadataProvider(),
            name,
            {
                "endpoint": endpoint,
                "admin_secret": pulumi.Output.secret(admin_secret),
                "directory": schema.metadata_directory,
                "metadata": schema.metadata.keyed(),
                "after": {
                    source: f"{len(found)} migrations, newest {found[-1].key}" if found else "no migrations"
                    for source, found in schema.migrations.sources.items()
                },
                "consistency": CONSISTENT,
                "replicas": list(replicas),
            },
            _options(opts),
        )
