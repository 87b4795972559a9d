"""The resources' properties: types, defaults, and what a change of each means.

Facts: the schemas of the Terraform provider beneath the vendor's plugin
(https://registry.terraform.io/providers/cyrilgdn/postgresql/latest/docs) and the
pulumi-postgresql SDK 3.18.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from local.toolchain.pulumi_resource_postgresql.values import Value

Type = Literal["string", "boolean", "integer", "list", "set"]

_ZERO: Mapping[Type, Value] = {"string": "", "boolean": False, "integer": 0, "list": [], "set": []}


@dataclass(frozen=True, kw_only=True)
class Property:
    """One property of a resource."""

    type: Type = "string"
    default: Value = None
    """What holds when it is not given; None is the type's zero value (as in Terraform, absent is zero)."""
    computed: bool = False
    """When it is not given, the server's choice holds, and is not a difference."""
    replaces: bool = False
    """A change needs another object."""
    required: bool = False
    secret: bool = False
    write_only: bool = False
    """Never kept in the state, so its change alone is no difference."""
    minimum: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def absent(self) -> Value:
        """The value that an absent property stands for."""
        return _ZERO[self.type] if self.default is None else self.default


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource."""

    token: str
    title: str
    """How messages name it."""
    properties: Mapping[str, Property]
    named: bool = True
    """Has a property `name` that is generated when it is not given."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Properties that the vendor's plugin has and this one has not, with what to write instead."""


def _token(name: str) -> str:
    return f"postgresql:index/{name[0].lower()}{name[1:]}:{name}"


def _flag(*, default: bool = False) -> Property:
    return Property(type="boolean", default=default)


ROLE = Kind(
    token=_token("Role"),
    title="role",
    properties={
        "name": Property(),
        "assumeRole": Property(),
        "bypassRowLevelSecurity": _flag(),
        "connectionLimit": Property(type="integer", default=-1, minimum=-1),
        "createDatabase": _flag(),
        "createRole": _flag(),
        "encryptedPassword": _flag(default=True),
        "idleInTransactionSessionTimeout": Property(type="integer", minimum=0),
        "inherit": _flag(default=True),
        "login": _flag(),
        "password": Property(secret=True),
        "passwordWo": Property(secret=True, write_only=True),
        "passwordWoVersion": Property(),
        "replication": _flag(),
        "roles": Property(type="set"),
        "searchPaths": Property(type="list"),
        "skipDropRole": _flag(),
        "skipReassignOwned": _flag(),
        "statementTimeout": Property(type="integer", minimum=0),
        "superuser": _flag(),
        "validUntil": Property(default="infinity"),
    },
    refused={"encrypted": "write encryptedPassword"},
)

DATABASE = Kind(
    token=_token("Database"),
    title="database",
    properties={
        "name": Property(),
        "allowConnections": _flag(default=True),
        "alterObjectOwnership": _flag(),
        "connectionLimit": Property(type="integer", default=-1, minimum=-1),
        "encoding": Property(computed=True, replaces=True),
        "isTemplate": Property(type="boolean", computed=True),
        "lcCollate": Property(computed=True, replaces=True),
        "lcCtype": Property(computed=True, replaces=True),
        "owner": Property(computed=True),
        "tablespaceName": Property(computed=True),
        "template": Property(computed=True, replaces=True),
    },
)

EXTENSION = Kind(
    token=_token("Extension"),
    title="extension",
    properties={
        "name": Property(replaces=True),
        "createCascade": _flag(),
        "database": Property(computed=True, replaces=True),
        "dropCascade": _flag(),
        "schema": Property(computed=True),
        "version": Property(computed=True),
    },
)

SCHEMA = Kind(
    token=_token("Schema"),
    title="schema",
    properties={
        "name": Property(),
        "database": Property(computed=True, replaces=True),
        "dropCascade": _flag(),
        "ifNotExists": _flag(default=True),
        "owner": Property(computed=True),
    },
    refused={"policies": "write a Grant resource with objectType schema"},
)

GRANT = Kind(
    token=_token("Grant"),
    title="grant",
    named=False,
    properties={
        "columns": Property(type="set", replaces=True),
        "database": Property(required=True, replaces=True),
        "objectType": Property(
            required=True,
            replaces=True,
            choices=(
                "database", "schema", "table", "sequence", "function", "procedure", "routine",
                "foreign_data_wrapper", "foreign_server", "column",
            ),
        ),
        "objects": Property(type="set", replaces=True),
        "privileges": Property(type="set", required=True),
        "role": Property(required=True, replaces=True),
        "schema": Property(replaces=True),
        "withGrantOption": Property(type="boolean", default=False, replaces=True),
    },
)  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.token: kind for kind in (ROLE, DATABASE, EXTENSION, SCHEMA, GRANT)}
