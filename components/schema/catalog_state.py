"""Hasura's catalog state (`cli_state`), in which the Hasura CLI keeps what it applied. Pure.

Shape: `{"migrations": {source: {"<version>": dirty}}, "settings": {...}, "isStateCopyCompleted": bool}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.hasura.json_types import Json, JsonObject


def recorded(state: JsonObject, source: str) -> dict[int, bool] | None:
    """`{version: dirty}` of one source, or None where the CLI has no entry for it."""
    migrations = state.get("migrations")
    entry = migrations.get(source) if isinstance(migrations, dict) else None
    if not isinstance(entry, dict):
        return None
    return {int(version): bool(dirty) for version, dirty in entry.items() if version.isdigit()}


def updated(state: JsonObject, applied: Mapping[str, Iterable[int]]) -> JsonObject:
    """`state` with the entries of the given sources replaced; everything else stays as it is.

    `isStateCopyCompleted` keeps the CLI from probing for the state of its predecessors.
    """
    migrations = state.get("migrations")
    entries: dict[str, Json] = dict(migrations) if isinstance(migrations, dict) else {}
    for source, versions in applied.items():
        found = {str(version): False for version in sorted(versions)}
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
    kept = {key: dirty for key, dirty in entry.items() if not (key.isdigit() and int(key) == version)}
    return {**state, "migrations": {**migrations, source: kept}}
