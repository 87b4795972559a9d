"""Metadata and run_sql beyond the recorded cases."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from local.engine.catalog import Catalog
from local.engine.connections import Connections
from local.engine.errors import EngineError
from local.engine.run_sql import split_statements
from tests.local_engine.workbench import Workbench, permission, source, table

pytestmark = pytest.mark.docker

USERS = """
create table users (id text primary key, name text);
create table pet (id int primary key, owner text references users);
"""


@pytest.fixture
def users(workbench: Workbench) -> Workbench:
    workbench.sql(USERS, check_metadata_consistency=False)
    workbench.tables(
        table(
            "users",
            array_relationships=[
                {"name": "pets", "using": {"foreign_key_constraint_on": {"table": "pet", "column": "owner"}}}
            ],
            select_permissions=permission(
                "user", columns=["id", "name"], filter={"id": {"_eq": "X-Hasura-User-Id"}}
            ),
        ),
        table(
            "pet",
            select_permissions=permission("user", columns=["id"], filter={"holder": {"name": {"_eq": "x"}}}),
            object_relationships=[{"name": "holder", "using": {"foreign_key_constraint_on": "owner"}}],
        ),
    )
    return workbench


def exported_tables(workbench: Workbench) -> dict[str, dict]:
    metadata = workbench.metadata("export_metadata")
    return {each["table"]["name"]: each for each in metadata["sources"][0]["tables"]}


def test_a_whole_tree_comes_back_in_canonical_form(workbench: Workbench) -> None:
    workbench.sql("create table a (id int); create table b (id int)", check_metadata_consistency=False)
    tree = {
        "version": 3,
        "sources": [
            {
                **source(
                    table("b", is_enum=False, configuration={"custom_root_fields": {}}),
                    {
                        "table": "a",
                        "select_permissions": [
                            {
                                "role": "z",
                                "permission": {"columns": "*", "filter": {}, "allow_aggregations": False},
                            },
                            {
                                "role": "b",
                                "permission": {"columns": [], "filter": {}, "query_root_fields": []},
                            },
                        ],
                        "insert_permissions": [],
                        "update_permissions": [
                            {
                                "role": "z",
                                "permission": {"columns": ["id"], "filter": {}, "set": {}},
                                "comment": "c",
                            }
                        ],
                        "event_triggers": [
                            {"name": "t", "definition": {"enable_manual": True}, "retry_conf": {}}
                        ],
                    },
                ),
                "functions": [
                    {"function": "f"},
                    {"function": {"schema": "s", "name": "e"}, "configuration": {}},
                ],
                "logical_models": [{"name": "m", "fields": []}],
                "customization": {},
            }
        ],
        "actions": [{"name": "b", "definition": {}}, {"name": "a", "definition": {}}],
        "custom_types": {"scalars": [{"name": "S"}], "enums": []},
        "network": {"tls_allowlist": []},
        "remote_schemas": [],
        "inherited_roles": [{"role_name": "both", "role_set": ["b", "a"]}],
        "graphql_schema_introspection": {"disabled_for_roles": ["z"]},
        "metrics_config": {},
    }
    workbench.replace(tree)
    assert workbench.metadata("export_metadata") == {
        "version": 3,
        "sources": [
            {
                "name": "default",
                "kind": "postgres",
                "tables": [
                    {
                        "table": {"name": "a", "schema": "public"},
                        "select_permissions": [
                            {
                                "role": "b",
                                "permission": {"columns": [], "filter": {}, "query_root_fields": []},
                            },
                            {"role": "z", "permission": {"columns": "*", "filter": {}}},
                        ],
                        "update_permissions": [
                            {
                                "role": "z",
                                "permission": {"columns": ["id"], "filter": {}, "check": None},
                                "comment": "c",
                            }
                        ],
                        "event_triggers": [
                            {"name": "t", "definition": {"enable_manual": True}, "retry_conf": {}}
                        ],
                    },
                    {"table": {"name": "b", "schema": "public"}},
                ],
                "functions": [
                    {"function": {"name": "e", "schema": "s"}},
                    {"function": {"name": "f", "schema": "public"}},
                ],
                "logical_models": [{"name": "m", "fields": []}],
                "configuration": {
                    "connection_info": {
                        "database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"},
                        "isolation_level": "read-committed",
                        "use_prepared_statements": False,
                    }
                },
            }
        ],
        "actions": [{"name": "a", "definition": {}}, {"name": "b", "definition": {}}],
        "custom_types": {"scalars": [{"name": "S"}]},
        "inherited_roles": [{"role_name": "both", "role_set": ["b", "a"]}],
        "graphql_schema_introspection": {"disabled_for_roles": ["z"]},
    }
    kept = "actions, custom_types, event_triggers, functions, graphql_schema_introspection, inherited_roles"
    assert f"does nothing with them: {kept}, logical_models" in workbench.engine.log()
    again = workbench.metadata("export_metadata")
    workbench.replace(again)
    assert workbench.metadata("export_metadata") == again


@pytest.mark.parametrize(
    ("tables", "message", "path"),
    [
        ([{}], 'key "table" not found', "$.args.metadata.sources[0].tables[0]"),
        (
            [table("users", select_permissions=[{"permission": {}}])],
            'key "role" not found',
            "$.args.metadata.sources[0].tables[0].select_permissions[0]",
        ),
        (
            [table("users", select_permissions=permission("r", columns=["id"]))],
            'key "filter" not found',
            "$.args.metadata.sources[0].tables[0].select_permissions[0].permission",
        ),
    ],
)
def test_a_part_of_the_wrong_shape_is_named(users: Workbench, tables: list, message: str, path: str) -> None:
    metadata = {"version": 3, "sources": [source(*tables)]}
    answer = users.refused("replace_metadata", {"metadata": metadata}, version=2)
    assert (answer["error"], answer["code"], answer["path"]) == (message, "parse-failed", path)


def test_every_operation_changes_the_resource_version_but_states_do_not(users: Workbench) -> None:
    def version() -> int:
        return users.metadata("export_metadata", version=2)["resource_version"]

    before = version()
    users.metadata("set_catalog_state", {"type": "console", "state": {"a": 1}})
    users.metadata("get_inconsistent_metadata")
    assert version() == before
    users.metadata("reload_metadata")
    assert version() == before + 1
    users.metadata("pg_untrack_table", {"table": "pet", "cascade": True})
    assert version() == before + 2


def test_bulk_is_all_or_nothing(users: Workbench) -> None:
    before = users.metadata("export_metadata", version=2)
    items = [
        {"type": "pg_untrack_table", "args": {"table": "pet", "cascade": True}},
        {"type": "pg_track_table", "args": {"table": "ghost"}},
    ]
    answer = users.refused("bulk", items)
    assert answer["path"].startswith("$[1]")
    assert users.metadata("export_metadata", version=2) == before
    assert users.metadata("bulk", items[:1]) == [{"message": "success"}]
    assert set(exported_tables(users)) == {"users"}


def test_single_changes(users: Workbench) -> None:
    users.sql("create table room (id int)", check_metadata_consistency=False)
    users.metadata("pg_track_table", {"table": "room"})
    assert users.refused("pg_track_table", {"table": "room"})["code"] == "already-tracked"
    wanted = {"table": "room", "role": "r", "permission": {"columns": ["id"], "filter": {}}}
    users.metadata("pg_create_select_permission", wanted)
    assert users.refused("pg_create_select_permission", wanted)["code"] == "already-exists"
    wrong = {"table": "room", "role": "s", "permission": {"columns": ["no"], "filter": {}}}
    answer = users.refused("pg_create_select_permission", wrong)
    assert answer["code"] == "invalid-configuration"
    assert answer["error"].endswith('column "no" does not exist')
    users.metadata("pg_drop_select_permission", {"table": "room", "role": "r"})
    assert exported_tables(users)["room"] == {"table": {"name": "room", "schema": "public"}}
    answer = users.refused("pg_untrack_table", {"table": "pet"})
    assert (answer["code"], answer["path"]) == ("dependency-error", "$.args")
    answer = users.refused("pg_track_function", {"function": "f"})
    assert answer["code"] == "not-supported"


def test_inconsistent_relationships_and_sources(users: Workbench) -> None:
    broken = table(
        "users", object_relationships=[{"name": "boss", "using": {"foreign_key_constraint_on": "name"}}]
    )
    metadata = {
        "version": 3,
        "sources": [source(broken), source(name="gone", url="postgresql://nobody:canary-7@127.0.0.1:1/x")],
    }
    answer = users.replace(metadata, allow_inconsistent=True)
    kinds = {each["name"]: each for each in answer["inconsistent_objects"]}
    assert set(kinds) == {"object_relation boss in table users in source default", "source gone"}
    assert kinds["source gone"]["reason"] == "Inconsistent object: connection error"
    assert "canary-7" not in users.engine.log()
    users.replace(
        {"version": 3, "sources": [source(table("users"), table("ghost"))]}, allow_inconsistent=True
    )
    users.metadata("pg_untrack_table", {"table": "ghost"})
    assert set(exported_tables(users)) == {"users"}
    users.replace(metadata, allow_inconsistent=True)
    users.metadata("drop_inconsistent_metadata")
    assert [each["name"] for each in users.metadata("export_metadata")["sources"]] == ["default"]


def test_several_sources(users: Workbench, new_database: Callable[[], str]) -> None:
    url = new_database()
    other = source(name="second", url=url)
    users.metadata("pg_add_source", {"name": "second", "configuration": other["configuration"]})
    users.sql("create table far (id int primary key); insert into far values (1)", source="second")
    users.metadata("pg_track_table", {"source": "second", "table": "far"})
    assert users.data("{ far { id } users { id } }") == {"far": [{"id": 1}], "users": []}
    assert users.sql("select current_database()", source="second")["result"][1] == [url.rpartition("/")[2]]
    users.metadata("pg_drop_source", {"name": "second"})
    assert users.error("{ far { id } }")["message"] == "field 'far' not found in type: 'query_root'"


def test_dropping_what_others_need_is_refused_and_rolled_back(users: Workbench) -> None:
    answer = users.refused_sql("alter table users drop column name")
    assert answer == {
        "path": "$",
        "code": "dependency-error",
        "error": "cannot drop due to the following dependent objects: "
        'permission pet.user.select in source "default", permission users.user.select in source "default"',
    }
    assert users.data("{ users { id name } }") == {"users": []}
    answer = users.refused_sql("drop table pet")
    assert answer["error"].endswith('relationship users.pets in source "default"')
    users.sql("alter table users drop column name", cascade=True)
    assert set(exported_tables(users)["users"]) == {"table", "array_relationships"}
    assert "select_permissions" not in exported_tables(users)["pet"]


def test_renames_are_followed(users: Workbench) -> None:
    users.sql("alter table users rename column name to full_name; alter table pet rename to animal")
    tables = exported_tables(users)
    assert tables["users"]["select_permissions"][0]["permission"]["columns"] == ["id", "full_name"]
    assert tables["animal"]["select_permissions"][0]["permission"]["filter"] == {
        "holder": {"full_name": {"_eq": "x"}}
    }
    on = tables["users"]["array_relationships"][0]["using"]["foreign_key_constraint_on"]
    assert on == {"table": {"name": "animal", "schema": "public"}, "column": "owner"}
    assert users.metadata("get_inconsistent_metadata")["is_consistent"]
    assert users.data("{ users { full_name pets { id } } }") == {"users": []}


def test_metadata_that_sql_made_inconsistent_is_reported_after_the_fact(users: Workbench) -> None:
    before = users.metadata("export_metadata")
    answer = users.refused_sql("alter table pet drop constraint pet_owner_fkey")
    assert answer["error"] == "cannot continue due to newly found inconsistent metadata"
    assert {each["name"] for each in answer["internal"]} == {
        "array_relation pets in table users in source default",
        "object_relation holder in table pet in source default",
        "select_permission user in table pet in source default",
    }
    assert users.metadata("export_metadata") == before
    found = users.sql("select count(*) from pg_constraint where conname = 'pet_owner_fkey'")
    assert found["result"][1] == ["0"]


def test_it_gets_over_lost_connections(users: Workbench) -> None:
    with psycopg.connect(users.database_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert users.data("{ users { id } }") == {"users": []}
    assert users.sql("select 1 as a")["result"] == [["a"], ["1"]]


def test_two_writers_of_metadata_cannot_both_win(new_database: Callable[[], str]) -> None:
    one, two = (Catalog(Connections(url)) for url in [new_database()] * 2)
    one.initialise({"version": 3, "sources": []})
    version, metadata = two.metadata()
    assert one.replace_metadata({**metadata, "actions": []}, version) == version + 1
    with pytest.raises(EngineError, match="did not match current version"):
        two.replace_metadata(metadata, version)


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("select 1", ["select 1"]),
        ("a; b ;", ["a", " b "]),
        ("-- only; this", ["-- only; this"]),
        ("a; -- ;\n", ["a"]),
        ("a /* ; */; /* b; */ c", ["a /* ; */", " /* b; */ c"]),
        ("""select ';', "a;b", '''; '; b""", ["""select ';', "a;b", '''; '""", " b"]),
        (r"select E'\';'; b", [r"select E'\';'", " b"]),
        ("do $$ a; $x$ b; $$; c", ["do $$ a; $x$ b; $$", " c"]),
        ("do $x$ a; $$ b; $x$; c", ["do $x$ a; $$ b; $x$", " c"]),
        ("select $1; b", ["select $1", " b"]),
    ],
)
def test_statements_are_told_apart(sql: str, parts: list[str]) -> None:
    assert split_statements(sql) == parts


def test_sql_without_the_check_changes_nothing_until_a_reload(users: Workbench) -> None:
    users.sql("alter table users add column mail text", check_metadata_consistency=False)
    assert "errors" in users.graphql("{ users { mail } }")
    users.metadata("reload_metadata")
    assert users.data("{ users { mail } }") == {"users": []}


def test_sql_that_copies_leaves_the_connection_usable(users: Workbench) -> None:
    for _ in range(12):
        assert users.refused_sql("copy users from stdin")["code"] == "postgres-error"
    assert users.sql("select 1 as a")["result"] == [["a"], ["1"]]


def test_no_transaction_runs_statement_by_statement(users: Workbench) -> None:
    text = """
    -- the first; with a semicolon
    insert into users values ('a;b', $q$ it's; $q$);
    create index concurrently users_name on users (name); /* ; */ select 1/0;
    insert into users values ('never');
    """
    answer = users.refused_sql(text, no_transaction=True)
    assert answer["internal"]["error"]["status_code"] == "22012"
    assert users.sql("select id, name from users")["result"][1:] == [["a;b", " it's; "]]


def test_a_long_file_runs(users: Workbench) -> None:
    rows = "".join(f"insert into users values ('u{number}', '{'x' * 1000}');\n" for number in range(5000))
    assert users.sql(rows) == {"result_type": "CommandOk", "result": None}
    assert users.sql("select count(*) from users")["result"][1] == ["5000"]
