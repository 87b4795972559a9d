"""Boolean expressions in words, and which of two chooses more rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.hasura.json_types import Json
from components.schema.expressions import compared, rows, session_variables

OWN: Json = {"id": {"_eq": "X-Hasura-User-Id"}}
TEAM: Json = {"members": {"user_id": {"_eq": "X-Hasura-User-Id"}}}

WORDS: list[tuple[Json, str]] = [
    ({}, "every row"),
    ({"_and": []}, "every row"),
    ({"_or": []}, "no row"),
    (OWN, "only rows where `id` = `X-Hasura-User-Id`"),
    ({"id": {"_eq": "x-hasura-user-id"}}, "only rows where `id` = `X-Hasura-User-Id`"),
    ({"id": "X-Hasura-User-Id"}, "only rows where `id` = `X-Hasura-User-Id`"),
    ({"id": {"$eq": "X-Hasura-User-Id"}}, "only rows where `id` = `X-Hasura-User-Id`"),
    ({"state": {"_eq": "done"}}, "only rows where `state` = `'done'`"),
    ({"state": {"_neq": "done"}}, "only rows where `state` is not `'done'`"),
    ({"age": {"_gte": 18, "_lt": 65}}, "only rows where `age` >= `18` and `age` < `65`"),
    ({"public": {"_eq": True}}, "only rows where `public` = `true`"),
    ({"org": {"_in": "X-Hasura-Org-Ids"}}, "only rows where `org` is one of `X-Hasura-Org-Ids`"),
    ({"state": {"_in": ["a", "b"]}}, "only rows where `state` is one of `'a'`, `'b'`"),
    ({"state": {"_in": []}}, "only rows where `state` is one of `[]`"),
    ({"gone": {"_is_null": True}}, "only rows where `gone` is null"),
    ({"gone": {"_is_null": False}}, "only rows where `gone` is not null"),
    ({"a": {"_ceq": "b"}}, "only rows where `a` = the column `b`"),
    ({"a": {"_ceq": ["$", "b"]}}, "only rows where `a` = the column `b` of the table itself"),
    ({"name": {"_ilike": "a%"}}, "only rows where `name` is like, in any case, `'a%'`"),
    ({"doc": {"_contains": {"a": 1}}}, 'only rows where `doc` contains `{"a": 1}`'),
    ({"area": {"_st_within": {"type": "Point"}}}, 'only rows where `area` `_st_within` `{"type": "Point"}`'),
    (TEAM, "only rows where `members.user_id` = `X-Hasura-User-Id`"),
    (
        {"team": {"members": {"user_id": {"_eq": "X-Hasura-User-Id"}}}},
        "only rows where `team.members.user_id` = `X-Hasura-User-Id`",
    ),
    (
        {"members": {"user_id": {"_eq": "X-Hasura-User-Id"}, "role": {"_eq": "owner"}}},
        "only rows where `members` has a row where (`user_id` = `X-Hasura-User-Id` and `role` = `'owner'`)",
    ),
    ({"members": {}}, "only rows where `members` has no condition"),
    (
        {"_or": [OWN, {"_and": [{"public": {"_eq": True}}, {"gone": {"_is_null": True}}]}]},
        "only rows where `id` = `X-Hasura-User-Id` or (`public` = `true` and `gone` is null)",
    ),
    ({"_not": OWN}, "only rows where not (`id` = `X-Hasura-User-Id`)"),
    ({"_not": {"_or": [OWN, OWN]}}, "only rows where not (`id` = `X-Hasura-User-Id`)"),
    (
        {"_exists": {"_table": {"schema": "public", "name": "admins"}, "_where": OWN}},
        "only rows where there is a row in `public.admins` where `id` = `X-Hasura-User-Id`",
    ),
    ({"a`b": {"_eq": "c\nd"}}, "only rows where ``a`b`` = `'c\\nd'`"),
    ("nonsense", 'only rows where `"nonsense"`'),
    ({"_and": "nonsense"}, 'only rows where `{"_and": "nonsense"}`'),
]


@pytest.mark.parametrize(("expression", "words"), WORDS, ids=lambda case: str(case)[:40])
def test_words(expression: Json, words: str) -> None:
    assert rows(expression) == words


VARIABLES: list[tuple[Json, list[tuple[str, str]]]] = [
    ({}, []),
    ({"id": {"_eq": "X-Hasura-User-Id"}}, [("id", "x-hasura-user-id")]),
    ({"id": {"_eq": "user_1"}}, []),
    ({"id": {"_in": ["X-Hasura-User-Id"]}}, []),
    ({"id": {"_in": "x-hasura-Ids"}}, [("id", "x-hasura-ids")]),
    (
        {
            "_or": [
                {"id": {"$eq": "X-Hasura-A"}},
                {"_not": {"id": {"_eq": "X-Hasura-A"}, "b": {"_gt": "X-Hasura-B"}}},
            ]
        },
        [("id", "x-hasura-a"), ("b", "x-hasura-b")],
    ),
    ({"team": {"members": {"user_id": {"_eq": "X-Hasura-A"}}}}, [("team.members.user_id", "x-hasura-a")]),
    (
        {"_exists": {"_table": "members", "_where": {"id": {"_eq": "X-Hasura-A"}}}},
        [("_exists(public.members).id", "x-hasura-a")],
    ),
    ("X-Hasura-A", []),
]


@pytest.mark.parametrize(("expression", "found"), VARIABLES, ids=lambda case: str(case)[:40])
def test_session_variables(expression: Json, found: list[tuple[str, str]]) -> None:
    assert list(session_variables(expression)) == found


def test_what_is_cut_still_differs() -> None:
    one, two = ({"a": {"_in": [*range(1000), last]}} for last in (1, 2))
    assert len(rows(one)) < 600
    assert rows(one) != rows(two)


COMPARED: list[tuple[Json, Json, str]] = [
    (OWN, {}, "wider"),
    (OWN, {"id": {"_eq": "x-hasura-user-id"}}, "same"),
    (OWN, {"_and": [OWN]}, "same"),
    (OWN, {"_and": [OWN, {"public": {"_eq": True}}]}, "narrower"),
    (OWN, {"_or": [{"public": {"_eq": True}}, OWN]}, "wider"),
    ({"_or": [TEAM, OWN]}, {"_or": [OWN, TEAM]}, "same"),
    (OWN, TEAM, "other"),
    (OWN, {"id": {"_neq": "X-Hasura-User-Id"}}, "other"),
    ({"state": {"_eq": "a"}}, {"state": {"_in": ["a", "b"]}}, "wider"),
    ({"state": {"_in": ["a", "b", "c"]}}, {"state": {"_in": ["c", "a"]}}, "narrower"),
    ({"state": {"_nin": ["a"]}}, {"state": {"_nin": ["b", "a"]}}, "narrower"),
    ({"state": {"_eq": "a"}}, {"state": {"_is_null": False}}, "wider"),
    (TEAM, {"members": {}}, "wider"),
    ({"_not": OWN}, {"_not": {"_and": [OWN, TEAM]}}, "other"),
    ({"_or": []}, OWN, "wider"),
    ("nonsense", "nonsense", "same"),
    ("nonsense", OWN, "other"),
]
BACK = {"wider": "narrower", "narrower": "wider", "same": "same", "other": "other"}


@pytest.mark.parametrize(("before", "after", "answer"), COMPARED, ids=lambda case: str(case)[:40])
def test_which_chooses_more(before: Json, after: Json, answer: str) -> None:
    assert compared(before, after) == answer
    assert compared(after, before) == BACK[answer]
    assert compared(after, after) == "same"


# A small world in which every row can be tried: two columns and one relationship.
VALUES = (1, 2, None)
ROWS = [
    {"a": a, "b": b, "r": [{"a": c, "b": c} for c in behind]}
    for a, b in itertools.product(VALUES, VALUES)
    for behind in ((), (1,), (2,), (1, None))
]
ATOMS = st.one_of(
    st.builds(lambda c, v: {c: {"_eq": v}}, st.sampled_from("ab"), st.sampled_from([1, 2])),
    st.builds(lambda c, v: {c: {"_ne": v}}, st.sampled_from("ab"), st.sampled_from([1, 2])),
    st.builds(lambda c, v: {c: {"_gt": v}}, st.sampled_from("ab"), st.sampled_from([1, 2])),
    st.builds(lambda c, v: {c: {"_is_null": v}}, st.sampled_from("ab"), st.booleans()),
    st.builds(
        lambda c, op, v: {c: {op: v}},
        st.sampled_from("ab"),
        st.sampled_from(["_in", "_nin"]),
        st.lists(st.sampled_from([1, 2]), max_size=2),
    ),
)
EXPRESSIONS = st.recursive(
    st.one_of(st.just({}), ATOMS),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"_and": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"_or": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part: {"_not": part}, inner),
        st.builds(lambda part: {"r": part}, inner.filter(bool)),
        st.builds(lambda one, other: {**one, **other}, inner, inner),
    ),
    max_leaves=6,
)


def holds(expression: Mapping[str, Json], row: Mapping[str, Json]) -> bool | None:
    """SQL's answer: true, false, or null."""
    return every(entry(key, inner, row) for key, inner in expression.items())


def entry(key: str, inner: Json, row: Mapping[str, Json]) -> bool | None:
    match key:
        case "_and":
            return every(holds(part, row) for part in inner)
        case "_or":
            return negated(every(negated(holds(part, row)) for part in inner))
        case "_not":
            return negated(holds(inner, row))
        case "r":
            return any(holds(inner, {**behind, "r": []}) is True for behind in row["r"])
    return every(operated(operator, row[key], operand) for operator, operand in inner.items())


def operated(operator: str, found: Json, operand: Json) -> bool | None:
    if operator == "_is_null":
        return (found is None) is operand
    if found is None:
        return None if operand != [] else operator == "_nin"
    match operator:
        case "_eq":
            return found == operand
        case "_ne":
            return found != operand
        case "_gt":
            return found > operand
        case "_in":
            return found in operand
    return found not in operand


def every(answers: Sequence[bool | None]) -> bool | None:
    given = list(answers)
    return False if False in given else None if None in given else True


def negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


@settings(deadline=None)
@given(EXPRESSIONS, EXPRESSIONS)
def test_nothing_is_called_wider_or_narrower_that_is_not(before: Json, after: Json) -> None:
    old = {i for i, row in enumerate(ROWS) if holds(before, row) is True}
    new = {i for i, row in enumerate(ROWS) if holds(after, row) is True}
    match compared(before, after):
        case "same":
            assert old == new
        case "wider":
            assert old <= new
        case "narrower":
            assert new <= old


@settings(deadline=None)
@given(EXPRESSIONS, EXPRESSIONS)
def test_adding_a_condition_narrows_and_an_alternative_widens(one: Json, two: Json) -> None:
    assert compared(one, {"_and": [one, two]}) in ("narrower", "same")
    assert compared(one, {"_or": [one, two]}) in ("wider", "same")
