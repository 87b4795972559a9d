"""The commands behind the Makefile: whose passphrase they use, and what they ask for before anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from project import stack_config

from components.settings import PUBLIC_PASSPHRASE
from local import stack

PUBLIC = "config: {}\nencryptionsalt: v1:public\n"
OWN = "config: {}\nencryptionsalt: v1:own\n"


@pytest.mark.parametrize(
    ("name", "file", "given", "used"),
    [
        ("dev", PUBLIC, "mine", False),
        ("feature", PUBLIC, "mine", False),
        ("prod", OWN, "mine", True),
        ("prod", "config: {}\n", "mine", True),
        ("prod", None, "mine", True),
        ("prod", OWN, "", False),
        ("prod", OWN, None, False),
    ],
)
def test_a_passphrase_of_ones_own_is_used_where_the_public_one_is_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    file: str | None,
    given: str | None,
    used: bool,
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text(PUBLIC)
    if file is not None:
        (tmp_path / f"Pulumi.{name}.yaml").write_text(file)
    environment = {} if given is None else {"PULUMI_CONFIG_PASSPHRASE": given}
    assert stack.passphrase(name, environment) == ({"PULUMI_CONFIG_PASSPHRASE": "mine"} if used else {})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PULUMI_CONFIG_PASSPHRASE": "own"}, "make adopt URL="),
        ({"PULUMI_CONFIG_PASSPHRASE": PUBLIC_PASSPHRASE, "URL": "https://x"}, "passphrase is public"),
    ],
)
def test_an_adoption_asks_for_an_engine_and_for_a_passphrase_first(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(stack.CommandError, match=said):
        stack.adopt("prod", environment)


@pytest.mark.parametrize(("api", "told"), [("http://127.0.0.1:9500", True), ("https://api.clerk.com", False)])
def test_a_clerk_application_of_ones_own_is_proposed_where_there_is_none(api: str, told: bool) -> None:
    said = stack._next_steps({"graphqlUrl": "http://127.0.0.1:8080/v1/graphql", "clerkApiUrl": api}, "dev")
    assert ("pulumi config set localClerk false" in said) is told


@pytest.mark.parametrize(("name", "of"), [("dev", ""), ("mine", " STACK=mine")])
def test_the_next_steps_are_those_of_the_stack(name: str, of: str) -> None:
    said = stack._next_steps({"graphqlUrl": "http://x/v1/graphql", "clerkApiUrl": "http://127.0.0.1:1"}, name)
    for command in (
        "preview",
        "prove",
        "outputs",
        "env FILE=.env.local ENV_PREFIX=VITE_",
        "-s activate",
        "down",
    ):
        assert re.search(rf"make {re.escape(command + of)}[\n)]", said), said


CONFIG = {
    "proof": ("maybe", "proof: is neither true nor false\n    pulumi config set proof true    # or false"),
    "replicas": ("many", "replicas: is not a whole number\n    pulumi config set replicas 3"),
    "hasuraCorsDomains": (
        "x",
        "hasuraCorsDomains: is not a list\n    pulumi config set --path 'hasuraCorsDomains[0]' VALUE",
    ),
    "engineEnvironment": (
        "[]",
        "engineEnvironment: is not an object\n    pulumi config set --path engineEnvironment.NAME VALUE",
    ),
}


@pytest.mark.parametrize("wrong", [set(), {"proof"}, set(CONFIG)], ids=["none", "one", "all"])
def test_settings_of_another_type_are_told_at_once(monkeypatch: pytest.MonkeyPatch, wrong: set[str]) -> None:
    own = {key: value for key, (value, _) in CONFIG.items() if key in wrong} | {
        "hasuraPort": "-1",
        "userRolle": "x",
    }
    listed: dict[str, object] = {
        f"clerk-hasura:{key}": {"value": value} for key, value in (stack_config("dev") | own).items()
    }
    listed |= {"clerk-hasura:clerkSecretKey": {"secret": True}, "other:key": {"value": "maybe"}}
    monkeypatch.setattr(stack, "ask_pulumi", lambda *_words, **_more: json.dumps(listed))
    assert sorted(stack._mistyped("dev", {})) == sorted(CONFIG[key][1] for key in wrong)
    said = stack._failed("up", 255, {})
    assert said.startswith("`pulumi up` failed") is (not wrong)
    assert all(CONFIG[key][1].partition("\n")[0] in said for key in wrong)
