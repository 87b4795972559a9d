"""The difference of two metadata trees in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.hasura.json_types import JsonObject
from components.schema.canonical import keyed, with_lists, with_sets
from components.schema.changes import changes, leaves, unforeseen
from tests.unit.schema.test_canonical import METADATA, select, table, top

OWN = {"id": {"_eq": "X-Hasura-User-Id"}}
EMPTY = {**table(), "sources": [{"name": "default", "configuration": {}, "tables": []}]}
READS = "role `user` on `users`: may now read `id` of every row"
READ = "role `user` on `users`: may no longer read anything (could: read `id` of every row)"
SENDS = {
    "name": "t",
    "definition": {"insert": {"columns": "*"}},
    "webhook": "https://me:pass@hook.test/x?key=abc",
    "headers": [{"name": "Authorization", "value": "Bearer abc"}],
}


def other_source(**fields: object) -> JsonObject:
    source = {"name": "other", "kind": "postgres", "configuration": {}, **fields}
    return {"version": 3, "sources": [source]}  # type: ignore[list-item]


def action(*roles: str, **fields: object) -> JsonObject:
    made = {"name": "pay", "definition": {"handler": "https://x.test"}, **fields}
    return top(actions=[{**made, "permissions": [{"role": role} for role in roles]}])


def inherited(*roles: str) -> JsonObject:
    return {**select(), "inherited_roles": [{"role_name": "lead", "role_set": list(roles)}]}


def remote(*permissions: JsonObject) -> JsonObject:
    entry = {"name": "r", "definition": {"url": "https://x.test"}, "permissions": list(permissions)}
    return top(remote_schemas=[entry])


# Before, after, and what is said of it: effect and words.
CASES: dict[str, tuple[JsonObject, JsonObject, list[tuple[str, str]]]] = {
    "column added": (
        select(),
        select(columns=["id", "name"]),
        [("widens", "role `user` on `users`: may now also read `name`")],
    ),
    "two parts of a permission": (
        select(filter=OWN),
        select(columns="*"),
        [
            ("widens", "role `user` on `users`: may now read every column (also later ones) (was: `id`)"),
            (
                "widens",
                "role `user` on `users`: may now see every row (was: only rows where `id` = `X-Hasura-User-Id`)",
            ),
        ],
    ),
    "role added": (table(), select(), [("widens", READS)]),
    "role removed": (select(), table(), [("narrows", READ)]),
    "table tracked": (
        EMPTY,
        table(
            object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "o_id"}}],
            delete_permissions=[{"role": "user", "permission": {"filter": OWN}}],
        ),
        [
            ("keeps", "table `users` becomes a part of the API (tracked), with object relationship `o`"),
            ("widens", "role `user` on `users`: may now delete rows where `id` = `X-Hasura-User-Id`"),
        ],
    ),
    "table untracked": (
        select(),
        EMPTY,
        [
            ("narrows", "table `users` leaves the API (untracked), which alone does not drop it"),
            ("narrows", READ),
        ],
    ),
    "source added": (
        {"version": 3, "sources": []},
        other_source(tables=[{"table": "a"}]),
        [
            ("keeps", "source `other` is added"),
            ("keeps", "table `other: a` becomes a part of the API (tracked)"),
        ],
    ),
    "source removed": (
        other_source(),
        {"version": 3, "sources": []},
        [("narrows", "source `other` is removed: the API loses its tables, the database keeps them")],
    ),
    "source changed": (
        other_source(),
        other_source(configuration={"connection_info": {"database_url": "postgres://u:secret@h/d"}}),
        [
            (
                "keeps",
                "source `other`: `configuration` is now "
                '`{"connection_info": {"database_url": "postgres://***@h/d"}}`',
            )
        ],
    ),
    "enum": (table(), table(is_enum=True), [("keeps", "table `users`: `is_enum` is now `true`")]),
    "name in the API": (
        table(configuration={"custom_root_fields": {"select": "people"}}),
        table(configuration={"custom_root_fields": {"select": "persons"}}),
        [
            (
                "keeps",
                "table `users`: `configuration.custom_root_fields.select` is now "
                '`"persons"` (was: `"people"`)',
            )
        ],
    ),
    "relationship": (
        table(),
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "o_id"}}]),
        [("keeps", "table `users`: object relationship `o` is added")],
    ),
    "relationship changed": (
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "o_id"}}]),
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "p_id"}}]),
        [
            (
                "keeps",
                "table `users`: object relationship `o`: `using.foreign_key_constraint_on` is now "
                '`"p_id"` (was: `"o_id"`)',
            )
        ],
    ),
    "event trigger": (
        table(),
        table(event_triggers=[SENDS]),
        [
            (
                "widens",
                "table `users`: event trigger `t` is added: its rows go to `https://***@hook.test/x?key=***`",
            )
        ],
    ),
    "event trigger of a new table": (
        EMPTY,
        table(event_triggers=[{"name": "t", "definition": {}, "webhook_from_env": "HOOK"}]),
        [
            ("keeps", "table `users` becomes a part of the API (tracked)"),
            ("widens", "table `users`: event trigger `t` is added: its rows go to the address in `HOOK`"),
        ],
    ),
    "another webhook and header": (
        table(event_triggers=[SENDS]),
        table(
            event_triggers=[
                {
                    **SENDS,
                    "webhook": "https://b.test",
                    "headers": [{"name": "Authorization", "value": "Bearer d"}],
                }
            ]
        ),
        [
            (
                "keeps",
                'table `users`: event trigger `t`: `headers` is now `[{"name": "Authorization", "value": "***"}]` '
                '(was: `[{"name": "Authorization", "value": "***"}]`)',
            ),
            (
                "shifts",
                'table `users`: event trigger `t`: `webhook` is now `"https://b.test"` '
                '(was: `"https://***@hook.test/x?key=***"`)',
            ),
        ],
    ),
    "cron trigger": (
        top(),
        top(cron_triggers=[{"name": "n", "webhook": "http://x.test", "schedule": "* * * * *"}]),
        [("widens", "cron trigger `n` is added: it calls `http://x.test`")],
    ),
    "function": (
        other_source(),
        other_source(functions=[{"function": "f", "permissions": [{"role": "user"}]}]),
        [
            ("keeps", "function `other: f` is added"),
            ("widens", "role `user` may now call the function `other: f`"),
        ],
    ),
    "action": (
        action("user"),
        action("lead"),
        [
            ("widens", "role `lead` may now call the action `pay`"),
            ("narrows", "role `user` may no longer call the action `pay`"),
        ],
    ),
    "handler of an action": (
        action("user"),
        action("user", definition={"handler": "https://y.test"}),
        [("keeps", 'action `pay`: `definition.handler` is now `"https://y.test"` (was: `"https://x.test"`)')],
    ),
    "inherited role": (
        select(),
        inherited("user"),
        [
            ("widens", "inherited role `lead` is added: it may do what `user` may"),
        ],
    ),
    "inherited role grows": (
        inherited("user"),
        inherited("user", "editor"),
        [
            ("widens", "inherited role `lead` may now also do what `editor` may"),
        ],
    ),
    "inherited role removed": (
        inherited("user"),
        select(),
        [
            ("narrows", "inherited role `lead` is removed (it could do what `user` may)"),
        ],
    ),
    "permission of a role that others inherit": (
        inherited("user"),
        {**inherited("user"), **select(columns=["id", "name"])},
        [
            (
                "widens",
                "role `user` on `users`: may now also read `name` (so it is for `lead`, by inheritance)",
            )
        ],
    ),
    "remote schema": (
        remote(),
        remote({"role": "user", "definition": {"schema": "type Query { a: Int }"}}),
        [("widens", "role `user` may now use the remote schema `r`")],
    ),
    "part of a remote schema": (
        remote({"role": "user", "definition": {"schema": "type Query { a: Int }"}}),
        remote({"role": "user", "definition": {"schema": "type Query { b: Int }"}}),
        [("shifts", "role `user` may now use another part of the remote schema `r`")],
    ),
    "logical model": (
        other_source(logical_models=[{"name": "m", "fields": []}]),
        other_source(
            logical_models=[
                {
                    "name": "m",
                    "fields": [],
                    "select_permissions": [{"role": "user", "permission": {"columns": ["a"], "filter": {}}}],
                }
            ]
        ),
        [("widens", "role `user` on logical model `m`: may now read `a` of every row")],
    ),
    "whole of the API": (
        top(),
        top(api_limits={"depth_limit": {"global": 5}}),
        [("keeps", '`api_limits` is now `{"depth_limit": {"global": 5}}`')],
    ),
    "list of texts": (
        top(graphql_schema_introspection={"disabled_for_roles": ["a"]}),
        top(graphql_schema_introspection={"disabled_for_roles": ["b"]}),
        [
            ("keeps", '`graphql_schema_introspection.disabled_for_roles` no longer holds `"a"`'),
            ("keeps", '`graphql_schema_introspection.disabled_for_roles` now also holds `"b"`'),
        ],
    ),
    "a role that is named as a set is": (
        table(select_permissions=[{"role": "columns", "permission": {"columns": ["id"], "filter": {}}}]),
        table(select_permissions=[{"role": "columns", "permission": {"columns": ["id"], "filter": OWN}}]),
        [
            (
                "narrows",
                "role `columns` on `users`: may now see only rows where `id` = `X-Hasura-User-Id` (was: every row)",
            )
        ],
    ),
    "root fields hidden": (
        select(),
        select(query_root_fields=["select_by_pk"]),
        [
            (
                "narrows",
                "role `user` on `users`: may now query the table only by `select_by_pk` (was: by every root field)",
            )
        ],
    ),
    "nothing": (select(), select(allow_aggregations=False), []),
}

ROLE_LISTS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from("ab")}, optional={"comment": st.sampled_from("xy")}),
    max_size=2,
    unique_by=lambda entry: entry["role"],
)
THINGS = st.fixed_dictionaries(
    {},
    optional={
        "actions": st.builds(
            lambda roles: [{"name": "pay", "definition": {"handler": "x"}, "permissions": roles}], ROLE_LISTS
        ),
        "remote_schemas": st.builds(
            lambda roles: [{"name": "r", "definition": {"url": "x"}, "permissions": roles}], ROLE_LISTS
        ),
        "inherited_roles": st.builds(
            lambda roles: [{"role_name": "lead", "role_set": roles}],
            st.lists(st.sampled_from("ab"), unique=True),
        ),
        "cron_triggers": st.builds(
            lambda hook, retry: [{"name": "c", "webhook": hook, "schedule": "x", "retry_conf": retry}],
            st.sampled_from("xy"),
            st.fixed_dictionaries({}, optional={"num_retries": st.integers(0, 2)}),
        ),
        "allowlist": st.builds(
            lambda scope: [{"collection": "q", "scope": scope}], st.sampled_from([{}, {"a": 1}])
        ),
    },
)
SOURCE_THINGS = st.fixed_dictionaries(
    {},
    optional={
        "functions": st.builds(lambda roles: [{"function": "f", "permissions": roles}], ROLE_LISTS),
        "logical_models": st.builds(
            lambda roles: [
                {
                    "name": "m",
                    "fields": [],
                    "select_permissions": [
                        {**role, "permission": {"columns": ["a"], "filter": {}}} for role in roles
                    ],
                }
            ],
            ROLE_LISTS,
        ),
        "tables": st.builds(
            lambda triggers: [{"table": "t", "event_triggers": triggers}],
            st.lists(
                st.fixed_dictionaries({"name": st.just("e"), "webhook": st.sampled_from("xy")}), max_size=1
            ),
        ),
    },
)
EVERYTHING = st.one_of(
    METADATA, st.builds(lambda inner, things: {**other_source(**inner), **things}, SOURCE_THINGS, THINGS)
)


@pytest.mark.parametrize("name", CASES)
def test_words(name: str) -> None:
    before, after, expected = CASES[name]
    found = changes(keyed(before), keyed(after))
    assert [(change.effect, str(change)) for change in found] == expected


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_where_the_trees_differ(name: str) -> None:
    before, after, _ = CASES[name]
    old, new = leaves(keyed(before)), leaves(keyed(after))
    differing = {path for path in {*old, *new} if old.get(path) != new.get(path)}
    for change in changes(keyed(before), keyed(after)):
        assert any(path[: len(change.path)] == change.path for path in differing), change.path


@pytest.mark.parametrize("name", CASES)
def test_the_way_back_has_as_many_words_and_the_twin_none(name: str) -> None:
    before, after, _ = CASES[name]
    assert len(changes(keyed(after), keyed(before))) == len(changes(keyed(before), keyed(after)))
    assert changes(keyed(after), keyed(after)) == ()


@pytest.mark.parametrize("secret", ["pass", "abc", "secret"])
def test_no_secret_is_in_words_or_values(secret: str) -> None:
    for before, after, _ in CASES.values():
        for change in (*changes(keyed(before), keyed(after)), *changes(keyed(after), keyed(before))):
            assert secret not in repr(change)


def test_a_permission_tells_role_table_and_operation() -> None:
    [change] = changes(keyed(select()), keyed(select(limit=1)))
    assert (change.role, change.table, change.operation) == ("user", "users", "select")
    assert (change.kind, change.before, change.after) == ("changed", None, 1)


@given(EVERYTHING, EVERYTHING)
def test_no_words_only_for_no_change(one: JsonObject, two: JsonObject) -> None:
    assert bool(changes(keyed(one), keyed(two))) == (keyed(one) != keyed(two))
    assert len(changes(keyed(one), keyed(two))) == len(changes(keyed(two), keyed(one)))


def test_long_values_are_cut() -> None:
    found = changes(keyed(select()), keyed(select(filter={"a": {"_in": ["x" * 50] * 50}})))
    assert len(str(found[0])) < 600


def test_unforeseen() -> None:
    seen, wanted = keyed(select()), keyed(select(columns=["id", "name"]))
    assert unforeseen(seen, seen, wanted) == ()
    assert unforeseen(seen, wanted, wanted) == ()
    strange = unforeseen(seen, keyed(select(limit=1)), wanted)
    assert [str(change) for change in strange] == [
        "role `user` on `users`: may now read at most `1` rows a request (was: any number)"
    ]
    both = unforeseen(seen, keyed(select(columns=["id", "name"], limit=1)), wanted)
    assert [str(change) for change in both] == [
        "role `user` on `users`: may now read at most `1` rows a request (was: any number)"
    ]


def test_a_state_with_lists_of_names_is_read_as_one_without() -> None:
    found = keyed(select(columns=["id", "name"]))
    permission = {"columns": ["id", "name"], "filter": {}}
    tables = {"public.users": {"select_permissions": {"user": permission}}}
    before = {"version": 3, "sources": {"default": {**found["sources"]["default"], "tables": tables}}}  # type: ignore[index,call-overload,dict-item]
    assert with_sets(before) == found  # type: ignore[arg-type]
    assert with_lists(found) == before
    assert changes(before, found) == ()  # type: ignore[arg-type]


@given(EVERYTHING)
def test_lists_and_sets_are_the_same(metadata: JsonObject) -> None:
    tree = keyed(metadata)
    assert with_sets(with_lists(tree)) == tree
    assert with_lists(with_lists(tree)) == with_lists(tree)


def test_a_source_added_for_its_migrations_is_foreseen() -> None:
    empty: JsonObject = {"version": 3, "sources": []}
    added: JsonObject = {"version": 3, "sources": [{"name": "default", "configuration": {}, "tables": []}]}
    assert unforeseen(keyed(empty), keyed(added), keyed(select())) == ()


@given(EVERYTHING, EVERYTHING)
def test_what_was_seen_is_never_unforeseen(one: JsonObject, two: JsonObject) -> None:
    assert unforeseen(keyed(one), keyed(one), keyed(two)) == ()
    assert unforeseen(keyed(one), keyed(two), keyed(two)) == ()
