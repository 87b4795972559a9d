"""Which variables of the engine's environment metadata reads, and what is said where one is not given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.hasura.json_types import Json, JsonObject
from components.schema.environment_variables import not_given, variables
from components.schema.metadata_directory import read_metadata

HEADERS: Json = [{"name": "x", "value_from_env": "TOKEN"}, {"name": "y", "value": "Basic {{PASS}}"}]
RETRY: Json = {"num_retries": 0, "interval_sec": 10}


def _table(**entries: Json) -> JsonObject:
    source: JsonObject = {"name": "default", "kind": "postgres", "tables": [{"table": "users", **entries}]}
    return {"sources": [source]}


def _trigger(**entries: Json) -> JsonObject:
    return _table(event_triggers=[{"name": "t", "definition": {}, "retry_conf": RETRY, **entries}])


def _permission(kind: str, **entries: Json) -> JsonObject:
    return _table(**{kind: [{"role": "user", "permission": entries}]})


def _action(**entries: Json) -> JsonObject:
    return {"actions": [{"name": "pay", "definition": entries}]}


def _source(info: Json, **entries: Json) -> JsonObject:
    configuration: JsonObject = {"connection_info": info, **entries}
    return {"sources": [{"name": "shop", "kind": "postgres", "configuration": configuration}]}


READ: dict[str, tuple[JsonObject, list[str]]] = {
    "the address of a remote schema": (
        {"remote_schemas": [{"name": "s", "definition": {"url_from_env": "REMOTE", "headers": HEADERS}}]},
        ["PASS", "REMOTE", "TOKEN"],
    ),
    "a part of it": (
        {"remote_schemas": [{"name": "s", "definition": {"url": "https://{{HOST}}:{{PORT}}/"}}]},
        ["HOST", "PORT"],
    ),
    "an action's handler": (_action(handler="{{ACTION_BASE_URL}}/pay"), ["ACTION_BASE_URL"]),
    "small letters": (_action(handler="{{base}}/pay"), ["base"]),
    "spaces are a part of the name": (_action(handler="{{ BASE }}/pay"), [" BASE "]),
    "a webhook": (_trigger(webhook="{{HOOK}}", headers=HEADERS), ["HOOK", "PASS", "TOKEN"]),
    "a webhook by its variable": (_trigger(webhook_from_env="HOOK"), ["HOOK"]),
    "a cron trigger": ({"cron_triggers": [{"name": "c", "webhook": "{{CRON}}/x"}]}, ["CRON"]),
    "who validates what is inserted": (
        _permission("insert_permissions", validate_input={"definition": {"url": "{{CHECK}}", "headers": HEADERS}}),
        ["CHECK", "PASS", "TOKEN"],
    ),
    "a database": (_source({"database_url": {"from_env": "SHOP_URL"}}), ["SHOP_URL"]),
    "a part of a database's address": (_source({"database_url": "postgres://a:{{P}}@b/c"}), ["P"]),
    "a replica and its certificate": (
        _source(
            {"ssl_configuration": {"sslrootcert": {"from_env": "ROOT"}}},
            read_replicas=[{"database_url": {"from_env": "REPLICA"}}],
        ),
        ["REPLICA", "ROOT"],
    ),
    "a function of a transformation": (
        _action(request_transform={"body": {"template": "{\"k\": {{getEnvironmentVariable('KEY')}}}"}}),
        ["KEY"],
    ),
    "telemetry": (
        {
            "opentelemetry": {
                "status": "{{OTEL}}",
                "exporter_otlp": {
                    "otlp_traces_endpoint": "{{TRACES}}/v1",
                    "resource_attributes": [{"name": "n", "value": "{{ATTRIBUTE}}"}],
                },
            }
        },
        ["ATTRIBUTE", "OTEL", "TRACES"],
    ),
    "one twice": (_action(handler="{{A}}", headers=[{"name": "x", "value_from_env": "A"}]), ["A"]),
    "none": (_action(handler="https://example.com/{pay}"), []),
    "a transformation's own names": (
        _action(request_transform={"url": "{{$base_url}}/x", "body": {"template": "{{$body.input}}"}}),
        [],
    ),
    "a query's arguments": (
        {"sources": [{"name": "s", "native_queries": [{"root_field_name": "q", "code": "select {{ID}}"}]}]},
        [],
    ),
    "a path of the API": ({"rest_endpoints": [{"name": "r", "url": "a/{{B}}"}]}, []),
    "what a permission compares with": (_permission("select_permissions", filter={"url": {"_eq": "{{A}}"}}), []),
    "what a permission sets": (_permission("insert_permissions", set={"from_env": "A", "url": "{{A}}"}), []),
    "what a trigger sends": ({"cron_triggers": [{"name": "c", "payload": {"url": "{{A}}"}}]}, []),
    "a comment": ({"actions": [{"name": "pay", "comment": "{{A}}", "definition": {}}]}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_what_is_read(case: str) -> None:
    metadata, names = READ[case]
    assert variables(metadata) == tuple(names)


FILES = {
    "version.yaml": "version: 3\n",
    "databases/databases.yaml": """\
- name: default
  kind: postgres
  configuration:
    connection_info:
      database_url:
        from_env: HASURA_GRAPHQL_DATABASE_URL
  tables:
    - table: {name: users, schema: public}
      event_triggers:
        - name: welcome
          definition: {enable_manual: true}
          retry_conf: {num_retries: 0, interval_sec: 10}
          webhook_from_env: WELCOME
""",
    "actions.yaml": """\
actions:
  - name: pay
    definition:
      handler: "{{BASE}}/pay"
  - name: refund
    definition:
      handler: "{{BASE}}/refund"
      headers:
        - {name: a, value_from_env: HASURA_GRAPHQL_X}
        - {name: b, value: "{{ B }}"}
custom_types: {}
""",
    "opentelemetry.yaml": "status: '{{OTEL}}'\n",
}
SAID = {
    " B ": (
        "m/actions.yaml:10: action `refund` reads the variable ` B `, which the engine is not given",
        "write {{NAME}}, without spaces.",
    ),
    "BASE": (
        "m/actions.yaml:4, m/actions.yaml:7: action `pay` and action `refund` read the variable `BASE`, which the "
        "engine is not given",
        "pulumi config set --path engineEnvironment.BASE VALUE    # with --secret, where nobody may see it",
    ),
    "HASURA_GRAPHQL_DATABASE_URL": (
        "m/databases/databases.yaml:6: source `default` reads the variable `HASURA_GRAPHQL_DATABASE_URL`, which the "
        "engine is not given",
        "Name one that does not begin with HASURA_GRAPHQL_, and give it by engineEnvironment.",
    ),
    "HASURA_GRAPHQL_X": (
        "m/actions.yaml:9: action `refund` reads the variable `HASURA_GRAPHQL_X`, which the engine is not given",
        "Name one that does not begin with HASURA_GRAPHQL_, and give it by engineEnvironment.",
    ),
    "OTEL": (
        "m/opentelemetry.yaml:1: opentelemetry reads the variable `OTEL`, which the engine is not given",
        "pulumi config set --path engineEnvironment.OTEL VALUE    # with --secret, where nobody may see it",
    ),
    "WELCOME": (
        "m/databases/databases.yaml:13: event trigger `welcome` reads the variable `WELCOME`, which the engine is not "
        "given",
        "pulumi config set --path engineEnvironment.WELCOME VALUE    # with --secret, where nobody may see it",
    ),
}


@pytest.mark.parametrize("given", [set(), {"BASE"}, {"HASURA_GRAPHQL_DATABASE_URL", "WELCOME"}, set(SAID)])
def test_what_is_not_given_is_told_with_file_line_object_and_command(tmp_path: Path, given: set[str]) -> None:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    said = [str(problem).split("\n") for problem in not_given(read_metadata(tmp_path, shown_as="m"), given)]
    assert len(said) == len(SAID) - len(given)
    for (what, remedy), (line, command) in zip(
        (SAID[name] for name in sorted(set(SAID) - given)), said, strict=True
    ):
        assert line == what
        assert command.strip().endswith(remedy)


def test_the_files_of_the_project_read_nothing_but_the_program_s_own() -> None:
    root = Path(__file__).resolve().parents[3] / "hasura_metadata"
    assert yaml.safe_load((root / "version.yaml").read_text()) == {"version": 3}
    assert variables(read_metadata(root).tree) == ("HASURA_GRAPHQL_DATABASE_URL",)
