"""How the engine gives back what it took: kind by kind, what it fills in, leaves out, sorts and rewrites. Pure.

Each kind of metadata has a `Form`. What the engine fills in where nothing is written (`defaults`) is left out on both
sides of a comparison, and so is what is empty, unless empty says something of its own. The defaults are those that
the vendor's engine v2.48 parses and writes (`FromJSON` and `ToJSON` of the types that its metadata API reference
names: https://hasura.io/docs/2.0/api-reference/syntax-defs/).

A value of a shape that is not expected is left as it is: the engine refuses it, and its words are better.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from components.hasura.json_types import Json, JsonObject

Normal = Callable[[Json], Json]
_EMPTY: tuple[Json, ...] = (None, [], {})


@dataclass(frozen=True, kw_only=True)
class Form:
    """How one kind of object is brought to its normal form.

    `defaults` are left out where they are written; `parts` are the forms of values by key, `others` that of all
    remaining keys; `kept` are keys whose empty value says something; `texts` are keys whose empty text says nothing;
    `whole` rewrites the object at the end.
    """

    defaults: Mapping[str, Json] = field(default_factory=dict)
    parts: Mapping[str, Normal] = field(default_factory=dict)
    others: Normal = lambda value: value
    kept: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset({"comment", "description"})
    whole: Callable[[JsonObject], JsonObject] = lambda value: value

    def __call__(self, value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        made: JsonObject = {}
        for key, given in value.items():
            normal = self.parts.get(key, self.others)(given)
            empty = normal is None or (normal in _EMPTY and key not in self.kept)
            if empty or (key in self.texts and normal == ""):
                continue
            if key in self.defaults and normal == self.defaults[key]:
                continue
            made[key] = normal
        return self.whole(made)


def named(form: Normal, key: str, name: Callable[[Json], str] = str) -> Normal:
    """A list of objects whose order means nothing: sorted by what names them."""

    def normal(value: Json) -> Json:
        if not isinstance(value, list):
            return value
        return sorted(map(form, value), key=lambda entry: _sort_key(entry, key, name))

    return normal


def _sort_key(entry: Json, key: str, name: Callable[[Json], str]) -> tuple[str, str]:
    found = name(entry.get(key)) if isinstance(entry, dict) else ""
    return found, json.dumps(entry, sort_keys=True)


def each(form: Normal) -> Normal:
    """A list whose order counts."""
    return lambda value: [form(entry) for entry in value] if isinstance(value, list) else value


def by_name(form: Normal) -> Normal:
    """An object with free keys."""
    return lambda value: (
        {key: form(entry) for key, entry in value.items()} if isinstance(value, dict) else value
    )


def names(value: Json) -> Json:
    """A set of names."""
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return cast(Json, sorted(set(cast("list[str]", value))))
    return value


def as_written(value: Json) -> Json:
    return value


def table_key(table: Json) -> str:
    """`schema.name` of a table or function, quoted where a name holds a dot; other shapes as JSON text."""
    if isinstance(table, str):
        return f"public.{_quoted(table)}"
    if isinstance(table, dict) and isinstance(table.get("name"), str):
        schema = table.get("schema") or table.get("dataset") or "public"
        return f"{_quoted(str(schema))}.{_quoted(str(table['name']))}"
    return json.dumps(table, sort_keys=True)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if "." in name or '"' in name else name


def qualified(value: Json) -> Json:
    """A table or function of Postgres: a text means schema `public`."""
    if isinstance(value, str):
        return {"name": value, "schema": "public"}
    if isinstance(value, dict) and set(value) <= {"name", "schema"}:
        return {"name": value.get("name"), "schema": value.get("schema", "public")}
    return value


def condition(value: Json) -> Json:
    """A boolean expression: the older spelling of its operators, and the table of `_exists`."""
    if isinstance(value, list):
        return [condition(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    made: JsonObject = {}
    for key, inner in value.items():
        spelled = f"_{key[1:]}" if key in ("$and", "$or", "$not", "$exists") else key
        if spelled in ("_and", "_or", "_not"):
            made[spelled] = condition(inner)
        elif spelled == "_exists" and isinstance(inner, dict):
            made[spelled] = {
                name: qualified(part) if name == "_table" else condition(part) for name, part in inner.items()
            }
        else:
            made[spelled] = inner
    return made


def one_type(value: Json) -> Json:
    """The name of a GraphQL type, such as `[User!]!`."""
    return "".join(value.split()) if isinstance(value, str) else value


def graphql_text(value: Json) -> Json:
    """A GraphQL document in one format: the engine, the Hasura CLI and people each have their own."""
    # Imported here: few projects have such texts, and the import takes longer than all the rest.
    from graphql import GraphQLError, parse, print_ast

    if not isinstance(value, str):
        return value
    try:
        return print_ast(parse(value))
    except GraphQLError:
        return value


_SHORT_SCHEDULES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def schedule(value: Json) -> Json:
    """A cron schedule, which the engine reads and writes anew."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return _SHORT_SCHEDULES.get(text, re.sub(r"\b0+(?=[0-9])", "", text))


def _single(value: Json) -> Json:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _foreign_key(value: Json) -> Json:
    if not isinstance(value, dict):
        return _single(value)
    made: JsonObject = {**value, "table": qualified(value.get("table"))}
    columns = made.pop("columns", None) if made.get("column") is None else None
    if columns is not None:
        single = _single(columns)
        made["column" if isinstance(single, str) else "columns"] = single
    return made


_HEADERS = Form(kept=frozenset({"value"}))
_REQUEST_TRANSFORM = Form(
    defaults={"version": 1, "template_engine": "Kriti"},
    parts={"request_headers": Form()},
    kept=frozenset({"query_params", "body"}),
)
_RESPONSE_TRANSFORM = Form(defaults={"version": 1, "template_engine": "Kriti"}, kept=frozenset({"body"}))
_TRANSFORMS: Mapping[str, Normal] = {
    "headers": each(_HEADERS),
    "request_transform": _REQUEST_TRANSFORM,
    "response_transform": _RESPONSE_TRANSFORM,
}

_VALIDATION = Form(
    parts={
        "definition": Form(
            defaults={"timeout": 10, "forward_client_headers": False}, parts={"headers": each(_HEADERS)}
        )
    }
)
_PERMISSION_BODY = {
    "parts": {
        "columns": names,
        "computed_fields": names,
        "query_root_fields": names,
        "subscription_root_fields": names,
        "filter": condition,
        "check": condition,
        "validate_input": _VALIDATION,
    },
    "defaults": {"allow_aggregations": False, "backend_only": False},
    # An empty list of root fields hides all of them; an absent one hides none.
    "kept": frozenset({"columns", "filter", "check", "query_root_fields", "subscription_root_fields"}),
}


def _all_columns(body: JsonObject) -> JsonObject:
    return {**body, "columns": body.get("columns", "*")}


def _permissions(*, whole: Callable[[JsonObject], JsonObject] = lambda body: body) -> Normal:
    body = Form(**_PERMISSION_BODY, whole=whole)  # type: ignore[arg-type]
    return named(Form(parts={"permission": body}, kept=frozenset({"permission"})), "role")


SELECT_PERMISSIONS = _permissions()
# The engine reads an absent list as all columns.
INSERT_PERMISSIONS = _permissions(whole=_all_columns)
UPDATE_PERMISSIONS = _permissions()
DELETE_PERMISSIONS = _permissions()

_MANUAL = Form(parts={"remote_table": qualified}, kept=frozenset({"column_mapping"}))
RELATIONSHIPS = named(
    Form(
        parts={
            "using": Form(parts={"manual_configuration": _MANUAL, "foreign_key_constraint_on": _foreign_key})
        }
    ),
    "name",
)
_TO_REMOTE_SCHEMA = Form(parts={"lhs_fields": names}, kept=frozenset({"lhs_fields", "remote_field"}))
REMOTE_RELATIONSHIPS = named(
    Form(
        parts={
            "definition": Form(
                parts={
                    "to_remote_schema": _TO_REMOTE_SCHEMA,
                    "to_source": Form(kept=frozenset({"field_mapping"})),
                    # The older spelling, which the engine keeps.
                    "hasura_fields": names,
                },
                kept=frozenset({"hasura_fields", "remote_field"}),
            )
        }
    ),
    "name",
)
# Here and in a table's configuration an empty comment says that there is to be none, where an absent one leaves it to
# the engine.
_NO_TEXTS = frozenset[str]()
COMPUTED_FIELDS = named(
    Form(parts={"definition": Form(parts={"function": qualified})}, texts=_NO_TEXTS), "name"
)
_OPERATION = Form(parts={"columns": names, "payload": names}, kept=frozenset({"columns", "payload"}))
EVENT_TRIGGERS = named(
    Form(
        defaults={"trigger_on_replication": False},
        parts={
            "definition": Form(
                defaults={"enable_manual": False},
                parts={"insert": _OPERATION, "update": _OPERATION, "delete": _OPERATION},
            ),
            "retry_conf": Form(),
            "cleanup_config": Form(
                defaults={
                    "batch_size": 10000,
                    "timeout": 60,
                    "clean_invocation_logs": False,
                    "paused": False,
                },
                parts={"schedule": schedule},
            ),
            **_TRANSFORMS,
        },
    ),
    "name",
)


def _root_field(value: Json) -> Json:
    made = Form(texts=_NO_TEXTS)(value)
    return made["name"] if isinstance(made, dict) and set(made) == {"name"} else made


def _one_column_configuration(configuration: JsonObject) -> JsonObject:
    """`custom_column_names` is the older spelling of a part of `column_config`; the engine writes both."""
    older, columns = configuration.get("custom_column_names"), configuration.get("column_config", {})
    if not isinstance(older, dict) or not isinstance(columns, dict):
        return configuration
    merged: JsonObject = dict(columns)
    for column, name in older.items():
        own = merged.get(column)
        merged[column] = {"custom_name": name, **(own if isinstance(own, dict) else {})}
    return {
        **{key: value for key, value in configuration.items() if key != "custom_column_names"},
        "column_config": merged,
    }


def _without_empty_entries(form: Normal) -> Normal:
    def normal(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        made = {key: form(entry) for key, entry in value.items()}
        return {key: entry for key, entry in made.items() if entry not in _EMPTY}

    return normal


TABLE_CONFIGURATION = Form(
    parts={
        "custom_root_fields": _without_empty_entries(_root_field),
        "column_config": _without_empty_entries(Form(texts=_NO_TEXTS)),
        "custom_column_names": _without_empty_entries(as_written),
    },
    texts=_NO_TEXTS,
    whole=_one_column_configuration,
)
TABLE = Form(
    defaults={"is_enum": False},
    parts={
        "table": qualified,
        "configuration": TABLE_CONFIGURATION,
        "object_relationships": RELATIONSHIPS,
        "array_relationships": RELATIONSHIPS,
        "remote_relationships": REMOTE_RELATIONSHIPS,
        "computed_fields": COMPUTED_FIELDS,
        "select_permissions": SELECT_PERMISSIONS,
        "insert_permissions": INSERT_PERMISSIONS,
        "update_permissions": UPDATE_PERMISSIONS,
        "delete_permissions": DELETE_PERMISSIONS,
        "event_triggers": EVENT_TRIGGERS,
    },
)
FUNCTION = Form(
    parts={
        "function": qualified,
        "configuration": Form(
            parts={"custom_root_fields": _without_empty_entries(as_written), "response": Form()}
        ),
        "permissions": named(Form(), "role"),
    }
)


def _nested_type(value: Json) -> Json:
    """Of a logical model's field: a scalar, an array or another model, each nullable or not."""
    return Form(defaults={"nullable": False}, parts={"array": _nested_type})(value)


def _older_field(entry: JsonObject) -> JsonObject:
    if not isinstance(entry.get("type"), str):
        return entry
    kept = {key: value for key, value in entry.items() if key != "nullable"}
    nullable: JsonObject = {"nullable": True} if entry.get("nullable") is True else {}
    return {**kept, "type": {"scalar": entry["type"], **nullable}}


_MODEL_PARTS: Mapping[str, Normal] = {
    "fields": each(Form(parts={"type": _nested_type}, whole=_older_field)),
    "select_permissions": SELECT_PERMISSIONS,
}
_ARGUMENTS = by_name(Form(defaults={"nullable": False}))
_QUERY_RELATIONSHIPS = named(Form(parts={"using": Form(kept=frozenset({"column_mapping"}))}), "name")
NATIVE_QUERIES = named(
    Form(
        parts={
            "arguments": _ARGUMENTS,
            "returns": Form(parts=_MODEL_PARTS),
            "object_relationships": _QUERY_RELATIONSHIPS,
            "array_relationships": _QUERY_RELATIONSHIPS,
        }
    ),
    "root_field_name",
)

_CONNECTION = Form(
    defaults={"isolation_level": "read-committed", "use_prepared_statements": False},
    parts={
        "database_url": Form(parts={"connection_parameters": Form()}),
        "pool_settings": Form(defaults={"connection_lifetime": 600}),
        "ssl_configuration": Form(),
    },
)
POSTGRES_CONFIGURATION = Form(
    defaults={"extensions_schema": "public"},
    parts={
        "connection_info": _CONNECTION,
        "read_replicas": each(_CONNECTION),
        "connection_set": named(Form(parts={"connection_info": _CONNECTION}), "name"),
        "connection_template": Form(defaults={"version": 1}),
    },
)
_SOURCE_PARTS: Mapping[str, Normal] = {
    "tables": named(TABLE, "table", table_key),
    "functions": named(FUNCTION, "function", table_key),
    "logical_models": named(Form(parts=_MODEL_PARTS), "name"),
    "native_queries": NATIVE_QUERIES,
    "stored_procedures": named(Form(parts={"arguments": _ARGUMENTS}), "stored_procedure", table_key),
    "customization": Form(parts={"root_fields": Form(), "type_names": Form()}),
    "query_tags": Form(defaults={"disabled": False, "format": "standard", "omit_request_id": True}),
    "health_check": Form(
        defaults={"retries": 3, "retry_interval": 10, "timeout": 10},
        parts={"test": Form(defaults={"sql": "SELECT 1"})},
    ),
}
POSTGRES = ("postgres", "pg", "citus", "cockroach", "alloy")


def source(value: Json) -> Json:
    """A source of any kind; `tables` is always there."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "postgres")
    parts: Mapping[str, Normal] = _SOURCE_PARTS
    if kind in POSTGRES:
        parts = {**parts, "configuration": POSTGRES_CONFIGURATION}
    made = cast(JsonObject, Form(parts=parts)(value))
    return {**made, "kind": "postgres" if kind == "pg" else kind, "tables": made.get("tables", [])}


IGNORED_CLIENT_HEADERS: tuple[Json, ...] = (
    "Content-Length",
    "Content-MD5",
    "User-Agent",
    "Host",
    "Origin",
    "Referer",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Datetime",
    "Cache-Control",
    "Connection",
    "DNT",
    "Content-Type",
)
"""What an action's request leaves out of the client's headers, unless it says otherwise."""


def _query_has_no_kind(definition: JsonObject) -> JsonObject:
    return (
        {key: value for key, value in definition.items() if key != "kind"}
        if definition.get("type") == "query"
        else definition
    )


_ACTION_DEFINITION = Form(
    defaults={
        "kind": "synchronous",
        "type": "mutation",
        "timeout": 30,
        "forward_client_headers": False,
        "ignored_client_headers": list(IGNORED_CLIENT_HEADERS),
    },
    parts={"arguments": each(Form(parts={"type": one_type})), "output_type": one_type, **_TRANSFORMS},
    kept=frozenset({"ignored_client_headers"}),
    texts=frozenset({"comment", "description", "kind"}),
    whole=_query_has_no_kind,
)


def _role_and_comment(permission: JsonObject) -> JsonObject:
    return {key: value for key, value in permission.items() if key in ("role", "comment")}


ACTIONS = named(
    Form(
        parts={
            "definition": _ACTION_DEFINITION,
            "permissions": named(Form(whole=_role_and_comment), "role"),
        }
    ),
    "name",
)
_TYPED_FIELDS = each(Form(parts={"type": one_type, "arguments": each(Form(parts={"type": one_type}))}))
_TYPE_RELATIONSHIP = Form(
    defaults={"source": "default"}, parts={"remote_table": qualified}, kept=frozenset({"field_mapping"})
)
CUSTOM_TYPES = Form(
    parts={
        "enums": named(Form(parts={"values": each(Form())}), "name"),
        "input_objects": named(Form(parts={"fields": _TYPED_FIELDS}), "name"),
        "objects": named(
            Form(parts={"fields": _TYPED_FIELDS, "relationships": each(_TYPE_RELATIONSHIP)}), "name"
        ),
        "scalars": named(Form(), "name"),
    }
)
_REMOTE_NAMES = Form(parts={"mapping": as_written})
REMOTE_SCHEMAS = named(
    Form(
        parts={
            "definition": Form(
                defaults={"forward_client_headers": False},
                parts={
                    "headers": each(_HEADERS),
                    "customization": Form(
                        parts={"type_names": _REMOTE_NAMES, "field_names": each(_REMOTE_NAMES)}
                    ),
                },
            ),
            "permissions": named(Form(parts={"definition": Form(parts={"schema": graphql_text})}), "role"),
            "remote_relationships": named(
                Form(parts={"relationships": REMOTE_RELATIONSHIPS}, kept=frozenset({"relationships"})),
                "type_name",
            ),
        }
    ),
    "name",
)
CRON_TRIGGERS = named(
    Form(
        defaults={"include_in_metadata": True},
        parts={
            "schedule": schedule,
            "retry_conf": Form(
                defaults={
                    "num_retries": 0,
                    "retry_interval_seconds": 10,
                    "timeout_seconds": 60,
                    "tolerance_seconds": 21600,
                }
            ),
            **_TRANSFORMS,
        },
        kept=frozenset({"payload"}),
    ),
    "name",
)


def _unique_params(value: Json) -> Json:
    return value.upper() if isinstance(value, str) else value


_LIMIT = Form()
_RATE = Form(parts={"unique_params": _unique_params})
_RATE_LIMIT = Form(parts={"global": _RATE, "per_role": by_name(_RATE)})


def _host(value: Json) -> Json:
    return {"host": value} if isinstance(value, str) else Form()(value)


TOP_LEVEL: Mapping[str, Normal] = {
    "sources": named(source, "name"),
    "remote_schemas": REMOTE_SCHEMAS,
    "query_collections": named(
        Form(
            parts={
                "definition": Form(
                    parts={"queries": named(Form(parts={"query": graphql_text}), "name")},
                    kept=frozenset({"queries"}),
                )
            },
            kept=frozenset({"definition"}),
        ),
        "name",
    ),
    "allowlist": named(
        Form(defaults={"scope": {"global": True}}, parts={"scope": Form(parts={"roles": names})}),
        "collection",
    ),
    "actions": ACTIONS,
    "custom_types": CUSTOM_TYPES,
    "cron_triggers": CRON_TRIGGERS,
    "rest_endpoints": named(Form(parts={"methods": names}), "name"),
    "inherited_roles": named(Form(parts={"role_set": names}, kept=frozenset({"role_set"})), "role_name"),
    "network": Form(parts={"tls_allowlist": each(_host)}),
    "api_limits": Form(defaults={"disabled": False}, parts={"rate_limit": _RATE_LIMIT}, others=_LIMIT),
    "graphql_schema_introspection": Form(parts={"disabled_for_roles": names}),
    "metrics_config": Form(defaults={"analyze_query_variables": False, "analyze_response_body": False}),
    "opentelemetry": Form(
        defaults={"status": "disabled"},
        parts={
            "data_types": names,
            "exporter_otlp": Form(
                defaults={"protocol": "http/protobuf", "traces_propagators": ["b3"]},
                parts={"headers": each(_HEADERS)},
            ),
            "batch_span_processor": Form(defaults={"max_export_batch_size": 512}),
        },
    ),
    "backend_configs": by_name(by_name(Form())),
}


def as_meant(exported: JsonObject) -> JsonObject:
    """An export with what the engine leaves out of it although it is not the default: `connection_lifetime: 0`, where
    there are pool settings. Written into a file, the same would mean the default."""
    listed = exported.get("sources")
    if not isinstance(listed, list):
        return exported
    return {**exported, "sources": [_with_lifetimes(entry) for entry in listed]}


def _with_lifetimes(value: Json) -> Json:
    if isinstance(value, list):
        return [_with_lifetimes(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {"connection_lifetime": 0, **inner}
        if key == "pool_settings" and isinstance(inner, dict)
        else _with_lifetimes(inner)
        if key in ("configuration", "connection_info", "read_replicas", "connection_set")
        else inner
        for key, inner in value.items()
    }
