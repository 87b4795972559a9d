"""Metadata as files of a directory, laid out as `hasura metadata export` does. Pure.

The other way round is `metadata_directory`: what is written here means the same when it is read there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final, cast

import yaml
from graphql import StringValueNode, print_ast
from yaml.emitter import ScalarAnalysis

from components.hasura.json_types import Json, JsonObject
from components.schema.metadata_directory import ACTIONS_SDL, DATABASES, plain_scalar
from components.schema.metadata_keys import ROOT_FILES

_EMPTY: Final[Mapping[str, Json]] = {
    "actions": [],
    "custom_types": {"enums": [], "input_objects": [], "objects": [], "scalars": []},
    "allowlist": [],
    "api_limits": {},
    "cron_triggers": [],
    "graphql_schema_introspection": {"disabled_for_roles": []},
    "inherited_roles": [],
    "network": {},
    "query_collections": [],
    "remote_schemas": [],
    "rest_endpoints": [],
    "version": 3,
}
"""What the Hasura CLI writes for what is not there; other keys have no file then."""
_INCLUDED: Final = ("tables", "functions")
"""Keys of a source whose elements have a file each."""
_IN_SDL: Final = ("arguments", "output_type", "type")
_OF_ENUM_VALUE: Final = ("description", "is_deprecated", "value")
_UNSAFE: Final = re.compile(r"[^\w.$-]|^\.")
_LONGEST: Final = 120
_TYPES: Final[Mapping[str, str]] = {"mutation": "Mutation", "query": "Query"}


def files(metadata: JsonObject) -> dict[str, str]:
    """Path within the directory, with `/`, to text.

    :param metadata: as the engine exports it.
    """
    made: dict[str, str] = {}
    for name, file in ROOT_FILES.items():
        values = {key: metadata.get(key, _EMPTY.get(key)) for key in file.shapes}
        if name == "actions.yaml":
            made[ACTIONS_SDL] = _sdl(values["actions"], values["custom_types"])
            values = {
                "actions": _without_types(values["actions"]),
                "custom_types": _outlined(values["custom_types"]),
            }
        if file.inline:
            made[name] = _text(cast("Json", values))
        else:
            [(_, value)] = values.items()
            if value is not None:
                made[name] = _text(value)
    sources = metadata.get("sources")
    made |= _sources(sources if isinstance(sources, list) else [])
    return made


def _sources(sources: list[Json]) -> dict[str, str]:
    made: dict[str, str] = {}
    listed: list[Json] = []
    folders: set[str] = set()
    for source in sources:
        if not isinstance(source, dict):
            continue
        folder = _unique(str(source.get("name")), folders)
        entry = {key: value for key, value in source.items() if key not in _INCLUDED}
        for key in _INCLUDED:
            if isinstance(value := source.get(key), list):
                made |= _objects(f"databases/{folder}/{key}", key, value)
                entry[key] = f"!include {folder}/{key}/{key}.yaml"
        listed.append(entry)
    made[DATABASES] = _text(listed)
    return made


def _objects(folder: str, kind: str, objects: list[Json]) -> dict[str, str]:
    """One file for each table or function, and one that includes them in their order."""
    made: dict[str, str] = {}
    included: list[Json] = []
    taken = {kind}
    for value in objects:
        named = value.get(kind.removesuffix("s")) if isinstance(value, dict) else value
        name = _unique(_file_name(named), taken)
        made[f"{folder}/{name}.yaml"] = _text(value)
        included.append(f"!include {name}.yaml")
    made[f"{folder}/{kind}.yaml"] = _text(included)
    return made


def _file_name(named: Json) -> str:
    if isinstance(named, dict):
        parts = [named[key] for key in ("schema", "dataset", "name") if key in named]
        if parts and all(isinstance(part, str) for part in parts):
            return "_".join(map(str, parts))
    return named if isinstance(named, str) else json.dumps(named, ensure_ascii=False)


def _unique(name: str, taken: set[str]) -> str:
    """A file's name that any file system takes, also one that does not tell capitals apart, and that is not taken."""
    safe = _UNSAFE.sub("_", name)[:_LONGEST] or "_"
    if safe != name or safe.lower() in taken:
        safe = f"{safe}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    taken.add(safe.lower())
    return safe


class _Dumper(yaml.SafeDumper):
    """Lists indented beneath their key; a text in quotes wherever a reader could take it for something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        # A tab within a text of several lines needs no escape, unless it could be taken for indentation.
        if "\n" not in scalar or scalar.lstrip("\n").startswith("\t"):
            return super().analyze_scalar(scalar)
        analysis = super().analyze_scalar(scalar.replace("\t", " "))
        analysis.scalar = scalar
        return analysis

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif text.startswith("!include ") or plain_scalar(text) != text:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def _text(value: Json) -> str:
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=2**31
    )


def _without_types(actions: Json) -> Json:
    if not isinstance(actions, list):
        return actions
    return [
        {
            **action,
            "definition": {key: value for key, value in definition.items() if key not in _IN_SDL},
        }
        if isinstance(action, dict) and isinstance(definition := action.get("definition"), dict)
        else action
        for action in actions
    ]


def _outlined(types: Json) -> Json:
    """Custom types without what stands in `actions.graphql`; the CLI repeats the values of enums."""
    if not isinstance(types, dict):
        return types
    outlined: JsonObject = {}
    for kind, entries in {**cast("JsonObject", _EMPTY["custom_types"]), **types}.items():
        outlined[kind] = [
            {
                key: [{name: each.get(name) for name in _OF_ENUM_VALUE} for each in _objects_in(value)]
                if key == "values"
                else value
                for key, value in entry.items()
                if key != "fields"
            }
            for entry in _objects_in(entries)
        ]
    return outlined


def _sdl(actions: Json, types: Json) -> str:
    """In the layout of the CLI: one root type for each action, descriptions before what they describe."""
    custom = types if isinstance(types, dict) else {}
    definitions = [
        f"type {_TYPES[str(definition.get('type') or 'mutation')]} {{\n{_action(action, definition)}}}"
        for action in _objects_in(actions)
        if isinstance(definition := action.get("definition"), dict)
    ]
    for kind, word in (
        ("enums", "enum"),
        ("input_objects", "input"),
        ("objects", "type"),
        ("scalars", "scalar"),
    ):
        for entry in _objects_in(custom.get(kind)):
            head = f"{_described(entry)}{word} {entry.get('name')}"
            fields = _objects_in(entry.get("values" if kind == "enums" else "fields"))
            if kind == "scalars":
                definitions.append(head)
            elif kind == "enums":
                lines = "".join(f"  {_described(value)}{value.get('value')}\n" for value in fields)
                definitions.append(f"{head} {{\n{lines}}}")
            else:
                definitions.append(f"{head} {{\n{''.join(map(_field, fields))}}}")
    return "".join(f"{definition}\n\n" for definition in definitions)


def _action(action: JsonObject, definition: JsonObject) -> str:
    arguments = _arguments(definition.get("arguments"))
    return f"  {action.get('name')}{arguments}: {definition.get('output_type')}\n"


def _field(entry: JsonObject) -> str:
    arguments = _arguments(entry.get("arguments"))
    return f"  {_described(entry)}{entry.get('name')}{arguments}: {entry.get('type')}\n"


def _arguments(value: Json) -> str:
    lines = "".join(
        f"    {_described(entry)}{entry.get('name')}: {entry.get('type')}\n" for entry in _objects_in(value)
    )
    return f"(\n{lines}  )" if lines else ""


def _described(entry: JsonObject) -> str:
    """The description as a block string (https://spec.graphql.org/October2021/#sec-String-Value), and what is between
    it and the name."""
    description = entry.get("description")
    if not isinstance(description, str):
        return ""
    if "\n" in description or "\r" in description:
        return f"{print_ast(StringValueNode(value=description, block=True))}\n"
    escaped = description.replace('"""', '\\"""')
    return f'""" {escaped} """ '


def _objects_in(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
