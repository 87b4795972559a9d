"""Hasura's catalog state (`cli_state`), in which the Hasura CLI keeps what it applied. Pure.

Shape: `{"migrations": {source: {"<version>": dirty}}, "settings": {...}, "isStateCopyCompleted": bool}`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from components.hasura.json_types import Json, JsonObject


def recorded(state: JsonObject, source: str) -> dict[int, bool] | None:
    """`{version: dirty}` of one source, or None where the CLI has no entry for it."""
    migrations = state.get("migrations")
    entry = migrations.get(source) if isinstance(migrations, dict) else None
    if not isinstance(entry, dict):
        return None
    return {int(version): bool(dirty) for version, dirty in entry.items() if _is_version(version)}


def _is_version(key: str) -> bool:
    return key.isascii() and key.isdecimal()


def may_be_elsewhere(state: JsonObject) -> bool:
    """Whether the Hasura CLI may have kept its record in its older place, `OLDER_TABLE` of each database, and not have
    moved it yet."""
    return not state.get("isStateCopyCompleted")


OLDER_TABLE = "hdb_catalog.schema_migrations"
OLDER_VERSIONS = f"select version, dirty from {OLDER_TABLE}"  # noqa: S608  a constant


def updated(
    state: JsonObject,
    applied: Mapping[str, Iterable[int]],
    rolled_back: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> JsonObject:
    """`state` with the versions `applied` and without those `rolled_back`; everything else stays as it is,
    also what the Hasura CLI may have applied in the meantime.

    `isStateCopyCompleted` keeps the CLI from probing for the state of its predecessors.
    """
    migrations = state.get("migrations")
    entries: dict[str, Json] = dict(migrations) if isinstance(migrations, dict) else {}
    for source, versions in applied.items():
        before = entries.get(source)
        kept = before if isinstance(before, dict) else {}
        merged = {
            **{int(key): dirty for key, dirty in kept.items() if _is_version(key)},
            **dict.fromkeys(versions, False),
        }
        gone = rolled_back.get(source, ())
        found = {key: value for key, value in kept.items() if not _is_version(key)}
        found |= {str(version): merged[version] for version in sorted(merged) if version not in gone}
        if found or source in entries:
            entries[source] = {**found}
    result = dict(state)
    if entries or "migrations" in state:
        result["migrations"] = entries
    settings = state.get("settings")
    result["settings"] = {"migration_mode": "true", **(settings if isinstance(settings, dict) else {})}
    result["isStateCopyCompleted"] = True
    return result


def without(state: JsonObject, source: str, version: int) -> JsonObject:
    """`state` without one version of one source; everything else stays as it is."""
    migrations = state.get("migrations")
    entry = migrations.get(source) if isinstance(migrations, dict) else None
    if not isinstance(migrations, dict) or not isinstance(entry, dict):
        return state
    kept = {key: dirty for key, dirty in entry.items() if not (_is_version(key) and int(key) == version)}
    return {**state, "migrations": {**migrations, source: kept}}
