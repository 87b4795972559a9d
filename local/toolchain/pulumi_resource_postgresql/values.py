"""Pulumi's property values on the wire, and as Python values.

On the wire a property bag is a protobuf Struct in which unknown values and secrets are marked by constants of
the protocol (https://pulumi-developer-docs.readthedocs.io/latest/docs/references/property-values.html).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a constant of the protocol)
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown(Enum):
    """The value of a property that is only known once something else is deployed."""

    UNKNOWN = "unknown"


Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | Unknown | None
Properties = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Bag:
    """A property bag. `secret` names the properties that hold a secret anywhere inside."""

    properties: Properties = field(repr=False)
    secret: frozenset[str] = frozenset()


def decode(struct: Struct) -> Bag:
    """Read a property bag, without null properties and without Pulumi's own bookkeeping (`__...`)."""
    properties: Properties = {}
    secret = set()
    for name, raw in MessageToDict(struct).items():
        if name.startswith("__"):
            continue
        value, is_secret = _decode(raw)
        if value is not None:
            properties[name] = value
        if is_secret:
            secret.add(name)
    return Bag(properties=properties, secret=frozenset(secret))


def encode(bag: Bag) -> Struct:
    """Write a property bag, with the secret properties marked as a whole."""
    result = {}
    for name, value in bag.properties.items():
        raw = _encode(value)
        if name in bag.secret and value is not None:
            raw = {_SIGNATURE: _SECRET, "value": raw}
        result[name] = raw
    struct = Struct()
    ParseDict(result, struct)
    return struct


def _decode(raw: object) -> tuple[Value, bool]:
    """Give the value, and whether a secret was inside."""
    if isinstance(raw, Mapping):
        if raw.get(_SIGNATURE) == _SECRET:
            return _decode(raw.get("value"))[0], True
        members = {str(name): _decode(member) for name, member in raw.items()}
        return {name: value for name, (value, _) in members.items()}, any(s for _, s in members.values())
    if isinstance(raw, list):
        items = [_decode(item) for item in raw]
        return [value for value, _ in items], any(is_secret for _, is_secret in items)
    if raw == _UNKNOWN:
        return Unknown.UNKNOWN, False
    if isinstance(raw, float) and raw.is_integer():
        return int(raw), False
    if raw is None or isinstance(raw, str | int | float | bool):
        return raw, False
    raise TypeError(f"a property holds a {type(raw).__name__}")


def _encode(value: Value) -> object:
    if isinstance(value, Unknown):
        return _UNKNOWN
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {name: _encode(member) for name, member in value.items()}
    return value


def has_unknown(value: Value) -> bool:
    """Say whether a value is unknown, wholly or in part."""
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(has_unknown(member) for member in value.values())
    return isinstance(value, Unknown)
