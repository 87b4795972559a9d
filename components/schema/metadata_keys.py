"""Which keys metadata may have, and where. Data, after the vendor's metadata API reference
(https://hasura.io/docs/2.0/api-reference/syntax-defs/) and the files that the Hasura CLI writes.

The engine itself takes an unknown key in silence, so a typing error in a permission would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ANY: Shape


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a node may be. `keys` None: anything. `items`: each element of a list; `values`: each value of
    an object with free keys; `unique`: the field by which two elements of the list must differ;
    `required`: keys that must be there. A node that is neither the object nor the list described here (a
    text where an object may stand) is left to the engine."""

    keys: Mapping[str, Shape] | None = None
    items: Shape | None = None
    values: Shape | None = None
    required: tuple[str, ...] = ()
    unique: str | None = None


ANY = Shape()


def _of(*names: str, required: tuple[str, ...] = (), **shapes: Shape) -> Shape:
    return Shape(keys={**dict.fromkeys(names, ANY), **shapes}, required=required)


def _list(items: Shape, unique: str | None = None) -> Shape:
    return Shape(items=items, unique=unique)


_HEADERS = _list(_of("name", "value", "value_from_env", required=("name",)))
_REQUEST_TRANSFORM = _of(
    "version", "template_engine", "method", "url", "body", "query_params", "request_headers", "content_type"
)
_RESPONSE_TRANSFORM = _of("version", "template_engine", "body")


def _calling(*names: str, required: tuple[str, ...] = (), **shapes: Shape) -> Shape:
    """What sends a request."""
    return _of(
        *names,
        required=required,
        headers=_HEADERS,
        request_transform=_REQUEST_TRANSFORM,
        response_transform=_RESPONSE_TRANSFORM,
        **shapes,
    )


_CONNECTION = _of(
    "database_url",
    "use_prepared_statements",
    "isolation_level",
    pool_settings=_of(
        "max_connections",
        "total_max_connections",
        "idle_timeout",
        "retries",
        "pool_timeout",
        "connection_lifetime",
    ),
    ssl_configuration=_of("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword"),
)
_CONFIGURATION = _of(
    "extensions_schema",
    "connection_set",
    "connection_template",
    connection_info=_CONNECTION,
    read_replicas=_list(_CONNECTION),
)
_ROOT_FIELDS = _of(
    "select",
    "select_by_pk",
    "select_aggregate",
    "select_stream",
    "insert",
    "insert_one",
    "update",
    "update_by_pk",
    "update_many",
    "delete",
    "delete_by_pk",
)
_TABLE_CONFIGURATION = _of(
    "custom_name",
    "custom_column_names",
    "comment",
    custom_root_fields=_ROOT_FIELDS,
    column_config=Shape(values=_of("custom_name", "comment")),
)


_VALIDATION = _of(
    "type",
    definition=_of("url", "timeout", "forward_client_headers", headers=_HEADERS, required=("url",)),
    required=("type", "definition"),
)


def _permission(*names: str, required: tuple[str, ...] = (), **shapes: Shape) -> Shape:
    body = _of(*names, required=required, **shapes)
    return _list(_of("role", "comment", permission=body, required=("role", "permission")), unique="role")


_MANUAL = _of("remote_table", "remote_native_query", "column_mapping", "insertion_order")


def _relationships() -> Shape:
    return _list(
        _of(
            "name",
            "comment",
            using=_of("foreign_key_constraint_on", manual_configuration=_MANUAL),
            required=("name", "using"),
        ),
        unique="name",
    )


_REMOTE_RELATIONSHIP = _of(
    "name",
    definition=_of(
        "remote_schema",
        "hasura_fields",
        "remote_field",
        to_remote_schema=_of(
            "remote_schema",
            "lhs_fields",
            "remote_field",
            required=("remote_schema", "lhs_fields", "remote_field"),
        ),
        to_source=_of(
            "relationship_type",
            "field_mapping",
            "source",
            "table",
            required=("relationship_type", "field_mapping", "source", "table"),
        ),
    ),
    required=("name", "definition"),
)
_EVENT_TRIGGER = _calling(
    "name",
    "webhook",
    "webhook_from_env",
    "trigger_on_replication",
    cleanup_config=_of(
        "schedule", "batch_size", "clear_older_than", "timeout", "clean_invocation_logs", "paused"
    ),
    definition=_of(
        "enable_manual",
        insert=_of("columns", "payload"),
        update=_of("columns", "payload"),
        delete=_of("columns", "payload"),
    ),
    retry_conf=_of("num_retries", "interval_sec", "timeout_sec", required=("num_retries", "interval_sec")),
    required=("name", "definition", "retry_conf"),
)
TABLE = _of(
    "table",
    "is_enum",
    "logical_model",
    configuration=_TABLE_CONFIGURATION,
    apollo_federation_config=_of("enable"),
    object_relationships=_relationships(),
    array_relationships=_relationships(),
    computed_fields=_list(
        _of(
            "name",
            "comment",
            definition=_of("function", "table_argument", "session_argument", required=("function",)),
            required=("name", "definition"),
        ),
        unique="name",
    ),
    remote_relationships=_list(_REMOTE_RELATIONSHIP, unique="name"),
    select_permissions=_permission(
        "columns",
        "computed_fields",
        "filter",
        "limit",
        "allow_aggregations",
        "query_root_fields",
        "subscription_root_fields",
        required=("columns", "filter"),
    ),
    insert_permissions=_permission(
        "check", "set", "columns", "backend_only", validate_input=_VALIDATION, required=("check",)
    ),
    update_permissions=_permission(
        "columns",
        "filter",
        "check",
        "set",
        "backend_only",
        validate_input=_VALIDATION,
        required=("columns", "filter"),
    ),
    delete_permissions=_permission(
        "filter", "backend_only", validate_input=_VALIDATION, required=("filter",)
    ),
    event_triggers=_list(_EVENT_TRIGGER, unique="name"),
    required=("table",),
)
FUNCTION = _of(
    "function",
    "comment",
    configuration=_of(
        "custom_name",
        "session_argument",
        "exposed_as",
        "response",
        custom_root_fields=_of("function", "function_aggregate"),
    ),
    permissions=_list(_of("role"), unique="role"),
    required=("function",),
)
_MODEL_FIELDS = _list(_of("name", "type", "nullable", "description", required=("name", "type")))
_MODEL_PERMISSIONS = TABLE.keys["select_permissions"] if TABLE.keys else ANY
_ARGUMENTS = Shape(values=_of("type", "nullable", "description", required=("type",)))


def _query_relationships() -> Shape:
    using = _of("column_mapping", "remote_native_query", "remote_table", "insertion_order")
    return _list(_of("name", "comment", using=using, required=("name", "using")), unique="name")


LOGICAL_MODEL = _of(
    "name",
    "description",
    fields=_MODEL_FIELDS,
    select_permissions=_MODEL_PERMISSIONS,
    required=("name", "fields"),
)
NATIVE_QUERY = _of(
    "root_field_name",
    "type",
    "code",
    "description",
    arguments=_ARGUMENTS,
    # The name of a logical model, or one without a name.
    returns=_of(fields=_MODEL_FIELDS, select_permissions=_MODEL_PERMISSIONS),
    object_relationships=_query_relationships(),
    array_relationships=_query_relationships(),
    required=("root_field_name", "code", "returns"),
)
SOURCES = _list(
    _of(
        "name",
        "kind",
        "stored_procedures",
        logical_models=_list(LOGICAL_MODEL, unique="name"),
        native_queries=_list(NATIVE_QUERY, unique="root_field_name"),
        configuration=_CONFIGURATION,
        tables=_list(TABLE, unique="table"),
        functions=_list(FUNCTION, unique="function"),
        customization=_of(
            "naming_convention",
            root_fields=_of("namespace", "prefix", "suffix"),
            type_names=_of("prefix", "suffix"),
        ),
        query_tags=_of("disabled", "format", "omit_request_id"),
        health_check=_of("test", "interval", "timeout", "retries", "retry_interval"),
        required=("name", "configuration"),
    ),
    unique="name",
)
OTHER_KIND_OF_SOURCE = Shape()

_ACTION = _of(
    "name",
    "comment",
    definition=_calling(
        "kind",
        "handler",
        "forward_client_headers",
        "timeout",
        "type",
        "arguments",
        "output_type",
        "ignored_client_headers",
    ),
    permissions=_list(_of("role", "comment", "definition"), unique="role"),
    required=("name", "definition"),
)
_CUSTOM_TYPES = _of(
    enums=_list(_of("name", "description", "values"), unique="name"),
    input_objects=_list(_of("name", "description", "fields"), unique="name"),
    objects=_list(_of("name", "description", "fields", "relationships"), unique="name"),
    scalars=_list(_of("name", "description"), unique="name"),
)
_CRON = _calling(
    "name",
    "webhook",
    "schedule",
    "include_in_metadata",
    "payload",
    "comment",
    retry_conf=_of("num_retries", "retry_interval_seconds", "timeout_seconds", "tolerance_seconds"),
    required=("name", "webhook", "schedule", "include_in_metadata"),
)


@dataclass(frozen=True, kw_only=True)
class RootFile:
    """A file of the directory's root: the metadata keys that it holds. One key without a name of its own
    in the file fills it wholly (`inline` False); else its top-level keys are metadata keys themselves."""

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    inline: bool = False


ROOT_FILES: Mapping[str, RootFile] = {
    "version.yaml": RootFile(shapes={"version": ANY}, inline=True),
    "actions.yaml": RootFile(
        shapes={"actions": _list(_ACTION, unique="name"), "custom_types": _CUSTOM_TYPES}, inline=True
    ),
    "remote_schemas.yaml": RootFile(
        shapes={
            "remote_schemas": _list(
                _of(
                    "name",
                    "comment",
                    definition=_of(
                        "url",
                        "url_from_env",
                        "forward_client_headers",
                        "timeout_seconds",
                        headers=_HEADERS,
                        customization=_of(
                            "root_fields_namespace",
                            type_names=_of("prefix", "suffix", "mapping"),
                            field_names=_list(_of("parent_type", "prefix", "suffix", "mapping")),
                        ),
                    ),
                    permissions=_list(
                        _of("role", "comment", definition=_of("schema"), required=("role", "definition")),
                        unique="role",
                    ),
                    remote_relationships=_list(
                        _of(
                            "type_name",
                            relationships=_list(_REMOTE_RELATIONSHIP, unique="name"),
                            required=("type_name",),
                        ),
                        unique="type_name",
                    ),
                    required=("name", "definition"),
                ),
                unique="name",
            )
        }
    ),
    "query_collections.yaml": RootFile(
        shapes={
            "query_collections": _list(
                _of(
                    "name",
                    "comment",
                    definition=_of(queries=_list(_of("name", "query"), unique="name")),
                    required=("name", "definition"),
                ),
                unique="name",
            )
        }
    ),
    "allow_list.yaml": RootFile(
        shapes={
            "allowlist": _list(
                _of("collection", scope=_of("global", "roles"), required=("collection",)), unique="collection"
            )
        }
    ),
    "cron_triggers.yaml": RootFile(shapes={"cron_triggers": _list(_CRON, unique="name")}),
    "network.yaml": RootFile(shapes={"network": _of("tls_allowlist")}),
    "rest_endpoints.yaml": RootFile(
        shapes={
            "rest_endpoints": _list(
                _of(
                    "name",
                    "url",
                    "methods",
                    "definition",
                    "comment",
                    required=("name", "url", "methods", "definition"),
                ),
                unique="name",
            )
        }
    ),
    "inherited_roles.yaml": RootFile(
        shapes={
            "inherited_roles": _list(
                _of("role_name", "role_set", required=("role_name", "role_set")), unique="role_name"
            )
        }
    ),
    "opentelemetry.yaml": RootFile(
        shapes={"opentelemetry": _of("status", "data_types", "exporter_otlp", "batch_span_processor")}
    ),
    "backend_configs.yaml": RootFile(shapes={"backend_configs": ANY}),
    "api_limits.yaml": RootFile(
        shapes={
            "api_limits": _of(
                "disabled", "depth_limit", "node_limit", "rate_limit", "time_limit", "batch_limit"
            )
        }
    ),
    "graphql_schema_introspection.yaml": RootFile(
        shapes={"graphql_schema_introspection": _of("disabled_for_roles")}
    ),
    "metrics_config.yaml": RootFile(
        shapes={"metrics_config": _of("analyze_query_variables", "analyze_response_body")}
    ),
}
