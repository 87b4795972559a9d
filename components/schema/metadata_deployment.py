"""Bring the engine's metadata to what the directory says, or leave it exactly as it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import cast

from components.hasura.client import (
    AnswerLost,
    HasuraClient,
    HasuraError,
    InconsistentObject,
    inconsistent_objects,
)
from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import keyed
from components.schema.changes import changes, unforeseen
from components.schema.engine_forms import as_meant, table_key
from components.schema.metadata_directory import MetadataDirectory, Place
from components.schema.problems import Problem, SchemaError

ATTEMPTS = 4
_PERMISSION = "_permission"
_MODELS = {"native_query": ("native_queries", "root_field_name"), "logical_model": ("logical_models", "name")}
_WHOLE = {"custom_types": "custom_types", "open_telemetry": "opentelemetry"}
_LISTS = {
    "object_relation": "object_relationships",
    "array_relation": "array_relationships",
    "remote_relationship": "remote_relationships",
    "computed_field": "computed_fields",
    "event_trigger": "event_triggers",
}


def apply_metadata(
    client: HasuraClient, directory: MetadataDirectory, *, seen: JsonObject | None
) -> tuple[str, ...]:
    """Replace the metadata, and tell the changes that this made.

    `seen` is the keyed metadata that the preview compared with (None at creation). When somebody has changed
    something else since, nothing is written and `SchemaError` tells what; so it does for metadata that does
    not fit the databases, with file and line of every object.
    """
    wanted = directory.keyed()
    for _ in range(ATTEMPTS):
        version, live = client.export_metadata()
        found = keyed(as_meant(live))
        if found == wanted:
            _reload(client, directory)
            return ()
        if seen is not None and not is_new(found):
            strange = unforeseen(seen, found, wanted)
            if strange:
                raise SchemaError(
                    [Problem(path="", message=str(change)) for change in strange],
                    title="metadata: somebody changed what the preview did not show, so nothing was written:",
                    notes=[
                        "Look at it with `pulumi preview --refresh --diff`, then run `pulumi up --refresh`."
                    ],
                )
        try:
            client.replace_metadata(directory.tree, version)
        except HasuraError as error:
            if error.status == 409:
                seen = found if seen is None else seen
                continue
            objects = inconsistent_objects(error.internal)
            if objects:
                raise inconsistent(directory, objects) from None
            place = directory.place_of(error.path)
            if place is not None:
                raise _unreadable(place, error) from None
            raise
        except AnswerLost:
            continue
        return tuple(str(change) for change in changes(found, wanted))
    raise SchemaError(
        [
            Problem(
                path="",
                message="metadata: others keep writing it at the same time, so nothing was written",
                remedy="Try again when they are done.",
            )
        ]
    )


def _unreadable(place: Place, error: HasuraError) -> SchemaError:
    return SchemaError(
        [Problem(path=place.path, line=place.line, message=error.message)],
        title="the engine cannot read the metadata, so the old one stays in force:",
    )


def is_new(found: JsonObject) -> bool:
    """Whether there is nothing in it that could be lost: the metadata of an engine on its first day."""
    sources = found.get("sources")
    listed = list(sources.values()) if isinstance(sources, dict) else []
    return set(found) <= {"version", "sources"} and all(
        isinstance(source, dict) and set(source) <= {"kind", "configuration"} for source in listed
    )


def _reload(client: HasuraClient, directory: MetadataDirectory) -> None:
    # The tree is as it should be; the databases beneath may have changed since the engine looked.
    objects = client.reload_metadata()
    if objects:
        raise inconsistent(directory, objects)


def inconsistent(directory: MetadataDirectory, objects: Sequence[InconsistentObject]) -> SchemaError:
    """Every object that does not fit, where it is written, and why."""
    problems = []
    for entry in objects:
        place = directory.place(object_path(directory.tree, entry))
        problems.append(
            Problem(
                path=place.path if place else "",
                line=place.line if place else None,
                message=f"{entry.name}: {entry.reason}",
            )
        )
    return SchemaError(
        sorted(problems, key=lambda p: (p.path, p.line or 0)),
        title="metadata does not fit the databases, so the old one stays in force:",
    )


def object_path(tree: JsonObject, entry: InconsistentObject) -> tuple[str | int, ...]:
    """The path of the tree's node that an inconsistent object stands for, as far as it can be told."""
    definition = entry.definition if isinstance(entry.definition, dict) else {}
    source = definition.get("source")
    if not isinstance(source, str):
        source = entry.name.rsplit(" in source ", 1)[1] if " in source " in entry.name else entry.definition
    if entry.type == "source":
        source = entry.definition if isinstance(entry.definition, str) else source
    sources = _items(tree.get("sources"))
    index = _index(sources, lambda item: item.get("name"), source)
    if index is None:
        return _top_level(tree, entry, definition)
    path: tuple[str | int, ...] = ("sources", index)
    if entry.type == "function":
        functions = _items(sources[index].get("functions"))
        name = table_key(definition.get("function", cast(Json, definition)))
        at = _index(functions, lambda item: table_key(item.get("function")), name)
        return (*path, "functions", at) if at is not None else path
    for kind, (field, key) in _MODELS.items():
        # A permission or relationship of one names it: `select_permission user in logical_model a in source b`.
        owner = entry.name.partition(f" in {kind} ")[2].rpartition(" in source ")[0]
        if entry.type == kind or owner:
            at = _index(_items(sources[index].get(field)), itemgetter(key), owner or definition.get(key))
            return (*path, field, at) if at is not None else path
    table = definition.get("table", cast(Json, definition) if entry.type == "table" else None)
    tables = _items(sources[index].get("tables"))
    at = _index(tables, lambda item: table_key(item.get("table")), table_key(table))
    if at is None:
        return path
    path = (*path, "tables", at)
    field, key = _LISTS.get(entry.type, ""), "name"
    if entry.type.endswith(_PERMISSION):
        field, key = f"{entry.type}s", "role"
    if not field:
        return path
    inner = _index(_items(tables[at].get(field)), itemgetter(key), definition.get(key))
    return (*path, field, inner) if inner is not None else path


def _top_level(tree: JsonObject, entry: InconsistentObject, definition: JsonObject) -> tuple[str | int, ...]:
    if entry.type in _WHOLE:
        return (_WHOLE[entry.type],)
    if entry.type == "query_collections":
        collection = entry.name.rpartition(" in ")[2]
        at = _index(_items(tree.get(entry.type)), itemgetter("name"), collection)
        return (entry.type, at) if at is not None else ()
    for field, key, owner in (
        ("remote_schemas", "name", "remote_schema"),
        ("actions", "name", "action"),
        ("cron_triggers", "name", ""),
        ("rest_endpoints", "name", ""),
        ("inherited_roles", "role_name", ""),
    ):
        if not field.startswith(entry.type.replace(" ", "_").split("_")[0]):
            continue
        name = definition.get(owner) or definition.get(key) or entry.name
        at = _index(_items(tree.get(field)), itemgetter(key), name)
        if at is not None:
            return (field, at)
    return ()


def _items(value: Json) -> list[JsonObject]:
    # Elements that are not objects keep their place, so that indexes stay those of the tree.
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else []


def _index(items: list[JsonObject], key: Callable[[JsonObject], Json], value: Json) -> int | None:
    for index, item in enumerate(items):
        with contextlib.suppress(KeyError):
            if key(item) == value:
                return index
    return None


def wait_until_consistent(replicas: Sequence[HasuraClient], *, within: float) -> None:
    """Return when each replica says so (they poll for new metadata about once a second); `within` in
    seconds."""
    deadline = time.monotonic() + within
    waiting = list(replicas)
    while waiting:
        waiting = [replica for replica in waiting if not replica.healthy(strict=True)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise SchemaError(
                [
                    Problem(
                        path="",
                        message=f"metadata: {replica.endpoint} is not consistent after {within:.0f} s",
                        remedy="Look at its log and at `/healthz?strict=true`.",
                    )
                    for replica in waiting
                ]
            )
        time.sleep(0.25)
