"""Rules about who may see and change which rows, on the metadata and the JWT template. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from components.access import allowed_roles
from components.clerk import shortcodes
from components.clerk.claims import ADMIN_ROLE, ALLOWED_ROLES, DEFAULT_ROLE, HASURA_NAMESPACE
from components.hasura.json_types import Json, JsonObject
from components.plan.resources import METADATA
from components.plan.tokens import TEMPLATE
from components.schema.changes import table_name
from components.schema.expressions import always, parse
from components.schema.permissions import Permission, may, permissions
from components.schema.words import code, names
from policy.properties import Resource
from policy.rule import Rule, Violation
from policy.user_columns import user_columns
from policy.workloads import workload


def _metadata(resource: Resource) -> JsonObject:
    return resource.tree("metadata") if resource.type == METADATA else {}


def _subject(permission: Permission) -> str:
    return f"{permission.source}/{permission.table.removeprefix('public.')} {permission.operation} {permission.role}"


def _role(permission: Permission) -> str:
    return f"role {code(permission.role)} on {code(table_name(permission.source, permission.table))}"


def _of_others(metadata: JsonObject) -> Iterator[Permission]:
    """Permissions of all roles but `admin`, which Hasura does not ask."""
    return (one for one in permissions(metadata) if one.role != ADMIN_ROLE)


def _every_row(condition: Json) -> bool:
    return condition is None or always(parse(condition))


def _without_filter(resource: Resource) -> Iterator[Violation]:
    metadata = _metadata(resource)
    owned = user_columns(metadata)
    for one in _of_others(metadata):
        columns = owned.get((one.source, one.table))
        chosen = one.body.get("check" if one.operation == "insert" else "filter")
        if columns and _every_row(chosen):
            yield Violation(
                subject=_subject(one),
                text=f"{_role(one)} may {may(one.operation, one.body)}, though {names(columns)} says whose a row is",
            )


def _without_check(resource: Resource) -> Iterator[Violation]:
    for one in _of_others(_metadata(resource)):
        if one.operation == "update" and _every_row(one.body.get("check")):
            text = (
                f"{_role(one)} may change rows and leave them in any way, also as somebody else's (no check)"
            )
        elif one.operation == "delete" and _every_row(one.body.get("filter")):
            text = f"{_role(one)} may delete every row"
        else:
            continue
        yield Violation(subject=_subject(one), text=text)


def _aggregates(resource: Resource) -> Iterator[Violation]:
    for one in _of_others(_metadata(resource)):
        filtered = one.operation == "select" and not _every_row(one.body.get("filter"))
        if filtered and one.body.get("allow_aggregations") is True:
            yield Violation(
                subject=_subject(one),
                text=f"{_role(one)} may count and aggregate the rows that its filter leaves, which is said nowhere "
                "to be wanted",
            )


_REACHES_ADMIN: Final = "gets everything in Hasura, whatever the permissions say"


def _admin(resource: Resource) -> Iterator[Violation]:
    if resource.type == TEMPLATE:
        yield from _admin_in_claims(resource)
    elif (running := workload(resource)) is not None:
        role = running.text("HASURA_GRAPHQL_UNAUTHORIZED_ROLE")
        if role is not None and _is_admin(role):
            text = f"whoever comes without a token has the role {code(ADMIN_ROLE)} and {_REACHES_ADMIN}"
            yield Violation(subject=f"{resource.name} unauthorized role", text=text)
        for variable in ("HASURA_GRAPHQL_JWT_SECRET", "HASURA_GRAPHQL_JWT_SECRETS"):
            if _maps_to_admin(running.text(variable)):
                text = f"the claims map of {code(variable)} gives the role {code(ADMIN_ROLE)}, which {_REACHES_ADMIN}"
                yield Violation(subject=f"{resource.name} claims map", text=text)


def _admin_in_claims(resource: Resource) -> Iterator[Violation]:
    claims = resource.tree("claims")
    namespace = resource.get("claims_namespace")
    within = claims.get(namespace if isinstance(namespace, str) else HASURA_NAMESPACE)
    if not isinstance(within, dict):
        return
    hasura = {name.lower(): value for name, value in within.items()}
    template = str(resource.get("name"))
    if any(_is_admin(name) for name, _ in allowed_roles(hasura).named):
        text = f"tokens of the template {code(template)} allow the role {code(ADMIN_ROLE)}, which {_REACHES_ADMIN}"
        yield Violation(subject=f"{template} {ALLOWED_ROLES}", text=text)
    if any(map(_is_admin, _literals(hasura.get(DEFAULT_ROLE)))):
        text = f"tokens of the template {code(template)} have the role {code(ADMIN_ROLE)}, which {_REACHES_ADMIN}"
        yield Violation(subject=f"{template} {DEFAULT_ROLE}", text=text)


def _literals(value: Json) -> list[str]:
    """What a claim may be, as far as it is written out: the text, or the literal operands of a shortcode."""
    if not isinstance(value, str):
        return []
    try:
        template = shortcodes.parse(value)
    except shortcodes.ShortcodeError:
        return []
    if not template.shortcodes:
        return [value]
    return [o.value for short in template.shortcodes for o in short.operands if o.kind == "string"]


def _is_admin(role: str) -> bool:
    return role.strip().lower() == ADMIN_ROLE


def _maps_to_admin(jwt_secret: str | None) -> bool:
    try:
        read = json.loads(jwt_secret or "null")
    except ValueError:
        return False
    maps = [
        one.get("claims_map") for one in (read if isinstance(read, list) else [read]) if isinstance(one, dict)
    ]
    return any(
        _is_admin(text)
        for claims in maps
        if isinstance(claims, dict)
        for name in (ALLOWED_ROLES, DEFAULT_ROLE)
        for text in _texts(claims.get(name))
    )


def _texts(value: object) -> Iterator[str]:
    """The literal texts of a claims map's entry: itself, those of a list, or the default of a path."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, dict):
        yield from _texts(value.get("default"))


RULES: Final = (
    Rule(
        name="permission-filter",
        description="A role sees and changes rows of a table with a user's column through a filter only",
        remedy="Write a filter (for an insert: a check), as `{user_id: {_eq: X-Hasura-User-Id}}`",
        severity="critical",
        check=_without_filter,
    ),
    Rule(
        name="write-check",
        description="Rows are changed and deleted under a condition only",
        remedy="Write a check into an update permission, most often the same as its filter, and a filter into a "
        "delete permission",
        severity="high",
        check=_without_check,
    ),
    Rule(
        name="aggregate-on-filter",
        description="Filtered rows are counted and aggregated only where somebody said so",
        remedy="Remove `allow_aggregations`, or say in policy/exceptions.yaml why it is wanted",
        severity="medium",
        check=_aggregates,
    ),
    Rule(
        name="admin-role",
        description="No token and no claim gives Hasura's role admin",
        remedy="Remove it; for operators, make a role of another name and give it permissions",
        severity="critical",
        check=_admin,
    ),
)
