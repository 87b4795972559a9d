"""Events as the CLI streams them, for cases that nobody recorded."""

from __future__ import annotations

from typing import Any

PREFIX = "urn:pulumi:dev::clerk-hasura::"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
TEMPLATE = "pulumi-python:dynamic/clerk:JwtTemplate"
MIGRATIONS = "pulumi-python:dynamic/hasura:Migrations"
METADATA = "pulumi-python:dynamic/hasura:Metadata"

Event = dict[str, Any]


def step(
    op: str,
    type_: str,
    name: str,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    **metadata: Any,
) -> Event:
    """One logical step; `old` and `new` are inputs."""
    protect = metadata.pop("protect", None)
    body = {"op": op, "urn": f"{PREFIX}{type_}::{name}", "type": type_, "logical": True, "detailedDiff": None}
    for side, inputs in (("old", old), ("new", new)):
        if inputs is not None:
            kept = {"protect": True} if side == protect else {}
            body[side] = {"inputs": inputs, "outputs": {}, **kept}
    return {"resourcePreEvent": {"metadata": body | metadata}}


def found(type_: str, name: str, old: dict[str, Any], new: dict[str, Any] | None, **metadata: Any) -> Event:
    """What a refresh has found; None for what is gone."""
    event = step("refresh", type_, name, old, new, **metadata)
    return {"resOutputsEvent": event["resourcePreEvent"]}


def outputs(old: dict[str, Any], new: dict[str, Any]) -> Event:
    """The stack's outputs."""
    body = {
        "op": "same",
        "urn": f"{PREFIX}pulumi:pulumi:Stack::clerk-hasura-dev",
        "type": "pulumi:pulumi:Stack",
        "logical": True,
        "old": {"inputs": {}, "outputs": old},
        "new": {"inputs": {}, "outputs": new},
    }
    return {"resOutputsEvent": {"metadata": body}}


def said(message: str, severity: str = "info#err", name: str = "") -> Event:
    """A diagnostic."""
    urn = {"urn": f"{PREFIX}{METADATA}::{name}"} if name else {}
    return {"diagnosticEvent": {"message": message, "severity": severity, **urn}}


def policy(level: str, message: str, name: str = "metadata") -> Event:
    """A finding of a policy pack."""
    return {
        "policyEvent": {
            "resourceUrn": f"{PREFIX}{METADATA}::{name}",
            "message": message,
            "color": "never",
            "policyName": "no-open-filter",
            "policyPackName": "clerk-hasura",
            "policyPackVersion": "1",
            "policyPackVersionTag": "1",
            "enforcementLevel": level,
        }
    }


def ended(result: str = "succeeded") -> Event:
    """The end of a preview."""
    return {"summaryEvent": {"result": result}}


def template(**changed: Any) -> dict[str, Any]:
    """Inputs of the JWT template."""
    claims = {
        "https://hasura.io/jwt/claims": {
            "x-hasura-allowed-roles": ["user"],
            "x-hasura-default-role": "user",
            "x-hasura-user-id": "{{user.id}}",
        }
    }
    return {
        "name": "hasura",
        "claims": claims,
        "lifetime": 60,
        "allowed_clock_skew": 5,
        "api_url": "https://api.clerk.com",
        "adopt": False,
        **changed,
    }


def migrations(*keys: str, **changed: Any) -> dict[str, Any]:
    """Inputs of the migrations."""
    return {
        "directory": "migrations",
        "migrations": {"default": {key: f"checksum of {key}" for key in keys}},
        "settings": {"lint": "off", "rollback": "refuse"},
        "catalog_state": "in line with the ledger",
        **changed,
    }


def metadata(**tables: Any) -> dict[str, Any]:
    """Inputs of the metadata: tables of the schema public, in the keyed shape."""
    listed = {f"public.{name}": body for name, body in tables.items()}
    return {"metadata": {"version": 3, "sources": {"default": {"kind": "postgres", "tables": listed}}}}
