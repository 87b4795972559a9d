"""The engine's state: metadata in force, what it makes of the databases, connections to each source.

Metadata lives in the metadata database. Every replica looks each second whether another has changed it.
`run_sql` that skips the consistency check leaves the model as it was, as in the engine.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import psycopg

from local.engine.catalog import Catalog
from local.engine.connections import Connections
from local.engine.errors import EngineError
from local.engine.graphql_schema import RoleSchema, build_schema
from local.engine.json_types import Json, JsonObject
from local.engine.log import log
from local.engine.metadata_tree import default_source, not_executed
from local.engine.model import EMPTY, Databases, Model, SourceFault, build_model
from local.engine.settings import Settings
from local.engine.tables import DatabaseTable, TableName, read_tables

_POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Metadata of one resource version, and the model that was made from it."""

    resource_version: int
    metadata: JsonObject
    model: Model


class EngineState:
    """One engine's state; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        prepare = settings.use_prepared_statements
        self.catalog = Catalog(Connections(settings.metadata_database_url, prepare=prepare))
        self._snapshot = Snapshot(resource_version=0, metadata={}, model=EMPTY)
        self._schemas: dict[tuple[str, bool], RoleSchema] = {}
        self._pools: dict[tuple[str, bool], Connections] = {}
        self._change = threading.RLock()
        self._stop = threading.Event()

    @property
    def snapshot(self) -> Snapshot:
        """What is now in force."""
        return self._snapshot

    def start(self) -> None:
        """Prepare the metadata database and load what it holds. Raises psycopg.Error, EngineError."""
        sources: list[Json] = [default_source()] if self._settings.default_source_from_env else []
        self.catalog.initialise({"version": 3, "sources": sources})
        self.load()
        threading.Thread(target=self._poll, name="metadata-poll", daemon=True).start()

    def stop(self) -> None:
        """End the thread and close idle connections."""
        self._stop.set()
        for pool in self._pools.values():
            pool.close()

    def load(self) -> Snapshot:
        """Read metadata and databases anew."""
        with self._change:
            version, metadata = self.catalog.metadata()
            return self._put(version, metadata, self.build(metadata))

    def commit(self, metadata: JsonObject, model: Model, expected_version: int) -> Snapshot:
        """Write new metadata, made from that of `expected_version`, and put it in force with its model.

        Raises EngineError `conflict` where somebody else has written since.
        """
        with self._change:
            version = self.catalog.replace_metadata(metadata, expected_version)
            return self._put(version, metadata, model)

    def locked(self) -> threading.RLock:
        """The lock under which metadata changes."""
        return self._change

    def build(self, metadata: JsonObject) -> Model:
        """The model that metadata and the databases as they are now make."""
        return build_model(metadata, self._databases(metadata))

    def schema(self, role: str, *, admin: bool, backend: bool) -> RoleSchema:
        """The schema of a role under the metadata in force."""
        key = (role, backend)
        schema = self._schemas.get(key)
        snapshot = self._snapshot
        if schema is None or schema.model is not snapshot.model:
            schema = build_schema(snapshot.model, role, admin=admin, backend=backend)
            self._schemas[key] = schema
        return schema

    def source(self, name: str) -> tuple[Connections, str]:
        """Connections and isolation level (as in SQL) of a source. Raises EngineError where there is none."""
        for source in _sources(self._snapshot.metadata):
            if source["name"] == name:
                url = self.source_url(source)
                if isinstance(url, SourceFault):
                    break
                return self._pool(url, prepare=_prepares(source)), _isolation(source)
        raise EngineError("not-exists", f'source with name "{name}" does not exist')

    def source_url(self, source: JsonObject) -> str | SourceFault:
        """The connection string of a source, or why there is none."""
        url = _connection_info(source).get("database_url")
        if isinstance(url, str):
            return url
        if isinstance(url, dict) and isinstance(url.get("from_env"), str):
            variable = str(url["from_env"])
            value = self._settings.environment.get(variable)
            return value or SourceFault(reason=f"environment variable '{variable}' not set")
        if isinstance(url, dict) and isinstance(url.get("connection_parameters"), dict):
            return _from_parameters(url["connection_parameters"])
        return SourceFault(reason="the stand-in does not understand this database_url")

    def _put(self, version: int, metadata: JsonObject, model: Model) -> Snapshot:
        self._snapshot = Snapshot(resource_version=version, metadata=copy.deepcopy(metadata), model=model)
        self._schemas = {}
        ignored = not_executed(metadata)
        if ignored:
            names = ", ".join(ignored)
            message = f"the stand-in keeps these parts of the metadata but does nothing with them: {names}"
            log("stand-in", "warn", message)
        return self._snapshot

    def _databases(self, metadata: JsonObject) -> Databases:
        databases: dict[str, Mapping[TableName, DatabaseTable] | SourceFault] = {}
        for source in _sources(metadata):
            name = str(source["name"])
            if source.get("kind") != "postgres":
                databases[name] = SourceFault(
                    reason=f"the stand-in has no sources of kind {source.get('kind')}"
                )
                continue
            url = self.source_url(source)
            databases[name] = (
                url if isinstance(url, SourceFault) else self._tables(url, prepare=_prepares(source))
            )
        return databases

    def _tables(self, url: str, *, prepare: bool) -> Mapping[TableName, DatabaseTable] | SourceFault:
        try:
            with self._pool(url, prepare=prepare).connection() as connection:
                return read_tables(connection)
        except psycopg.Error:
            return SourceFault(reason="connection error")

    def _pool(self, url: str, *, prepare: bool) -> Connections:
        return self._pools.setdefault((url, prepare), Connections(url, prepare=prepare))

    def _poll(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                if self.catalog.resource_version() != self._snapshot.resource_version:
                    snapshot = self.load()
                    message = f"metadata of resource version {snapshot.resource_version} taken over"
                    log("schema-sync", "info", {"info": {"message": message}})
            except (psycopg.Error, EngineError) as error:
                log("schema-sync", "error", {"info": {"message": type(error).__name__}})


def _sources(metadata: JsonObject) -> list[JsonObject]:
    sources = metadata.get("sources")
    return [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []


def _connection_info(source: JsonObject) -> JsonObject:
    configuration = source.get("configuration")
    info = configuration.get("connection_info") if isinstance(configuration, dict) else None
    return info if isinstance(info, dict) else {}


def _prepares(source: JsonObject) -> bool:
    return _connection_info(source).get("use_prepared_statements") is True


def _isolation(source: JsonObject) -> str:
    level = _connection_info(source).get("isolation_level")
    levels = {"repeatable-read": "REPEATABLE READ", "serializable": "SERIALIZABLE"}
    return levels.get(str(level), "READ COMMITTED")


def _from_parameters(parameters: Json) -> str:
    values = parameters if isinstance(parameters, dict) else {}
    user, password = quote(str(values.get("username", ""))), quote(str(values.get("password", "")), safe="")
    login = f"{user}:{password}" if password else user
    return f"postgresql://{login}@{values.get('host')}:{values.get('port', 5432)}/{values.get('database')}"
