"""Pulumi's provider protocol, translated to the resources' modules.

Protocol: https://pulumi-developer-docs.readthedocs.io/latest/docs/_generated/proto/provider.html.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local.toolchain.pulumi_resource_postgresql import differences
from local.toolchain.pulumi_resource_postgresql.differences import Change, Difference, Failure
from local.toolchain.pulumi_resource_postgresql.kinds import (
    DATABASE,
    EXTENSION,
    GRANT,
    KINDS,
    ROLE,
    SCHEMA,
    Kind,
)
from local.toolchain.pulumi_resource_postgresql.server import OperationError, Server, failures, server
from local.toolchain.pulumi_resource_postgresql.values import (
    Bag,
    Properties,
    Unknown,
    decode,
    encode,
    has_unknown,
)

if TYPE_CHECKING:
    import psycopg

VERSION = "3.18.2"
"""The SDK's, whose tokens and properties are served here."""

WARNING = (
    "STAND-IN PLUGIN: PostgreSQL's roles, databases, schemas, extensions and grants are managed by this "
    "project's own plugin, because the vendor's pulumi-postgresql plugin could not be had. It knows only "
    "these resources. With `pulumi plugin install resource postgresql 3.18.2` the vendor's takes over, on "
    "the same state."
)

Warn = Callable[[str], None]
"""Shows a warning to the user, by way of the engine."""


@dataclass(frozen=True, kw_only=True)
class _Operations:
    """A resource kind's operations; see the modules for what each does."""

    identity: Callable[[Properties], str]
    from_id: Callable[[str, Server], Properties]
    create: Callable[[Server, Properties], None]
    update: Callable[[Server, Properties, Properties, set[str]], None]
    delete: Callable[[Server, Properties], None]
    read: Callable[[Server, Properties], Properties | None]


@functools.cache
def _operations(token: str) -> _Operations:
    """A kind's own. Each imports the client of PostgreSQL, which a preview with nothing to do has no use for."""
    from local.toolchain.pulumi_resource_postgresql import databases, extensions, grants, roles, schemas

    modules = {
        ROLE.token: roles,
        DATABASE.token: databases,
        EXTENSION.token: extensions,
        SCHEMA.token: schemas,
        GRANT.token: grants,
    }
    module = modules[token]
    return _Operations(
        identity=module.identity,
        from_id=module.from_id,
        create=module.create,
        update=module.update,
        delete=module.delete,
        read=module.read,
    )


class PostgresqlProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the engine. `warn` shows a line to the user; `stop` ends the plugin."""

    def __init__(self, warn: Warn, stop: Callable[[], None]) -> None:
        self._warn = warn
        self._stop = stop
        self._server: Server | None = None

    def Handshake(
        self, _request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, _request: Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=json.dumps(package_schema()))

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        found = failures(decode(request.news).properties)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        olds, news = decode(request.olds).properties, decode(request.news).properties
        names = sorted(name for name in olds.keys() | news.keys() if olds.get(name) != news.get(name))
        changes = provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=names)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self._server = server(decode(request.args).properties)
        self._warn(WARNING)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        kind = _kind(request.urn, context)
        olds, news = decode(request.olds), decode(request.news)
        inputs = dict(news.properties)
        found = []
        if kind.named and "name" not in inputs:
            resource_name = request.name or request.urn.rpartition("::")[2]
            modes = provider_pb2.CheckRequest.AutonamingOptions
            if not request.HasField("autonaming"):
                inputs["name"] = olds.properties.get("name") or differences.generated_name(
                    resource_name, request.randomSeed
                )
            elif request.autonaming.mode == modes.DISABLE:
                found.append(Failure(property="name", reason="is missing, and automatic names are disabled"))
            elif request.autonaming.mode == modes.ENFORCE:
                inputs["name"] = request.autonaming.proposed_name
            else:
                inputs["name"] = olds.properties.get("name") or request.autonaming.proposed_name
        found += differences.check(kind, inputs)
        return provider_pb2.CheckResponse(
            inputs=encode(Bag(properties=inputs, secret=news.secret)), failures=_failures(found)
        )

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        kind = _kind(request.urn, context)
        found = differences.differences(
            kind,
            state=decode(request.olds).properties,
            inputs=decode(request.news).properties,
            old_inputs=decode(request.old_inputs).properties,
            ignored=tuple(request.ignoreChanges),
        )
        replaces = [one.property for one in found if one.replaces]
        changes = provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=changes,
            diffs=[one.property for one in found],
            replaces=replaces,
            # Both objects would have one name, and the old grant's end would revoke the new one's privileges.
            deleteBeforeReplace=bool(replaces),
            hasDetailedDiff=True,
            detailedDiff={one.property: _detailed(one) for one in found},
        )

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        kind = _kind(request.urn, context)
        inputs = decode(request.properties)
        if request.preview:
            preview = _with_secrets(kind, differences.complete(kind, inputs.properties), inputs)
            return provider_pb2.CreateResponse(properties=encode(preview))
        with self._connected(f"create the {_title(kind, inputs.properties)}", inputs, context) as target:
            operations, new = _operations(kind.token), _placed(kind, inputs.properties, target)
            with target.lock:
                operations.create(target, new)
            state = operations.read(target, new)
            if state is None:
                raise OperationError("it is gone right after it was created")
        return provider_pb2.CreateResponse(
            id=operations.identity(new), properties=encode(_with_secrets(kind, state, inputs))
        )

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        kind = _kind(request.urn, context)
        known, inputs = decode(request.properties), decode(request.inputs)
        secrets = Bag(
            properties={**known.properties, **inputs.properties}, secret=known.secret | inputs.secret
        )
        with self._connected(f"read the {kind.title} {request.id}", secrets, context) as target:
            operations = _operations(kind.token)
            identified = _identified(kind, known.properties, request.id, target)
            state = operations.read(target, identified)
        if state is None:
            return provider_pb2.ReadResponse()
        new_inputs = differences.inputs_from_state(kind, state=state, old_inputs=inputs.properties)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=encode(_with_secrets(kind, state, secrets)),
            inputs=encode(_with_secrets(kind, new_inputs, secrets)),
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        kind = _kind(request.urn, context)
        olds, inputs = decode(request.olds), decode(request.news)
        # What is left out and chosen by the server stays what it is.
        kept = {
            name: olds.properties[name]
            for name, prop in kind.properties.items()
            if prop.computed and name not in inputs.properties and name in olds.properties
        }
        wanted = {**kept, **inputs.properties}
        if request.preview:
            completed = {**differences.complete(kind, wanted)}
            return provider_pb2.UpdateResponse(properties=encode(_with_secrets(kind, completed, inputs)))
        secrets = Bag(properties={**olds.properties, **inputs.properties}, secret=olds.secret | inputs.secret)
        with self._connected(f"update the {_title(kind, inputs.properties)}", secrets, context) as target:
            operations = _operations(kind.token)
            old = _identified(kind, olds.properties, request.id, target)
            new = _placed(kind, wanted, target)
            changed = {
                one.property
                for one in differences.differences(
                    kind,
                    state=olds.properties,
                    inputs=inputs.properties,
                    old_inputs={},
                    ignored=tuple(request.ignoreChanges),
                )
            }
            with target.lock:
                operations.update(target, old, new, changed)
            state = operations.read(target, new)
            if state is None:
                raise OperationError("it is gone; run `pulumi refresh`, then deploy again")
        return provider_pb2.UpdateResponse(properties=encode(_with_secrets(kind, state, inputs)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        kind = _kind(request.urn, context)
        olds = decode(request.properties)
        with self._connected(f"delete the {_title(kind, olds.properties)}", olds, context) as target:
            old = _identified(kind, olds.properties, request.id, target)
            with target.lock:
                _operations(kind.token).delete(target, old)
        return Empty()

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, _unknown(request.tok))
        raise AssertionError("abort raises")

    def Cancel(self, _request: Empty, _context: grpc.ServicerContext) -> Empty:
        self._stop()
        return Empty()

    @contextmanager
    def _connected(self, doing: str, secrets: Bag, context: grpc.ServicerContext) -> Iterator[Server]:
        """Give the configured server; turn what PostgreSQL refuses into an error that names the object."""
        if self._server is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the provider is not configured")
            raise AssertionError("abort raises")
        import psycopg

        target = self._server
        try:
            yield target
        except OperationError as error:
            reason = str(error)
        except psycopg.Error as error:
            reason = _reason(error)
        else:
            return
        texts = [
            value
            for name, value in secrets.properties.items()
            if isinstance(value, str) and (name in secrets.secret or name in ("password", "passwordWo"))
        ]
        context.abort(grpc.StatusCode.UNKNOWN, target.redacted(f"cannot {doing}: {reason}", *texts))


def package_schema() -> dict[str, object]:
    """Describe the resources as a Pulumi package schema, for `pulumi import` and `pulumi package`."""
    types: dict[str, dict[str, object]] = {
        "string": {"type": "string"},
        "boolean": {"type": "boolean"},
        "integer": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "items": {"type": "string"}},
    }
    resources = {}
    for token, kind in KINDS.items():
        properties = {
            name: types[prop.type] | ({"secret": True} if prop.secret else {})
            for name, prop in kind.properties.items()
        }
        resources[token] = {
            "properties": properties,
            "inputProperties": properties,
            "requiredInputs": [name for name, prop in kind.properties.items() if prop.required],
        }
    return {"name": "postgresql", "version": VERSION, "resources": resources}


def _kind(urn: str, context: grpc.ServicerContext) -> Kind:
    token = urn.split("::")[2].rpartition("$")[2] if urn.count("::") >= 3 else urn
    if token not in KINDS:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, _unknown(token))
    return KINDS[token]


def _unknown(token: str) -> str:
    known = ", ".join(re.sub(r".*:", "", each) for each in KINDS)
    return (
        f"{token}: the stand-in for the vendor's pulumi-postgresql plugin knows only {known}. For this one "
        f"run `pulumi plugin install resource postgresql {VERSION}`."
    )


def _failures(found: list[Failure]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=one.property, reason=one.reason) for one in found]


def _detailed(one: Difference) -> provider_pb2.PropertyDiff:
    kinds = provider_pb2.PropertyDiff
    kind = {
        (Change.ADD, False): kinds.ADD,
        (Change.ADD, True): kinds.ADD_REPLACE,
        (Change.DELETE, False): kinds.DELETE,
        (Change.DELETE, True): kinds.DELETE_REPLACE,
        (Change.UPDATE, False): kinds.UPDATE,
        (Change.UPDATE, True): kinds.UPDATE_REPLACE,
    }[one.change, one.replaces]
    return provider_pb2.PropertyDiff(kind=kind, inputDiff=one.by_input)


def _title(kind: Kind, properties: Properties) -> str:
    """Name an object in a message."""
    if kind is GRANT:
        return f"grant on {properties.get('objectType')} to {properties.get('role')}"
    where = f" in {properties['database']}" if "database" in properties else ""
    return f"{kind.title} {properties.get('name')}{where}"


def _placed(kind: Kind, properties: Properties, target: Server) -> Properties:
    """Add the provider's database where the kind lives in one and none is given."""
    if any(has_unknown(value) for value in properties.values()):
        unknown = sorted(name for name, value in properties.items() if has_unknown(value))
        raise OperationError(f"{', '.join(unknown)} has no value yet")
    if "database" in kind.properties and not properties.get("database"):
        return {**properties, "database": target.database}
    return properties


def _identified(kind: Kind, properties: Properties, resource_id: str, target: Server) -> Properties:
    """Give the state's properties, or for an import those that the id holds."""
    name = properties.get("name") if kind.named else properties.get("role")
    if name and not isinstance(name, Unknown):
        return _placed(kind, properties, target)
    return {**properties, **_operations(kind.token).from_id(resource_id, target)}


def _with_secrets(kind: Kind, properties: Properties, source: Bag) -> Bag:
    """Mark what is secret by nature, and what the program has marked."""
    by_nature = {name for name, prop in kind.properties.items() if prop.secret}
    return Bag(properties=properties, secret=frozenset(by_nature | source.secret))


def _reason(error: psycopg.Error) -> str:
    """Give PostgreSQL's own words, without the statement, which libpq would add."""
    parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    text = ". ".join(part.rstrip(".") for part in parts if part) or type(error).__name__
    return f"{text} (SQLSTATE {error.sqlstate})" if error.sqlstate else text
