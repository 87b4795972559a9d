"""The variables of the engine's environment that metadata reads. Pure.

A key that ends in ``from_env`` names one; in an address or a header's value it stands in double braces, of which
Hasura takes everything between for the name, spaces included; a transformation asks for it by a function (Hasura v2
documentation, API reference, "Syntax definitions", and "REST connector templates").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import Final

from components.hasura.json_types import Json, JsonObject
from components.schema.engine_forms import table_key
from components.schema.metadata_directory import MetadataDirectory, Path_
from components.schema.problems import Problem
from components.settings.engine_keys import ENGINES_OWN, VARIABLE

_NAMING: Final = frozenset({"from_env", "url_from_env", "webhook_from_env", "value_from_env"})
_TEMPLATES: Final = frozenset(
    {
        "handler",
        "webhook",
        "url",
        "value",
        "database_url",
        "otlp_traces_endpoint",
        "otlp_metrics_endpoint",
        "otlp_logs_endpoint",
        "status",
    }
)
_TRANSFORMATIONS: Final = frozenset({"request_transform", "response_transform", "connection_template"})
_NOT_READ: Final = frozenset({"rest_endpoints", "filter", "check", "set", "payload"})
"""What lies beneath these is a value of somebody's own, or a path of the API."""

_IN_BRACES: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ASKED_FOR: Final = re.compile(r"getEnvironmentVariable\(\s*['\"]([^'\"]+)['\"]\s*\)")
_OBJECTS: Final = {
    "sources": ("source", "name"),
    "tables": ("table", "table"),
    "event_triggers": ("event trigger", "name"),
    "remote_schemas": ("remote schema", "name"),
    "actions": ("action", "name"),
    "cron_triggers": ("cron trigger", "name"),
}


def variables(metadata: JsonObject) -> tuple[str, ...]:
    """The names, sorted, of all variables that metadata reads.

    :param metadata: as the engine exports it, or as a directory's tree.
    """
    return tuple(sorted({name for _, name in _read(metadata, ())}))


def not_given(metadata: MetadataDirectory, given: Container[str]) -> list[Problem]:
    """A problem for each variable that the metadata reads and an engine has not, with the command that gives it.

    :param given: names of the variables that the engine has.
    """
    found: dict[str, list[Path_]] = defaultdict(list)
    for path, name in _read(metadata.tree, ()):
        if name not in given:
            found[name].append(path)
    return [_problem(metadata, name, paths) for name, paths in sorted(found.items())]


def _problem(metadata: MetadataDirectory, name: str, paths: list[Path_]) -> Problem:
    places = list(dict.fromkeys(str(metadata.place(path)) for path in paths))
    objects = list(dict.fromkeys(_object(metadata.tree, path) for path in paths))
    if not VARIABLE.fullmatch(name):
        remedy = (
            "Hasura takes everything between the braces for the name, and no variable can have this one: write "
            "{{NAME}}, without spaces."
        )
    elif name.startswith(ENGINES_OWN):
        remedy = f"Name one that does not begin with {ENGINES_OWN}, and give it by engineEnvironment."
    else:
        remedy = f"pulumi config set --path engineEnvironment.{name} VALUE    # with --secret, where nobody may see it"
    return Problem(
        path=", ".join(places),
        message=f"{' and '.join(objects)} {'read' if len(objects) > 1 else 'reads'} the variable `{name}`, which the "
        "engine is not given",
        remedy=remedy,
    )


def _object(tree: JsonObject, path: Path_) -> str:
    """What a person calls the innermost thing on the way that has a name."""
    called, node = str(path[0]), tree.get(str(path[0]))
    for kind, step in pairwise(path):
        node = node[step] if isinstance(node, list | dict) else None  # type: ignore[index]
        if kind in _OBJECTS and isinstance(node, dict):
            word, key = _OBJECTS[str(kind)]
            name = node.get(key)
            called = f"{word} `{table_key(name) if key == 'table' else name}`"
    return called


def _read(value: Json, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _read(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            here = (*path, key)
            if key in _TRANSFORMATIONS:
                yield from ((here, name) for text in _texts(item) for name in _ASKED_FOR.findall(text))
            elif key in _NAMING and isinstance(item, str):
                yield here, item
            elif key in _TEMPLATES and isinstance(item, str):
                yield from ((here, name) for name in _IN_BRACES.findall(item))
            elif key not in _NOT_READ:
                yield from _read(item, here)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
