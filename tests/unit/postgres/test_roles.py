"""Names of roles and logins."""

from __future__ import annotations

from components.postgres.roles import login_name, owner_name, retired


def test_each_word_has_a_login_of_its_own() -> None:
    assert login_name("hasura", "") == "hasura_e3b0c442"
    assert login_name("hasura", "2026-11") == "hasura_05e01bd6"
    assert login_name("r" * 54, "x") == "r" * 54 + "_2d711642"


def test_only_logins_of_the_role_are_retired() -> None:
    existing = [
        "hasura",
        owner_name("hasura"),
        "hasura_e3b0c442",
        "hasura_05e01bd6",
        "hasura_reporting",
        "hasura_e3b0c4420",
        "other_e3b0c442",
        "postgres",
    ]
    assert retired("hasura", "hasura_05e01bd6", existing) == ["hasura_e3b0c442"]
    assert retired("hasura", "hasura_e3b0c442", ["hasura_e3b0c442"]) == []
