"""The canonical form: what means the same is equal, what means something else is not."""

from __future__ import annotations

import copy
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.hasura.json_types import JsonObject
from components.schema.canonical import canonical, keyed
from components.schema.engine_forms import table_key

NAMES = st.sampled_from(["a", "b", "c", "d.e"])
ROLES = st.sampled_from(["user", "manager", "anonymous"])
COLUMNS = st.one_of(st.just("*"), st.lists(st.sampled_from(["id", "name", "x"]), unique=True))
FILTERS = st.sampled_from([{}, {"id": {"_eq": "X-Hasura-User-Id"}}, {"_or": [{"a": {"_gt": 1}}, {"b": {}}]}])


def by(field: str, items: st.SearchStrategy[dict]) -> st.SearchStrategy[list[dict]]:
    return st.lists(items, max_size=3, unique_by=lambda item: json.dumps(item[field], sort_keys=True))


def permission(**fields: st.SearchStrategy) -> st.SearchStrategy[list[dict]]:
    needed = {name: value for name, value in fields.items() if name in ("columns", "filter")}
    optional = {name: value for name, value in fields.items() if name not in needed}
    return by(
        "role",
        st.fixed_dictionaries(
            {"role": ROLES, "permission": st.fixed_dictionaries(needed, optional=optional)},
            optional={"comment": st.sampled_from(["", "why"])},
        ),
    )


TABLES = by(
    "table",
    st.fixed_dictionaries(
        {"table": st.fixed_dictionaries({"name": NAMES, "schema": st.sampled_from(["public", "other"])})},
        optional={
            "is_enum": st.booleans(),
            "configuration": st.sampled_from([{}, {"custom_root_fields": {}}, {"custom_name": "t"}]),
            "select_permissions": permission(
                columns=COLUMNS,
                filter=FILTERS,
                allow_aggregations=st.booleans(),
                limit=st.sampled_from([None, 0, 5]),
                query_root_fields=st.sampled_from([None, [], ["select", "select_by_pk"]]),
            ),
            "update_permissions": permission(
                columns=COLUMNS,
                filter=FILTERS,
                check=st.one_of(st.none(), FILTERS),
                set=st.sampled_from([{}, {"a": "b"}]),
            ),
            "insert_permissions": permission(check=FILTERS, columns=COLUMNS, backend_only=st.booleans()),
            "delete_permissions": permission(filter=FILTERS),
            "object_relationships": by(
                "name",
                st.fixed_dictionaries(
                    {"name": NAMES, "using": st.sampled_from([{"foreign_key_constraint_on": "a_id"}])}
                ),
            ),
        },
    ),
)
METADATA = st.fixed_dictionaries(
    {
        "version": st.just(3),
        "sources": by(
            "name",
            st.fixed_dictionaries(
                {
                    "name": NAMES,
                    "configuration": st.sampled_from(
                        [
                            {"connection_info": {"database_url": {"from_env": "A"}}},
                            {
                                "connection_info": {
                                    "database_url": {"from_env": "A"},
                                    "isolation_level": "serializable",
                                }
                            },
                        ]
                    ),
                    "tables": TABLES,
                },
                optional={"kind": st.just("postgres"), "functions": st.just([])},
            ),
        ),
    },
    optional={
        "actions": st.just([]),
        "allowlist": by("collection", st.fixed_dictionaries({"collection": NAMES})),
        "inherited_roles": by(
            "role_name", st.fixed_dictionaries({"role_name": NAMES, "role_set": st.lists(ROLES, unique=True)})
        ),
        "network": st.just({}),
    },
)
UNORDERED = ("sources", "tables", "columns", "allowlist", "inherited_roles", "role_set", "query_root_fields")


def shuffled(value: object, random_: random.Random, key: str = "") -> object:
    if isinstance(value, dict):
        items = [(name, shuffled(inner, random_, name)) for name, inner in value.items()]
        random_.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        inner = [shuffled(item, random_) for item in value]
        if key in UNORDERED or key.endswith(("_permissions", "_relationships")):
            random_.shuffle(inner)
        return inner
    return value


@given(METADATA)
def test_idempotent(metadata: JsonObject) -> None:
    assert canonical(canonical(metadata)) == canonical(metadata)
    assert json.dumps(canonical(canonical(metadata))) == json.dumps(canonical(metadata))


@given(METADATA, st.randoms(use_true_random=False))
def test_order_means_nothing(metadata: JsonObject, random_: random.Random) -> None:
    other = shuffled(metadata, random_)
    assert json.dumps(canonical(other)) == json.dumps(canonical(metadata))  # type: ignore[arg-type]
    assert keyed(other) == keyed(metadata)  # type: ignore[arg-type]


@given(METADATA)
def test_input_is_left_alone(metadata: JsonObject) -> None:
    before = copy.deepcopy(metadata)
    keyed(metadata)
    assert metadata == before


@given(METADATA, METADATA)
def test_keyed_tells_apart_what_canonical_does(one: JsonObject, two: JsonObject) -> None:
    assert (keyed(one) == keyed(two)) == (canonical(one) == canonical(two))


def table(**fields: object) -> JsonObject:
    entry = {"table": {"name": "users", "schema": "public"}, **fields}
    return {
        "version": 3,
        "sources": [{"name": "default", "kind": "postgres", "configuration": {}, "tables": [entry]}],
    }  # type: ignore[list-item]


def select(**fields: object) -> JsonObject:
    body = {"columns": ["id"], "filter": {}, **fields}
    return table(select_permissions=[{"role": "user", "permission": body}])


def top(**fields: object) -> JsonObject:
    return {**table(), **fields}  # type: ignore[dict-item]


SAME = {
    "aggregations not allowed": (select(), select(allow_aggregations=False)),
    "no computed fields": (select(), select(computed_fields=[])),
    "no limit": (select(), select(limit=None)),
    "check of an update": (
        table(update_permissions=[{"role": "user", "permission": {"columns": [], "filter": {}}}]),
        table(
            update_permissions=[{"role": "user", "permission": {"columns": [], "filter": {}, "check": None}}]
        ),
    ),
    "empty comment": (
        select(),
        table(
            select_permissions=[
                {"role": "user", "permission": {"columns": ["id"], "filter": {}}, "comment": ""},
            ]
        ),
    ),
    "table as a text": (
        table(),
        {**table(), "sources": [{"name": "default", "tables": [{"table": "users"}]}]},
    ),
    "no enum": (table(), table(is_enum=False)),
    "no permissions": (table(), table(select_permissions=[])),
    "empty configuration": (
        table(),
        table(configuration={"custom_root_fields": {}, "custom_column_names": {}}),
    ),
    "empty root": (
        top(),
        top(
            actions=[],
            custom_types={"enums": [], "objects": []},
            network={},
            api_limits={},
            allowlist=[],
            graphql_schema_introspection={"disabled_for_roles": []},
        ),
    ),
    "foreign key in a list": (
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "o_id"}}]),
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": ["o_id"]}}]),
    ),
    "foreign key of the other table": (
        table(
            array_relationships=[
                {"name": "o", "using": {"foreign_key_constraint_on": {"table": "posts", "column": "user_id"}}}
            ]
        ),
        table(
            array_relationships=[
                {
                    "name": "o",
                    "using": {
                        "foreign_key_constraint_on": {
                            "table": {"schema": "public", "name": "posts"},
                            "columns": ["user_id"],
                        }
                    },
                }
            ]
        ),
    ),
}
OTHER = {
    "aggregations": (select(), select(allow_aggregations=True)),
    "filter": (select(), select(filter={"id": {"_eq": "X-Hasura-User-Id"}})),
    "limit": (select(), select(limit=0)),
    "all columns": (select(), select(columns="*")),
    "no column": (select(), select(columns=[])),
    "root fields hidden": (select(), select(query_root_fields=[])),
    "order of a condition": (
        select(filter={"_and": [{"a": {}}, {"b": {}}]}),
        select(filter={"_and": [{"b": {}}, {"a": {}}]}),
    ),
    "comment": (
        select(),
        table(
            select_permissions=[
                {"role": "user", "permission": {"columns": ["id"], "filter": {}}, "comment": "why"},
            ]
        ),
    ),
    "check of an update": (
        table(update_permissions=[{"role": "user", "permission": {"columns": [], "filter": {}}}]),
        table(
            update_permissions=[{"role": "user", "permission": {"columns": [], "filter": {}, "check": {}}}]
        ),
    ),
    "enum": (table(), table(is_enum=True)),
    "schema": (
        table(),
        {
            **table(),
            "sources": [{"name": "default", "tables": [{"table": {"name": "users", "schema": "other"}}]}],
        },
    ),
    "unknown root": (top(), top(future={"a": 1})),
}


@pytest.mark.parametrize("name", SAME)
def test_same(name: str) -> None:
    one, two = SAME[name]
    assert canonical(one) == canonical(two)
    assert keyed(one) == keyed(two)


@pytest.mark.parametrize("name", OTHER)
def test_other(name: str) -> None:
    one, two = OTHER[name]
    assert canonical(one) != canonical(two)
    assert keyed(one) != keyed(two)


def test_what_the_real_engine_exports() -> None:
    """Written as a person writes it, and as engine v2.48.10 gave it back."""
    configuration = {"connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}}
    own = {"id": {"_eq": "X-Hasura-User-Id"}}
    written = {
        "version": 3,
        "sources": [
            {
                "name": "default",
                "kind": "postgres",
                "configuration": configuration,
                "tables": [
                    {
                        "table": {"schema": "public", "name": "users"},
                        "select_permissions": [
                            {
                                "role": "user",
                                "permission": {"columns": ["name", "id", "last_seen"], "filter": own},
                            }
                        ],
                        "update_permissions": [
                            {"role": "user", "permission": {"columns": ["name"], "filter": own}}
                        ],
                        "insert_permissions": [
                            {
                                "role": "user",
                                "permission": {
                                    "check": {},
                                    "set": {"id": "X-Hasura-User-Id"},
                                    "columns": ["name"],
                                },
                            }
                        ],
                        "delete_permissions": [{"role": "user", "permission": {"filter": own}}],
                    }
                ],
            }
        ],
    }
    exported = {
        "version": 3,
        "sources": [
            {
                "name": "default",
                "kind": "postgres",
                "tables": [
                    {
                        "table": {"name": "users", "schema": "public"},
                        "insert_permissions": [
                            {
                                "role": "user",
                                "permission": {
                                    "check": {},
                                    "set": {"id": "X-Hasura-User-Id"},
                                    "columns": ["name"],
                                },
                            }
                        ],
                        "select_permissions": [
                            {
                                "role": "user",
                                "permission": {"columns": ["id", "last_seen", "name"], "filter": own},
                            }
                        ],
                        "update_permissions": [
                            {
                                "role": "user",
                                "permission": {"columns": ["name"], "filter": own, "check": None},
                            }
                        ],
                        "delete_permissions": [{"role": "user", "permission": {"filter": own}}],
                    }
                ],
                "configuration": {
                    "connection_info": {
                        "database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"},
                        "isolation_level": "read-committed",
                        "use_prepared_statements": False,
                    }
                },
            }
        ],
    }
    assert canonical(written) == canonical(exported)  # type: ignore[arg-type]


def test_passwords_stay_out_of_what_is_shown() -> None:
    def told(url: object) -> object:
        configuration = {"connection_info": {"database_url": url}}
        made = keyed({"version": 3, "sources": [{"name": "s", "configuration": configuration}]})  # type: ignore
        return made["sources"]["s"]["configuration"]["connection_info"]["database_url"]  # type: ignore

    assert told("postgres://user:pa@ss@host:5432/db") == "postgres://user:***@host:5432/db"
    assert told("postgres://user@host/db") == "postgres://user@host/db"
    assert told({"connection_parameters": {"password": "x", "port": 1}}) == {
        "connection_parameters": {"password": "***", "port": 1}
    }
    assert told({"from_env": "URL"}) == {"from_env": "URL"}


@pytest.mark.parametrize(
    ("table_", "key"),
    [
        ("users", "public.users"),
        ({"name": "users"}, "public.users"),
        ({"schema": "a", "name": "b"}, "a.b"),
        ({"schema": "a.b", "name": "c"}, '"a.b".c'),
        ({"schema": "a", "name": "b.c"}, 'a."b.c"'),
        (["x"], '["x"]'),
    ],
)
def test_table_key(table_: object, key: str) -> None:
    assert table_key(table_) == key  # type: ignore[arg-type]
