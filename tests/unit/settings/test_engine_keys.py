"""What is said beside an engine that somebody else runs, key by key."""

from __future__ import annotations

import json

import pytest
from project import manifest, stack_config

from components import settings
from components.clerk import keys
from components.hasura.environment import environment
from components.settings.engine_keys import OF_OWN_CONTAINERS, RESPONSIBLE

ENGINE = {
    "engineUrl": "https://example.hasura.app",
    "adminSecret": "canary",
    "clerkPublishableKey": keys.publishable_key_for("clear-cat-1.clerk.accounts.dev"),
    "clerkSecretKey": "sk_test_" + "a" * 40,
}
OWN = {key: value for key, value in ENGINE.items() if key.startswith("clerk")}
STAY = {
    # Clerk, and what a token holds: the engine of somebody else checks the same tokens.
    *(
        "localClerk",
        "localClerkPort",
        "clerkPublishableKey",
        "clerkSecretKey",
        "clerkApiUrl",
        "clerkProxyUrl",
    ),
    *("clerkSatelliteDomain", "jwksUrl", "jwtIssuer", "production", "allowDevelopmentKeys"),
    *("proof", "proofInProduction", "proofTable", "proofUserColumn", "proofTextColumn", "proofRow"),
    *(
        "jwtTemplateName",
        "jwtTemplateLifetime",
        "jwtTemplateClockSkew",
        "jwtTemplateClaims",
        "claimsNamespace",
    ),
    *("jwtSigningAlgorithm", "jwtSigningKey", "adoptTemplate", "userRole", "jwtAudience", "jwtHeader"),
    # The engine itself, and what is brought to it.
    *("engineUrl", "adminSecret"),
    *(
        "migrationsDirectory",
        "metadataDirectory",
        "lockTimeout",
        "statementTimeout",
        "transaction",
        "rollback",
    ),
    *("outOfOrder", "baseline", "rehearse", "lint", "backupDirectory", "seedsDirectory"),
}


def parse(change: dict[str, str]) -> settings.Settings:
    return settings.parse(stack_config("staging") | {"proof": "false"} | change, stack="own", environment={})


def refused(change: dict[str, str]) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        parse(change)
    assert "canary" not in str(caught.value)
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


def test_every_key_either_holds_for_an_engine_of_somebody_else_or_is_refused_beside_it() -> None:
    assert STAY | set(OF_OWN_CONTAINERS) == set(settings.KEYS)
    assert not STAY & set(OF_OWN_CONTAINERS)


@pytest.mark.parametrize("key", OF_OWN_CONTAINERS)
def test_the_default_is_that_of_the_manifest(key: str) -> None:
    default = manifest()[key]["default"]
    assert OF_OWN_CONTAINERS[key] == (tuple(default) if isinstance(default, list) else default)


def _another(key: str) -> str:
    """A value that is fit and not the default."""
    chosen = {
        "postgresImage": "postgres:17.11-trixie",
        "hasuraImage": "hasura/graphql-engine:v2.48.9",
        "postgresAddress": "127.0.0.1:15432",
        "hasuraAdminUrl": "http://127.0.0.1:18080",
        "databaseUrl": "postgresql://a:canary@b/c",
        "metadataDatabaseUrl": "postgresql://a:canary@b/d",
        "databaseTls": "require",
        "hasuraLogLevel": "debug",
        "hasuraPlacement": '["node.labels.engine == true"]',
        "ingressDomain": "api.example.com",
        "ingressEmail": "ops@example.com",
        "ingressAcmeDirectory": "https://acme.example.com/directory",
        "ingressAddress": "192.0.2.1",
        "ingressTrustedProxies": '["10.0.0.0/8"]',
        "caddyImage": "registry.example.com/caddy:2.11.9",
        "caddyCpus": "2",
        "bindAddress": "127.0.0.2",
        "postgresCpus": "2",
        "hasuraCpus": "2",
        "databaseExtensions": '["pgcrypto", "citext"]',
        "hasuraCorsDomains": '["https://app.example.com"]',
        "postgresMemoryMb": "1024",
        "engineEnvironment": '{"ACTION_BASE_URL": "http://canary"}',
    }
    default = OF_OWN_CONTAINERS[key]
    if isinstance(default, bool):
        return json.dumps(not default)
    return chosen.get(key, str(default + 1) if isinstance(default, int) else "another")


@pytest.mark.parametrize("key", OF_OWN_CONTAINERS)
def test_what_says_something_of_containers_is_refused_by_its_key(key: str) -> None:
    [said] = refused(ENGINE | {key: _another(key)})
    assert said.startswith(f"{key}: is set, yet engineUrl names an engine")


def test_all_of_it_at_once() -> None:
    said = refused(
        {"engineUrl": ENGINE["engineUrl"], "localClerk": "true", "standIns": "true", "hasuraPort": "1"}
    )
    assert [line.partition(":")[0] for line in said] == [
        "adminSecret",
        "localClerk",
        "hasuraPort",
        "standIns",
    ]


def test_an_admin_secret_belongs_to_an_engine_of_somebody_else() -> None:
    [said] = refused(ENGINE | {"engineUrl": ""})
    assert said.startswith("adminSecret: is set, yet engineUrl names no engine")


def test_there_is_nothing_of_ones_own() -> None:
    parsed = parse(ENGINE)
    assert parsed.external_engine == settings.ExternalEngineSettings(
        url="https://example.hasura.app", admin_secret="canary"
    )
    assert parsed.postgres is None
    assert (parsed.images, parsed.ports) == ({}, {})
    assert parsed.hasura.admin_url == "https://example.hasura.app"
    assert "canary" not in repr(parsed)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://example.hasura.app/", "https://example.hasura.app"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://api.example.com/hasura/", "https://api.example.com/hasura"),
    ],
)
def test_an_address_is_the_root_of_an_engine(given: str, url: str) -> None:
    assert parse(ENGINE | {"engineUrl": given}).hasura.admin_url == url


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("example.hasura.app", "is not an address like"),
        ("ftp://example.hasura.app", "is not an address like"),
        ("https://", "is not an address like"),
        ("https://[::1", "is not an address like"),
        ("https://example.com:99999", "is not an address like"),
        ("https://example.com/?secret=canary", "is not an address like"),
        ("https://admin:canary@example.com", "holds a login"),
        ("https://example.hasura.app/v1/graphql", "is the address of a part of the engine"),
        ("https://example.hasura.app/console/", "is the address of a part of the engine"),
    ],
)  # fmt: skip
def test_any_other_address_is_refused(given: str, said: str) -> None:
    [told] = refused(ENGINE | {"engineUrl": given})
    assert told.startswith(f"engineUrl: {said}")


def test_under_the_public_passphrase_the_admin_secret_is_refused() -> None:
    with pytest.raises(settings.SettingsError, match="public passphrase"):
        settings.parse(
            stack_config("staging") | {"proof": "false"} | ENGINE,
            stack="own",
            environment={"PULUMI_CONFIG_PASSPHRASE": settings.PUBLIC_PASSPHRASE},
        )


VARIABLES = {
    "a text": ({"ACTION_BASE_URL": "http://shop:3000"}, {"ACTION_BASE_URL": "http://shop:3000"}),
    "small letters, digits and _": ({"_base2": "a b"}, {"_base2": "a b"}),
    "what the command line makes a number of": ({"LEVEL": 5}, {"LEVEL": "5"}),
    "what it makes a truth value of": ({"ON": True, "OFF": False}, {"ON": "true", "OFF": "false"}),
    "a value that says what another may not": (
        {"A": "HASURA_GRAPHQL_DEV_MODE=true"},
        {"A": "HASURA_GRAPHQL_DEV_MODE=true"},
    ),
    "nearly the engine's": ({"HASURA_GRAPHQ_L": "x", "PATHS": "y"}, {"PATHS": "y", "HASURA_GRAPHQ_L": "x"}),
    "none": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", VARIABLES)
def test_variables_of_the_engine(case: str) -> None:
    given, texts = VARIABLES[case]
    parsed = parse(OWN | {"engineEnvironment": json.dumps(given)})
    assert parsed.hasura.environment == texts


def test_values_are_not_shown() -> None:
    assert "canary" not in repr(parse(OWN | {"engineEnvironment": '{"A": "canary"}'}))


REFUSED = {
    "the engine's own": ("HASURA_GRAPHQL_DEV_MODE", "true", "configures the engine itself, and hasuraDevMode decides"),
    "the database": ("HASURA_GRAPHQL_DATABASE_URL", "canary", "configures the engine itself, and databaseUrl"),
    "the engine's own, without one": ("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", "canary", "configures the engine itself"),
    "a name with a dash": ("A-B", "canary", "is not a name that a variable can have"),
    "a digit first": ("1A", "canary", "is not a name that a variable can have"),
    "a name with =": ("A=B", "canary", "is not a name that a variable can have"),
    "no name": ("", "canary", "is not a name that a variable can have"),
    "letters of another alphabet": ("\u0391", "canary", "is not a name that a variable can have"),
    "where programs are": ("PATH", "/canary", "decides on which programs"),
    "which libraries are loaded": ("LD_PRELOAD", "/canary", "decides on which programs"),
    "an object": ("A", {"B": "canary"}, "is not a text"),
    "a list": ("A", ["canary"], "is not a text"),
    "nothing": ("A", None, "is not a text"),
    "a number that has several forms": ("A", 1.50, "is not a text"),
    "an empty text": ("A", "", "is empty"),
    "two lines": ("A", "canary\ncanary", "holds more than one line"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("beside", [{}, {"hasuraPort": "x"}], ids=["alone", "beside another mistake"])
def test_what_cannot_be_given_is_refused_by_its_name(case: str, beside: dict[str, str]) -> None:
    name, value, said = REFUSED[case]
    told = refused(OWN | beside | {"engineEnvironment": json.dumps({name: value, "FIT": "canary"})})
    [own] = [line for line in told if line.startswith("engineEnvironment")]
    assert own.startswith(f"engineEnvironment.{name}: {said}")
    assert len(told) == 1 + len(beside)


@pytest.mark.parametrize(
    ("given", "said"), [("{", "is no JSON"), ("[1]", "is not an object"), ("5", "is not an object")]
)
def test_what_is_no_mapping_is_told_once(given: str, said: str) -> None:
    assert refused(OWN | {"engineEnvironment": given}) == [f"engineEnvironment: {said}"]


def test_all_wrong_variables_are_told_at_once() -> None:
    given = {"A B": "\n", "HASURA_GRAPHQL_LOG_LEVEL": "info", "PATH": ""}
    assert [line.partition(":")[0] for line in refused(OWN | {"engineEnvironment": json.dumps(given)})] == [
        *("engineEnvironment.A B",) * 2,
        "engineEnvironment.HASURA_GRAPHQL_LOG_LEVEL",
        *("engineEnvironment.PATH",) * 2,
    ]


def test_the_setting_named_for_a_variable_is_one() -> None:
    assert set(RESPONSIBLE.values()) <= set(settings.KEYS)


@pytest.mark.parametrize("pooled", [True, False])
def test_no_variable_of_the_program_can_be_given(pooled: bool) -> None:
    own = environment(
        parse(OWN).hasura,
        database_url="a",
        metadata_database_url="b",
        admin_secret="c",
        jwt_secret="d",
        pooled=pooled,
    )
    told = refused(OWN | {"engineEnvironment": json.dumps(dict.fromkeys(own, "canary"))})
    assert [line.partition(":")[0] for line in told] == [f"engineEnvironment.{name}" for name in own]


@pytest.mark.parametrize(
    ("encrypted", "is_refused"), [(frozenset({"engineEnvironment"}), True), (frozenset(), False)]
)
def test_under_the_public_passphrase_a_variable_may_not_be_secret(
    encrypted: frozenset[str], is_refused: bool
) -> None:
    def told() -> list[str]:
        try:
            settings.parse(
                stack_config("dev") | {"engineEnvironment": '{"A": "canary"}'},
                stack="own",
                environment={"PULUMI_CONFIG_PASSPHRASE": settings.PUBLIC_PASSPHRASE},
                encrypted=encrypted,
            )
        except settings.SettingsError as error:
            return [problem.key for problem in error.problems]
        return []

    assert told() == (["engineEnvironment"] if is_refused else [])
