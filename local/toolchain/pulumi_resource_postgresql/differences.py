"""What has to change: checked inputs, and the difference between a state and inputs. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from local.toolchain.pulumi_resource_postgresql.kinds import GRANT, Kind, Property
from local.toolchain.pulumi_resource_postgresql.values import Properties, Unknown, Value, has_unknown


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An input that cannot be accepted. The reason never quotes a secret."""

    property: str
    reason: str


class Change(Enum):
    """How a property changes."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A property that differs."""

    property: str
    change: Change
    replaces: bool
    by_input: bool
    """The program's input has changed; otherwise the object has (drift)."""


def generated_name(resource_name: str, seed: bytes) -> str:
    """Make a name for an object whose program gives none, as the vendor's plugin does: 7 random digits.

    `seed` is the engine's, so a preview and its update agree.
    """
    return f"{resource_name}-{hashlib.sha256(seed).hexdigest()[:7]}"


def check(kind: Kind, inputs: Properties) -> list[Failure]:
    """Give all that is wrong with a resource's inputs."""
    failures = []
    for name, value in inputs.items():
        if name in kind.refused:
            failures.append(
                Failure(property=name, reason=f"the stand-in plugin does not know it; {kind.refused[name]}")
            )
        elif name not in kind.properties:
            failures.append(Failure(property=name, reason=f"a {kind.title} has no such property"))
        else:
            failures += _check_value(name, kind.properties[name], value)
    failures += [
        Failure(property=name, reason="is missing")
        for name, prop in kind.properties.items()
        if prop.required and name not in inputs
    ]
    if "passwordWo" in inputs and "password" in inputs:
        failures.append(Failure(property="passwordWo", reason="conflicts with password; give one of them"))
    if kind is GRANT and not failures:
        failures += _check_grant(inputs)
    return failures


def _check_value(name: str, prop: Property, value: Value) -> list[Failure]:
    if isinstance(value, Unknown):
        return []
    expected: Mapping[str, type | tuple[type, ...]] = {
        "string": str, "boolean": bool, "integer": int, "list": list, "set": list,
    }  # fmt: skip
    if not isinstance(value, expected[prop.type]) or (prop.type == "integer" and isinstance(value, bool)):
        return [Failure(property=name, reason=f"has to be a {prop.type}")]
    if isinstance(value, list) and not all(isinstance(item, str | Unknown) for item in value):
        return [Failure(property=name, reason="has to hold strings")]
    if prop.minimum is not None and isinstance(value, int) and value < prop.minimum:
        return [Failure(property=name, reason=f"has to be {prop.minimum} or more")]
    if prop.choices and value not in prop.choices:
        return [Failure(property=name, reason=f"has to be one of {', '.join(prop.choices)}")]
    return []


def _check_grant(inputs: Properties) -> list[Failure]:
    object_type = inputs["objectType"]
    failures = []
    if isinstance(object_type, Unknown):
        return []
    no_schema = ("database", "foreign_data_wrapper", "foreign_server")
    if object_type not in no_schema and "schema" not in inputs:
        failures.append(Failure(property="schema", reason=f"is missing for objectType {object_type}"))
    if object_type in ("database", "schema") and inputs.get("objects"):
        failures.append(Failure(property="objects", reason=f"cannot be given for objectType {object_type}"))
    if object_type == "column":
        if not inputs.get("columns"):
            failures.append(Failure(property="columns", reason="is missing for objectType column"))
        if not isinstance(objects := inputs.get("objects"), Unknown) and len(_texts(objects)) != 1:
            failures.append(Failure(property="objects", reason="has to name one table for objectType column"))
    elif inputs.get("columns"):
        failures.append(Failure(property="columns", reason="can only be given for objectType column"))
    if object_type in no_schema[1:] and len(_texts(inputs.get("objects"))) != 1:
        failures.append(Failure(property="objects", reason=f"has to name one object for {object_type}"))
    return failures


def _texts(value: Value) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def complete(kind: Kind, inputs: Properties) -> Properties:
    """Fill in what inputs leave out: defaults; unknown for what the server chooses. For previews."""
    result: Properties = {}
    for name, prop in kind.properties.items():
        if prop.write_only:
            continue
        if name in inputs:
            result[name] = inputs[name]
        elif prop.computed:
            result[name] = Unknown.UNKNOWN
        elif prop.default is not None:
            result[name] = prop.default
    return result


def differences(
    kind: Kind,
    *,
    state: Properties,
    inputs: Properties,
    old_inputs: Properties,
    ignored: tuple[str, ...] = (),
) -> list[Difference]:
    """Compare an object's state with what is wanted of it.

    `old_inputs` tells a change of the program from drift of the object. `ignored` are property paths of which
    changes are not looked at (`ignoreChanges`); a path into a property stands for the property.
    """
    skipped = {path.split(".")[0].split("[")[0] for path in ignored}
    found = []
    for name, prop in kind.properties.items():
        if name in skipped or prop.write_only:
            continue
        if name not in inputs and prop.computed:
            continue
        wanted = inputs.get(name, prop.absent)
        actual = state.get(name, prop.absent)
        if _same(prop, actual, wanted):
            continue
        if actual == prop.absent and name not in state:
            change = Change.ADD
        elif name not in inputs and prop.default is None:
            change = Change.DELETE
        else:
            change = Change.UPDATE
        found.append(
            Difference(
                property=name,
                change=change,
                replaces=prop.replaces,
                by_input=old_inputs.get(name) != inputs.get(name),
            )
        )
    return found


def _same(prop: Property, actual: Value, wanted: Value) -> bool:
    if has_unknown(wanted):
        return False
    if prop.type == "set" and isinstance(actual, list) and isinstance(wanted, list):
        return sorted(map(str, actual)) == sorted(map(str, wanted))
    return actual == wanted


def inputs_from_state(kind: Kind, *, state: Properties, old_inputs: Properties) -> Properties:
    """Give the inputs that would make `state`: those given before with today's values.

    Without inputs from before (an import) everything that differs from its default is one.
    """
    if old_inputs:
        updated: Properties = {}
        for name, old in old_inputs.items():
            prop = kind.properties.get(name)
            if prop is None or prop.write_only:
                updated[name] = old
                continue
            now = state.get(name, prop.absent)
            updated[name] = old if _same(prop, now, old) else now
        return updated
    return {
        name: state[name]
        for name, prop in kind.properties.items()
        if name in state and not prop.write_only and (prop.computed or state[name] != prop.absent)
    }
