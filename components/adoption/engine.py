"""What an engine that was set up by hand holds. Every request of this module reads."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from components.hasura.client import (
    AnswerLost,
    EngineUnreachable,
    HasuraClient,
    HasuraError,
    InconsistentObject,
)
from components.hasura.json_types import Json, JsonObject
from components.schema.baseline import ROWS_OPTIONS, SCHEMA_OPTIONS, Baseline, baseline, enum_tables
from components.schema.deployment import read_states
from components.schema.plan import SourceState
from components.schema.problems import Problem, SchemaError


@dataclass(frozen=True, kw_only=True)
class EngineFound:
    """What was read: `version` of the engine, its metadata as it exports it, what is inconsistent in it, and of each
    Postgres source what is recorded of migrations. `others` are sources of other kinds, name to kind."""

    version: str
    metadata: JsonObject
    inconsistent: tuple[InconsistentObject, ...]
    states: Mapping[str, SourceState]
    others: Mapping[str, str]

    def source(self, name: str) -> JsonObject:
        """The metadata of one source."""
        return next(entry for entry in _sources(self.metadata) if entry.get("name") == name)


def look(client: HasuraClient) -> EngineFound:
    """Read the engine.

    :raises SchemaError: when it cannot be read, or is none that this project speaks to.
    """
    try:
        version = client.version()
        if not version.removeprefix("v").startswith("2."):
            raise SchemaError([_of_another_age(client.endpoint, version)])
        _, metadata = client.export_metadata()
        if metadata.get("version") != 3:
            raise SchemaError([_of_another_form(metadata.get("version"))])
        kinds = {str(entry.get("name")): str(entry.get("kind")) for entry in _sources(metadata)}
        postgres = sorted(name for name, kind in kinds.items() if kind == "postgres")
        return EngineFound(
            version=version,
            metadata=metadata,
            inconsistent=client.inconsistent(),
            states=read_states(client, postgres),
            others={name: kind for name, kind in sorted(kinds.items()) if kind != "postgres"},
        )
    except HasuraError as error:
        raise SchemaError([_refused(client.endpoint, error)]) from None
    except (EngineUnreachable, AnswerLost) as error:
        raise SchemaError(
            [Problem(path="engineUrl", message=str(error), remedy="Is it the engine's root?")]
        ) from None


def schema_of(client: HasuraClient, found: EngineFound, source: str) -> Baseline:
    """The schema of a source's database as a first migration, with the rows of its enums.

    :raises SchemaError: when the engine gives no dump.
    """
    tables = enum_tables(found.source(source))
    try:
        schema = _dump(client, source, SCHEMA_OPTIONS)
        rows = (
            _dump(client, source, (*ROWS_OPTIONS, *(f"--table={name}" for name in tables))) if tables else ""
        )
        return baseline(schema, rows)
    except (HasuraError, EngineUnreachable, AnswerLost, ValueError) as error:
        said = error.internal if isinstance(error, HasuraError) and isinstance(error.internal, str) else ""
        raise SchemaError(
            [
                Problem(
                    path=f"migrations/{source}",
                    message=f"no migration is recorded, and the engine gives no dump to write one from: {error}"
                    + (f": {' '.join(said.split())}" if said else ""),
                    remedy="Its HASURA_GRAPHQL_ENABLED_APIS has to hold pgdump, and its pg_dump must not be older than "
                    f"the server. Or write one yourself, migrations/{source}/1700000000000_baseline/up.sql, and say "
                    f"that the database has it: BASELINE={source}:1700000000000 (--baseline).",
                )
            ]
        ) from None


def _dump(client: HasuraClient, source: str, options: tuple[str, ...]) -> str:
    target = io.BytesIO()
    client.pg_dump(target, source, options=options)
    text = target.getvalue().decode()
    if "PostgreSQL database dump complete" not in text:
        raise ValueError(f"pg_dump's last line is missing from the {len(text)} characters that came")
    return text


def _sources(metadata: JsonObject) -> list[JsonObject]:
    listed = metadata.get("sources")
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _of_another_age(endpoint: str, version: str) -> Problem:
    return Problem(
        path="engineUrl",
        message=f"{endpoint} is Hasura {version or 'of an unknown version'}, and this project speaks to version 2",
        remedy="Update it to a version 2 first; that brings its metadata to version 3.",
    )


def _of_another_form(version: Json) -> Problem:
    return Problem(
        path="engineUrl",
        message=f"its metadata is of version {version}, and this project writes version 3",
        remedy="An engine of version 2 has brought it to version 3 when it has started on it once.",
    )


def _refused(endpoint: str, error: HasuraError) -> Problem:
    if error.code == "access-denied":
        return Problem(
            path="adminSecret",
            message=f"{endpoint} refuses it",
            remedy="It is the engine's HASURA_GRAPHQL_ADMIN_SECRET.",
        )
    return Problem(
        path="engineUrl",
        message=f"{endpoint} cannot be read: {error}",
        remedy="The APIs metadata and graphql have to be reachable there (HASURA_GRAPHQL_ENABLED_APIS, an ingress).",
    )
