"""The configuration that is written, and the template that it is read from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import stack_config

from components import settings
from components.adoption.checkout import Files, Local, files_of, in_the_way
from components.adoption.history import History
from components.adoption.stack import as_given, wanted
from components.adoption.template import TemplateFound, find
from components.clerk import keys
from components.clerk.answers import JwtTemplateRecord
from components.clerk.claims import HASURA_NAMESPACE, Claims
from components.selected_stack import Configuration

URL = "https://example.hasura.app"
PLAIN: Claims = {
    HASURA_NAMESPACE: {
        "x-hasura-default-role": "user",
        "x-hasura-allowed-roles": ["user"],
        "x-hasura-user-id": "{{user.id}}",
    }
}
MEMBERS: Claims = {
    HASURA_NAMESPACE: {
        "x-hasura-default-role": "member",
        "x-hasura-allowed-roles": ["member", "editor"],
        "x-hasura-user-id": "{{user.id}}",
    },
    "level": 2,
}


def record(
    claims: Claims, name: str = "hasura", *, own_key: bool = False, lifetime: int = 60
) -> JwtTemplateRecord:
    return JwtTemplateRecord(
        id=f"jtmpl_{name}",
        name=name,
        claims=claims,
        lifetime=lifetime,
        allowed_clock_skew=5,
        custom_signing_key=own_key,
        signing_algorithm="ES256",
    )


def parsed(change: dict[str, str]) -> settings.Settings:
    own = {
        "engineUrl": URL,
        "adminSecret": "canary",
        "clerkPublishableKey": keys.publishable_key_for("clear-cat-1.clerk.accounts.dev"),
        "clerkSecretKey": "sk_test_" + "a" * 40,
    }
    return settings.parse(stack_config("staging") | own | change, stack="own", environment={})


def values(templates: list[JwtTemplateRecord], current: dict[str, str] | None = None) -> dict[str, object]:
    config = {key: str(value) for key, value in stack_config("staging").items()} | (current or {})
    return dict(
        wanted(url=URL, template=find(templates, parsed({}).clerk), baseline={"default": 5}, current=config)
    )


def test_what_is_the_default_is_not_written() -> None:
    assert values([record(PLAIN)]) == {"engineUrl": URL, "adoptTemplate": True, "baseline": {"default": 5}}


def test_a_template_of_ones_own_is_written_out_and_read_as_the_same() -> None:
    written = values([record(MEMBERS, lifetime=300)])
    assert written == {
        "engineUrl": URL,
        "adoptTemplate": True,
        "jwtTemplateLifetime": 300,
        "jwtTemplateClaims": {HASURA_NAMESPACE: {"x-hasura-allowed-roles": ["member", "editor"]}, "level": 2},
        "userRole": "member",
        "baseline": {"default": 5},
    }
    given = as_given(written)  # type: ignore[arg-type]
    again = parsed(given)
    assert find([record(MEMBERS, lifetime=300)], again.clerk).changes == ()
    assert again.schema.baseline == {"default": 5}
    assert values([record(MEMBERS, lifetime=300)], given) == {}, "and then there is nothing to write"


@pytest.mark.parametrize(
    ("templates", "change", "remarks", "problems"),
    [
        ([], {}, ["Clerk has no JWT template named hasura, so the first `up` creates it"], []),
        ([record(PLAIN, "other")], {}, ["It has other: pulumi config set jwtTemplateName NAME"], []),
        ([record(PLAIN), record(PLAIN)], {}, [], ["jwtTemplateName: Clerk has 2 templates named hasura"]),
        ([record(PLAIN, own_key=True)], {}, [], ["jwtSigningKey: is not set, and the template hasura"]),
        ([record(PLAIN, own_key=True)], {"jwtSigningAlgorithm": "HS256", "jwtSigningKey": "k" * 32}, [], []),
        ([record(PLAIN, "api")], {"jwtTemplateName": "api"}, [], []),
    ],
)
def test_the_template_is_chosen_by_its_name(
    templates: list[JwtTemplateRecord], change: dict[str, str], remarks: list[str], problems: list[str]
) -> None:
    found = find(templates, parsed(change).clerk)
    for said, expected in ((found.remarks, remarks), (found.problems, problems)):
        assert len(said) == len(expected)
        assert all(words in text for words, text in zip(expected, said, strict=True))
    assert (found.configuration is None) == bool(remarks or problems)


def test_without_a_template_none_is_taken_over() -> None:
    assert wanted(url=URL, template=TemplateFound(), baseline={}, current={"baseline": "{}"}) == {
        "engineUrl": URL
    }


def _local(folder: Path) -> Local:
    config = Configuration(values={}, others={}, encrypted=frozenset())
    return Local(
        name="own", config=config, migrations=folder / "migrations", metadata=folder / "hasura_metadata"
    )


def _history(text: str, replaced: tuple[str, ...] = ("default",)) -> History:
    return History(written={("default", "5_baseline"): text}, baseline={}, replaced=replaced, recorded=())


def test_only_what_differs_is_written_and_what_git_does_not_have_is_in_the_way(tmp_path: Path) -> None:
    local = _local(tmp_path)
    assert files_of(local, _history("a")) == Files(written={"default/5_baseline/up.sql": "a"})
    for name in (
        "default/5_baseline/up.sql",
        "default/1_old/up.sql",
        "default/1_old/down.sql",
        "kept/1_b/up.sql",
    ):
        (local.migrations / name).parent.mkdir(parents=True, exist_ok=True)
        (local.migrations / name).write_text("a")
    gone = ("default/1_old/down.sql", "default/1_old/up.sql")
    assert files_of(local, _history("a")) == Files(written={}, removed=gone)
    changed = files_of(local, _history("b"))
    assert changed == Files(written={"default/5_baseline/up.sql": "b"}, removed=gone)
    said = in_the_way(local, None, changed)
    assert [line.partition(": ")[0] for line in said] == [
        f"{local.migrations}/{name}" for name in (*gone, "default/5_baseline/up.sql")
    ]
    assert in_the_way(local, None, Files()) == []


def test_a_value_is_given_as_pulumi_gives_it() -> None:
    assert as_given({"a": "b", "c": {"d": 1}, "e": True}) == {
        "a": "b",
        "c": json.dumps({"d": 1}),
        "e": "true",
    }
