"""Pulumi's property values on the wire, and as Python values.

On the wire a property bag is a protobuf Struct in which unknown values and secrets are marked by constants of
the protocol: pulumi/pulumi, sdk/python/lib/pulumi/runtime/rpc.py, from where they are imported.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.rpc import UNKNOWN, _secret_sig, _special_sig_key


class Unknown(Enum):
    """The value of a property that is only known once something else is deployed."""

    UNKNOWN = UNKNOWN


Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | Unknown | None
Properties = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Bag:
    """A property bag. `secret` names the properties that hold a secret anywhere inside."""

    properties: Properties = field(repr=False)
    secret: frozenset[str] = frozenset()


def decode(struct: Struct) -> Bag:
    """Read a property bag; null properties and the keys of Pulumi's own bookkeeping (`__...`) are left out."""
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
            raw = {_special_sig_key: _secret_sig, "value": raw}
        result[name] = raw
    struct = Struct()
    ParseDict(result, struct)
    return struct


def configuration(bag: Bag) -> Properties:
    """Turn provider configuration into plain values: the SDK sends all but strings as JSON in a string."""
    return {name: _from_json(value) for name, value in bag.properties.items()}


def _from_json(value: Value) -> Value:
    if not isinstance(value, str) or value[:1] not in "{[tf-0123456789":
        return value
    try:
        read: Value = json.loads(value)
    except json.JSONDecodeError:
        return value
    # A string that only looks like a number may be a password; who needs a number says so.
    return value if isinstance(read, int | float) and not isinstance(read, bool) else read


def _decode(raw: object) -> tuple[Value, bool]:
    """Give the value, and whether a secret was inside."""
    if isinstance(raw, Mapping):
        if raw.get(_special_sig_key) == _secret_sig:
            return _decode(raw.get("value"))[0], True
        members = {str(name): _decode(member) for name, member in raw.items()}
        return {name: value for name, (value, _) in members.items()}, any(s for _, s in members.values())
    if isinstance(raw, list):
        items = [_decode(item) for item in raw]
        return [value for value, _ in items], any(is_secret for _, is_secret in items)
    if raw == UNKNOWN:
        return Unknown.UNKNOWN, False
    if isinstance(raw, float) and raw.is_integer():
        return int(raw), False
    if raw is None or isinstance(raw, str | int | float | bool):
        return raw, False
    raise TypeError(f"a property holds a {type(raw).__name__}")


def _encode(value: Value) -> object:
    if isinstance(value, Unknown):
        return UNKNOWN
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
