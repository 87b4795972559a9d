"""`actions.graphql`: the types of actions, written as GraphQL, joined with `actions.yaml`. Pure.

`type Query` and `type Mutation` hold one field an action; every other type is a custom type. The Hasura CLI
turns them into `arguments`, `output_type` and `custom_types` of the metadata.
"""

from __future__ import annotations

from graphql import (
    DefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLSyntaxError,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    parse,
    print_ast,
)

from components.hasura.json_types import Json, JsonObject

Finding = tuple[int | None, str, str]


class ActionTypesError(Exception):
    """`findings` are (line, what is wrong, remedy)."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(message for _, message, _ in findings))
        self.findings = findings


def merge_action_types(tree: JsonObject, text: str) -> None:
    """Put what `text` says into `tree["actions"]` and `tree["custom_types"]`. Raises `ActionTypesError`."""
    try:
        document: DocumentNode = parse(text)
    except GraphQLSyntaxError as error:
        line = error.locations[0].line if error.locations else None
        raise ActionTypesError([(line, error.message, "")]) from None
    listed = tree.get("actions")
    actions = {
        str(action.get("name")): action
        for action in (listed if isinstance(listed, list) else [])
        if isinstance(action, dict)
    }
    given = tree.get("custom_types")
    custom: JsonObject = dict(given) if isinstance(given, dict) else {}
    findings: list[Finding] = []
    for definition in document.definitions:
        root = _root_type(definition)
        if root is not None:
            for field in definition.fields or ():  # type: ignore[attr-defined]
                action = actions.get(field.name.value)
                if action is None:
                    findings.append(
                        (
                            _line(field),
                            f"{field.name.value} is not an action of actions.yaml",
                            "Add or remove it.",
                        )
                    )
                else:
                    _describe_action(action, field, root)
            continue
        kind, made = _custom_type(definition)
        if kind is None:
            findings.append((_line(definition), "neither an action nor a type for one", "Remove it."))
            continue
        entries = custom.get(kind)
        before = list(entries) if isinstance(entries, list) else []
        for index, entry in enumerate(before):
            if isinstance(entry, dict) and entry.get("name") == made["name"]:
                before[index] = {**entry, **made}
                break
        else:
            before.append(made)
        custom[kind] = before
    if findings:
        raise ActionTypesError(findings)
    tree["custom_types"] = custom


def _root_type(definition: DefinitionNode) -> str | None:
    if isinstance(definition, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
        return {"Mutation": "mutation", "Query": "query"}.get(definition.name.value)
    return None


def _describe_action(action: JsonObject, field: FieldDefinitionNode, root: str) -> None:
    given = action.get("definition")
    definition: JsonObject = dict(given) if isinstance(given, dict) else {}
    definition["type"] = root
    definition["arguments"] = [_typed(argument) for argument in field.arguments or ()]
    definition["output_type"] = print_ast(field.type)
    action["definition"] = definition


def _custom_type(definition: DefinitionNode) -> tuple[str | None, JsonObject]:
    if isinstance(definition, ScalarTypeDefinitionNode):
        return "scalars", _named(definition)
    if isinstance(definition, EnumTypeDefinitionNode):
        values: list[Json] = [
            {"value": value.name.value, **_description(value)} for value in definition.values or ()
        ]
        return "enums", {**_named(definition), "values": values}
    if isinstance(definition, InputObjectTypeDefinitionNode):
        return "input_objects", {**_named(definition), "fields": [_typed(f) for f in definition.fields or ()]}
    if isinstance(definition, ObjectTypeDefinitionNode):
        fields: list[Json] = []
        for field in definition.fields or ():
            entry = _typed(field)
            if field.arguments:
                entry["arguments"] = [_typed(argument) for argument in field.arguments]
            fields.append(entry)
        return "objects", {**_named(definition), "fields": fields}
    return None, {}


def _named(
    definition: ScalarTypeDefinitionNode
    | EnumTypeDefinitionNode
    | InputObjectTypeDefinitionNode
    | ObjectTypeDefinitionNode,
) -> JsonObject:
    return {"name": definition.name.value, **_description(definition)}


def _typed(node: FieldDefinitionNode | InputValueDefinitionNode) -> JsonObject:
    return {"name": node.name.value, "type": print_ast(node.type), **_description(node)}


def _description(node: object) -> JsonObject:
    # The Hasura CLI writes `""" text """`, and reads it without the spaces.
    description = getattr(node, "description", None)
    return {"description": description.value.strip()} if description is not None else {}


def _line(node: object) -> int | None:
    location = getattr(node, "loc", None)
    return location.start_token.line if location is not None else None
