"""What is asked of the API in a proof, what must come back, and the verdict on what came. Pure: no I/O.

Hasura's ``/v1/graphql`` answers HTTP 200 also when it refuses, so a verdict never rests on the status: it
looks at ``data``, at ``errors[].extensions.code``, and for anything of the other user anywhere in the body.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from components.clerk.claims import ALLOWED_ROLES, HASURA_NAMESPACE, USER_ID, Json
from components.clerk.keys import ANY_ISSUER

from . import forgery
from .user_table import UserTable

JWT_SECRET: Final = "HASURA_GRAPHQL_JWT_SECRET of the engine"  # noqa: S105
ROLES: Final = f"{ALLOWED_ROLES} in the JWT template's claims"

CLOCKS_AGREE: Final = 15.0
"""Seconds between two clocks that say nothing: requests lie between the looks at them."""
_OF_TIME: Final = ("JWTExpired", "JWTNotYetValid", "JWTIssuedAtFuture")
_LOOK_AT_BY_MESSAGE: Final = (
    (
        "JWTNotInIssuer",
        "the issuer in the JWT secret (jwtIssuer): it must be the iss that the line of the token shows",
    ),
    ("JWTNotInAudience", "the audience in the JWT secret, and the aud claim of the template"),
    *((message, "the clocks of the engine and of Clerk; the template's lifetime") for message in _OF_TIME),
    (
        "JWSInvalidSignature",
        "jwk_url in the JWT secret: the keys of another instance, or read before a rotation",
    ),
    ("NoUsableKeys", "jwk_url in the JWT secret: it gave the engine no key"),
    ("namespace", "the namespace in the JWT template's claims"),
    ("claims key", "the namespace in the JWT template's claims"),
    ("x-hasura-", "the x-hasura-* claims of the JWT template"),
    ("allowed roles", ROLES),
    ("not found in type", "tracked tables and permissions, in the metadata directory"),
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A throwaway user, signed in: Clerk's user id, the name in their row, and their token."""

    label: str
    user_id: str
    row_name: str
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API answered: its ``data`` (None if there is none) and ``errors``."""

    data: Mapping[str, Json] | None
    errors: Sequence[Mapping[str, Json]] = ()

    @property
    def codes(self) -> list[str]:
        found = []
        for error in self.errors:
            extensions = error.get("extensions")
            found.append(str(extensions.get("code")) if isinstance(extensions, Mapping) else "no code")
        return found

    @property
    def text(self) -> str:
        """The whole body, for the search for what must not be in it."""
        return json.dumps({"data": self.data, "errors": list(self.errors)}, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """``data[root]`` is exactly this: a list of rows in any order, one row, or None.

    ``may_be_absent`` lets a role pass that has no such query at all, which shows nobody anything.
    """

    root: str
    value: Sequence[Mapping[str, Json]] | Mapping[str, Json] | None
    may_be_absent: bool = False

    def __str__(self) -> str:
        if not self.value:
            return "nothing"
        count = 1 if isinstance(self.value, Mapping) else len(self.value)
        return "own row only" if count == 1 else f"{count} rows"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """No data, and errors with one of these codes only."""

    codes: tuple[str, ...]

    def __str__(self) -> str:
        return "refused: " + " or ".join(self.codes)


@dataclass(frozen=True, kw_only=True)
class Untouched:
    """Refused by the schema or a permission, or no row changed."""

    root: str

    def __str__(self) -> str:
        return "no row changed"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request and what must come of it. ``hidden`` are texts that may be nowhere in the answer."""

    name: str
    query: str
    expected: Rows | Refused | Untouched
    look_at: str
    hidden: tuple[str, ...]
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A line of the proof: what was tried, what had to come, what came, and where to look if it is wrong."""

    name: str
    expected: str
    seen: str
    passed: bool
    look_at: str = ""


def cases(
    first: Person, second: Person, jwk: Mapping[str, Json] | None, table: UserTable | None = None
) -> list[Case]:
    """Everything that is asked for these two people. ``jwk`` is a public RSA key of the instance, if any."""
    asked = table or UserTable()
    found: list[Case] = []
    for me, other in ((first, second), (second, first)):
        found += _own(me, other, asked) + _others(me, other, asked)
    return found + _without_right(first, second, jwk, asked)


def permission(table: UserTable, operation: str = "select") -> str:
    """Where to look for what a role may do."""
    return f"{operation}_permissions of the table {table.name}, in the metadata directory"


def _own(me: Person, other: Person, table: UserTable) -> list[Case]:
    hidden = (other.user_id, other.row_name)
    row = table.shown(me.user_id, me.row_name)
    return [
        Case(
            name=f"{me.label}: all {table.name}",
            query=table.all_rows(),
            token=me.token,
            expected=Rows(root=table.name, value=[row]),
            look_at=permission(table),
            hidden=hidden,
        ),
        Case(
            name=f"{me.label}: own row by key",
            query=table.row_by_key(me.user_id),
            token=me.token,
            expected=Rows(root=table.by_key, value=row, may_be_absent=True),
            look_at=permission(table),
            hidden=hidden,
        ),
    ]


def _others(me: Person, other: Person, table: UserTable) -> list[Case]:
    hidden = (other.user_id, other.row_name)
    return [
        Case(
            name=f"{me.label}: {other.label}'s row by where",
            query=table.rows_of(other.user_id),
            token=me.token,
            expected=Rows(root=table.name, value=[]),
            look_at=permission(table),
            hidden=hidden,
        ),
        Case(
            name=f"{me.label}: {other.label}'s row by key",
            query=table.row_by_key(other.user_id),
            token=me.token,
            expected=Rows(root=table.by_key, value=None, may_be_absent=True),
            look_at=permission(table),
            hidden=hidden,
        ),
        Case(
            name=f"{me.label}: {other.label}'s id in a header",
            query=table.all_rows(),
            token=me.token,
            headers={"X-Hasura-User-Id": other.user_id},
            expected=Rows(root=table.name, value=[table.shown(me.user_id, me.row_name)]),
            look_at=JWT_SECRET,
            hidden=hidden,
        ),
        Case(
            name=f"{me.label}: rename {other.label}",
            query=table.change(other.user_id, "taken over"),
            token=me.token,
            expected=Untouched(root=table.update),
            look_at=permission(table, "update"),
            hidden=hidden,
        ),
    ]


def _without_right(
    first: Person, second: Person, jwk: Mapping[str, Json] | None, table: UserTable
) -> list[Case]:
    ids = (first.user_id, second.user_id)
    nobody = (*ids, first.row_name, second.row_name)
    return [
        *(
            Case(
                name=name,
                query=table.all_rows(),
                token=token,
                expected=Refused(codes=("invalid-jwt",)),
                look_at=JWT_SECRET,
                hidden=nobody,
            )
            for name, token in _forged(first, second, jwk).items()
        ),
        Case(
            name="no token",
            query=table.all_rows(),
            expected=Refused(codes=("invalid-headers", "access-denied")),
            look_at="HASURA_GRAPHQL_UNAUTHORIZED_ROLE (must be unset), the admin secret (must be set)",
            hidden=nobody,
        ),
        Case(
            name=f"{first.label}: x-hasura-role: admin",
            query=table.all_rows(),
            token=first.token,
            headers={"X-Hasura-Role": "admin"},
            expected=Refused(codes=("access-denied",)),
            look_at=ROLES,
            hidden=nobody,
        ),
    ]


def _forged(first: Person, second: Person, jwk: Mapping[str, Json] | None) -> dict[str, str]:
    """Tokens that must be refused, by the name of what is tried; none where there is none to forge."""
    ids = (first.user_id, second.user_id)
    try:
        forgery.read(first.token)
    except ValueError:
        return {}  # told by judge_token
    forged = {
        f"token of {first.label} altered to {second.label}": forgery.with_other_user(first.token, *ids),
        "token signed by another key": forgery.signed_by_another(first.token, *ids),
        "token without a signature": forgery.unsigned(first.token, *ids),
    }
    if jwk is not None:
        forged["token signed with the public key"] = forgery.signed_with_public_key(first.token, *ids, jwk)
    return forged


def skew(token: str, engine_time: float | None) -> str:
    """How far the clocks of Clerk and of the engine are apart, in words; empty where they agree, or nobody knows.

    ``token`` was made a moment before it was ``engine_time`` (seconds since 1970) at the engine.
    """
    try:
        issued = forgery.read(token)[1].get("iat")
    except ValueError:
        return ""
    if engine_time is None or not isinstance(issued, int | float):
        return ""
    apart = issued - engine_time
    if abs(apart) < CLOCKS_AGREE:
        return ""
    order = "ahead of" if apart > 0 else "behind"
    return (
        f"the clocks: Clerk's is {abs(apart):.0f} s {order} the engine's. Set both by NTP; jwtAllowedSkew only bears "
        "with a few seconds"
    )


def judge(case: Case, answer: Answer, clocks: str = "") -> Verdict:
    """Hold an answer against what its case expects. ``clocks`` is what ``skew`` said."""
    leaked = [text for text in case.hidden if text in answer.text]
    if leaked:
        return _verdict(case, f"the answer holds {_quoted(leaked)}", passed=False)
    match case.expected:
        case Rows(root=root, value=value):
            if case.expected.may_be_absent and _is_absent(answer, root):
                return _verdict(case, "no such query for this role", passed=True)
            if answer.errors or answer.data is None:
                return _verdict(
                    case, _described(answer), passed=False, look_at=_look_at(answer, case.look_at, clocks)
                )
            found = answer.data.get(root)
            passed = root in answer.data and _same_rows(found, value)
            return _verdict(case, str(case.expected) if passed else _described(answer), passed=passed)
        case Refused(codes=codes):
            passed = answer.data is None and bool(answer.errors) and set(answer.codes) <= set(codes)
            return _verdict(case, _described(answer), passed=passed)
        case Untouched(root=root):
            if answer.errors and answer.data is None:
                passed = set(answer.codes) <= {"validation-failed", "permission-error", "access-denied"}
            else:
                result = (answer.data or {}).get(root)
                passed = isinstance(result, Mapping) and result.get("affected_rows") == 0
            return _verdict(case, _described(answer), passed=passed)


def _is_absent(answer: Answer, root: str) -> bool:
    """Whether the role has no such root field at all: its table's key is another one, or it may not ask by it."""
    absent = (
        f"field '{root}' not found in type: 'query_root'",
        f"'{root}' has no argument named",
        "missing required field",
    )
    said = [str(error.get("message")) for error in answer.errors]
    return answer.data is None and bool(said) and all(message.startswith(absent) for message in said)


def judge_token(
    person: Person, *, issuer: str, key_ids: Collection[str] | None, namespace: str = HASURA_NAMESPACE
) -> Verdict:
    """Hold a token against what Hasura does not insist on.

    The engine accepts a token without ``iss`` or ``exp`` even when an issuer is configured, so the proof
    looks itself. ``key_ids`` are those of the JWKS that the engine reads; None passes that over.
    ``namespace`` is the claim in which Hasura's stand.
    """
    expected = "issuer, expiry, own id, a known key, no admin"
    name = f"{person.label}: token"
    try:
        header, claims = forgery.read(person.token)
    except ValueError:
        return Verdict(
            name=name,
            expected=expected,
            seen="not a signed JWT",
            passed=False,
            look_at="clerkApiUrl and issuer",
        )
    within = claims.get(namespace)
    hasura = within if isinstance(within, Mapping) else {}
    roles = hasura.get(ALLOWED_ROLES)
    template = "the JWT template's claims"
    checks = (
        (
            claims.get("iss") == issuer or (issuer == ANY_ISSUER and "iss" in claims),
            f"iss is {claims.get('iss')!r}",
            f"the issuer, configured as {issuer} (jwtIssuer)",
        ),
        (isinstance(claims.get("exp"), int | float), "no exp", "the lifetime of the JWT template"),
        (isinstance(within, Mapping), f"no claim {namespace}", template),
        (hasura.get(USER_ID) == person.user_id, f"{USER_ID} is {hasura.get(USER_ID)!r}", template),
        (not (isinstance(roles, Sequence) and "admin" in roles), "the role admin is allowed", template),
        (
            key_ids is None or header.get("kid") in key_ids,
            f"its key {header.get('kid')} is not in the JWKS",
            "jwksUrl: it must belong to the instance of the secret key",
        ),
    )
    wrong = [(seen, look_at) for holds, seen, look_at in checks if not holds]
    if not wrong:
        return Verdict(name=name, expected=expected, seen="as expected", passed=True)
    return Verdict(
        name=name,
        expected=expected,
        seen="; ".join(seen for seen, _ in wrong),
        passed=False,
        look_at="; ".join(dict.fromkeys(look_at for _, look_at in wrong)),
    )


def _verdict(case: Case, seen: str, *, passed: bool, look_at: str | None = None) -> Verdict:
    return Verdict(
        name=case.name,
        expected=str(case.expected),
        seen=seen,
        passed=passed,
        look_at="" if passed else look_at or case.look_at,
    )


def _look_at(answer: Answer, otherwise: str, clocks: str) -> str:
    said = " ".join(str(error.get("message")) for error in answer.errors)
    if clocks and any(message in said for message in _OF_TIME):
        return clocks
    return next((where for part, where in _LOOK_AT_BY_MESSAGE if part in said), otherwise)


def _same_rows(found: Json, value: Sequence[Mapping[str, Json]] | Mapping[str, Json] | None) -> bool:
    if value is None or isinstance(value, Mapping):
        return found == value
    if isinstance(found, str) or not isinstance(found, Sequence):
        return False
    return sorted(map(_canonical, found)) == sorted(map(_canonical, value))


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _described(answer: Answer) -> str:
    if answer.errors:
        with_data = " beside data" if answer.data is not None else ""
        messages = "; ".join(_short(str(error.get("message"))) for error in answer.errors)
        return f"{', '.join(answer.codes)}{with_data}: {messages}"
    if answer.data is None:
        return "neither data nor errors"
    counts = [f"{root}: {_count(value)}" for root, value in answer.data.items()]
    return ", ".join(counts) or "empty data"


def _count(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"{value['affected_rows']} rows changed" if "affected_rows" in value else "a row"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} rows"
    return "a value"


def _quoted(texts: Sequence[str]) -> str:
    return " and ".join(texts)


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
