"""Migrations and metadata as Pulumi resources: what `__main__.py` calls."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi.dynamic import Resource

from components.schema.directories import Schema
from components.schema.inputs import MigrationSettings, metadata_inputs, migration_inputs
from components.schema.ledger import Timeouts
from components.schema.provider import MetadataProvider, MigrationsProvider
from components.settings import SchemaSettings


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
        settings: SchemaSettings,
        endpoint: pulumi.Input[str],
        admin_secret: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`endpoint` is the engine's root URL."""
        how: MigrationSettings = {
            "stack": pulumi.get_stack(),
            "transaction": settings.transaction,
            "rollback": settings.rollback,
            "out_of_order": settings.out_of_order,
            "deployment_timeout": Timeouts.deployment,
            "lock_timeout": settings.lock_timeout,
            "statement_timeout": settings.statement_timeout,
            "rehearse": settings.rehearse,
            "lint": settings.lint,
            "backup": settings.backup_directory,
        }
        if settings.baseline:
            how["baseline"] = dict(settings.baseline)
        inputs = migration_inputs(
            schema, endpoint=endpoint, admin_secret=pulumi.Output.secret(admin_secret), settings=how
        )
        super().__init__(MigrationsProvider(), name, inputs, _options(opts))


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
        inputs = metadata_inputs(
            schema,
            endpoint=endpoint,
            admin_secret=pulumi.Output.secret(admin_secret),
            replicas=replicas,
        )
        super().__init__(MetadataProvider(), name, inputs, _options(opts))
