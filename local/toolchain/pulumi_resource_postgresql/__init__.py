"""A resource plugin for PostgreSQL, where the vendor's `pulumi-resource-postgresql` cannot be had.

It speaks Pulumi's provider protocol for the resources Role, Database, Schema, Extension and Grant of
pulumi-postgresql 3.18.2, with that SDK's tokens, property names, ids and defaults, so that a stack may change
between this plugin and the vendor's. Everything else is refused by name.

Run by the Pulumi engine: `python -u -m local.toolchain.pulumi_resource_postgresql <engine address>`.
"""
