"""Where an object that does not fit stands in the directory, for every kind that the engine tells of."""

from __future__ import annotations

import pytest

from components.hasura.client import InconsistentObject, inconsistent_objects
from components.hasura.json_types import Json, JsonObject
from components.schema.metadata_deployment import object_path

TREE: JsonObject = {
    "version": 3,
    "sources": [
        {"name": "other", "tables": []},
        {
            "name": "default",
            "tables": [
                {"table": {"name": "posts", "schema": "public"}},
                {
                    "table": {"name": "users", "schema": "app"},
                    "object_relationships": [{"name": "team"}],
                    "array_relationships": [{"name": "posts"}],
                    "remote_relationships": [{"name": "weather"}],
                    "computed_fields": [{"name": "full"}],
                    "event_triggers": [{"name": "changed"}],
                    "select_permissions": [{"role": "guest"}, {"role": "user"}],
                },
            ],
            "functions": [{"function": "search"}, {"function": {"name": "find", "schema": "app"}}],
            "native_queries": [{"root_field_name": "near"}],
            "logical_models": [{"name": "place"}],
        },
    ],
    "remote_schemas": [{"name": "a"}, {"name": "weather"}],
    "actions": [{"name": "a"}, {"name": "go"}],
    "custom_types": {},
    "cron_triggers": [{"name": "nightly"}],
    "rest_endpoints": [{"name": "a"}, {"name": "look"}],
    "query_collections": [{"name": "a"}, {"name": "mine"}],
    "inherited_roles": [{"role_name": "a"}, {"role_name": "chief"}],
    "opentelemetry": {},
}
USERS: JsonObject = {"source": "default", "table": {"name": "users", "schema": "app"}}
IN = "table app.users in source default"
TABLE = ("sources", 1, "tables", 1)
CASES: dict[str, tuple[str, str, Json, tuple[str | int, ...]]] = {
    "source": ("source", "source default", "default", ("sources", 1)),
    "table": ("table", IN, {"name": "users", "schema": "app"}, TABLE),
    "permission": (
        "select_permission",
        f"select_permission user in {IN}",
        {**USERS, "role": "user"},
        (*TABLE, "select_permissions", 1),
    ),
    "object relationship": (
        "object_relation",
        f"object_relation team in {IN}",
        {**USERS, "name": "team"},
        (*TABLE, "object_relationships", 0),
    ),
    "array relationship": (
        "array_relation",
        f"array_relation posts in {IN}",
        {**USERS, "name": "posts"},
        (*TABLE, "array_relationships", 0),
    ),
    "remote relationship": (
        "remote_relationship",
        f"remote_relationship weather in {IN}",
        {**USERS, "name": "weather"},
        (*TABLE, "remote_relationships", 0),
    ),
    "computed field": (
        "computed_field",
        f"computed_field full in {IN}",
        {**USERS, "name": "full"},
        (*TABLE, "computed_fields", 0),
    ),
    "event trigger": (
        "event_trigger",
        f"event_trigger changed in {IN}",
        {**USERS, "name": "changed"},
        (*TABLE, "event_triggers", 0),
    ),
    "function": (
        "function",
        "function app.find in source default",
        {"function": {"name": "find", "schema": "app"}},
        ("sources", 1, "functions", 1),
    ),
    "native query": (
        "native_query",
        "native_query near in source default",
        {"root_field_name": "near"},
        ("sources", 1, "native_queries", 0),
    ),
    "logical model": (
        "logical_model",
        "logical_model place in source default",
        {"name": "place"},
        ("sources", 1, "logical_models", 0),
    ),
    "permission of a logical model": (
        "select_permission",
        "select_permission user in logical_model place in source default",
        {"role": "user"},
        ("sources", 1, "logical_models", 0),
    ),
    "remote schema": ("remote_schema", "remote_schema weather", {"name": "weather"}, ("remote_schemas", 1)),
    "permission of a remote schema": (
        "remote_schema_permission",
        "remote_schema_permission user permission in remote schema weather",
        {"remote_schema": "weather", "role": "user", "definition": {}},
        ("remote_schemas", 1),
    ),
    "action": ("action", "action go", {"name": "go"}, ("actions", 1)),
    "custom types": ("custom_types", "custom_types custom_types", {}, ("custom_types",)),
    "cron trigger": ("cron_trigger", "cron_trigger nightly", {"name": "nightly"}, ("cron_triggers", 0)),
    "REST endpoint": ("rest_endpoint", "rest_endpoint look", {"name": "look"}, ("rest_endpoints", 1)),
    "query": (
        "query_collections",
        "query_collections q in mine",
        {"name": "q", "query": "{ a }"},
        ("query_collections", 1),
    ),
    "inherited role": (
        "inherited_role",
        "inherited_role inherited role chief",
        {"role_name": "chief", "role_set": []},
        ("inherited_roles", 1),
    ),
    "permission of an inherited role": (
        "inherited role permission inconsistency",
        "chief",
        None,
        ("inherited_roles", 1),
    ),
    "OpenTelemetry": ("open_telemetry", "open_telemetry exporter_otlp", {}, ("opentelemetry",)),
    "something new": ("novelty", "novelty a", {"name": "a"}, ()),
    "table of an unknown source": ("table", "table a in source gone", {"name": "a", "schema": "public"}, ()),
}


@pytest.mark.parametrize("name", CASES)
def test_object_path(name: str) -> None:
    kind, shown, definition, expected = CASES[name]
    assert (
        object_path(TREE, InconsistentObject(type=kind, name=shown, reason="r", definition=definition))
        == expected
    )


def test_objects_in_conflict_are_named_one_by_one() -> None:
    answer: Json = [
        {
            "reason": "Conflicting objects: two fields",
            "objects": [
                {"type": "action", "name": "action go", "definition": {"name": "go"}},
                {
                    "type": "function",
                    "name": "function go in source default",
                    "definition": {"function": "go"},
                },
            ],
        },
        {
            "reason": "Ambiguous URL paths: a/:b, a/:c",
            "conflicts": [{"name": "a", "url": "a/:b"}, {"name": "look", "url": "a/:c"}],
        },
        {"reason": "Multiple definitions for: action go", "type": "action", "definitions": []},
        {
            "reason": "Inconsistent object: no such table",
            "type": "table",
            "name": "table a",
            "definition": {},
        },
    ]
    assert [(each.name, each.reason) for each in inconsistent_objects(answer)] == [
        ("action go", "Conflicting objects: two fields"),
        ("function go in source default", "Conflicting objects: two fields"),
        ("rest_endpoint a", "Ambiguous URL paths: a/:b, a/:c"),
        ("rest_endpoint look", "Ambiguous URL paths: a/:b, a/:c"),
        ("action", "Multiple definitions for: action go"),
        ("table a", "no such table"),
    ]
