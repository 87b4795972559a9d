"""A resource as a rule sees it: its type, its name, and its properties as the program gives them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from components import property_marks
from components.hasura.json_types import JsonObject

Path: TypeAlias = "tuple[str | int, ...]"


class Unknown:
    """A value that a preview cannot know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Unknown | None"


class NotKnownYet(Exception):
    """A rule asked for a value that a preview cannot know. The deployment asks it again."""

    def __init__(self, path: Path) -> None:
        super().__init__(".".join(map(str, path)))


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack.

    `type` is its type token, `name` the last part of its URN. `properties` are its inputs; `secret` holds the paths
    of those that are marked secret, each with all that lies beneath it.
    """

    type: str
    name: str
    urn: str = ""
    properties: dict[str, Value] = field(default_factory=dict)
    secret: frozenset[Path] = frozenset()
    protect: bool = False

    def get(self, *path: str | int) -> Value:
        """The value at a path, None where there is none.

        :raises NotKnownYet: where it is not known.
        """
        found: Value = self.properties
        for depth, step in enumerate(path):
            if isinstance(found, Unknown):
                raise NotKnownYet(path[:depth])
            if isinstance(found, dict) and isinstance(step, str):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        if isinstance(found, Unknown):
            raise NotKnownYet(path)
        return found

    def tree(self, *path: str | int) -> JsonObject:
        """An object at a path with everything in it known, empty where there is none.

        :raises NotKnownYet: where anything of it is not known.
        """
        found = self.get(*path)
        if not isinstance(found, dict):
            return {}
        for unknown in _unknown(found, path):
            raise NotKnownYet(unknown)
        return cast(JsonObject, found)

    def is_secret(self, *path: str | int) -> bool:
        """Whether the value at a path is marked secret, by itself or with something around it."""
        return any(path[: len(marked)] == marked for marked in self.secret)


def resource(
    *, type_: str, name: str, urn: str = "", properties: JsonObject | None = None, protect: bool = False
) -> Resource:
    """A resource from its properties as Pulumi writes them, with its marks for secrets and unknown values."""
    secret: set[Path] = set()
    read = {key: _read(value, (key,), secret) for key, value in (properties or {}).items()}
    return Resource(
        type=type_, name=name, urn=urn, properties=read, secret=frozenset(secret), protect=protect
    )


def _read(value: object, path: Path, secret: set[Path]) -> Value:
    if isinstance(value, dict):
        if value.get(property_marks.SIGNATURE) == property_marks.SECRET:
            secret.add(path)
            return _read(value.get("value"), path, secret)
        return {str(key): _read(inner, (*path, str(key)), secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [_read(inner, (*path, index), secret) for index, inner in enumerate(value)]
    if isinstance(value, str):
        return UNKNOWN if value in property_marks.UNKNOWN else value
    # Pulumi knows one kind of number only.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | float) else None


def _unknown(value: Value, path: Path) -> Iterator[Path]:
    if isinstance(value, Unknown):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _unknown(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unknown(inner, (*path, index))
