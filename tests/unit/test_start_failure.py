"""Why a service did not start, told from logs: the real engine's own, and those of Docker and Postgres."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.container_health import told
from components.start_failure import reason

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "contract/hasura/startup.json").read_text(encoding="utf-8")
)["cases"]
REASONS = {
    "JWKS answers 500": "the JWKS at {url} cannot be read: what answers there is no key set",
    "JWKS is HTML": "the JWKS at {url} cannot be read: what answers there is no key set",
    "JWKS unreachable": "the JWKS at http://127.0.0.1:1/jwks.json cannot be reached: Connection refused",
    "JWKS host unknown": "the JWKS at https://nothing.invalid/.well-known/jwks.json cannot be reached: "
    "no host is named nothing.invalid",
    "secret is not JSON": 'the JWT secret cannot be used: Unexpected "jwk_url}',
    "secret empty": "the JWT secret cannot be used: Unexpected end-of-input, expecting JSON value",
    "secret without key or url": "the JWT secret cannot be used: Error in $: key and jwk_url both cannot be empty",
    "url is not a url": "the JWT secret cannot be used: Error in $['jwk_url']: Invalid URI",
    "no admin secret": "it has no admin secret",
    "HS256 key too short": "the JWT secret cannot be used: Error in $: Invalid JWK: Key size too small; should be "
    "atleast 32 characters",
    "database down": "the database cannot be reached: Connection refused",
    "bad CORS": "HASURA_GRAPHQL_CORS_DOMAIN cannot be used: invalid domain: 'nonsense'. All domains should have "
    "scheme + (optional wildcard) host + (optional port)",
    "unknown API": "HASURA_GRAPHQL_ENABLED_APIS cannot be used: Only expecting list of comma separated API types "
    "metadata,graphql,pgdump,developer,config,metrics",
}


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["case"])
def test_what_the_real_engine_logged(case: dict[str, object]) -> None:
    """An engine that starts gives no reason, and each that ended gives its own."""
    log = case["log"]
    assert isinstance(log, list)
    expected = REASONS.get(str(case["case"]), "")
    assert bool(expected) == bool(case["exit_code"])
    said = reason("\n".join(log))
    assert said == expected.replace("{url}", "http://127.0.0.1:58095/.well-known/jwks.json")


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("Server started on port 8080", ""),
        (
            'connection to server at "db" (10.0.0.2), port 5432 failed: FATAL:  password authentication failed for '
            'user "hasura_05e01bd6"',
            "the database refused its password",
        ),
        (
            'connection to server at "db" (10.0.0.2), port 5432 failed: FATAL:  sorry, too many clients already',
            "the database refused it: sorry, too many clients already",
        ),
        (
            'could not translate host name "nothing.invalid" to address: Name or service not known',
            "the database cannot be reached: no host is named nothing.invalid",
        ),
        (
            "Your database has already been previously used with a newer version of graphql-engine! The database's "
            "current version is 49 but",
            "its catalog has version 49, which a newer image has made; take that one or a newer one",
        ),
        ("exec /bin/graphql-engine: exec format error", "the image is for another kind of processor"),
        (
            '{"detail":{"info":"Error fetching JWK: ConnectionFailure [Errno 111] Connection refused","kind":"jwt"}}',
            "the JWKS cannot be reached: ConnectionFailure [Errno 111] Connection refused",
        ),
    ],
)
def test_other_lines(log: str, expected: str) -> None:
    assert reason(log) == expected


def test_the_kernels_end_is_told_before_anything_in_the_log() -> None:
    assert "memory" in reason("Server started on port 8080", out_of_memory=True)


def test_a_killed_one_may_have_lacked_memory_where_its_log_has_no_other_reason() -> None:
    assert (
        reason("", killed=True)
        == "it was killed, by somebody or since it used up the memory that its limit allows"
    )
    assert reason("no space left on device", killed=True) == "the disk is full"
    assert reason("", killed=False) == ""


def test_what_is_told() -> None:
    assert told("it ended", "requires --admin-secret\nbye", all_of_it="docker logs x") == (
        "it ended: it has no admin secret. The end of its log (`docker logs x` shows all):\n"
        "    requires --admin-secret\n    bye"
    )
    assert told("it ended", "", all_of_it="") == "it ended. It logged nothing."
    assert len(told("it ended", "\n".join("abcdefghijklmnopqrstuvwxyz"), all_of_it="").splitlines()) == 21
