"""The type of a decoded JSON document."""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, Json]"


def kind(value: Json) -> str:
    """The JSON type of `value` under the name that the engine's messages use, such as `Object`."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, str):
        return "String"
    if isinstance(value, int | float):
        return "Number"
    return "Array" if isinstance(value, list) else "Object"
