"""The metadata database: the metadata with its resource version, and the states of CLI and console.

The tables are those of the engine's own catalog as far as the stand-in needs them, in schema
`hdb_catalog`. The recorded version says `stand-in`, so that the engine refuses the catalog instead of
taking it for its own.
"""

from __future__ import annotations

import json

import psycopg
from psycopg.types.json import Json as JsonParameter

from local.engine.connections import Connections
from local.engine.errors import EngineError
from local.engine.json_types import Json, JsonObject

_VERSION = "stand-in"

_CREATE = """
create schema if not exists hdb_catalog;
create table if not exists hdb_catalog.hdb_version (
    hasura_uuid uuid primary key default gen_random_uuid(),
    version text not null,
    upgraded_on timestamptz not null,
    cli_state jsonb not null default '{}',
    console_state jsonb not null default '{}'
);
create table if not exists hdb_catalog.hdb_metadata (
    id integer primary key,
    metadata json not null,
    resource_version integer not null unique default 1
);
"""


def conflict(referenced: int) -> EngineError:
    """Somebody else has written the metadata since it was read."""
    message = f"metadata resource version referenced ({referenced}) did not match current version"
    return EngineError("conflict", message, status=409)


class Catalog:
    """Reads and writes of the metadata database; each call is one transaction."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def initialise(self, metadata: JsonObject) -> None:
        """Create what is missing; a new catalog begins with `metadata`. Safe with several replicas.

        Raises psycopg.Error where the database cannot be used, EngineError where the catalog is another's.
        """
        with self._connections.connection() as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtext('hdb_catalog'))")
            connection.execute(_CREATE)
            row = connection.execute("select version from hdb_catalog.hdb_version").fetchone()
            if row is None:
                connection.execute(
                    "insert into hdb_catalog.hdb_version (version, upgraded_on) values (%s, now())",
                    (_VERSION,),
                )
            elif row[0] != _VERSION:
                raise EngineError(
                    "not-supported",
                    f"the metadata database holds the catalog of a real engine (version {row[0]}), which the "
                    "stand-in must not write to: use an empty metadata database, or the real engine",
                )
            connection.execute(
                "insert into hdb_catalog.hdb_metadata (id, metadata) values (1, %s) on conflict do nothing",
                (JsonParameter(metadata),),
            )

    def resource_version(self) -> int:
        """The current resource version."""
        with self._connections.connection() as connection:
            row = connection.execute("select resource_version from hdb_catalog.hdb_metadata").fetchone()
        return _integer(row)

    def metadata(self) -> tuple[int, JsonObject]:
        """The resource version and the metadata."""
        with self._connections.connection() as connection:
            row = connection.execute(
                "select resource_version, metadata::text from hdb_catalog.hdb_metadata"
            ).fetchone()
        if row is None:
            raise EngineError("unexpected", "hdb_catalog.hdb_metadata is empty", status=500)
        metadata = json.loads(str(row[1]))
        return _integer(row), metadata if isinstance(metadata, dict) else {}

    def replace_metadata(self, metadata: JsonObject, expected_version: int) -> int:
        """Write the metadata if nobody has since `expected_version`; the new version. Raises `conflict`."""
        with self._connections.connection() as connection:
            row = connection.execute(
                "update hdb_catalog.hdb_metadata set metadata = %s, resource_version = resource_version + 1"
                " where resource_version = %s returning resource_version",
                (JsonParameter(metadata), expected_version),
            ).fetchone()
        if row is None:
            raise conflict(expected_version)
        return _integer(row)

    def state(self) -> JsonObject:
        """The answer of `get_catalog_state`."""
        with self._connections.connection() as connection:
            row = connection.execute(
                "select hasura_uuid::text, cli_state::text, console_state::text from hdb_catalog.hdb_version"
            ).fetchone()
        if row is None:
            raise EngineError("unexpected", "hdb_catalog.hdb_version is empty", status=500)
        return {
            "id": str(row[0]),
            "cli_state": json.loads(str(row[1])),
            "console_state": json.loads(str(row[2])),
        }

    def set_state(self, kind: str, state: Json) -> None:
        """Replace the state of `cli` or `console`."""
        column = psycopg.sql.Identifier(f"{kind}_state")
        with self._connections.connection() as connection:
            connection.execute(
                psycopg.sql.SQL("update hdb_catalog.hdb_version set {} = %s").format(column),
                (JsonParameter(state),),
            )


def _integer(row: tuple[object, ...] | None) -> int:
    if row is None or not isinstance(row[0], int):
        raise EngineError("unexpected", "hdb_catalog.hdb_metadata holds no resource version", status=500)
    return row[0]
