# ruff: noqa: PLR0911, PLR0912, PLR0917
"""Input values of GraphQL: literals and variables brought to JSON, with the engine's messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    StringValueNode,
    TypeNode,
    Undefined,
    ValueNode,
    VariableNode,
    print_ast,
)

from local.engine.errors import EngineError, parse_failed, validation_failed
from local.engine.json_types import Json, JsonObject

_INT_LIMIT = 2**31
_BUILT_IN_SCALARS = frozenset({"Int", "Float", "String", "Boolean", "ID"})


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A declared variable; `given` says whether it has a value."""

    name: str
    type: TypeNode
    given: bool
    value: Json
    has_default: bool


class Missing:
    """Stands for an argument or field that was not written."""


MISSING = Missing()


def read_variables(
    operation: OperationDefinitionNode, values: JsonObject, schema: GraphQLSchema
) -> dict[str, Variable]:
    """The variables that the operation declares. Raises EngineError where one is wanting or too many."""
    declared: dict[str, Variable] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        given, value = name in values, values.get(name)
        if not given and definition.default_value is not None:
            given, value = True, literal_json(definition.default_value)
        if isinstance(definition.type, NonNullTypeNode):
            if not given:
                raise validation_failed(f'expecting a value for non-nullable variable: "{name}"')
            if value is None:
                shown = print_ast(definition.type)
                raise validation_failed(f'null value found for non-nullable type: "{shown}"')
        base = _base_name(definition.type)
        if base not in _BUILT_IN_SCALARS and base not in schema.type_map:
            raise validation_failed(f'no such type exists in the schema: "{base}"')
        declared[name] = Variable(
            name=name,
            type=definition.type,
            given=given,
            value=value,
            has_default=definition.default_value is not None,
        )
    unexpected = sorted(set(values) - set(declared))
    if unexpected:
        raise validation_failed(f"unexpected variables in variableValues: {', '.join(unexpected)}")
    return declared


def literal_json(node: ValueNode) -> Json:
    """A literal without variables, as JSON."""
    if isinstance(node, NullValueNode):
        return None
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, FloatValueNode):
        return float(node.value)
    if isinstance(node, StringValueNode | BooleanValueNode | EnumValueNode):
        value: Json = node.value
        return value
    if isinstance(node, ListValueNode):
        return [literal_json(each) for each in node.values]
    if isinstance(node, ObjectValueNode):
        return {each.name.value: literal_json(each.value) for each in node.fields}
    raise validation_failed("a variable cannot be used here")


@dataclass(frozen=True, kw_only=True)
class ValueReader:
    """Brings values to JSON. `used` collects the names of variables that were looked at."""

    variables: Mapping[str, Variable]

    def read(
        self, node: ValueNode, kind: GraphQLInputType, path: str, *, has_default: bool = False
    ) -> Json | Missing:
        """A literal or variable of type `kind`, MISSING where a variable has no value."""
        if isinstance(node, VariableNode):
            variable = self.variables.get(node.name.value)
            if variable is None:
                raise validation_failed(f'unbound variable "{node.name.value}"', path)
            if not _fits(variable.type, kind, loose=has_default or variable.has_default):
                declared = print_ast(variable.type)
                message = (
                    f"variable '{variable.name}' is declared as '{declared}', "
                    f"but used where '{kind}' is expected"
                )
                raise validation_failed(message, path)
            if not variable.given:
                return MISSING
            return self._json(variable.value, kind, path)
        return self._literal(node, kind, path)

    def _literal(self, node: ValueNode, kind: GraphQLInputType, path: str) -> Json | Missing:
        if isinstance(kind, GraphQLNonNull):
            if isinstance(node, NullValueNode):
                raise validation_failed(_null_message(kind), path)
            return self.read(node, kind.of_type, path)
        if isinstance(node, NullValueNode):
            return None
        if isinstance(kind, GraphQLList):
            if not isinstance(node, ListValueNode):
                return [_known(self.read(node, kind.of_type, f"{path}[0]"))]
            return [
                _known(self.read(each, kind.of_type, f"{path}[{index}]"))
                for index, each in enumerate(node.values)
            ]
        if isinstance(kind, GraphQLInputObjectType):
            if not isinstance(node, ObjectValueNode):
                raise _mismatch("an object", kind.name, _describe_node(node), path)
            fields = {each.name.value: each.value for each in node.fields}
            _check_names(fields, kind, path)
            result: JsonObject = {}
            for name, definition in kind.fields.items():
                where = f"{path}.{name}"
                value: Json | Missing = MISSING
                if name in fields:
                    value = self.read(
                        fields[name],
                        definition.type,
                        where,
                        has_default=definition.default_value is not Undefined,
                    )
                _keep(result, name, value, definition.type, definition.default_value, where)
            return _in_order(result, fields)
        if isinstance(kind, GraphQLEnumType):
            if not isinstance(node, EnumValueNode):
                raise _mismatch("an enum value", kind.name, _describe_node(node), path)
            return _enum_value(kind, node.value, path)
        if isinstance(node, EnumValueNode) or not isinstance(node, ListValueNode | ObjectValueNode):
            if isinstance(node, EnumValueNode):
                raise _scalar_mismatch(kind.name, "an enum value", path)
            return _scalar(kind, literal_json(node), _describe_node(node), path)
        return _scalar(kind, self._free(node), _describe_node(node), path)

    def _free(self, node: ValueNode) -> Json:
        # The inside of a JSON scalar: variables may stand anywhere, of any type.
        if isinstance(node, VariableNode):
            variable = self.variables.get(node.name.value)
            if variable is None:
                raise validation_failed(f'unbound variable "{node.name.value}"')
            return variable.value
        if isinstance(node, ListValueNode):
            return [self._free(each) for each in node.values]
        if isinstance(node, ObjectValueNode):
            return {each.name.value: self._free(each.value) for each in node.fields}
        return literal_json(node)

    def _json(self, value: Json, kind: GraphQLInputType, path: str) -> Json:
        if isinstance(kind, GraphQLNonNull):
            if value is None:
                raise validation_failed(_null_message(kind), path)
            return self._json(value, kind.of_type, path)
        if value is None:
            return None
        if isinstance(kind, GraphQLList):
            if not isinstance(value, list):
                return [self._json(value, kind.of_type, f"{path}[0]")]
            return [self._json(each, kind.of_type, f"{path}[{index}]") for index, each in enumerate(value)]
        if isinstance(kind, GraphQLInputObjectType):
            if not isinstance(value, dict):
                raise _mismatch("an object", kind.name, _describe_json(value), path)
            _check_names(value, kind, path)
            result: JsonObject = {}
            for name, definition in kind.fields.items():
                where = f"{path}.{name}"
                found: Json | Missing = (
                    self._json(value[name], definition.type, where) if name in value else MISSING
                )
                _keep(result, name, found, definition.type, definition.default_value, where)
            return _in_order(result, value)
        if isinstance(kind, GraphQLEnumType):
            if not isinstance(value, str):
                raise _mismatch("an enum value", kind.name, _describe_json(value), path)
            return _enum_value(kind, value, path)
        return _scalar(kind, value, _describe_json(value), path)


def _known(value: Json | Missing) -> Json:
    return None if isinstance(value, Missing) else value


def _in_order(result: JsonObject, written: Mapping[str, object]) -> JsonObject:
    # As written, not as declared: the order of `order_by` terms has a meaning.
    ordered = {name: result[name] for name in written if name in result}
    return {**ordered, **result}


def _keep(
    result: JsonObject, name: str, value: Json | Missing, kind: GraphQLInputType, default: object, path: str
) -> None:
    if not isinstance(value, Missing):
        result[name] = value
    elif default is not Undefined:
        result[name] = list(default) if isinstance(default, list) else None
    elif isinstance(kind, GraphQLNonNull):
        raise validation_failed(f"missing required field '{name}'", path)


def _check_names(given: Mapping[str, object], kind: GraphQLInputObjectType, path: str) -> None:
    for name in given:
        if name not in kind.fields:
            raise validation_failed(f"field '{name}' not found in type: '{kind.name}'", f"{path}.{name}")


def _enum_value(kind: GraphQLEnumType, value: str, path: str) -> Json:
    if value not in kind.values:
        known = ", ".join(f"'{name}'" for name in kind.values)
        message = f"expected one of the values [{known}] for type '{kind.name}', but found '{value}'"
        raise validation_failed(message, path)
    return value


def _scalar(kind: GraphQLInputType, value: Json, found: str, path: str) -> Json:
    name = str(kind)
    if kind is GraphQLString:
        if not isinstance(value, str):
            raise _mismatch("a string", name, found, path)
    elif kind is GraphQLBoolean:
        if not isinstance(value, bool):
            raise _mismatch("a boolean", name, found, path)
    elif kind is GraphQLInt:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _mismatch("a 32-bit integer", name, found, path)
        if value != int(value) or not -_INT_LIMIT <= value < _INT_LIMIT:
            message = (
                f"The value {value} lies outside the bounds or is not an integer. "
                "Maybe it is a float, or is there integer overflow?"
            )
            raise parse_failed(message, path)
        return int(value)
    elif kind is GraphQLFloat and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _mismatch("a float", name, found, path)
    return value


def _scalar_mismatch(name: str, found: str, path: str) -> EngineError:
    wanted = {"String": "a string", "Boolean": "a boolean", "Int": "a 32-bit integer", "Float": "a float"}
    return _mismatch(wanted.get(name, "a value"), name, found, path)


def _mismatch(wanted: str, name: str, found: str, path: str) -> EngineError:
    return validation_failed(f"expected {wanted} for type '{name}', but found {found}", path)


def _null_message(kind: GraphQLInputType) -> str:
    return f"unexpected null value for type '{str(kind).removesuffix('!')}'"


def _describe_json(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _describe_node(node: ValueNode) -> str:
    names = (
        (NullValueNode, "null"),
        (BooleanValueNode, "a boolean"),
        (IntValueNode, "an integer"),
        (FloatValueNode, "a float"),
        (StringValueNode, "a string"),
        (EnumValueNode, "an enum value"),
        (ListValueNode, "a list"),
        (ObjectValueNode, "an object"),
    )
    return next((name for kind, name in names if isinstance(node, kind)), "a variable")


def _base_name(node: TypeNode) -> str:
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        node = node.type
    return str(getattr(getattr(node, "name", None), "value", ""))


def _fits(declared: TypeNode, kind: GraphQLInputType, *, loose: bool) -> bool:
    if isinstance(kind, GraphQLNonNull):
        if isinstance(declared, NonNullTypeNode):
            return _fits(declared.type, kind.of_type, loose=False)
        return loose and _fits(declared, kind.of_type, loose=False)
    if isinstance(declared, NonNullTypeNode):
        declared = declared.type
    if isinstance(kind, GraphQLList):
        return isinstance(declared, ListTypeNode) and _fits(declared.type, kind.of_type, loose=False)
    return not isinstance(declared, ListTypeNode) and _base_name(declared) == kind.name
