"""What a stack's configuration has to say of an engine and a template that are there already. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from components.adoption.template import TemplateFound
from components.hasura.json_types import Json


def wanted(
    *, url: str, template: TemplateFound, baseline: Mapping[str, int], current: Mapping[str, str]
) -> dict[str, Json]:
    """The keys and their values, but for the admin secret; those only that the configuration does not say already.

    :param current: key to text as Pulumi gives it, with the defaults filled in.
    :returns: key to text, or to an object.
    """
    values: dict[str, Json] = {"engineUrl": url}
    if template.configuration is not None:
        found = template.configuration
        values |= {
            "adoptTemplate": True,
            "jwtTemplateLifetime": found.lifetime,
            "jwtTemplateClockSkew": found.clock_skew,
            "jwtTemplateClaims": cast("Json", found.claims),
            "claimsNamespace": found.namespace,
            "userRole": found.role,
        }
    values["baseline"] = dict(baseline)
    return {key: value for key, value in values.items() if not _says(current.get(key, ""), value)}


def as_given(values: Mapping[str, Json]) -> dict[str, str]:
    """The same as Pulumi gives it to a program: text, and JSON text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _says(text: str, value: Json) -> bool:
    if isinstance(value, str):
        return text == value
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False
