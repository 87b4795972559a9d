"""The rules on claims. One file a case in `claims/`: claims with their findings, and a twin that has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.clerk import claims as rules
from components.clerk.claims import HASURA_NAMESPACE, Finding

CASES = sorted((Path(__file__).parent / "claims").glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_broken_rule_is_found_at_its_claim(path: Path) -> None:
    case = load(path)
    found = rules.findings(case["claims"])
    assert [(list(f.path), f.severity) for f in found] == [
        (e["path"], e["severity"]) for e in case["findings"]
    ]
    for finding, expected in zip(found, case["findings"], strict=True):
        assert expected["says"] in str(finding)
        assert finding.remedy


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_twin_breaks_none(path: Path) -> None:
    assert rules.findings(load(path)["twin"]) == []


def test_every_rule_has_a_case() -> None:
    assert len(CASES) >= 30


def test_the_default_claims_are_the_ones_that_hasura_needs() -> None:
    claims = rules.template_claims("user", ["user"], {})
    assert claims == {
        HASURA_NAMESPACE: {
            "x-hasura-default-role": "user",
            "x-hasura-allowed-roles": ["user"],
            "x-hasura-user-id": "{{user.id}}",
        }
    }
    assert rules.review("user", ["user"], {}) == []


def test_additional_claims_are_merged_into_the_namespace_and_beside_it() -> None:
    additional = {
        "aud": "api",
        HASURA_NAMESPACE: {"x-hasura-org": "{{org.id || 'none'}}"},
        "nested": {"a": [1]},
    }
    claims = rules.template_claims("user", ["user"], additional)
    assert claims["aud"] == "api"
    assert claims["nested"] == {"a": [1]}
    assert claims[HASURA_NAMESPACE] == {
        "x-hasura-default-role": "user",
        "x-hasura-allowed-roles": ["user"],
        "x-hasura-user-id": "{{user.id}}",
        "x-hasura-org": "{{org.id || 'none'}}",
    }
    assert rules.review("user", ["user"], additional) == []


@pytest.mark.parametrize("name", ["x-hasura-user-id", "X-Hasura-User-Id", "x-hasura-default-role"])
def test_a_claim_of_ours_in_the_additional_ones_is_a_clash_and_does_not_win(name: str) -> None:
    additional = {HASURA_NAMESPACE: {name: "mine"}}
    found = rules.review("user", ["user"], additional)
    assert [f.path for f in found] == [(HASURA_NAMESPACE, name)]
    assert rules.template_claims("user", ["user"], additional) == rules.template_claims("user", ["user"], {})


@pytest.mark.parametrize(
    ("more", "roles"),
    [(["auditor"], ["user", "auditor"]), (["auditor", "user"], ["auditor", "user"]), (["user"], ["user"])],
)
def test_additional_roles_are_allowed_beside_ours(more: list[str], roles: list[str]) -> None:
    additional = {HASURA_NAMESPACE: {"X-Hasura-Allowed-Roles": more}}
    claims = rules.template_claims("user", ["user"], additional)
    assert claims[HASURA_NAMESPACE]["x-hasura-allowed-roles"] == roles
    assert len(claims[HASURA_NAMESPACE]) == 3
    assert rules.review("user", ["user"], additional) == []


def test_additional_roles_are_held_to_the_rules() -> None:
    found = rules.review("user", ["user"], {HASURA_NAMESPACE: {"x-hasura-allowed-roles": ["admin"]}})
    assert [f.path for f in found] == [(HASURA_NAMESPACE, "x-hasura-allowed-roles", 1)]
    found = rules.review("user", ["user"], {HASURA_NAMESPACE: {"x-hasura-allowed-roles": "auditor"}})
    assert [f.path for f in found] == [(HASURA_NAMESPACE, "x-hasura-allowed-roles")]


def test_a_namespace_that_is_no_object_is_a_clash() -> None:
    found = rules.review("user", ["user"], {HASURA_NAMESPACE: "x"})
    assert [f.path for f in found] == [(HASURA_NAMESPACE,)]
    assert "a string" in found[0].problem


def test_all_findings_come_at_once() -> None:
    claims = {
        "iss": "x",
        "sid": "y",
        HASURA_NAMESPACE: {"x-hasura-allowed-roles": ["admin"], "x-hasura-a": 1},
    }
    assert len(rules.findings(claims)) == 5


def test_a_finding_is_one_sentence_of_path_problem_and_remedy() -> None:
    finding = Finding(
        path=(HASURA_NAMESPACE, "x-hasura-a", 0), problem="it is a number", remedy="Write a string"
    )
    assert str(finding) == (
        'claim "https://hasura.io/jwt/claims" > x-hasura-a > 0: it is a number. Write a string.'
    )


def test_another_namespace_is_held_to_the_same_rules() -> None:
    claims = rules.template_claims("user", ["user"], {}, namespace="hasura")
    assert rules.findings(claims, namespace="hasura") == []
    assert [f.path for f in rules.findings(claims)] == [(HASURA_NAMESPACE,)]


def test_the_size_estimate_grows_with_what_is_inserted() -> None:
    small = rules.estimated_token_size(rules.template_claims("user", ["user"], {}))
    large = rules.estimated_token_size(
        rules.template_claims("user", ["user"], {"m": "{{user.public_metadata}}"})
    )
    assert 600 < small < 1500
    assert large - small > 8192


WORDS = st.sampled_from(
    [
        "admin",
        "user",
        "{{user.id}}",
        "{{org.role || 'none'}}",
        "{{user.unsafe_metadata.role}}",
        "{{",
        "}}",
        "||",
        "",
    ]
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS, st.text(max_size=12)
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12) | WORDS, inner, max_size=3)
    ),
    max_leaves=12,
)
SESSION = st.dictionaries(
    st.sampled_from(
        ["x-hasura-default-role", "x-hasura-allowed-roles", "x-hasura-user-id", "X-Hasura-Org", "other"]
    ),
    JSON | st.lists(WORDS, max_size=3),
)
CLAIMS = st.dictionaries(st.sampled_from(["aud", "sub", "iss", "sid", "email"]), JSON, max_size=3).flatmap(
    lambda outside: st.builds(lambda within: {**outside, HASURA_NAMESPACE: within}, SESSION | JSON)
)


@given(CLAIMS)
def test_any_claims_are_judged_without_an_error(claims: dict[str, Any]) -> None:
    """The same findings each time, each with a claim, a problem and a remedy, and the claims stay as they are."""
    before = json.dumps(claims, sort_keys=True)
    found = rules.findings(claims)
    assert all(finding.path and finding.remedy and str(finding) for finding in found)
    assert rules.findings(claims) == found
    assert json.dumps(claims, sort_keys=True) == before


@given(SESSION, st.lists(WORDS, max_size=3))
def test_admin_is_in_no_template_without_a_finding(session: dict[str, Any], roles: list[str]) -> None:
    claims = {HASURA_NAMESPACE: {**session, "x-hasura-allowed-roles": [*roles, "admin"]}}
    assert any("admin" in str(finding) for finding in rules.findings(claims) if finding.severity == "error")
