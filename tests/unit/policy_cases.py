"""The cases of a rule: one YAML file a rule, one item a case."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from components import property_marks
from components.hasura.json_types import JsonObject
from components.plan.resources import METADATA
from components.plan.tokens import TEMPLATE
from components.schema.canonical import keyed
from policy.properties import Resource, resource
from policy.workloads import CONTAINER, SERVICE

FOLDER = Path(__file__).parent / "policy" / "rules"


class _Loader(yaml.SafeLoader):
    """`!secret VALUE` and `!unknown` as Pulumi writes them; a secret that is not known yet is `!secret [!unknown ]`."""


def _secret(loader: _Loader, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
        [first, *rest] = value
        value = first if first in property_marks.UNKNOWN and not rest else value
    else:
        value = loader.construct_scalar(cast(yaml.ScalarNode, node))
    return {property_marks.SIGNATURE: property_marks.SECRET, "value": value}


_Loader.add_constructor("!secret", _secret)
_Loader.add_constructor("!unknown", lambda *_: "04da6b54-80e4-46f7-96ec-b56ff0331ba9")


@dataclass(frozen=True)
class Case:
    """A resource, the subjects of its violations, and whether the rule has to wait for what is not known yet."""

    rule: str
    name: str
    resource: Resource
    violates: list[str] = field(default_factory=list)
    not_known: bool = False


def read(rule: str) -> list[Case]:
    listed = yaml.load(
        (FOLDER / f"{rule}.yaml").read_text(), Loader=_Loader
    )  # safe: a subclass of SafeLoader
    return [
        Case(rule, one["name"], _resource(one), one.get("violates", []), one.get("not_known", False))
        for one in listed
    ]


def _resource(one: dict[str, Any]) -> Resource:
    type_, properties, name = one.get("type"), one.get("properties", {}), one.get("resource", "engine")
    if "metadata" in one:
        tables = [
            {"table": {"schema": "public", "name": table}, **body} for table, body in one["metadata"].items()
        ]
        tree = keyed({"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": tables}]})
        type_, properties = type_ or METADATA, {"metadata": tree}
    elif "template" in one:
        name = "jwt-template"
        type_, properties = TEMPLATE, {"name": "hasura", "claims": {}, **one["template"]}
    elif "container" in one:
        type_, properties = CONTAINER, one["container"]
    elif "service" in one:
        given = one["service"]
        container = {key: given[key] for key in ("env", "image") if key in given}
        type_, properties = (
            SERVICE,
            {
                "taskSpec": {"containerSpec": container, "resources": {"limits": given.get("limits", {})}},
                "endpointSpec": {"ports": given.get("ports", [])},
            },
        )
    return resource(
        type_=type_, name=name, properties=cast(JsonObject, properties), protect=one.get("protect", False)
    )
