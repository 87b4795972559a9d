"""The difference of two metadata trees in words."""

from __future__ import annotations

import pytest
from hypothesis import given

from components.hasura.json_types import JsonObject
from components.schema.canonical import keyed, with_sets
from components.schema.changes import changes, unforeseen
from tests.unit.schema.test_canonical import METADATA, select, table, top

NAMED = "source default, table public.users"
USER = f"{NAMED}, select permission of role user"
OWN = {"id": {"_eq": "X-Hasura-User-Id"}}

CASES: dict[str, tuple[JsonObject, JsonObject, list[str]]] = {
    "column added": (select(), select(columns=["id", "name"]), [f"+ {USER}, columns: name"]),
    "column removed": (select(columns=["id", "name"]), select(), [f"- {USER}, columns: name"]),
    "all columns": (select(), select(columns="*"), [f'~ {USER}, columns: ["id"] -> "*"']),
    "filter": (
        select(),
        select(filter=OWN),
        [f'~ {USER}, filter: {{}} -> {{"id": {{"_eq": "X-Hasura-User-Id"}}}}'],
    ),
    "aggregations": (select(), select(allow_aggregations=True), [f"+ {USER}, allow aggregations: true"]),
    "limit": (select(limit=5), select(limit=6), [f"~ {USER}, limit: 5 -> 6"]),
    "role added": (table(), select(), [f"+ {USER}"]),
    "role removed": (select(), table(), [f"- {USER}"]),
    "table added": (
        {**table(), "sources": [{"name": "default", "configuration": {}, "tables": []}]},
        table(),
        [f"+ {NAMED}"],
    ),
    "table removed": (
        select(),
        {**table(), "sources": [{"name": "default", "configuration": {}, "tables": []}]},
        [f"- {NAMED}"],
    ),
    "source removed": (table(), {"version": 3, "sources": []}, ["- source default"]),
    "enum": (table(), table(is_enum=True), [f"+ {NAMED}, is enum: true"]),
    "relationship": (
        table(),
        table(object_relationships=[{"name": "o", "using": {"foreign_key_constraint_on": "o_id"}}]),
        [f"+ {NAMED}, object relationship o"],
    ),
    "cron trigger": (
        top(),
        top(cron_triggers=[{"name": "n", "webhook": "http://x.test", "schedule": "* * * * *"}]),
        ["+ cron trigger n"],
    ),
    "a role that is named as a set is": (
        table(select_permissions=[{"role": "columns", "permission": {"columns": ["id"], "filter": {}}}]),
        table(select_permissions=[{"role": "columns", "permission": {"columns": ["id"], "filter": OWN}}]),
        [
            f"~ {NAMED}, select permission of role columns, filter: "
            '{} -> {"id": {"_eq": "X-Hasura-User-Id"}}'
        ],
    ),
    "root fields hidden": (
        select(),
        select(query_root_fields=["select_by_pk"]),
        [f'+ {USER}, query root fields: ["select_by_pk"]'],
    ),
    "nothing": (select(), select(allow_aggregations=False), []),
}


@pytest.mark.parametrize("name", CASES)
def test_words(name: str) -> None:
    before, after, expected = CASES[name]
    assert [str(change) for change in changes(keyed(before), keyed(after))] == expected


@given(METADATA, METADATA)
def test_no_words_only_for_no_change(one: JsonObject, two: JsonObject) -> None:
    assert bool(changes(keyed(one), keyed(two))) == (keyed(one) != keyed(two))
    assert len(changes(keyed(one), keyed(two))) == len(changes(keyed(two), keyed(one)))


def test_long_values_are_cut() -> None:
    found = changes(keyed(select()), keyed(select(filter={"a": {"_in": ["x" * 50] * 50}})))
    assert len(str(found[0])) < 400


def test_unforeseen() -> None:
    seen, wanted = keyed(select()), keyed(select(columns=["id", "name"]))
    assert unforeseen(seen, seen, wanted) == ()
    assert unforeseen(seen, wanted, wanted) == ()
    strange = unforeseen(seen, keyed(select(limit=1)), wanted)
    assert [str(change) for change in strange] == [f"+ {USER}, limit: 1"]
    both = unforeseen(seen, keyed(select(columns=["id", "name"], limit=1)), wanted)
    assert [str(change) for change in both] == [f"+ {USER}, limit: 1"]


def test_a_state_with_lists_of_names_is_read_as_one_without() -> None:
    found = keyed(select(columns=["id", "name"]))
    permission = {"columns": ["id", "name"], "filter": {}}
    tables = {"public.users": {"select_permissions": {"user": permission}}}
    before = {"version": 3, "sources": {"default": {**found["sources"]["default"], "tables": tables}}}  # type: ignore[index,call-overload,dict-item]
    assert with_sets(before) == found  # type: ignore[arg-type]


def test_a_source_added_for_its_migrations_is_foreseen() -> None:
    empty: JsonObject = {"version": 3, "sources": []}
    added: JsonObject = {"version": 3, "sources": [{"name": "default", "configuration": {}, "tables": []}]}
    assert unforeseen(keyed(empty), keyed(added), keyed(select())) == ()


@given(METADATA, METADATA)
def test_what_was_seen_is_never_unforeseen(one: JsonObject, two: JsonObject) -> None:
    assert unforeseen(keyed(one), keyed(one), keyed(two)) == ()
    assert unforeseen(keyed(one), keyed(two), keyed(two)) == ()
