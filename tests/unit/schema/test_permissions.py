"""What a role may do, and what changes for it, in words: one row a case, each with its opposite and its no-op twin."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from components.hasura.json_types import JsonObject
from components.schema.permissions import Effect, Operation, differences, may, permissions

OWN: JsonObject = {"id": {"_eq": "X-Hasura-User-Id"}}
OPEN: JsonObject = {"public": {"_eq": True}}
EITHER: JsonObject = {"_or": [OWN, OPEN]}
HOOK: JsonObject = {"type": "http", "definition": {"url": "https://check.test/users", "timeout": 5}}
READ: JsonObject = {"columns": ["id"], "filter": OWN}
INSERT: JsonObject = {"columns": ["body"], "check": OWN}
UPDATE: JsonObject = {"columns": ["body"], "filter": OWN}
DELETE: JsonObject = {"filter": OWN}

MAY: list[tuple[Operation, JsonObject, str]] = [
    ("select", READ, "read `id` of rows where `id` = `X-Hasura-User-Id`"),
    ("select", {"columns": "*", "filter": {}}, "read every column (also later ones) of every row"),
    ("select", {"columns": [], "filter": {}}, "read no column of every row"),
    (
        "select",
        {
            "columns": ["a", "b"],
            "filter": {},
            "computed_fields": ["full"],
            "allow_aggregations": True,
            "limit": 10,
            "query_root_fields": ["select_by_pk"],
            "subscription_root_fields": [],
        },
        "read `a`, `b` and the computed fields `full` of every row, and count and aggregate them, at most `10` a "
        "request, which it may query only by `select_by_pk`, which it may subscribe to only through relationships",
    ),
    ("insert", {"columns": ["a"], "check": {}}, "insert any row, setting `a`"),
    (
        "insert",
        {**INSERT, "set": {"author": "x-hasura-user-id", "state": "new"}, "backend_only": True},
        "insert rows where `id` = `X-Hasura-User-Id`, setting `body`, with `author` set to `X-Hasura-User-Id`, "
        "`state` set to `'new'`, only with the admin secret, from a back end",
    ),
    ("update", UPDATE, "change `body` of rows where `id` = `X-Hasura-User-Id`"),
    (
        "update",
        {**UPDATE, "check": OPEN},
        "change `body` of rows where `id` = `X-Hasura-User-Id`, and leave them only so that "
        "`public` = `true`",
    ),
    ("delete", {"filter": {}}, "delete every row"),
    (
        "delete",
        {**DELETE, "validate_input": HOOK},
        "delete rows where `id` = `X-Hasura-User-Id`, after a check of its input by `https://check.test/users`",
    ),
]


@pytest.mark.parametrize(("operation", "body", "words"), MAY)
def test_what_a_role_may(operation: Operation, body: JsonObject, words: str) -> None:
    assert may(operation, body) == words


def test_every_permission_of_a_tree() -> None:
    tables = {"public.b": {"delete_permissions": {"user": DELETE}}, "public.a": {}}
    tables["public.a"] = {
        "select_permissions": {"user": READ, "editor": READ},
        "insert_permissions": {"user": INSERT},
    }
    tree = {"version": 3, "sources": {"default": {"tables": tables}, "other": {"kind": "postgres"}}}
    assert [(p.source, p.table, p.operation, p.role) for p in permissions(tree)] == [
        ("default", "public.a", "select", "editor"),
        ("default", "public.a", "select", "user"),
        ("default", "public.a", "insert", "user"),
        ("default", "public.b", "delete", "user"),
    ]
    assert list(permissions({"version": 3})) == []


Said = list[tuple[Effect, str]]
CASES: dict[str, tuple[Operation, JsonObject | None, JsonObject | None, Said, Said]] = {
    "a permission": (
        "select",
        None,
        READ,
        [("widens", "may now read `id` of rows where `id` = `X-Hasura-User-Id`")],
        [
            (
                "narrows",
                "may no longer read anything (could: read `id` of rows where `id` = `X-Hasura-User-Id`)",
            )
        ],
    ),
    "a column": (
        "select",
        READ,
        {**READ, "columns": ["email", "id"]},
        [("widens", "may now also read `email`")],
        [("narrows", "may no longer read `email`")],
    ),
    "one column for another": (
        "update",
        UPDATE,
        {**UPDATE, "columns": ["title"]},
        [("widens", "may now also change `title`"), ("narrows", "may no longer change `body`")],
        [("widens", "may now also change `body`"), ("narrows", "may no longer change `title`")],
    ),
    "a column of new rows": (
        "insert",
        INSERT,
        {**INSERT, "columns": ["body", "title"]},
        [("widens", "may now also set `title` in new rows")],
        [("narrows", "may no longer set `title` in new rows")],
    ),
    "every column": (
        "select",
        READ,
        {**READ, "columns": "*"},
        [("widens", "may now read every column (also later ones) (was: `id`)")],
        [("narrows", "may now read only `id` (was: every column)")],
    ),
    "a computed field": (
        "select",
        READ,
        {**READ, "computed_fields": ["full_name"]},
        [("widens", "may now also read the computed fields `full_name`")],
        [("narrows", "may no longer read the computed fields `full_name`")],
    ),
    "every row": (
        "select",
        READ,
        {**READ, "filter": {}},
        [("widens", "may now see every row (was: only rows where `id` = `X-Hasura-User-Id`)")],
        [("narrows", "may now see only rows where `id` = `X-Hasura-User-Id` (was: every row)")],
    ),
    "more rows": (
        "delete",
        DELETE,
        {"filter": EITHER},
        [
            (
                "widens",
                "may now delete only rows where `id` = `X-Hasura-User-Id` or `public` = `true` (was: only rows where "
                "`id` = `X-Hasura-User-Id`)",
            )
        ],
        [
            (
                "narrows",
                "may now delete only rows where `id` = `X-Hasura-User-Id` (was: only rows where "
                "`id` = `X-Hasura-User-Id` or `public` = `true`)",
            )
        ],
    ),
    "other rows": (
        "update",
        UPDATE,
        {**UPDATE, "filter": OPEN},
        [
            (
                "shifts",
                "may now change only rows where `public` = `true` (was: only rows where `id` = `X-Hasura-User-Id`)",
            )
        ],
        [
            (
                "shifts",
                "may now change only rows where `id` = `X-Hasura-User-Id` (was: only rows where `public` = `true`)",
            )
        ],
    ),
    "the same rows in other words": (
        "select",
        READ,
        {**READ, "filter": {"_and": [{"id": {"_eq": "x-hasura-USER-id"}}]}},
        [
            (
                "keeps",
                "may see the same rows as before, written otherwise: only rows where `id` = `X-Hasura-User-Id`",
            )
        ],
        [
            (
                "keeps",
                "may see the same rows as before, written otherwise: only rows where `id` = `X-Hasura-User-Id`",
            )
        ],
    ),
    "any new row": (
        "insert",
        INSERT,
        {**INSERT, "check": {}},
        [("widens", "may now insert any row (was: only rows where `id` = `X-Hasura-User-Id`)")],
        [("narrows", "may now insert only rows where `id` = `X-Hasura-User-Id` (was: any row)")],
    ),
    "a check afterwards": (
        "update",
        UPDATE,
        {**UPDATE, "check": OPEN},
        [
            (
                "narrows",
                "may now leave a changed row only so that `public` = `true` (was: in any way)",
            )
        ],
        [
            (
                "widens",
                "may now leave a changed row in any way (was: only so that `public` = `true`)",
            )
        ],
    ),
    "a preset": (
        "insert",
        INSERT,
        {**INSERT, "set": {"author": "X-Hasura-User-Id"}},
        [("shifts", "`author` is now set to `X-Hasura-User-Id` in new rows")],
        [("shifts", "`author` is no longer set to `X-Hasura-User-Id` in new rows")],
    ),
    "a preset of a column that the role may set": (
        "update",
        UPDATE,
        {**UPDATE, "set": {"body": "fixed"}},
        [("shifts", "`body` is now set to `'fixed'` in rows that it changes")],
        [("widens", "`body` is no longer set to `'fixed'` in rows that it changes: the role chooses it")],
    ),
    "another preset": (
        "insert",
        {**INSERT, "set": {"author": "X-Hasura-User-Id"}},
        {**INSERT, "set": {"author": "X-Hasura-Org-Id"}},
        [("shifts", "`author` is now set to `X-Hasura-Org-Id` in new rows (was: `X-Hasura-User-Id`)")],
        [("shifts", "`author` is now set to `X-Hasura-User-Id` in new rows (was: `X-Hasura-Org-Id`)")],
    ),
    "aggregates": (
        "select",
        READ,
        {**READ, "allow_aggregations": True},
        [("widens", "may now count and aggregate the rows that it sees")],
        [("narrows", "may no longer count and aggregate the rows that it sees")],
    ),
    "a limit": (
        "select",
        READ,
        {**READ, "limit": 10},
        [("narrows", "may now read at most `10` rows a request (was: any number)")],
        [("widens", "may now read any number of rows a request (was: at most `10`)")],
    ),
    "a higher limit": (
        "select",
        {**READ, "limit": 10},
        {**READ, "limit": 20},
        [("widens", "may now read at most `20` rows a request (was: at most `10`)")],
        [("narrows", "may now read at most `10` rows a request (was: at most `20`)")],
    ),
    "root fields": (
        "select",
        READ,
        {**READ, "query_root_fields": ["select_by_pk"]},
        [("narrows", "may now query the table only by `select_by_pk` (was: by every root field)")],
        [("widens", "may now query the table by every root field (was: only by `select_by_pk`)")],
    ),
    "no root field": (
        "select",
        {**READ, "subscription_root_fields": ["select"]},
        {**READ, "subscription_root_fields": []},
        [("narrows", "may now subscribe to the table only through relationships (was: only by `select`)")],
        [("widens", "may now subscribe to the table only by `select` (was: only through relationships)")],
    ),
    "other root fields": (
        "select",
        {**READ, "query_root_fields": ["select"]},
        {**READ, "query_root_fields": ["select_by_pk"]},
        [("shifts", "may now query the table only by `select_by_pk` (was: only by `select`)")],
        [("shifts", "may now query the table only by `select` (was: only by `select_by_pk`)")],
    ),
    "back ends only": (
        "insert",
        INSERT,
        {**INSERT, "backend_only": True},
        [("narrows", "may now do it only with the admin secret, from a back end (was: from every client)")],
        [("widens", "may now do it from every client (was: only with the admin secret, from a back end)")],
    ),
    "a check of the input": (
        "delete",
        DELETE,
        {**DELETE, "validate_input": HOOK},
        [("narrows", "may now do it only after a check of its input by `https://check.test/users`")],
        [("widens", "may now do it without a check of its input by `https://check.test/users`")],
    ),
    "a comment": (
        "select",
        READ,
        {**READ, "comment": "why"},
        [("keeps", 'comment: now `"why"` (was: `null`)')],
        [("keeps", 'comment: now `null` (was: `"why"`)')],
    ),
    "what is not known": (
        "select",
        READ,
        {**READ, "new_key": 1},
        [("shifts", "new key: now `1` (was: `null`)")],
        [("shifts", "new key: now `null` (was: `1`)")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_changes(name: str) -> None:
    operation, before, after, there, back = CASES[name]
    assert [(d.effect, d.words) for d in differences(operation, before, after)] == there
    assert [(d.effect, d.words) for d in differences(operation, after, before)] == back


@pytest.mark.parametrize("name", CASES)
def test_no_words_for_no_change(name: str) -> None:
    operation, before, after, *_ = CASES[name]
    assert differences(operation, before, before) == []
    assert differences(operation, after, after) == []


@pytest.mark.parametrize("name", CASES)
def test_the_part_is_where_the_values_differ(name: str) -> None:
    operation, before, after, *_ = CASES[name]
    for difference in differences(operation, before, after):
        old, new = before, after
        for key in difference.part:
            assert isinstance(old, Mapping | None)
            assert isinstance(new, Mapping | None)
            old, new = (old or {}).get(key), (new or {}).get(key)
        assert old != new
