"""Who may see what: the claims of the token held against the permissions of the metadata. Pure: no I/O.

Each side is right by itself and still wrong with the other: a role that permissions are given to and no token
allows, a session variable that a filter asks for and no claim gives. Hasura finds neither before a request
fails. Where it looks for session variables: its ``RQL/DDL/Permission`` and ``Backends/Postgres/DDL`` for
permissions, its page "REST connectors for actions" for templates of requests.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from components.clerk import shortcodes
from components.clerk.claims import (
    ADMIN_ROLE,
    ALLOWED_ROLES,
    DEFAULT_ROLE,
    HASURA_NAMESPACE,
    USER_ID,
    Json,
    Path,
    Severity,
    written,
)
from components.schema.expressions import is_session_variable
from components.schema.metadata_directory import MetadataDirectory

ALWAYS_GIVEN: Final = frozenset({"x-hasura-role"})
"""Session variables that Hasura sets itself."""

_TABLE_PERMISSIONS: Final = (
    "select_permissions",
    "insert_permissions",
    "update_permissions",
    "delete_permissions",
)
_ASKING: Final = ("filter", "check", "set")
"""The parts of a permission in which a text may be the name of a session variable."""

_ARRAY_OPERATORS: Final = frozenset({"_in", "_nin", "$in", "$nin", "_has_keys_all", "_has_keys_any"})
_JSON_OPERATORS: Final = frozenset({"_contains", "_contained_in", "$contains", "$contained_in"})
_OLD_NAMES: Final = {"req_user_id": USER_ID}
"""What else Hasura takes for a session variable."""

_IN_A_TEMPLATE: Final = re.compile(
    r"""(?:\$session_variables\[|getSessionVariable\()\s*["']+(x-hasura-[\w-]+)["']+""", re.IGNORECASE
)
"""A session variable that a template of a request insists on; one after ``?[`` may be missing."""

_SHOWN_PLACES: Final = 3


@dataclass(frozen=True, kw_only=True)
class AccessFinding:
    """Claims and permissions that do not fit each other.

    ``places`` are the lines of the metadata, as ``path:line``; ``claim`` is the claim that lacks or goes
    beyond them. An ``error`` is a permission that nobody can use, a ``warning`` a role without any.
    """

    claim: Path
    problem: str
    remedy: str
    places: tuple[str, ...] = ()
    severity: Severity = "error"

    def __str__(self) -> str:
        more = len(self.places) - _SHOWN_PLACES
        places = ", ".join(self.places[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
        where = f"{places}: " if places else ""
        return f"{where}{self.problem} (claim {written(self.claim)}). {self.remedy}."


Use = Literal["value", "array", "text"]
"""What the name of a session variable stands for: its value, its value as a Postgres array, or nothing but itself."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A session variable where a permission names it. ``name`` is lower case, ``place`` is ``path:line``."""

    name: str
    place: str
    use: Use


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission: the role that it is given to, the session variables that it asks for, and their places.

    One that is ``backend_only`` takes the admin secret, and with it role and session variables from the
    headers of a back end: no token is asked.
    """

    role: str
    place: str
    variables: tuple[Variable, ...] = ()
    backend_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The roles that a token can give: ``named`` ones, and ``any_other`` where a shortcode decides."""

    named: tuple[tuple[str, Path], ...]
    any_other: bool

    def give(self, role: str) -> bool:
        return self.any_other or any(role == name for name, _ in self.named)


def findings(
    claims: Mapping[str, Json],
    metadata: MetadataDirectory,
    *,
    namespace: str = HASURA_NAMESPACE,
) -> list[AccessFinding]:
    """Hold the claims of the JWT template against a metadata directory; no finding means that they fit.

    Claims that break the rules of ``components.clerk.claims`` are told there; here they count for what is left
    of them.
    """
    within = claims.get(namespace)
    hasura = {name.lower(): value for name, value in within.items()} if isinstance(within, Mapping) else {}
    roles = allowed_roles(hasura, namespace)
    granted = [grant for grant in grants(metadata) if not grant.backend_only]
    members = _inherited(metadata.tree)
    return [
        *_roles_out_of_reach(granted, members, roles, namespace=namespace, metadata=metadata),
        *_variables_not_given(granted, hasura, namespace),
        *_variables_taken_literally(granted, namespace),
        *_claims_that_are_no_array(granted, hasura, namespace),
        *_roles_without_permission(granted, members, roles),
    ]


def allowed_roles(hasura: Mapping[str, Json], namespace: str = HASURA_NAMESPACE) -> Roles:
    """The roles of the allowed-roles claim; ``hasura`` is the namespace with its names in lower case."""
    value = hasura.get(ALLOWED_ROLES)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return Roles(named=(), any_other=isinstance(value, str))
    named: list[tuple[str, Path]] = []
    any_other = False
    for index, item in enumerate(value):
        path: Path = (namespace, ALLOWED_ROLES, index)
        if not isinstance(item, str):
            continue
        try:
            template = shortcodes.parse(item)
        except shortcodes.ShortcodeError:
            continue
        if not template.shortcodes:
            named.append((item, path))
        elif template.is_lone:
            operands = template.shortcodes[0].operands
            named += [(operand.value, path) for operand in operands if operand.kind == "string"]
            any_other = any_other or any(operand.kind == "reference" for operand in operands)
        else:
            any_other = True
    return Roles(named=tuple(named), any_other=any_other)


def grants(metadata: MetadataDirectory) -> Iterator[Grant]:
    """Every permission of a directory: on tables, functions, logical models, actions and remote schemas."""
    for path, entry, shared in _permission_entries(metadata.tree):
        role = entry.get("role")
        if not isinstance(role, str):
            continue
        permission = entry.get("permission")
        found = [(name, (*path, *inner), use) for name, inner, use in _variables(entry)]
        yield Grant(
            role=role,
            place=_place(metadata, (*path, "role")),
            variables=tuple(
                Variable(name=name, place=_place(metadata, at), use=use)
                for name, at, use in (*found, *shared)
            ),
            backend_only=isinstance(permission, Mapping) and permission.get("backend_only") is True,
        )


Named = tuple[str, Path, Use]


def _permission_entries(
    tree: Mapping[str, Json],
) -> Iterator[tuple[Path, Mapping[str, Json], Sequence[Named]]]:
    """Each with the session variables that are asked for whatever role it is."""
    for source_path, source in _entries(tree, (), "sources"):
        for kind in ("tables", "logical_models"):
            for table_path, table in _entries(source, source_path, kind):
                for permissions in _TABLE_PERMISSIONS:
                    for path, entry in _entries(table, table_path, permissions):
                        yield path, entry, ()
        for kind in ("functions", "stored_procedures"):
            for function_path, function in _entries(source, source_path, kind):
                for path, entry in _entries(function, function_path, "permissions"):
                    yield path, entry, ()
    for kind in ("actions", "remote_schemas"):
        for thing_path, thing in _entries(tree, (), kind):
            shared = list(_in_templates(thing.get("definition"), (*thing_path, "definition")))
            for path, entry in _entries(thing, thing_path, "permissions"):
                yield path, entry, shared


def _entries(parent: Mapping[str, Json], path: Path, key: str) -> Iterator[tuple[Path, Mapping[str, Json]]]:
    listed = parent.get(key)
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return
    for index, item in enumerate(listed):
        if isinstance(item, Mapping):
            yield (*path, key, index), item


def _variables(entry: Mapping[str, Json]) -> Iterator[Named]:
    """The session variables that a permission asks for, with their path within it."""
    permission = entry.get("permission")
    if isinstance(permission, Mapping):
        for part in _ASKING:
            yield from _in_condition(
                permission.get(part), ("permission", part), "value", of_rows=part != "set"
            )
    definition = entry.get("definition")
    if isinstance(definition, Mapping) and isinstance(definition.get("schema"), str):
        for name in _presets(str(definition["schema"])):
            yield name, ("definition", "schema"), "value"


def _in_condition(value: Json, path: Path, use: Use, *, of_rows: bool) -> Iterator[Named]:
    """Those of a condition on rows, or of presets.

    Hasura replaces the name of a session variable only where it is the whole operand: within a list of values
    or within a JSON value it is a text like any other.
    """
    if isinstance(value, str):
        name = _OLD_NAMES.get(value.lower(), value.lower())
        if is_session_variable(name):
            yield name, path, use
    elif isinstance(value, Mapping):
        for key, item in value.items():
            inner: Use = "array" if key in _ARRAY_OPERATORS and use == "value" else use
            nested = not isinstance(item, str) and (key in _JSON_OPERATORS or not of_rows)
            yield from _in_condition(item, (*path, key), "text" if nested else inner, of_rows=of_rows)
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            inner = "text" if isinstance(item, str) else use
            yield from _in_condition(item, (*path, index), inner, of_rows=of_rows)


def _in_templates(value: Json, path: Path) -> Iterator[Named]:
    """Those that the templates of a request to an action's handler insist on."""
    if isinstance(value, str):
        for match in _IN_A_TEMPLATE.finditer(value):
            yield match[1].lower(), path, "value"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _in_templates(item, (*path, key))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _in_templates(item, (*path, index))


def _presets(schema: str) -> Iterator[str]:
    """Those that a remote schema's permission presets, as ``@preset(value: "x-hasura-user-id")``."""
    import graphql

    try:
        document = graphql.parse(schema, no_location=True)
    except graphql.GraphQLError:
        return  # told by the reader of the directory, or by the engine

    class Presets(graphql.Visitor):
        def __init__(self) -> None:
            super().__init__()
            self.names: list[str] = []

        def enter_directive(self, node: graphql.DirectiveNode, *_: object) -> None:
            if node.name.value != "preset":
                return
            for argument in node.arguments or ():
                value = argument.value
                if isinstance(value, graphql.StringValueNode) and value.value.lower().startswith("x-hasura-"):
                    self.names.append(value.value.lower())

    found = Presets()
    graphql.visit(document, found)
    yield from found.names


def _inherited(tree: Mapping[str, Json]) -> dict[str, tuple[Path, frozenset[str]]]:
    """The roles that are made of others: name to path and members."""
    found: dict[str, tuple[Path, frozenset[str]]] = {}
    for path, entry in _entries(tree, (), "inherited_roles"):
        name, members = entry.get("role_name"), entry.get("role_set")
        if isinstance(name, str) and isinstance(members, Sequence) and not isinstance(members, str):
            found[name] = (path, frozenset(str(member) for member in members))
    return found


def _with_members(roles: Iterable[str], members: Mapping[str, tuple[Path, frozenset[str]]]) -> set[str]:
    """The roles, and all that they inherit from."""
    reached: set[str] = set()
    waiting = list(roles)
    while waiting:
        role = waiting.pop()
        if role not in reached:
            reached.add(role)
            waiting += members[role][1] if role in members else ()
    return reached


def _roles_out_of_reach(
    granted: Sequence[Grant],
    members: Mapping[str, tuple[Path, frozenset[str]]],
    roles: Roles,
    *,
    namespace: str,
    metadata: MetadataDirectory,
) -> Iterator[AccessFinding]:
    places: dict[str, list[str]] = defaultdict(list)
    for grant in granted:
        places[grant.role].append(grant.place)
    for role, (path, _) in members.items():
        places[role].append(_place(metadata, (*path, "role_name")))
    reached = _with_members((role for role in places if roles.give(role)), members)
    for role in sorted(set(places) - reached - {ADMIN_ROLE}):
        yield AccessFinding(
            claim=(namespace, ALLOWED_ROLES),
            problem=f"the role {role} has permissions, and no token allows it",
            remedy=f"Add {role} to {ALLOWED_ROLES} (in jwtTemplateClaims), let it be the userRole, or remove its "
            "permissions",
            places=tuple(dict.fromkeys(places[role])),
        )


def _variables_not_given(
    granted: Sequence[Grant], hasura: Mapping[str, Json], namespace: str
) -> Iterator[AccessFinding]:
    given = (set(hasura) - {ALLOWED_ROLES, DEFAULT_ROLE}) | ALWAYS_GIVEN
    places: dict[str, list[str]] = defaultdict(list)
    roles: dict[str, set[str]] = defaultdict(set)
    for grant in granted:
        for variable in grant.variables:
            if variable.use != "text" and variable.name not in given:
                places[variable.name].append(variable.place)
                roles[variable.name].add(grant.role)
    for name in sorted(places):
        known = ", ".join(sorted(given - ALWAYS_GIVEN)) or "none"
        kept = name in (ALLOWED_ROLES, DEFAULT_ROLE)
        yield AccessFinding(
            claim=(namespace, name),
            problem=f"the role {' and '.join(sorted(roles[name]))} is asked for {name}, "
            + ("which Hasura makes no session variable of" if kept else "which no claim gives"),
            remedy=f"Use x-hasura-role, or one of {known}"
            if kept
            else f"Add {name} to jwtTemplateClaims, or use one of those that are there: {known}",
            places=tuple(dict.fromkeys(places[name])),
        )


def _variables_taken_literally(granted: Sequence[Grant], namespace: str) -> Iterator[AccessFinding]:
    places: dict[str, list[str]] = defaultdict(list)
    for grant in granted:
        for variable in grant.variables:
            if variable.use == "text":
                places[variable.name].append(variable.place)
    for name in sorted(places):
        yield AccessFinding(
            claim=(namespace, name),
            problem=f"{name} stands within a list or a JSON value, where Hasura takes it for a text and not "
            "for a session variable",
            remedy=f"Write it by itself, as `_in: {name}`, and a Postgres array into the claim, as {{a,b}}",
            places=tuple(dict.fromkeys(places[name])),
        )


def _claims_that_are_no_array(
    granted: Sequence[Grant], hasura: Mapping[str, Json], namespace: str
) -> Iterator[AccessFinding]:
    places: dict[str, list[str]] = defaultdict(list)
    for grant in granted:
        for variable in grant.variables:
            if variable.use == "array" and not _may_be_array(hasura.get(variable.name)):
                places[variable.name].append(variable.place)
    for name in sorted(places):
        yield AccessFinding(
            claim=(namespace, name),
            problem=f"{name} is asked for as an array, and the claim gives {hasura[name]}, which Postgres "
            "cannot read as one",
            remedy="Write a Postgres array into the claim, as {a,b}, or compare by _eq",
            places=tuple(dict.fromkeys(places[name])),
        )


def _may_be_array(claim: Json) -> bool:
    """Whether the text that a claim becomes may be a Postgres array. What is wrong otherwise is told elsewhere."""
    if not isinstance(claim, str):
        return True
    try:
        template = shortcodes.parse(claim)
    except shortcodes.ShortcodeError:
        return True
    if not template.is_lone:
        return claim.lstrip().startswith("{") and not claim.lstrip().startswith("{{")
    return all(
        operand.value.lstrip().startswith("{")
        if operand.kind != "reference"
        else operand.native_kind == "unknown"
        for operand in template.shortcodes[0].operands
    )


def _roles_without_permission(
    granted: Sequence[Grant], members: Mapping[str, tuple[Path, frozenset[str]]], roles: Roles
) -> Iterator[AccessFinding]:
    used = {grant.role for grant in granted}
    told: set[str] = set()
    for role, path in roles.named:
        if role in told or _with_members([role], members) & used:
            continue
        told.add(role)
        yield AccessFinding(
            claim=path,
            problem=f"the role {role} has no permission at all: its requests find an empty API",
            remedy="Give it permissions in the metadata, or remove it from the claims",
            severity="warning",
        )


def _place(metadata: MetadataDirectory, path: Path) -> str:
    place = metadata.place(path)
    return str(place) if place is not None else written(path)
