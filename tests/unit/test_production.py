"""Every rule of a production stack as data: what breaks it, and its twin that does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import ROOT, manifest, stack_config

from components import production, settings
from components.clerk import keys

DIGEST = "@sha256:" + "0" * 64
SOUND = {
    "hasuraImage": f"hasura/graphql-engine:v2.48.10{DIGEST}",
    "postgresImage": f"postgres:17.12-trixie{DIGEST}",
    "clerkPublishableKey": keys.publishable_key_for("clerk.example.com", kind="live"),
    "clerkSecretKey": "sk_live_" + "a" * 40,
    "hasuraCorsDomains": '["https://app.example.com"]',
}
EXTERNAL = {"databaseUrl": "postgresql://app:secret@db.example.com/app"}
ENGINE = {
    "engineUrl": "https://example.hasura.app",
    "adminSecret": "canary",
    "hasuraImage": "hasura/graphql-engine:v2.48.10",
    "postgresImage": "postgres:17.12-trixie",
    "hasuraCorsDomains": "[]",
}
DEVELOPMENT = {
    "clerkPublishableKey": keys.publishable_key_for("clear-cat-1.clerk.accounts.dev"),
    "clerkSecretKey": "sk_test_" + "a" * 40,
}

CADDY = {
    "ingress": "true",
    "ingressDomain": "api.example.com",
    "caddyImage": f"registry.example.com/caddy:2.11.9{DIGEST}",
}

# name: (what breaks a rule, the keys that are told, the same without the fault)
CASES: dict[str, tuple[dict[str, str], list[str], dict[str, str]]] = {
    "the local Clerk": (
        {"localClerk": "true", "standIns": "true", "clerkPublishableKey": "", "clerkSecretKey": ""},
        ["localClerk", "standIns"],
        {},
    ),
    "stand-ins": ({"standIns": "true"}, ["standIns"], {"standIns": "false"}),
    "development keys": (
        DEVELOPMENT,
        ["clerkPublishableKey"],
        DEVELOPMENT | {"allowDevelopmentKeys": "true"},
    ),
    "Postgres by a tag": (
        {"postgresImage": "postgres:17.12-trixie"},
        ["postgresImage"],
        {"postgresImage": f"postgres{DIGEST}"},
    ),
    "the image of a Postgres that is not run": (
        {"postgresImage": "postgres:17.12-trixie"},
        ["postgresImage"],
        EXTERNAL | {"postgresImage": "postgres:17.12-trixie"},
    ),
    "Hasura by a tag": (
        {"hasuraImage": "hasura/graphql-engine:v2.48.10"},
        ["hasuraImage"],
        {"hasuraImage": f"hasura/graphql-engine{DIGEST}"},
    ),
    "Caddy by a tag": (
        CADDY | {"caddyImage": "registry.example.com/caddy:2.11.9"},
        ["caddyImage"],
        CADDY,
    ),
    "Caddy's image where there is no Caddy": (
        CADDY | {"caddyImage": "registry.example.com/caddy:2.11.9"},
        ["caddyImage"],
        {"caddyImage": "registry.example.com/caddy:2.11.9"},
    ),
    "Caddy without limits": (
        CADDY | {"caddyMemoryMb": "0", "caddyCpus": "0"},
        ["caddyMemoryMb", "caddyCpus"],
        {"caddyMemoryMb": "0", "caddyCpus": "0"},
    ),
    "data that may be deleted": (
        {"protectData": "false"},
        ["protectData"],
        EXTERNAL | {"protectData": "false"},
    ),
    "a database in the clear": (
        EXTERNAL | {"databaseTls": "disable"},
        ["databaseTls"],
        EXTERNAL | {"databaseTls": "require"},
    ),
    "an admin secret in the clear": (
        ENGINE | {"engineUrl": "http://hasura.example.com"},
        ["engineUrl"],
        ENGINE,
    ),
    "the end of a tunnel": (
        {"hasuraImage": "hasura/graphql-engine:v2.48.10"},
        ["hasuraImage"],
        ENGINE | {"engineUrl": "http://127.0.0.1:8080"},
    ),
    "a public port": (
        {"bindAddress": "0.0.0.0"},
        ["bindAddress"],
        {"bindAddress": "0.0.0.0", "allowPublicPorts": "true"},
    ),
    "a port in the local network": (
        {"bindAddress": "192.168.1.2"},
        ["bindAddress"],
        {"bindAddress": "127.0.0.2"},
    ),
    "the port of another family": ({"bindAddress": "::"}, ["bindAddress"], {"bindAddress": "::1"}),
    "the console": ({"hasuraConsole": "true"}, ["hasuraConsole"], {"hasuraConsole": "false"}),
    "dev mode": ({"hasuraDevMode": "true"}, ["hasuraDevMode"], {"hasuraDevMode": "false"}),
    "every origin": (
        {"hasuraCorsDomains": '["https://app.example.com", "*"]'},
        ["hasuraCorsDomains"],
        {"hasuraCorsDomains": '["https://*.example.com"]'},
    ),
    "every encrypted origin": (
        {"hasuraCorsDomains": '["https://*"]'},
        ["hasuraCorsDomains"],
        {"hasuraCorsDomains": "[]"},
    ),
    "processes without limit": ({"pidsLimit": "0"}, ["pidsLimit"], {"pidsLimit": "4096"}),
    "memory without limit": ({"hasuraMemoryMb": "0"}, ["hasuraMemoryMb"], {"hasuraMemoryMb": "64"}),
    "processors without limit": (
        {"hasuraCpus": "0", "postgresCpus": "0"},
        ["hasuraCpus", "postgresCpus"],
        {"hasuraCpus": "0.1", "postgresCpus": "0.1"},
    ),
    "processors of a Postgres that is not run": (
        {"postgresCpus": "0"},
        ["postgresCpus"],
        EXTERNAL | {"postgresCpus": "0"},
    ),
}


def told(change: dict[str, str], environment: dict[str, str] | None = None) -> list[settings.Problem]:
    parsed = settings.parse(
        stack_config("prod") | SOUND | change, stack="prod", environment=environment or {}
    )
    return production.problems(parsed)


def test_the_stack_of_production_needs_no_more_than_what_has_no_default() -> None:
    assert told({}) == []


@pytest.mark.parametrize("name", list(CASES))
def test_rule(name: str) -> None:
    change, keys_told, twin = CASES[name]
    said = told(change)
    assert [problem.key for problem in said] == keys_told
    assert all(problem.what.endswith("; this is a production stack") for problem in said)
    assert told(twin) == []
    assert told(change | {"production": "false"}) == []


def test_every_rule_has_a_case() -> None:
    covered = {key for _, told_keys, _ in CASES.values() for key in told_keys} | {"secretsprovider"}
    assert {rule.key for rule in production.RULES} == covered


@pytest.mark.parametrize("rule", production.RULES, ids=lambda rule: rule.key)
def test_a_rule_names_a_key_and_a_command(rule: production.Rule) -> None:
    assert rule.key in manifest() or rule.key == "secretsprovider"
    assert rule.remedy.startswith(("pulumi config ", "pulumi stack ", "make pin-images STACK={stack}"))


def test_every_rule_is_in_the_documentation() -> None:
    page = (ROOT / "docs/environments.md").read_text()
    table = page[page.index("## Production") : page.index("## Stacks side by side")]
    assert {rule.key for rule in production.RULES} <= set(re.findall(r"`(\w+)`", table))


def test_secrets_that_everybody_can_decrypt() -> None:
    config = stack_config("prod") | SOUND | {"clerkSecretKey": ""}
    environment = {
        "CLERK_SECRET_KEY": "sk_live_" + "a" * 40,
        "PULUMI_CONFIG_PASSPHRASE": settings.PUBLIC_PASSPHRASE,
    }
    public = settings.parse(config, stack="prod", environment=environment)
    assert [problem.key for problem in production.problems(public)] == ["secretsprovider"]
    own = settings.parse(config, stack="prod", environment=environment | {"PULUMI_CONFIG_PASSPHRASE": "own"})
    assert production.problems(own) == []


def test_the_remedy_of_an_image_names_the_stack() -> None:
    [problem] = told({"hasuraImage": "hasura/graphql-engine:v2.48.10"})
    assert problem.write == "make pin-images STACK=prod"


def test_development_keys_that_were_allowed_are_warned_of() -> None:
    allowed = stack_config("prod") | SOUND | DEVELOPMENT | {"allowDevelopmentKeys": "true"}
    [warning] = production.warnings(settings.parse(allowed, stack="prod", environment={}))
    assert warning.startswith("clerkPublishableKey: ")
    sound = settings.parse(stack_config("prod") | SOUND, stack="prod", environment={})
    assert production.warnings(sound) == []


def test_an_admin_secret_in_the_clear_is_warned_of() -> None:
    clear = ENGINE | {"engineUrl": "http://hasura.example.com", "production": "false"}
    parsed = settings.parse(stack_config("prod") | SOUND | clear, stack="staging", environment={})
    assert production.problems(parsed) == []
    [warning] = production.warnings(parsed)
    assert warning.startswith("engineUrl: ")


def test_the_defaults_are_the_safe_ones() -> None:
    defaults = {key: value for key, value in stack_config("prod").items() if key != "production"}
    parsed = settings.parse(defaults | SOUND | {"production": "true"}, stack="new", environment={})
    assert production.problems(parsed) == []


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_stack_file_says_what_differs_and_holds_no_secret(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    config = yaml.safe_load(text)["config"]
    declared = {f"clerk-hasura:{key}": each["default"] for key, each in manifest().items()}
    assert set(config) <= set(declared)
    for key, value in config.items():
        default = declared[key]
        assert str(value).lower() != str(default).lower(), f"{key} is the default"
    assert not {f"clerk-hasura:{key}" for key in settings.SECRET_KEYS} & set(config)
    assert "secure:" not in text


def test_the_rules_need_no_pulumi() -> None:
    code = (
        "import sys; sys.modules['pulumi'] = None; sys.path.insert(0, sys.argv[1]);"
        "from components import production; print(len(production.RULES))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], cwd=Path("/"), capture_output=True, text=True, check=True
    )
    assert int(shown.stdout) == len(production.RULES)
