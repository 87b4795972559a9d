"""The resource graph of `__main__.py`, recorded under Pulumi's mocks."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, set_all_config
from pulumi.runtime import resource as runtime_resource
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource as the engine was asked for it."""

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    additional_secret_outputs: frozenset[str]
    protect: bool
    deleted_with: str
    depends_on: frozenset[str]
    replace_on_changes: tuple[str, ...]
    retain_on_delete: bool
    before_create: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The resources by `Type/name`, and the stack's outputs."""

    resources: Mapping[str, Registered]
    outputs: Mapping[str, Any]
    secret_outputs: frozenset[str]


class _Answers(mocks.Mocks):
    """Answers for the engine: what a provider would compute, as far as the program reads it."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        computed: dict[str, Any] = {}
        if args.typ == "docker:index/remoteImage:RemoteImage":
            computed["imageId"] = f"sha256:{args.inputs['name']}"
        if "GeneratedSecret" in args.typ:
            computed["value"] = f"value-of-{args.name}"
        return f"{args.name}-id", {**args.inputs, **computed}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Answers())
        self.registered: dict[str, Registered] = {}

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        fields = request.object.fields
        self.registered[f"{_short(request.type)}/{request.name}"] = Registered(
            type=request.type,
            name=request.name,
            parent=_key(request.parent),
            inputs=rpc.deserialize_properties(request.object) or {},
            secrets=frozenset(key for key, value in fields.items() if _holds_secret(value)),
            additional_secret_outputs=frozenset(request.additionalSecretOutputs),
            protect=request.protect,
            deleted_with=_key(request.deletedWith),
            depends_on=frozenset(map(_key, request.dependencies)),
            replace_on_changes=tuple(request.replaceOnChanges),
            retain_on_delete=request.retainOnDelete,
            before_create=tuple(request.hooks.before_create),
        )
        return answer


def _short(type_: str) -> str:
    return type_.rsplit(":", 1)[-1]


def _key(urn: str) -> str:
    if not urn:
        return ""
    *_, types, name = urn.split("::")
    return f"{_short(types.rsplit('$', 1)[-1])}/{name}"


def _holds_secret(value: Any) -> bool:
    """Whether a property is a secret, or a list or map that holds one."""
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return any(map(_holds_secret, value.list_value.values))
    if kind != "struct_value":
        return False
    fields = value.struct_value.fields
    if (
        fields[rpc._special_sig_key].string_value == rpc._special_secret_sig
        if rpc._special_sig_key in fields
        else False
    ):
        return True
    return any(map(_holds_secret, fields.values()))


class _Callbacks:
    """Takes hooks, as the SDK's own server would; Pulumi's mocks have none."""

    def register_resource_hook(self, _hook: pulumi.ResourceHook) -> None:
        return None


async def _callbacks() -> _Callbacks:
    return _Callbacks()


def deploy(config: Mapping[str, object], *, stack: str, encrypted: frozenset[str] = frozenset()) -> Graph:
    """Runs the program under mocks.

    :param config: key without namespace to value.
    :param encrypted: keys whose value is encrypted in the stack's file.
    """
    asyncio.set_event_loop(asyncio.new_event_loop())
    monitor = _Monitor()
    mocks.set_mocks(monitor.mocks, project="clerk-hasura", stack=stack, preview=False, monitor=monitor)
    namespaced = {f"clerk-hasura:{key}": value for key, value in config.items()}
    set_all_config(namespaced, [f"clerk-hasura:{key}" for key in encrypted])
    exported: dict[str, Any] = {}

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    original, original_callbacks = pulumi.export, runtime_resource._get_callbacks
    pulumi.export = exported.__setitem__
    runtime_resource._get_callbacks = _callbacks  # type: ignore[assignment]
    try:
        _sync_await(run_pulumi_func(program))
        resolved = {
            name: _sync_await(pulumi.Output.from_input(value).future()) for name, value in exported.items()
        }
        secret = frozenset(
            name
            for name, value in exported.items()
            if _sync_await(pulumi.Output.from_input(value).is_secret())
        )
    finally:
        pulumi.export = original
        runtime_resource._get_callbacks = original_callbacks
    return Graph(resources=monitor.registered, outputs=resolved, secret_outputs=secret)
