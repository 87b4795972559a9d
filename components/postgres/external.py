"""A Postgres that somebody else runs, as the engine reaches it. Nothing is created in it but by migrations."""

from __future__ import annotations

import pulumi

from components.hardening import FILES
from components.postgres.database import Database
from components.postgres.tls import CA_FILE, SYSTEMS_AUTHORITIES, tls_parameters
from components.settings import ExternalPostgresSettings


def external_database(external: ExternalPostgresSettings) -> Database:
    """The database of a stack whose settings name one that is there already."""
    tls = tls_parameters(external, ca_file=f"{FILES}/{CA_FILE}", authorities=SYSTEMS_AUTHORITIES)
    return Database(
        data_url=pulumi.Output.secret(external.data.text(**tls)),
        metadata_url=pulumi.Output.secret(external.metadata.text(**tls)),
        # Whoever uses it has a file of their own for the authority, or none.
        outside_url=pulumi.Output.secret(external.data.text(sslmode=external.tls)),
        files={CA_FILE: external.ca_certificate} if external.ca_certificate else {},
        pooled=external.pooler,
    )
