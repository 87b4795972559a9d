"""What the proof asks, and its verdict on every answer that could come."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from components.proof import forgery
from components.proof.cases import (
    Answer,
    Case,
    Person,
    Refused,
    Rows,
    Untouched,
    cases,
    judge,
    judge_token,
    skew,
)
from components.proof.user_table import UserTable

ISSUER = "https://clerk.example.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWK = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "ins_1", "alg": "RS256"}


def token(user_id: str, **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "sub": user_id,
        "exp": 2_000_000_000,
        "https://hasura.io/jwt/claims": {
            "x-hasura-default-role": "user",
            "x-hasura-allowed-roles": ["user"],
            "x-hasura-user-id": user_id,
        },
        **changes,
    }
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, KEY, algorithm="RS256", headers={"kid": "ins_1"})


def person(label: str, user_token: str | None = None) -> Person:
    user_id = f"user_{label}"
    return Person(
        label=label, user_id=user_id, row_name=f"name of {label}", token=user_token or token(user_id)
    )


A, B = person("A"), person("B")
TABLE = UserTable()
ROW_A, ROW_B = (TABLE.shown(each.user_id, each.row_name) for each in (A, B))


def case(expected: Rows | Refused | Untouched) -> Case:
    return Case(name="n", query="q", expected=expected, look_at="there", hidden=("user_B", "name of B"))


def refusal(code: str, message: str = "m", data: Any = None) -> Answer:
    return Answer(data=data, errors=[{"message": message, "extensions": {"path": "$", "code": code}}])


OWN = Rows(root="users", value=[ROW_A])
NOTHING = Rows(root="users", value=[])
NO_ROW = Rows(root="users_by_pk", value=None)
REFUSED = Refused(codes=("invalid-jwt",))
UNTOUCHED = Untouched(root="update_users")

VERDICTS = [
    (OWN, Answer(data={"users": [ROW_A]}), True),
    (OWN, Answer(data={"users": [ROW_A, ROW_A]}), False),
    (OWN, Answer(data={"users": [ROW_A, ROW_B]}), False),
    (OWN, Answer(data={"users": [{**ROW_A, "name": "other"}]}), False),
    (OWN, Answer(data={"users": []}), False),
    (OWN, Answer(data={"users": None}), False),
    (OWN, Answer(data={"users": "x"}), False),
    (OWN, Answer(data={}), False),
    (OWN, Answer(data=None), False),
    (OWN, refusal("invalid-jwt"), False),
    (OWN, refusal("unexpected", data={"users": [ROW_A]}), False),
    (NOTHING, Answer(data={"users": []}), True),
    (NOTHING, Answer(data={"users": [{"id": "user_C", "name": "c"}]}), False),
    (NOTHING, Answer(data={}), False),
    (NOTHING, refusal("validation-failed"), False),
    (NO_ROW, Answer(data={"users_by_pk": None}), True),
    (NO_ROW, Answer(data={}), False),
    (NO_ROW, Answer(data={"users_by_pk": {"id": "user_C"}}), False),
    (REFUSED, refusal("invalid-jwt"), True),
    (REFUSED, refusal("access-denied"), False),
    (REFUSED, refusal("invalid-jwt", data={"users": []}), False),
    (REFUSED, Answer(data={"users": []}), False),
    (REFUSED, Answer(data=None), False),
    (REFUSED, Answer(data=None, errors=[{"message": "no extensions"}]), False),
    (UNTOUCHED, refusal("validation-failed"), True),
    (UNTOUCHED, refusal("permission-error"), True),
    (UNTOUCHED, refusal("unexpected"), False),
    (UNTOUCHED, Answer(data={"update_users": {"affected_rows": 0}}), True),
    (UNTOUCHED, Answer(data={"update_users": {"affected_rows": 1}}), False),
    (UNTOUCHED, Answer(data={}), False),
    (UNTOUCHED, Answer(data=None), False),
]


@pytest.mark.parametrize(("expected", "answer", "passed"), VERDICTS)
def test_verdicts(expected: Rows | Refused | Untouched, answer: Answer, passed: bool) -> None:
    verdict = judge(case(expected), answer)
    assert verdict.passed is passed
    assert bool(verdict.look_at) is not passed


@pytest.mark.parametrize("expected", [OWN, NOTHING, NO_ROW, REFUSED, UNTOUCHED])
@pytest.mark.parametrize("leak", ["user_B", "name of B"])
def test_anything_of_the_other_user_fails_whatever_else_is_right(
    expected: Rows | Refused | Untouched, leak: str
) -> None:
    verdict = judge(case(expected), refusal("invalid-jwt", f"no permission on {leak}"))
    assert not verdict.passed
    assert leak in verdict.seen


@pytest.mark.parametrize(
    ("message", "look_at"),
    [
        ("Could not verify JWT: JWTNotInIssuer", "issuer"),
        ("Could not verify JWT: JWTExpired", "clocks"),
        ("Could not verify JWT: JWTNotYetValid", "clocks"),
        ("Could not verify JWT: JWTIssuedAtFuture", "clocks"),
        ("Could not verify JWT: JWSError JWSInvalidSignature", "jwk_url"),
        ("claims key: 'https://hasura.io/jwt/claims' not found", "namespace"),
        ('JWT claim does not contain "x-hasura-default-role"', "x-hasura-*"),
        ('missing session variable: "x-hasura-user-id"', "x-hasura-*"),
        ("field 'users' not found in type: 'query_root'", "permissions"),
        ("something else", "there"),
    ],
)
def test_where_to_look_follows_from_what_the_engine_said(message: str, look_at: str) -> None:
    assert look_at in judge(case(OWN), refusal("invalid-jwt", message)).look_at


@pytest.mark.parametrize(
    ("issued", "engine", "says"),
    [
        (1000, 1000, ""),
        (1000, 1010, ""),
        (1600, 1000, "Clerk's is 600 s ahead of the engine's"),
        (1000, 1600, "Clerk's is 600 s behind the engine's"),
        (1000, None, ""),
        (None, 1000, ""),
    ],
)
def test_how_far_clocks_are_apart(issued: int | None, engine: float | None, says: str) -> None:
    said = skew(token("user_a", iat=issued), engine)
    assert says in said
    assert bool(says) is bool(said)
    assert skew("no token", engine) == ""


def test_all_that_is_asked() -> None:
    asked = cases(A, B, JWK)
    assert len(asked) == len({c.name for c in asked}) == 18
    assert len(cases(A, B, None)) == 17
    # No answer may name the other user, and one without right may name nobody.
    for c in asked:
        other = "user_B" if c.name.startswith("A:") else "user_A"
        assert other in c.hidden
        assert c.look_at
        assert A.token not in repr(c)


def test_forged_tokens_are_what_they_say() -> None:
    ids = (A.user_id, B.user_id)
    altered = forgery.with_other_user(A.token, *ids)
    assert altered.split(".")[2] == A.token.split(".")[2]
    others = {
        "RS256": forgery.signed_by_another(A.token, *ids),
        "none": forgery.unsigned(A.token, *ids),
        "HS256": forgery.signed_with_public_key(A.token, *ids, JWK),
    }
    for algorithm, forged in {"RS256": altered, **others}.items():
        header, claims = forgery.read(forged)
        assert (header["alg"], header["kid"]) == (algorithm, "ins_1")
        assert "user_A" not in json.dumps(claims)
        assert claims["sub"] == "user_B"
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(forged, KEY.public_key(), algorithms=["RS256"])
    jwt.decode(A.token, KEY.public_key(), algorithms=["RS256"])


def test_the_confused_token_would_pass_a_verifier_that_confuses_the_two() -> None:
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization

    content, _, signature = forgery.signed_with_public_key(A.token, "user_A", "user_B", JWK).rpartition(".")
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hmac.digest(pem, content.encode(), hashlib.sha256)
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == signature


@pytest.mark.parametrize(
    ("user_token", "seen", "look_at"),
    [
        (token("user_A", iss="https://other.example"), "iss is", "issuer"),
        (token("user_A", iss=None), "iss is None", "issuer"),
        (token("user_A", exp=None), "no exp", "lifetime"),
        (token("user_A", **{"https://hasura.io/jwt/claims": None}), "no claim", "template"),
        (token("user_B"), "x-hasura-user-id is 'user_B'", "template"),
        (
            token("user_A", **{"https://hasura.io/jwt/claims": {"x-hasura-allowed-roles": ["admin"]}}),
            "the role admin is allowed",
            "template",
        ),
        ("not.a.token", "not a signed JWT", "clerkApiUrl"),
        ("opaque", "not a signed JWT", "clerkApiUrl"),
    ],
)
def test_a_token_that_the_engine_might_take_is_still_looked_into(
    user_token: str, seen: str, look_at: str
) -> None:
    verdict = judge_token(person("A", user_token), issuer=ISSUER, key_ids=["ins_1"])
    assert not verdict.passed
    assert seen in verdict.seen
    assert look_at in verdict.look_at


def test_what_is_no_token_is_not_forged() -> None:
    asked = cases(person("A", "opaque"), B, JWK)
    assert len(asked) == len(cases(A, B, JWK)) - 4
    assert not any("signed" in each.name for each in asked)


def test_a_good_token() -> None:
    assert judge_token(A, issuer=ISSUER, key_ids=["ins_1"]).passed
    assert judge_token(A, issuer=ISSUER, key_ids=None).passed
    assert judge_token(A, issuer="any", key_ids=["ins_1"]).passed
    assert not judge_token(person("A", token("user_A", iss=None)), issuer="any", key_ids=None).passed
    other = judge_token(A, issuer=ISSUER, key_ids=["ins_2"])
    assert not other.passed
    assert "ins_1 is not in the JWKS" in other.seen
