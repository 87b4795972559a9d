"""Who may see what: the claims of the token held against the permissions of the metadata. Pure: no I/O.

Each side is right by itself and still wrong with the other: a role that permissions are given to and no token
allows, a session variable that a filter asks for and no claim gives. Hasura finds neither before a request
fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import graphql

from components.clerk import shortcodes
from components.clerk.claims import (
    ADMIN_ROLE,
    ALLOWED_ROLES,
    DEFAULT_ROLE,
    HASURA_NAMESPACE,
    Json,
    Path,
    Severity,
    written,
)
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


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission: the role that it is given to, the session variables that it asks for, and their places.

    ``variables`` is lower case, each with the place of the text that names it.
    """

    role: str
    place: str
    variables: tuple[tuple[str, str], ...] = ()


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
    unauthorized_role: str | None = None,
) -> list[AccessFinding]:
    """Hold the claims of the JWT template against a metadata directory; no finding means that they fit.

    ``unauthorized_role`` is the role that Hasura gives to requests without a token. Claims that break the
    rules of ``components.clerk.claims`` are told there; here they count for what is left of them.
    """
    within = claims.get(namespace)
    hasura = {name.lower(): value for name, value in within.items()} if isinstance(within, Mapping) else {}
    roles = allowed_roles(hasura, namespace)
    granted = list(grants(metadata))
    members = _inherited(metadata.tree)
    return [
        *_roles_out_of_reach(
            granted,
            members,
            roles,
            unauthorized_role=unauthorized_role,
            namespace=namespace,
            metadata=metadata,
        ),
        *_variables_not_given(granted, hasura, namespace, unauthorized_role),
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
    for path, entry in _permission_entries(metadata.tree):
        role = entry.get("role")
        if not isinstance(role, str):
            continue
        yield Grant(
            role=role,
            place=_place(metadata, (*path, "role")),
            variables=tuple((name, _place(metadata, (*path, *inner))) for name, inner in _variables(entry)),
        )


def _permission_entries(tree: Mapping[str, Json]) -> Iterator[tuple[Path, Mapping[str, Json]]]:
    for source_path, source in _entries(tree, (), "sources"):
        for kind in ("tables", "logical_models"):
            for table_path, table in _entries(source, source_path, kind):
                for permissions in _TABLE_PERMISSIONS:
                    yield from _entries(table, table_path, permissions)
        for kind in ("functions", "stored_procedures"):
            for function_path, function in _entries(source, source_path, kind):
                yield from _entries(function, function_path, "permissions")
    for kind in ("actions", "remote_schemas"):
        for path, thing in _entries(tree, (), kind):
            yield from _entries(thing, path, "permissions")


def _entries(parent: Mapping[str, Json], path: Path, key: str) -> Iterator[tuple[Path, Mapping[str, Json]]]:
    listed = parent.get(key)
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return
    for index, item in enumerate(listed):
        if isinstance(item, Mapping):
            yield (*path, key, index), item


def _variables(entry: Mapping[str, Json]) -> Iterator[tuple[str, Path]]:
    """The session variables that a permission asks for, in lower case, with their path within it."""
    permission = entry.get("permission")
    if isinstance(permission, Mapping):
        for part in _ASKING:
            for path, text in _texts(permission.get(part), ("permission", part)):
                if text.lower().startswith("x-hasura-"):
                    yield text.lower(), path
    definition = entry.get("definition")
    if isinstance(definition, Mapping) and isinstance(definition.get("schema"), str):
        for name in _presets(str(definition["schema"])):
            yield name, ("definition", "schema")


def _presets(schema: str) -> Iterator[str]:
    """Those that a remote schema's permission presets, as ``@preset(value: "x-hasura-user-id")``."""
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


def _texts(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


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
    unauthorized_role: str | None,
    namespace: str,
    metadata: MetadataDirectory,
) -> Iterator[AccessFinding]:
    places: dict[str, list[str]] = defaultdict(list)
    for grant in granted:
        places[grant.role].append(grant.place)
    for role, (path, _) in members.items():
        places[role].append(_place(metadata, (*path, "role_name")))
    start = {role for role in places if roles.give(role) or role == unauthorized_role}
    reached = _with_members(start, members)
    for role in sorted(set(places) - reached - {ADMIN_ROLE}):
        yield AccessFinding(
            claim=(namespace, ALLOWED_ROLES),
            problem=f"the role {role} has permissions, and no token allows it",
            remedy=f"Add {role} to {ALLOWED_ROLES} (in jwtTemplateClaims), or remove its permissions",
            places=tuple(dict.fromkeys(places[role])),
        )


def _variables_not_given(
    granted: Sequence[Grant], hasura: Mapping[str, Json], namespace: str, unauthorized_role: str | None
) -> Iterator[AccessFinding]:
    given = (set(hasura) - {ALLOWED_ROLES, DEFAULT_ROLE}) | ALWAYS_GIVEN
    places: dict[str, list[str]] = defaultdict(list)
    roles: dict[str, set[str]] = defaultdict(set)
    for grant in granted:
        # Without a token there are no claims.
        available = ALWAYS_GIVEN if grant.role == unauthorized_role else given
        for name, place in grant.variables:
            if name not in available:
                places[name].append(place)
                roles[name].add(grant.role)
    for name in sorted(places):
        known = ", ".join(sorted(given - ALWAYS_GIVEN)) or "none"
        yield AccessFinding(
            claim=(namespace, name),
            problem=f"the role {' and '.join(sorted(roles[name]))} is asked for {name}, which no claim gives",
            remedy=f"Add {name} to jwtTemplateClaims, or use one of those that are there: {known}",
            places=tuple(dict.fromkeys(places[name])),
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
