"""What has a secret's form, or is one of this environment's, does not get into a plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan import json_shape, markdown
from components.plan.document import make, pending
from components.plan.events import read
from components.plan.files import read_files
from components.plan.redaction import redactor
from tests.unit.plan.building import (
    METADATA,
    MIGRATIONS,
    TEMPLATE,
    ended,
    found,
    metadata,
    migrations,
    outputs,
    policy,
    said,
    step,
    template,
)

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl"  # pragma: allowlist secret

# A text, and what is left of it.
REDACTED = [
    ("key sk_test_abcDEF123 is refused", "key [secret] is refused"),
    ("sk_live_abcDEF123", "[secret]"),
    ("signing secret whsec_abc/DEF+123=", "signing secret [secret]"),
    ("pul-" + "0123456789abcdef" * 2 + "01234567", "[secret]"),
    (f"token {TOKEN} has expired", "token [secret] has expired"),
    ("postgres://app:pa/ss@db:5432/app", "postgres://app:pa/ss@db:5432/app"),
    ("postgres://app:pass@db:5432/app", "postgres://[secret]@db:5432/app"),
    ("a postgresql://u:p@h/d and https://v:w@x", "a postgresql://[secret]@h/d and https://[secret]@x"),
    ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [secret]"),
    ('{"x-hasura-admin-secret": "abc def"}', '{"x-hasura-admin-secret": "[secret] def"}'),
    ("X-Hasura-Admin-Secret: abc", "X-Hasura-Admin-Secret: [secret]"),
    ("create role r login password 'it''s'", "create role r login password '[secret]'"),
    ("alter role r ENCRYPTED PASSWORD E'x'", "alter role r ENCRYPTED PASSWORD '[secret]'"),
    ("host=db password=' x '", "host=db password='[secret]'"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nafter",  # pragma: allowlist secret
        "[secret]\nafter",
    ),
    ("-----BEGIN PRIVATE KEY-----\nabc and no end", "[secret]"),  # pragma: allowlist secret
]
KEPT = [
    "pk_test_MTI3LjAuMC4xOjQxMDI1JA is public",
    "https://api.clerk.com/v1/jwt_templates",
    "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
    "alter table users add column password text",
    "the bearer of this role",
    "eyJ is the beginning of a token",
    "postgres://app@db/app",
    "email me@example.com: it works",
]


@pytest.mark.parametrize(("text", "left"), REDACTED)
def test_what_has_a_secrets_form_is_taken_out(text: str, left: str) -> None:
    redact = redactor({})
    assert redact(text) == left
    assert redact(left) == left


@pytest.mark.parametrize("text", KEPT)
def test_what_has_not_stays(text: str) -> None:
    assert redactor({"HOME": "/home/me", "PORT": "8080"})(text) == text


@pytest.mark.parametrize(
    "name",
    ["CLERK_SECRET_KEY", "HASURA_GRAPHQL_ADMIN_SECRET", "PULUMI_CONFIG_PASSPHRASE", "PGPASSWORD", "A_TOKEN"],
)
def test_what_the_environment_holds_is_taken_out(name: str) -> None:
    assert redactor({name: "correct horse"})("say correct horse aloud") == "say [secret] aloud"
    assert redactor({name: "short"})("a short text") == "a short text"
    assert redactor({"EDITOR": "correct horse"})("say correct horse aloud") == "say correct horse aloud"


def test_a_secret_that_holds_another_goes_as_a_whole() -> None:
    environment = {"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefgh-ijkl"}
    assert redactor(environment)("abcdefgh-ijkl") == "[secret]"


CANARY = "canary-7f3e9b21d4"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": CANARY}
AROUND = st.text(max_size=20)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Any text with the secret somewhere in it."""
    return draw(AROUND) + CANARY + draw(AROUND)


def everywhere(text: str) -> list[dict[str, Any]]:
    """A preview that holds a text wherever an input, an error or a name can hold one, and a marked secret."""
    users = {
        "select_permissions": {text: {"columns": [text], "filter": {text: {"_eq": text}}, "comment": text}},
        "event_triggers": {text: {"webhook": text, "headers": [{"name": text, "value": text}]}},
    }
    claims = {"https://hasura.io/jwt/claims": {"x-hasura-org-id": text, text: text}}
    changed = step(
        "update",
        "docker:index/container:Container",
        "hasura",
        {"envs": SECRET, "restart": "no"},
        {"envs": [text], "restart": text},
    )
    return [
        step("update", METADATA, "metadata", metadata(users={}), metadata(users=users, **{text: {}})),
        step("update", TEMPLATE, "t", template(), template(name=text, claims=claims, signing_key=SECRET)),
        step("create", MIGRATIONS, "migrations", None, migrations(f"1_{text}", settings={"backup": text})),
        changed,
        outputs({"a": text, "b": SECRET}, {"a": "x", "b": "y", "c": text}),
        found(METADATA, "metadata", metadata(users={}), metadata(users=users)),
        found(TEMPLATE, "t", template(), template(claims=claims, signing_key=SECRET)),
        said(f'default: would roll back 1_a by the down SQL that the ledger keeps: "drop table {text}"'),
        said(f"warning: migrations/default/1_a/up.sql:1: {text}"),
        said(text, "warning"),
        policy("advisory", text),
    ]


@given(texts(), st.sampled_from(["succeeded", "failed"]), st.booleans())
def test_no_secret_is_in_a_plan_whatever_the_inputs(text: str, result: str, drift: bool) -> None:
    events = [*everywhere(text), said(text, "error"), ended(result)]
    plan = make(
        read(events, redactor({"CLERK_SECRET_KEY": CANARY})),
        stack="dev",
        drift=drift,
    )
    written = markdown.document(plan) + json_shape.text(plan)
    assert CANARY not in written
    assert "[secret]" in written


def test_without_redaction_it_would_be() -> None:
    plan = make(read([*everywhere(CANARY), ended()]), stack="dev")
    assert CANARY in markdown.document(plan)
    # What is marked as secret is never read.
    marked = [
        step("update", TEMPLATE, "t", template(signing_key=SECRET), template(signing_key=SECRET)),
        ended(),
    ]
    assert CANARY not in json_shape.text(make(read(marked), stack="dev"))


def test_a_password_in_a_migration_is_taken_out_before_its_text_is_cut(tmp_path: Any) -> None:
    folder = tmp_path / "migrations" / "default" / "1_role"
    folder.mkdir(parents=True)
    password = "p" * 30
    long_comment = "-- " + "x" * (12_000 - 3 - len("\ncreate role r password 'pppp")) + "\n"
    sql = f"{long_comment}create role r password '{password}';\ndrop table a;\n"
    (folder / "up.sql").write_text(sql)
    inputs = migrations()
    from components.schema.migrations import read_migrations

    inputs["migrations"] = read_migrations(tmp_path / "migrations").checksums()
    seen = read([step("create", MIGRATIONS, "migrations", None, inputs), ended()])
    files = read_files(pending(seen), tmp_path, redactor({}))
    [shown] = files.sql.values()
    assert shown.cut
    assert "pppp" not in repr(shown)
    assert [one.line for one in shown.destroys] == [3]
