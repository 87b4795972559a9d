"""`/v1/metadata`: the commands, run one at a time or as an atomic `bulk`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.engine import metadata_edit as edits
from local.engine.catalog import conflict
from local.engine.errors import EngineError, parse_failed
from local.engine.json_text import expected
from local.engine.json_types import Json, JsonObject
from local.engine.metadata_tree import OPERATIONS, canonical_metadata
from local.engine.model import Inconsistency, Model, without
from local.engine.schema_change import after_change
from local.engine.state import EngineState

_SUCCESS: JsonObject = {"message": "success"}


@dataclass(kw_only=True)
class _Work:
    """The metadata as it stands within one request; written once, at its end."""

    state: EngineState
    metadata: JsonObject
    model: Model
    changed: bool = False

    def put(self, metadata: JsonObject, accept: Callable[[Model], None] = lambda _: None) -> None:
        model = self.state.build(metadata)
        accept(model)
        self.metadata, self.model, self.changed = metadata, model, True


def run(state: EngineState, body: Json) -> Json:
    """Run a command as the administrator. Raises EngineError; then nothing has changed."""
    request = _object(body, "$")
    if request.get("type") in _READING:
        snapshot = state.snapshot
        version, metadata = state.catalog.metadata()
        return _command(_Work(state=state, metadata=metadata, model=snapshot.model), request, version)
    with state.locked():
        version, metadata = state.catalog.metadata()
        wanted = request.get("resource_version")
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted != version:
            raise conflict(wanted)
        snapshot = state.snapshot if state.snapshot.resource_version == version else state.load()
        work = _Work(state=state, metadata=metadata, model=snapshot.model)
        answer = _command(work, request, version)
        if work.changed:
            state.commit(work.metadata, work.model, version)
        return answer


def export(state: EngineState) -> JsonObject:
    """The metadata, as `export_metadata` of version 1 gives it."""
    return state.catalog.metadata()[1]


def _command(work: _Work, request: JsonObject, version: int) -> Json:
    kind = request.get("type")
    if "type" not in request:
        raise parse_failed('key "type" not found')
    if not isinstance(kind, str):
        raise parse_failed(expected("Text", "String", kind), "$.type")
    if kind == "bulk":
        return _bulk(work, request, version)
    name = kind.removeprefix("pg_")
    if "args" not in request and (kind in _COMMANDS or name in _EDITS):
        raise parse_failed('key "args" not found')
    if kind in _COMMANDS:
        return _COMMANDS[kind](work, request, version)
    if name in _EDITS and (kind != name or name in _UNPREFIXED):
        _edit(work, name, _object(request["args"], "$.args"))
        return dict(_SUCCESS)
    backend, _, command = kind.partition("_")
    if backend in ("pg", "postgres", "citus", "mssql", "bigquery", "cockroach") or kind.startswith(_NOT_HERE):
        raise EngineError("not-supported", f"the stand-in engine does not have the metadata command {kind}")
    raise parse_failed(f'unknown metadata command "{command}" for backend {backend}')


def _bulk(work: _Work, request: JsonObject, version: int) -> Json:
    items = request.get("args")
    if not isinstance(items, list):
        raise parse_failed(expected("[]", "Array", items), "$.args")
    answers: list[Json] = []
    for index, item in enumerate(items):
        try:
            answers.append(_command(work, _object(item, "$"), version))
        except EngineError as error:
            raise error.below(f"$[{index}]") from error
    return answers


def _export(work: _Work, request: JsonObject, version: int) -> Json:
    if request.get("version") == 2:
        return {"resource_version": version, "metadata": work.metadata}
    return work.metadata


def _replace(work: _Work, request: JsonObject, _: int) -> Json:
    args = request["args"]
    if request.get("version", 1) == 2:
        if not isinstance(args, dict):
            raise parse_failed(expected("ReplaceMetadataV2", "Object", args), "$.args")
        if "metadata" not in args:
            raise parse_failed('key "metadata" not found', "$.args")
        work.put(
            canonical_metadata(args["metadata"], "$.args.metadata"),
            _accept_all if args.get("allow_inconsistent_metadata") is True else _refuse_inconsistent,
        )
        return _consistency(work.model)
    nested = isinstance(args, dict) and "metadata" in args and "sources" not in args
    metadata = args["metadata"] if nested and isinstance(args, dict) else args
    work.put(canonical_metadata(metadata, "$.args.metadata" if nested else "$.args"), _refuse_inconsistent)
    return dict(_SUCCESS)


def _reload(work: _Work, _: JsonObject, __: int) -> Json:
    work.put(work.metadata)
    consistency = _consistency(work.model)
    if consistency["is_consistent"]:
        del consistency["inconsistent_objects"]
    return {**consistency, **_SUCCESS}


def _inconsistent(work: _Work, _: JsonObject, __: int) -> Json:
    return _consistency(work.model)


def _drop_inconsistent(work: _Work, _: JsonObject, __: int) -> Json:
    while work.model.inconsistencies:
        work.put(without(work.metadata, work.model.inconsistencies))
    return dict(_SUCCESS)


def _clear(work: _Work, _: JsonObject, __: int) -> Json:
    work.put(edits.clear(work.metadata))
    return dict(_SUCCESS)


def _get_state(work: _Work, _: JsonObject, __: int) -> Json:
    return work.state.catalog.state()


def _set_state(work: _Work, request: JsonObject, _: int) -> Json:
    args = _object(request["args"], "$.args")
    kind = edits.text(args, "type")
    if kind not in ("cli", "console"):
        message = (
            "parsing Hasura.RQL.Types.Metadata.Common.CatalogStateType failed, "
            f'expected one of the tags ["cli","console"], but found tag "{kind}"'
        )
        raise parse_failed(message, "$.args.type")
    if "state" not in args:
        raise parse_failed('key "state" not found', "$.args")
    work.state.catalog.set_state(kind, args["state"])
    return dict(_SUCCESS)


_COMMANDS: dict[str, Callable[[_Work, JsonObject, int], Json]] = {
    "export_metadata": _export,
    "replace_metadata": _replace,
    "reload_metadata": _reload,
    "get_inconsistent_metadata": _inconsistent,
    "drop_inconsistent_metadata": _drop_inconsistent,
    "clear_metadata": _clear,
    "get_catalog_state": _get_state,
    "set_catalog_state": _set_state,
}

# These change no metadata, so they do not wait for those that do.
_READING = frozenset(
    {"export_metadata", "get_inconsistent_metadata", "get_catalog_state", "set_catalog_state"}
)

_TABLE_COMMANDS: dict[str, Callable[[JsonObject, JsonObject], JsonObject]] = {
    "add_source": lambda metadata, args: edits.add_source(metadata, args, "postgres"),
    "drop_source": edits.drop_source,
    "track_table": edits.track_table,
    "set_table_customization": edits.customize_table,
    "create_object_relationship": lambda metadata, args: edits.create_relationship(metadata, args, "object"),
    "create_array_relationship": lambda metadata, args: edits.create_relationship(metadata, args, "array"),
    "drop_relationship": edits.drop_relationship,
    "create_insert_permission": lambda metadata, args: edits.create_permission(metadata, args, "insert"),
    "create_select_permission": lambda metadata, args: edits.create_permission(metadata, args, "select"),
    "create_update_permission": lambda metadata, args: edits.create_permission(metadata, args, "update"),
    "create_delete_permission": lambda metadata, args: edits.create_permission(metadata, args, "delete"),
    "drop_insert_permission": lambda metadata, args: edits.drop_permission(metadata, args, "insert"),
    "drop_select_permission": lambda metadata, args: edits.drop_permission(metadata, args, "select"),
    "drop_update_permission": lambda metadata, args: edits.drop_permission(metadata, args, "update"),
    "drop_delete_permission": lambda metadata, args: edits.drop_permission(metadata, args, "delete"),
}
_EDITS = frozenset({*_TABLE_COMMANDS, "untrack_table"})
# Commands of the first API that the engine still takes without the backend's name.
_UNPREFIXED = frozenset(
    {
        "track_table",
        "untrack_table",
        "create_object_relationship",
        "create_array_relationship",
        "drop_relationship",
        *(f"{verb}_{operation}_permission" for verb in ("create", "drop") for operation in OPERATIONS),
    }
)
_NOT_HERE = (
    "add_",
    "create_",
    "delete_",
    "drop_",
    "get_",
    "introspect_",
    "redeliver_",
    "reload_",
    "remove_",
    "rename_",
    "set_",
    "test_",
    "update_",
)


def _edit(work: _Work, name: str, args: JsonObject) -> None:
    known = {each.name for each in work.model.inconsistencies}

    def accept(model: Model) -> None:
        _refuse_new(model, known)

    if name == "untrack_table":
        work.put(_without_table(work, args), accept)
    else:
        work.put(_TABLE_COMMANDS[name](work.metadata, args), accept)


def _without_table(work: _Work, args: JsonObject) -> JsonObject:
    """Untracking needs the same care as dropping: others may need the table."""
    source, key = edits.untracked_table(work.metadata, args)
    before = {
        table.name: table.database for (owner, _), table in work.model.tables.items() if owner == source
    }
    after = {name: table for name, table in before.items() if name != key}
    try:
        changed = after_change(work.metadata, source, before, after, cascade=args.get("cascade") is True)
    except EngineError as error:
        raise error.below("$.args") from error
    return edits.without_table(changed, source, key)


def _refuse_new(model: Model, known: set[str]) -> None:
    """Raise EngineError where an object is inconsistent that was not before."""
    new = [each for each in model.inconsistencies if each.name not in known]
    if not new:
        return
    internal: Json = [each.as_json() for each in new]
    if len(new) == 1:
        raise EngineError(
            "invalid-configuration", f"Inconsistent object: {new[0].reason}", path="$.args", internal=internal
        )
    message = "cannot continue due to new inconsistent metadata"
    raise EngineError("unexpected", message, path="$.args", internal=internal)


def _accept_all(_: Model) -> None:
    return


def _refuse_inconsistent(model: Model) -> None:
    if model.inconsistencies:
        raise EngineError(
            "unexpected",
            "cannot continue due to inconsistent metadata",
            path="$.args",
            internal=_shapes(model.inconsistencies),
        )


def _consistency(model: Model) -> JsonObject:
    return {
        "is_consistent": not model.inconsistencies,
        "inconsistent_objects": _shapes(model.inconsistencies),
    }


def _shapes(inconsistencies: tuple[Inconsistency, ...]) -> list[Json]:
    return [each.as_json() for each in inconsistencies]


def _object(value: Json, path: str) -> JsonObject:
    if not isinstance(value, dict):
        raise parse_failed(expected("Object", "Object", value), path)
    return value
