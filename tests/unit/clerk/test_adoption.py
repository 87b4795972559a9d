"""What a template that was made by hand comes to, one row a template: the configuration, and what is left to change."""

from __future__ import annotations

import pytest

from components.clerk.adoption import configuration, differences
from components.clerk.answers import JwtTemplateRecord, TemplateContent
from components.clerk.claims import HASURA_NAMESPACE, Claims, Json, template_claims

USER: Json = "{{user.id}}"


def hasura(
    default: Json = "user", allowed: Json = ("user",), user: Json = USER, **more: Json
) -> dict[str, Json]:
    return {
        "x-hasura-default-role": default,
        "x-hasura-allowed-roles": list(allowed) if isinstance(allowed, tuple) else allowed,
        "x-hasura-user-id": user,
        **more,
    }


# claims of the template: (role, claims to configure, what would be changed all the same)
CASES: dict[str, tuple[Claims, str, Claims, list[str]]] = {
    "as the project writes it": ({HASURA_NAMESPACE: hasura()}, "user", {}, []),
    "another role": ({HASURA_NAMESPACE: hasura("member", ("member",))}, "member", {}, []),
    "several roles in an order of their own": (
        {HASURA_NAMESPACE: hasura("user", ("editor", "user"))},
        "user",
        {HASURA_NAMESPACE: {"x-hasura-allowed-roles": ["editor", "user"]}},
        [],
    ),
    "further claims": (
        {HASURA_NAMESPACE: hasura(**{"x-hasura-org-id": "{{org.id}}"}), "level": 2, "aud": ["api"]},
        "user",
        {HASURA_NAMESPACE: {"x-hasura-org-id": "{{org.id}}"}, "level": 2, "aud": ["api"]},
        [],
    ),
    "a default role from metadata": (
        {HASURA_NAMESPACE: hasura("{{user.public_metadata.role}}")},
        "user",
        {},
        [f'claim "{HASURA_NAMESPACE}" > x-hasura-default-role: "{{{{user.public_metadata.role}}}}" -> "user"'],
    ),
    "another id of the user": (
        {HASURA_NAMESPACE: hasura(user="{{user.external_id}}")},
        "user",
        {},
        [f'claim "{HASURA_NAMESPACE}" > x-hasura-user-id: "{{{{user.external_id}}}}" -> "{{{{user.id}}}}"'],
    ),
    "names in capitals": (
        {HASURA_NAMESPACE: {("X-Hasura-User-Id" if k == "x-hasura-user-id" else k): v for k, v in hasura().items()}},
        "user",
        {},
        [
            f'claim "{HASURA_NAMESPACE}" > X-Hasura-User-Id: "{{{{user.id}}}}" -> (none)',
            f'claim "{HASURA_NAMESPACE}" > x-hasura-user-id: (none) -> "{{{{user.id}}}}"',
        ],
    ),
    "nothing of Hasura's": (
        {"level": 1},
        "user",
        {"level": 1},
        [f'claim "{HASURA_NAMESPACE}": (none) -> {{"x-hasura-default-role": "user", '
         '"x-hasura-allowed-roles": ["user"], "x-hasura-user-id": "{{user.id}}"}'],
    ),
}  # fmt: skip


def record(claims: Claims, *, own_key: bool = False) -> JwtTemplateRecord:
    return JwtTemplateRecord(
        id="jtmpl_1",
        name="hasura",
        claims=claims,
        lifetime=300,
        allowed_clock_skew=7,
        custom_signing_key=own_key,
        signing_algorithm="RS256",
    )


@pytest.mark.parametrize("case", CASES)
def test_a_template_is_read_into_configuration(case: str) -> None:
    claims, role, added, left = CASES[case]
    found = configuration(record(claims), namespace=HASURA_NAMESPACE, role="user")
    assert (found.role, found.claims, found.namespace) == (role, added, HASURA_NAMESPACE)
    assert (found.lifetime, found.clock_skew) == (300, 7)
    content = TemplateContent(
        name="hasura",
        claims=template_claims(found.role, [found.role], found.claims, found.namespace),
        lifetime=found.lifetime,
        allowed_clock_skew=found.clock_skew,
    )
    assert differences(record(claims), content) == left


def test_the_namespace_is_where_the_allowed_roles_are() -> None:
    found = configuration(record({"other": {}, "hasura": hasura()}), namespace=HASURA_NAMESPACE, role="user")
    assert (found.namespace, found.claims) == ("hasura", {"other": {}})
    kept = configuration(
        record({HASURA_NAMESPACE: hasura(), "mine": hasura()}), namespace="mine", role="user"
    )
    assert kept.namespace == "mine"


@pytest.mark.parametrize(
    ("own_key", "written", "told"),
    [
        (False, None, []),
        (True, None, ["signing_key: one of its own -> the instance's"]),
        (True, "k", ["signing_key: written anew"]),
    ],
)
def test_a_signing_key_is_never_taken_for_the_same(
    own_key: bool, written: str | None, told: list[str]
) -> None:
    claims: Claims = {HASURA_NAMESPACE: hasura()}
    content = TemplateContent(
        name="hasura", claims=claims, lifetime=60, allowed_clock_skew=7, signing_key=written
    )
    assert differences(record(claims, own_key=own_key), content) == ["lifetime: 300 -> 60", *told]
