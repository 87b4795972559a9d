"""Reading a metadata directory: includes, places, and every mistake with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.schema.directories import read_schema
from components.schema.metadata_directory import MetadataDirectory, read_metadata
from components.schema.problems import SchemaError

ROOT = Path(__file__).resolve().parents[3]
SOURCE = """\
- name: default
  kind: postgres
  configuration:
    connection_info:
      database_url:
        from_env: HASURA_GRAPHQL_DATABASE_URL
"""
BASE = {
    "version.yaml": "version: 3\n",
    "databases/databases.yaml": SOURCE + '  tables: "!include default/tables/tables.yaml"\n',
    "databases/default/tables/tables.yaml": "[]\n",
}
TABLE = "table:\n  name: users\n  schema: public\n"


def directory(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in {**BASE, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def read(root: Path, **files: str | bytes) -> MetadataDirectory:
    return read_metadata(
        directory(root, {name.replace("__", "/"): text for name, text in files.items()}), shown_as="m"
    )


def problems(root: Path, files: dict[str, str | bytes]) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        read_metadata(directory(root, files), shown_as="m")
    return [str(problem).split("\n")[0] for problem in caught.value.problems]


def test_the_projects_own_directory() -> None:
    found = read_metadata(ROOT / "hasura_metadata")
    assert found.keyed() == {
        "version": 3,
        "sources": {
            "default": {
                "kind": "postgres",
                "configuration": {
                    "connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}
                },
                "tables": {
                    "public.users": {
                        "select_permissions": {
                            "user": {
                                "columns": {"id": True, "last_seen": True, "name": True},
                                "filter": {"id": {"_eq": "X-Hasura-User-Id"}},
                            }
                        }
                    }
                },
            }
        },
    }


def test_the_projects_own_schema() -> None:
    schema = read_schema(root=ROOT)
    assert list(schema.migrations.checksums()["default"]) == ["1700000000000_users"]
    assert list(schema.configurations()) == ["default"]


def test_every_file_that_an_export_writes_is_there() -> None:
    found = {
        path.relative_to(ROOT / "hasura_metadata").as_posix()
        for path in (ROOT / "hasura_metadata").rglob("*.*")
    }
    assert found == {
        "actions.graphql",
        "actions.yaml",
        "allow_list.yaml",
        "api_limits.yaml",
        "cron_triggers.yaml",
        "databases/databases.yaml",
        "databases/default/tables/public_users.yaml",
        "databases/default/tables/tables.yaml",
        "graphql_schema_introspection.yaml",
        "inherited_roles.yaml",
        "network.yaml",
        "query_collections.yaml",
        "remote_schemas.yaml",
        "rest_endpoints.yaml",
        "version.yaml",
    }


WAYS = {
    "as a text": {"databases/default/tables/tables.yaml": '- "!include public_users.yaml"\n'},
    "as a tag": {"databases/default/tables/tables.yaml": "- !include public_users.yaml\n"},
    "single quotes": {"databases/default/tables/tables.yaml": "- '!include public_users.yaml'\n"},
    "from databases.yaml": {
        "databases/databases.yaml": SOURCE + "  tables:\n    - !include default/tables/public_users.yaml\n",
    },
    "in a folder further down": {
        "databases/default/tables/tables.yaml": "- !include more/all.yaml\n",
        "databases/default/tables/more/all.yaml": '"!include ../public_users.yaml"\n',
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_include(way: str, tmp_path: Path) -> None:
    files = {"databases/default/tables/public_users.yaml": TABLE, **WAYS[way]}
    if way == "from databases.yaml":
        files["databases/default/tables/tables.yaml"] = "[]\n"
        directory(tmp_path, files)
        (tmp_path / "databases/default/tables/tables.yaml").unlink()
        found = read_metadata(tmp_path, shown_as="m")
    else:
        found = read_metadata(directory(tmp_path, files), shown_as="m")
    assert found.tree["sources"][0]["tables"] == [{"table": {"name": "users", "schema": "public"}}]  # type: ignore
    place = found.place(("sources", 0, "tables", 0, "table", "schema"))
    assert str(place) == "m/databases/default/tables/public_users.yaml:3"


def test_same_tree_inline_and_included(tmp_path: Path) -> None:
    one = read_metadata(
        directory(
            tmp_path / "one",
            {
                "databases/default/tables/tables.yaml": "- !include public_users.yaml\n",
                "databases/default/tables/public_users.yaml": TABLE,
            },
        )
    )
    (
        directory(
            tmp_path / "two",
            {
                "databases/databases.yaml": SOURCE
                + "  tables:\n    - table: {name: users, schema: public}\n",
            },
        )
        / "databases/default/tables/tables.yaml"
    ).unlink()
    assert read_metadata(tmp_path / "two").tree == one.tree


def test_text_that_begins_like_an_include_elsewhere(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "cron_triggers.yaml": (
                "- name: a\n  webhook: http://x.test\n  schedule: '* * * * *'\n  include_in_metadata: true\n"
                "  comment: '!include nothing'\n"
            )
        },
    )
    assert found.tree["cron_triggers"][0]["comment"] == "!include nothing"  # type: ignore[index,call-overload]


def test_scalars_as_yaml_1_2(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "backend_configs.yaml": (
                "a: [yes, no, on, off, true, False, null, ~, 12, -3, 0x1F, 0o17, 1.5, 1e3, "
                "2020-01-01, 12:30, '12', .5]\n"
            )
        },
    )
    assert found.tree["backend_configs"] == {
        "a": [
            "yes",
            "no",
            "on",
            "off",
            True,
            False,
            None,
            None,
            12,
            -3,
            31,
            15,
            1.5,
            1000.0,
            "2020-01-01",
            "12:30",
            "12",
            0.5,
        ]
    }


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "databases__default__tables__tables.yaml": (
                "- table: &t {name: a, schema: public}\n- table: {<<: *t, name: b}\n"
            )
        },
    )
    tables = found.tree["sources"][0]["tables"]  # type: ignore[index,call-overload]
    assert tables == [
        {"table": {"name": "a", "schema": "public"}},
        {"table": {"name": "b", "schema": "public"}},
    ]


def test_places(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "databases__default__tables__tables.yaml": (
                "- table:\n    name: users\n    schema: public\n  select_permissions:\n    - role: user\n"
                "      permission:\n        columns:\n          - id\n        filter: {}\n"
            ),
        },
    )
    base = ("sources", 0, "tables", 0, "select_permissions", 0)
    file = "m/databases/default/tables/tables.yaml"
    assert str(found.place(base)) == f"{file}:5"
    assert str(found.place((*base, "permission", "filter"))) == f"{file}:9"
    assert str(found.place((*base, "permission", "nothing"))) == f"{file}:6"
    assert str(found.place(("sources",))) == "m/databases/databases.yaml:1"


TABLES = "databases/default/tables/tables.yaml"
BAD: dict[str, tuple[dict[str, str | bytes], str]] = {
    "unknown key of a table": (
        {TABLES: "- table: {name: a}\n  select_permisions: []\n"},
        f"m/{TABLES}:2: unknown key select_permisions",
    ),
    "unknown key of a permission": (
        {
            TABLES: "- table: {name: a}\n  select_permissions:\n    - role: user\n      permission:\n"
            "        columns: []\n        filter: {}\n        alow_aggregations: true\n"
        },
        f"m/{TABLES}:7: unknown key alow_aggregations",
    ),
    "missing key of a permission": (
        {
            TABLES: "- table: {name: a}\n  select_permissions:\n    - role: user\n      permission:\n"
            "        columns: []\n"
        },
        f"m/{TABLES}:5: the key filter is missing",
    ),
    "unknown key of a source": (
        {"databases/databases.yaml": BASE["databases/databases.yaml"] + "  table: []\n"},
        "m/databases/databases.yaml:8: unknown key table",
    ),
    "unknown key of the root": (
        {"actions.yaml": "actions: []\ncustom_type: {}\n"},
        "m/actions.yaml:2: unknown key custom_type",
    ),
    "unknown file": ({"cron_trigger.yaml": "[]\n"}, "m/cron_trigger.yaml: belongs to nothing"),
    "table nobody includes": (
        {"databases/default/tables/public_a.yaml": "table: {name: a}\n"},
        "m/databases/default/tables/public_a.yaml: belongs to nothing",
    ),
    "include of nothing": (
        {TABLES: "- table: {name: a}\n- !include public_b.yaml\n"},
        f"m/{TABLES}:2: !include public_b.yaml: no such file",
    ),
    "include that leaves": (
        {TABLES: "- !include ../../../../outside.yaml\n"},
        f"m/{TABLES}:1: !include ../../../../outside.yaml leaves the metadata directory",
    ),
    "include in another place": (
        {"cron_triggers.yaml": "!include triggers.yaml\n"},
        "m/cron_triggers.yaml:1: !include is resolved beneath tables and functions only",
    ),
    "include of itself": ({TABLES: "- !include tables.yaml\n"}, f"m/{TABLES}:1: nested too deeply"),
    "trigger that is not in the metadata": (
        {
            "cron_triggers.yaml": "- name: a\n  webhook: h\n  schedule: '* * * * *'\n"
            "  include_in_metadata: false\n"
        },
        "m/cron_triggers.yaml:4: a trigger that is not to be in the metadata stands in it",
    ),
    "event trigger without retries": (
        {TABLES: "- table: a\n  event_triggers:\n    - name: t\n      definition: {}\n      webhook: h\n"},
        f"m/{TABLES}:3: the key retry_conf is missing",
    ),
    "key of a manual relationship": (
        {
            TABLES: "- table: a\n  array_relationships:\n    - name: r\n      using:\n"
            "        manual_configuration:\n          remote_table: b\n          colum_mapping: {}\n"
        },
        f"m/{TABLES}:7: unknown key colum_mapping",
    ),
    "key of a native query": (
        {
            "databases/databases.yaml": BASE["databases/databases.yaml"]
            + "  native_queries:\n    - {root_field_name: q, code: select 1, returns: r, argument: {}}\n"
        },
        "m/databases/databases.yaml:9: unknown key argument",
    ),
    "native query twice": (
        {
            "databases/databases.yaml": BASE["databases/databases.yaml"]
            + "  native_queries:\n    - {root_field_name: q, code: select 1, returns: r}\n"
            "    - {root_field_name: q, code: select 2, returns: r}\n"
        },
        "m/databases/databases.yaml:10: root_field_name q is there twice",
    ),
    "key of a remote schema's permission": (
        {
            "remote_schemas.yaml": "- name: s\n  definition: {url: u}\n  permissions:\n    - role: r\n"
            "      definition: {scheme: ''}\n"
        },
        "m/remote_schemas.yaml:5: unknown key scheme",
    ),
    "unknown tag": ({TABLES: "- table: !name a\n"}, f"m/{TABLES}:1: unknown tag !name"),
    "not YAML": ({TABLES: "- table: {name: a}\n- table: [\n"}, f"m/{TABLES}:3: not YAML"),
    "tab": ({TABLES: "- table:\n\tname: a\n"}, f"m/{TABLES}:2: not YAML"),
    "two documents": ({TABLES: "[]\n---\n[]\n"}, f"m/{TABLES}:2: not YAML"),
    "not UTF-8": ({TABLES: b"- table: {name: a}\n- table: {name: '\xe9'}\n"}, f"m/{TABLES}:2: not UTF-8"),
    "key twice": (
        {TABLES: "- table: {name: a}\n  is_enum: true\n  is_enum: false\n"},
        f"m/{TABLES}:3: the key is_enum is there twice",
    ),
    "table twice": (
        {TABLES: "- table: {name: a, schema: public}\n- table: b\n- table: a\n"},
        f"m/{TABLES}:3: table public.a is there twice: also m/{TABLES}:1",
    ),
    "role twice": (
        {
            TABLES: "- table: a\n  delete_permissions:\n    - role: user\n      permission: {filter: {}}\n"
            "    - role: user\n      permission: {filter: {}}\n"
        },
        f"m/{TABLES}:5: role user is there twice: also m/{TABLES}:3",
    ),
    "password in a URL": (
        {
            "databases/databases.yaml": BASE["databases/databases.yaml"].replace(
                "        from_env: HASURA_GRAPHQL_DATABASE_URL\n",
                "        postgres://user:pa@ss@host/db\n",
            )
        },
        "m/databases/databases.yaml:5: a password is written out here",
    ),
    "password by itself": (
        {
            "databases/databases.yaml": BASE["databases/databases.yaml"].replace(
                "        from_env: HASURA_GRAPHQL_DATABASE_URL\n",
                "        connection_parameters:\n          password: secret\n",
            )
        },
        "m/databases/databases.yaml:7: a password is written out here",
    ),
    "other version": ({"version.yaml": "version: 2\n"}, "m/version.yaml:1: version 2, not 3"),
    "types of an unknown action": (
        {"actions.yaml": "actions: []\n", "actions.graphql": "\ntype Mutation {\n  go(a: Int!): Out\n}\n"},
        "m/actions.graphql:3: go is not an action of actions.yaml",
    ),
    "types that do not parse": (
        {"actions.graphql": "type Mutation {\n  go(: Out\n}\n"},
        "m/actions.graphql:2: Syntax",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str, tmp_path: Path) -> None:
    files, expected = BAD[name]
    found = problems(tmp_path / "m", files)
    assert len({text.split(": ")[0] for text in found}) == 1, found
    assert found[0].startswith(expected), found


def test_all_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path, {"cron_trigger.yaml": "[]\n", TABLES: "- tabel: {}\n", "version.yaml": "version: 2\n"}
    )
    assert len(found) == 4
    assert [text.split(": ")[0] for text in found] == [
        "m/cron_trigger.yaml",
        f"m/{TABLES}:1",
        f"m/{TABLES}:1",
        "m/version.yaml:1",
    ]


def test_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no such folder"):
        read_metadata(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaError) as caught:
        read_metadata(tmp_path / "empty", shown_as="m")
    assert [problem.path for problem in caught.value.problems] == [
        "m/databases/databases.yaml",
        "m/version.yaml",
    ]


def test_other_kinds_of_source_are_left_to_the_engine(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "databases__databases.yaml": (
                "- name: default\n  kind: mssql\n  configuration:\n    connection_info: "
                "{connection_string: {from_env: X}}\n"
                "  anything: 1\n  tables: '!include default/tables/tables.yaml'\n"
            )
        },
    )
    assert found.configurations()["default"]["kind"] == "mssql"


def test_migrations_of_a_source_that_is_not_there(tmp_path: Path) -> None:
    directory(tmp_path / "hasura_metadata", {})
    for source in ("default", "other"):
        (tmp_path / "migrations" / source).mkdir(parents=True)
    with pytest.raises(SchemaError) as caught:
        read_schema(root=tmp_path)
    assert [str(p).split("\n")[0] for p in caught.value.problems] == [
        "migrations/other: there is no source named other"
    ]


def test_problems_of_both_folders_at_once(tmp_path: Path) -> None:
    directory(tmp_path / "hasura_metadata", {"version.yaml": "version: 2\n"})
    (tmp_path / "migrations/default/1_a").mkdir(parents=True)
    with pytest.raises(SchemaError) as caught:
        read_schema(root=tmp_path)
    assert [problem.path for problem in caught.value.problems] == [
        "migrations/default/1_a/up.sql",
        "hasura_metadata/version.yaml",
    ]


def test_seeds_are_read_with_the_rest(tmp_path: Path) -> None:
    directory(tmp_path / "hasura_metadata", {})
    (tmp_path / "migrations").mkdir()
    (tmp_path / "seeds/default").mkdir(parents=True)
    (tmp_path / "seeds/default/a.sql").write_text("select 1;")
    found = read_schema(seeds_directory="seeds", root=tmp_path)
    assert list(found.seeds["default"]) == ["a.sql"]
    assert read_schema(root=tmp_path).seeds == {}
    (tmp_path / "seeds/default/b.txt").write_text("")
    (tmp_path / "seeds/other").mkdir()
    with pytest.raises(SchemaError, match=r"seeds/default/b\.txt: not the name of a seed"):
        read_schema(seeds_directory="seeds", root=tmp_path)
    (tmp_path / "seeds/default/b.txt").unlink()
    with pytest.raises(SchemaError, match="seeds/other: there is no source named other"):
        read_schema(seeds_directory="seeds", root=tmp_path)


def test_actions(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "actions.yaml": (
                "actions:\n  - name: greet\n    definition:\n      kind: synchronous\n      handler: http://x.test\n"
                "    permissions:\n      - role: user\n"
                "  - name: look\n    definition: {handler: http://y.test}\n"
                "custom_types:\n  objects:\n    - name: Out\n      relationships: []\n"
            ),
            "actions.graphql": (
                "type Mutation {\n  greet(name: In!, times: Int): Out\n}\n\ntype Query "
                "{\n  look: [Out!]!\n}\n\n"
                '"""What comes out"""\ntype Out {\n  text: String!\n}\n\ninput In '
                "{\n  first: Name\n}\n\nscalar Name\n\n"
                "enum Mood {\n  GOOD\n  BAD\n}\n"
            ),
        },
    )
    assert found.tree["actions"] == [
        {
            "name": "greet",
            "definition": {
                "kind": "synchronous",
                "handler": "http://x.test",
                "type": "mutation",
                "output_type": "Out",
                "arguments": [{"name": "name", "type": "In!"}, {"name": "times", "type": "Int"}],
            },
            "permissions": [{"role": "user"}],
        },
        {
            "name": "look",
            "definition": {
                "handler": "http://y.test",
                "type": "query",
                "output_type": "[Out!]!",
                "arguments": [],
            },
        },
    ]
    assert found.tree["custom_types"] == {
        "objects": [
            {
                "name": "Out",
                "relationships": [],
                "description": "What comes out",
                "fields": [{"name": "text", "type": "String!"}],
            }
        ],
        "input_objects": [{"name": "In", "fields": [{"name": "first", "type": "Name"}]}],
        "scalars": [{"name": "Name"}],
        "enums": [{"name": "Mood", "values": [{"value": "GOOD"}, {"value": "BAD"}]}],
    }


def test_what_the_engine_names_by_its_path(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "databases__default__tables__tables.yaml": (
                "- table: a\n- table: b\n  select_permissions:\n    - role: user\n      permission:\n"
                "        columns: []\n        filter: []\n"
            ),
            "cron_triggers.yaml": "- name: a\n  webhook: h\n  schedule: x\n  include_in_metadata: true\n",
        },
    )
    tables = "m/databases/default/tables/tables.yaml"
    base = "$.args.metadata"
    for path, place in (
        (f"{base}.sources[0].tables[1].select_permissions[0].permission.filter", f"{tables}:7"),
        (f"{base}.sources[0].tables[1].select_permissions[0].permission.limit", f"{tables}:5"),
        (f"{base}.sources[0].tables[1]['select_permissions']", f"{tables}:3"),
        (f"{base}.cron_triggers[0].schedule", "m/cron_triggers.yaml:3"),
        (base, "None"),
        ("$.args", "None"),
    ):
        assert str(found.place_of(path)) == place


def test_descriptions_as_the_hasura_cli_writes_them(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        **{
            "actions.yaml": "actions:\n  - name: go\n    definition: {handler: h}\n",
            "actions.graphql": 'extend type Mutation {\n  """ what it does """ go(\n    """ how far """ a: Int!\n'
            '  ): Out\n}\n\n""" what comes out """ type Out {\n  """ how far it went """ b: Int\n}\n\n'
            'enum E {\n  """ one """ ONE\n}\n',
        },
    )
    types = found.tree["custom_types"]
    assert found.tree["actions"][0]["definition"]["arguments"] == [  # type: ignore[index,call-overload]
        {"name": "a", "type": "Int!", "description": "how far"}
    ]
    assert types["objects"] == [  # type: ignore[index,call-overload]
        {
            "name": "Out",
            "description": "what comes out",
            "fields": [{"name": "b", "type": "Int", "description": "how far it went"}],
        }
    ]
    assert types["enums"][0]["values"] == [{"value": "ONE", "description": "one"}]  # type: ignore[index,call-overload]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"])),
)
FILTERS = st.recursive(
    st.dictionaries(st.sampled_from(["_eq", "_in", "_gt"]), SCALARS, max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["id", "_not", "owner"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(FILTERS, max_size=3), st.booleans())
def test_what_is_written_is_read(filters: list[dict], indented: bool) -> None:
    """Round trip: any filter comes out as it went in. JSON is YAML 1.2 in which every text is quoted."""
    permissions = [
        {"role": f"role{number}", "permission": {"columns": ["id"], "filter": each}}
        for number, each in enumerate(filters)
    ]
    table = {"table": {"name": "users", "schema": "public"}, "select_permissions": permissions}
    text = json.dumps(table, ensure_ascii=False, indent=2 if indented else None)
    with TemporaryDirectory() as made:
        files = {
            "databases/default/tables/tables.yaml": '- "!include public_users.yaml"\n',
            "databases/default/tables/public_users.yaml": text,
        }
        found = read_metadata(directory(Path(made), files), shown_as="m")
    assert found.tree["sources"][0]["tables"] == [table]  # type: ignore[index,call-overload]


@given(st.one_of(st.text(max_size=40), st.text(alphabet="-:{}[]&*!|>#'\"ab \n\t", max_size=40)))
def test_any_text_is_read_or_refused_with_its_file(text: str) -> None:
    with TemporaryDirectory() as made:
        try:
            files: dict[str, str | bytes] = {
                "databases/default/tables/tables.yaml": text.encode(errors="surrogatepass")
            }
            read_metadata(directory(Path(made), files), shown_as="m")
        except SchemaError as error:
            assert all(problem.path.startswith("m/") for problem in error.problems)
