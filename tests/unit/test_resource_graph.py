"""Every resource of the stack: its type, its parent, what is secret, what is protected, what waits for what."""

from __future__ import annotations

import functools
import json
import secrets
import shutil
from pathlib import Path

import pulumi
import pytest
from project import CA, ROOT, stack_config
from resource_graph import Graph, Registered, deploy

from components import host, preflight
from components.clerk import keys
from components.clerk.answers import Domain, Instance
from components.clerk.instance_check import InstanceFacts
from components.clerk.jwks import Jwks
from components.container import Image
from components.hasura.environment import SECRETS
from components.plan.resources import KINDS, is_shown
from components.proof.provider import INPUTS
from local.images import stack as stack_images
from policy import properties
from policy.rules import RULES
from tests.external_postgres.certificates import Authority

DYNAMIC = "pulumi-python:dynamic"
STACK = "Stack/clerk-hasura-dev"
POSTGRES, LOCAL_CLERK, HASURA = (
    "PostgresContainer/postgres",
    "LocalClerk/local-clerk",
    "HasuraEngine/hasura",
)

# key: (type, parent, secret inputs, protected on a stack that keeps its data)
EXPECTED: dict[str, tuple[str, str, set[str], bool]] = {
    "Network/network": ("docker:index/network:Network", STACK, set(), False),
    "PostgresContainer/postgres": ("clerk-hasura:postgres:PostgresContainer", STACK, set(), False),
    "GeneratedSecret/postgres-initial-password": (
        f"{DYNAMIC}/secret:GeneratedSecret",
        POSTGRES,
        set(),
        False,
    ),
    "GeneratedSecret/superuser-password": (f"{DYNAMIC}/secret:GeneratedSecret", POSTGRES, set(), False),
    "GeneratedSecret/engine-login-password": (f"{DYNAMIC}/secret:GeneratedSecret", POSTGRES, set(), False),
    "Volume/postgres-data": ("docker:index/volume:Volume", POSTGRES, set(), True),
    "RemoteImage/postgres-image": ("docker:index/remoteImage:RemoteImage", POSTGRES, set(), False),
    "Volume/postgres-files": ("docker:index/volume:Volume", POSTGRES, set(), False),
    "VolumeFiles/postgres-files": (f"{DYNAMIC}/docker:VolumeFiles", POSTGRES, {"digests", "files"}, False),
    "Container/postgres": ("docker:index/container:Container", POSTGRES, set(), False),
    "PidsLimit/postgres-pids-limit": (f"{DYNAMIC}/docker:PidsLimit", POSTGRES, set(), False),
    "ContainerHealth/postgres-healthy": (f"{DYNAMIC}/docker:ContainerHealth", POSTGRES, set(), False),
    "SuperuserPassword/superuser": (
        f"{DYNAMIC}/postgres:SuperuserPassword",
        POSTGRES,
        {"initial", "password"},
        False,
    ),
    "postgresql/postgres": ("pulumi:providers:postgresql", POSTGRES, {"password"}, False),
    "Role/engine-role": ("postgresql:index/role:Role", POSTGRES, set(), False),
    "Role/databases-owner": ("postgresql:index/role:Role", POSTGRES, set(), False),
    "Database/database": ("postgresql:index/database:Database", POSTGRES, set(), True),
    "Grant/database-database": ("postgresql:index/grant:Grant", POSTGRES, set(), False),
    "Grant/database-schema": ("postgresql:index/grant:Grant", POSTGRES, set(), False),
    "Extension/database-pgcrypto": ("postgresql:index/extension:Extension", POSTGRES, set(), False),
    "Database/metadata-database": ("postgresql:index/database:Database", POSTGRES, set(), True),
    "Grant/metadata-database-database": ("postgresql:index/grant:Grant", POSTGRES, set(), False),
    "Grant/metadata-database-schema": ("postgresql:index/grant:Grant", POSTGRES, set(), False),
    "Extension/metadata-database-pgcrypto": ("postgresql:index/extension:Extension", POSTGRES, set(), False),
    "EngineLogin/engine-login": (
        f"{DYNAMIC}/postgres:EngineLogin",
        POSTGRES,
        {"password", "superuser_password"},
        False,
    ),
    "RetiredLogins/retired-logins": (
        f"{DYNAMIC}/postgres:RetiredLogins",
        POSTGRES,
        {"superuser_password"},
        False,
    ),
    "LocalClerk/local-clerk": ("clerk-hasura:local:LocalClerk", STACK, set(), False),
    "Volume/local-clerk-data": ("docker:index/volume:Volume", LOCAL_CLERK, set(), False),
    "RemoteImage/clerk-image": ("docker:index/remoteImage:RemoteImage", LOCAL_CLERK, set(), False),
    "Container/clerk": ("docker:index/container:Container", LOCAL_CLERK, set(), False),
    "PidsLimit/clerk-pids-limit": (f"{DYNAMIC}/docker:PidsLimit", LOCAL_CLERK, set(), False),
    "ContainerHealth/clerk-healthy": (f"{DYNAMIC}/docker:ContainerHealth", LOCAL_CLERK, set(), False),
    "JwtTemplate/jwt-template": (f"{DYNAMIC}/clerk:JwtTemplate", STACK, set(), False),
    "HasuraEngine/hasura": ("clerk-hasura:hasura:HasuraEngine", STACK, set(), False),
    "GeneratedSecret/hasura-admin-secret": (f"{DYNAMIC}/secret:GeneratedSecret", HASURA, set(), False),
    "RemoteImage/hasura-image": ("docker:index/remoteImage:RemoteImage", HASURA, set(), False),
    "EngineTrial/hasura-trial": (f"{DYNAMIC}/hasura:EngineTrial", HASURA, {"environment"}, False),
    "Container/hasura": ("docker:index/container:Container", HASURA, {"envs"}, False),
    "PidsLimit/hasura-pids-limit": (f"{DYNAMIC}/docker:PidsLimit", HASURA, set(), False),
    "ContainerHealth/hasura-healthy": (f"{DYNAMIC}/docker:ContainerHealth", HASURA, set(), False),
    "Migrations/migrations": (f"{DYNAMIC}/hasura:Migrations", STACK, {"admin_secret"}, False),
    "Metadata/metadata": (f"{DYNAMIC}/hasura:Metadata", STACK, {"admin_secret"}, False),
    "RowIsolation/row-isolation": (
        f"{DYNAMIC}/proof:RowIsolation",
        STACK,
        {"admin_secret", "jwt_secret"},
        False,
    ),
}


REAL_CLERK = InstanceFacts(
    instance=Instance(id="ins_1", environment_type="production"),
    domains=(
        Domain(
            id="dmn_1",
            name="example.com",
            is_satellite=False,
            frontend_api_url="https://clerk.example.com",
            proxy_url=None,
        ),
    ),
    key_ids=frozenset({"ins_1"}),
    jwks=Jwks(keys=({"kty": "RSA", "kid": "ins_1", "use": "sig"},), cache_control="max-age=3600"),
)


@pytest.fixture(autouse=True)
def _no_docker_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    # `make test` runs with the local stack's variables.
    for name in ("PULUMI_CONFIG_PASSPHRASE", "CLERK_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(preflight, "ask_clerk", lambda _clerk, _key: REAL_CLERK)
    monkeypatch.setattr(
        host, "gather", lambda _settings, _docker: host.HostFacts(docker_error=None, busy_ports={})
    )
    monkeypatch.setattr(
        stack_images,
        "images",
        lambda configured: {
            part: Image(name=image or f"{part}:1", user="999:999") for part, image in configured.items()
        },
    )


@functools.cache
def _dev() -> Graph:
    return deploy(stack_config("dev"), stack="dev")


@pytest.fixture
def dev() -> Graph:
    return _dev()


def production(change: dict[str, str] | None = None, *encrypted: str) -> Graph:
    return _production(tuple((change or {}).items()), encrypted)


@functools.cache
def _production(change: tuple[tuple[str, str], ...], encrypted: tuple[str, ...]) -> Graph:
    config = stack_config("dev") | {
        "localClerk": "false",
        "standIns": "false",
        "protectData": "true",
        "proofInProduction": "true",
        "clerkPublishableKey": keys.publishable_key_for("clerk.example.com", kind="live"),
        "clerkSecretKey": "sk_live_" + "a" * 40,
    }
    return deploy(config | dict(change), stack="dev", encrypted=frozenset({"clerkSecretKey", *encrypted}))


def environment(container: Registered) -> dict[str, str]:
    held = container.inputs["envs"]  # a secret arrives wrapped
    return dict(line.split("=", 1) for line in (held["value"] if isinstance(held, dict) else held))


def test_the_graph_holds_exactly_these_resources(dev: Graph) -> None:
    assert set(dev.resources) - {STACK} == set(EXPECTED)


@pytest.mark.parametrize("key", list(EXPECTED))
def test_type_parent_and_secrets(dev: Graph, key: str) -> None:
    resource = dev.resources[key]
    type_, parent, secrets, _ = EXPECTED[key]
    assert (resource.type, resource.parent) == (type_, parent)
    assert set(resource.secrets) - {"__provider"} == secrets


@pytest.mark.parametrize("key", list(EXPECTED))
def test_protection_follows_protect_data(dev: Graph, key: str) -> None:
    assert not dev.resources[key].protect
    graph = production()
    if key in graph.resources:
        assert graph.resources[key].protect is EXPECTED[key][3]
    else:
        assert not EXPECTED[key][3]


def test_a_stack_with_a_real_clerk_has_nothing_local() -> None:
    graph = production()
    assert set(EXPECTED) - set(graph.resources) == {
        "LocalClerk/local-clerk",
        "Volume/local-clerk-data",
        "RemoteImage/clerk-image",
        "Container/clerk",
        "ContainerHealth/clerk-healthy",
        "PidsLimit/clerk-pids-limit",
    }
    assert graph.outputs["jwksUrl"] == "https://clerk.example.com/.well-known/jwks.json"
    assert graph.resources["JwtTemplate/jwt-template"].inputs["api_url"] == "https://api.clerk.com"


def test_the_proof_is_made_where_it_is_asked_for(dev: Graph) -> None:
    without = deploy(stack_config("dev") | {"proof": "false"}, stack="dev")
    assert set(dev.resources) - set(without.resources) - {STACK} == {"RowIsolation/row-isolation"}
    assert "provenAt" not in without.outputs


def test_the_proof_is_made_again_when_a_link_of_the_chain_changes(dev: Graph, tmp_path: Path) -> None:
    def inputs(change: dict[str, str]) -> dict[str, object]:
        graph = deploy(stack_config("dev") | change, stack="dev")
        return {key: graph.resources["RowIsolation/row-isolation"].inputs[key] for key in INPUTS}

    as_it_is = inputs({})
    assert inputs({"logFiles": "4"}) == as_it_is
    shutil.copytree(ROOT / "hasura_metadata", tmp_path / "metadata")
    table = tmp_path / "metadata/databases/default/tables/public_users.yaml"
    table.write_text(table.read_text().replace("X-Hasura-User-Id", "x-hasura-user-id"))
    for change in (
        {"jwtTemplateClaims": '{"plan": "free"}'},
        {"jwtTemplateLifetime": "61"},
        {"jwtAllowedSkew": "1"},
        {"metadataDirectory": str(tmp_path / "metadata")},
        {"hasuraPort": "8081"},
    ):
        assert inputs(change) != as_it_is, change


def test_generated_secrets_are_secret_outputs(dev: Graph) -> None:
    for key, resource in dev.resources.items():
        if key.startswith("GeneratedSecret/"):
            assert "value" in resource.additional_secret_outputs


def test_each_waits_for_what_it_needs(dev: Graph) -> None:
    needs = {
        "Container/postgres": {"VolumeFiles/postgres-files", "Network/network", "Volume/postgres-data"},
        "PidsLimit/postgres-pids-limit": {"Container/postgres"},
        "ContainerHealth/postgres-healthy": {"PidsLimit/postgres-pids-limit"},
        "SuperuserPassword/superuser": {"ContainerHealth/postgres-healthy"},
        "postgresql/postgres": {"SuperuserPassword/superuser"},
        "Role/engine-role": {"SuperuserPassword/superuser"},
        "Database/database": {"Role/databases-owner"},
        "Grant/database-schema": {"Database/database", "Role/engine-role"},
        "Extension/database-pgcrypto": {"Database/database"},
        "EngineLogin/engine-login": {"Database/database", "Grant/metadata-database-schema"},
        "RetiredLogins/retired-logins": {"ContainerHealth/hasura-healthy", "EngineLogin/engine-login"},
        "Container/clerk": {"Network/network", "Volume/local-clerk-data"},
        "JwtTemplate/jwt-template": {"ContainerHealth/clerk-healthy"},
        # So that an engine which does not start leaves the one that serves where it is.
        "Container/hasura": {"EngineTrial/hasura-trial"},
        "EngineTrial/hasura-trial": {
            "ContainerHealth/postgres-healthy",
            "ContainerHealth/clerk-healthy",
            "Database/database",
            "Database/metadata-database",
            "Extension/database-pgcrypto",
            "Extension/metadata-database-pgcrypto",
            "EngineLogin/engine-login",
        },
        "Migrations/migrations": {"ContainerHealth/hasura-healthy"},
        "Metadata/metadata": {"Migrations/migrations"},
        "RowIsolation/row-isolation": {
            "Metadata/metadata",
            "Migrations/migrations",
            "JwtTemplate/jwt-template",
        },
    }
    for key, needed in needs.items():
        assert needed <= dev.resources[key].depends_on, key


def test_what_lives_in_another_goes_with_it(dev: Graph) -> None:
    inside = {key: resource.deleted_with for key, resource in dev.resources.items() if resource.deleted_with}
    in_volume = {
        key: "Volume/postgres-data"
        for key in EXPECTED
        if key.split("/")[0]
        in ("Role", "Database", "Grant", "Extension", "SuperuserPassword", "EngineLogin", "RetiredLogins")
    }
    in_container = {
        f"{kind}/{part}-{what}": f"Container/{part}"
        for part in ("postgres", "clerk", "hasura")
        for kind, what in (("ContainerHealth", "healthy"), ("PidsLimit", "pids-limit"))
    }
    assert inside == in_volume | in_container | {
        "VolumeFiles/postgres-files": "Volume/postgres-files",
        "Migrations/migrations": "Container/hasura",
        "Metadata/metadata": "Container/hasura",
        "JwtTemplate/jwt-template": "Container/clerk",
        "RowIsolation/row-isolation": "Container/hasura",
    }


def test_every_container_is_hardened_and_checked_in_the_same_way(dev: Graph) -> None:
    containers = [resource for key, resource in dev.resources.items() if key.startswith("Container/")]
    assert len(containers) == 3
    for container in containers:
        assert container.inputs["name"] == f"clerk-hasura-dev-{container.name}"
        assert container.inputs["securityOpts"] == ["no-new-privileges:true"]
        assert container.inputs["capabilities"] == {"drops": ["ALL"]}
        assert container.inputs["readOnly"] is True
        assert container.inputs["tmpfs"]["/tmp"] == "size=64m,mode=1777"
        assert container.inputs["user"].partition(":")[0] not in ("", "0", "root")
        assert container.inputs["memory"] == container.inputs["memorySwap"] > 0
        assert container.inputs["restart"] == "unless-stopped"
        assert container.inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}
        assert container.inputs["networkMode"] == "bridge"
        assert container.inputs["healthcheck"]["startPeriod"] == "2m0s"
        assert [port["ip"] for port in container.inputs["ports"]] == ["127.0.0.1"]
        assert "healthcheck" in container.replace_on_changes
        assert container.before_create == (f"free-the-name-of-{container.name}",)


EXTERNAL = {
    "databaseUrl": "postgresql://app:canary%2F1@db.example.com:5432/shop?sslmode=require&application_name=x",
    "databaseCaCertificate": CA,
    "databasePooler": "true",
}


def test_a_database_of_somebody_else_is_used_and_nothing_is_made_in_it() -> None:
    graph = production(EXTERNAL, "databaseUrl")
    local = {key for key in EXPECTED if key.startswith(("LocalClerk", "Volume/local")) or "clerk-" in key}
    kept = {key for key, (_, parent, _, _) in EXPECTED.items() if parent != POSTGRES} - {POSTGRES} - local
    assert set(graph.resources) - {STACK} == kept - {"Container/clerk"} | {
        "Volume/hasura-files",
        "VolumeFiles/hasura-files",
    }
    assert set(graph.outputs) >= {"graphqlUrl", "databaseUrl", "adminSecret"}
    assert graph.secret_outputs == {"adminSecret", "databaseUrl"}
    assert graph.outputs["databaseUrl"] == (
        "postgresql://app:canary%2F1@db.example.com:5432/shop?application_name=x&sslmode=verify-full"
    )
    engine = environment(graph.resources["Container/hasura"])
    tls = "sslmode=verify-full&sslrootcert=/etc/clerk-hasura/database-ca.pem"
    login = "postgresql://app:canary%2F1@db.example.com:5432"
    assert engine["HASURA_GRAPHQL_DATABASE_URL"] == f"{login}/shop?application_name=x&{tls}"
    assert (
        engine["HASURA_GRAPHQL_METADATA_DATABASE_URL"] == f"{login}/hasura_metadata?application_name=x&{tls}"
    )
    assert engine["HASURA_GRAPHQL_USE_PREPARED_STATEMENTS"] == "false"
    assert graph.resources["VolumeFiles/hasura-files"].inputs["files"] == {"database-ca.pem": CA}
    for key, resource in graph.resources.items():
        plain = {name: value for name, value in resource.inputs.items() if name not in resource.secrets}
        assert "canary" not in json.dumps(plain, default=str), key


ENGINE = {
    "engineUrl": "https://example.hasura.app/",
    "adminSecret": "canary-admin-secret",
    "hasuraImage": "hasura/graphql-engine:v2.48.10",
    "postgresImage": "postgres:17.12-trixie",
    "hasuraCorsDomains": "[]",
}


def beside(change: dict[str, str]) -> Graph:
    """A production stack with such an engine."""
    config = stack_config("prod") | SOUND | ENGINE | change
    return deploy(config, stack="dev", encrypted=frozenset({"clerkSecretKey", "adminSecret"}))


def test_an_engine_of_somebody_else_is_used_and_nothing_is_run() -> None:
    graph = beside({})
    assert set(graph.resources) - {STACK} == {
        "JwtTemplate/jwt-template",
        "Migrations/migrations",
        "Metadata/metadata",
    }
    for key in ("Migrations/migrations", "Metadata/metadata"):
        resource = graph.resources[key]
        assert resource.inputs["endpoint"] == "https://example.hasura.app"
        assert resource.inputs["admin_secret"]["value"] == "canary-admin-secret"  # a secret arrives wrapped
        assert resource.deleted_with == ""
        plain = {name: value for name, value in resource.inputs.items() if name not in resource.secrets}
        assert "canary" not in json.dumps(plain, default=str)
    assert graph.outputs["graphqlUrl"] == "https://example.hasura.app/v1/graphql"
    assert graph.outputs["graphqlWsUrl"] == "wss://example.hasura.app/v1/graphql"
    assert json.loads(graph.outputs["jwtSecret"])["issuer"] == "https://clerk.example.com"
    assert "databaseUrl" not in graph.outputs
    assert graph.secret_outputs == {"adminSecret", "jwtSecret"}


@pytest.mark.parametrize(("adopt", "stays"), [("true", True), ("false", False)])
def test_a_template_that_was_taken_over_with_its_engine_stays_as_that_does(adopt: str, stays: bool) -> None:
    graph = beside({"adoptTemplate": adopt})
    assert graph.resources["JwtTemplate/jwt-template"].retain_on_delete is stays
    own = production({"adoptTemplate": adopt})
    assert own.resources["JwtTemplate/jwt-template"].retain_on_delete is False


def test_the_proof_of_an_engine_of_somebody_else_names_it() -> None:
    graph = beside({"proof": "true", "proofInProduction": "true"})
    proof = graph.resources["RowIsolation/row-isolation"]
    assert proof.inputs["chain"]["engine"] == "https://example.hasura.app"
    assert proof.depends_on >= {"Migrations/migrations", "Metadata/metadata", "JwtTemplate/jwt-template"}


@pytest.mark.parametrize(
    ("change", "tls"),
    [
        ({}, "sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt"),
        ({"databaseTls": "require"}, "sslmode=require"),
        ({"databaseTls": "disable"}, "sslmode=disable"),
    ],
)
def test_tls_of_a_database_without_an_authority_of_its_own(change: dict[str, str], tls: str) -> None:
    by_parts = {
        "databaseHost": "::1",
        "databasePort": "6432",
        "databaseUser": "app",
        "databasePassword": "p@ss",
    }
    graph = production(by_parts | change, "databasePassword")
    engine = environment(graph.resources["Container/hasura"])
    assert engine["HASURA_GRAPHQL_DATABASE_URL"] == f"postgresql://app:p%40ss@[::1]:6432/app?{tls}"
    assert "HASURA_GRAPHQL_USE_PREPARED_STATEMENTS" not in engine
    assert "Volume/hasura-files" not in graph.resources


def test_only_what_is_named_as_secret_is_secret(dev: Graph) -> None:
    engine = environment(dev.resources["Container/hasura"])
    assert set(engine) >= SECRETS
    held = {name for name, value in engine.items() if "value-of-" in value}
    assert held == SECRETS - {"HASURA_GRAPHQL_JWT_SECRET"}


def test_the_network_is_a_bridge_whose_name_was_freed_before(dev: Graph) -> None:
    network = dev.resources["Network/network"]
    assert (network.inputs["name"], network.inputs["driver"]) == ("clerk-hasura-dev", "bridge")
    assert network.before_create == ("free-the-name-of-the-network",)


@pytest.mark.parametrize(
    ("resource", "hook"),
    [
        ("Role/engine-role", "free-the-name-of-the-role-hasura"),
        ("Role/databases-owner", "free-the-name-of-the-role-hasura_owner"),
        ("Database/database", "free-the-name-of-the-database-app"),
        ("Database/metadata-database", "free-the-name-of-the-database-hasura_metadata"),
    ],
)
def test_the_name_of_a_role_or_database_was_freed_before(dev: Graph, resource: str, hook: str) -> None:
    assert dev.resources[resource].before_create == (hook,)


def test_the_engine_trusts_the_clerk_of_its_stack(dev: Graph) -> None:
    local = json.loads(environment(dev.resources["Container/hasura"])["HASURA_GRAPHQL_JWT_SECRET"])
    assert local == {
        "jwk_url": "http://clerk-hasura-dev-clerk:9500/.well-known/jwks.json",
        "issuer": "http://127.0.0.1:9500",
    }
    real = json.loads(environment(production().resources["Container/hasura"])["HASURA_GRAPHQL_JWT_SECRET"])
    assert real == {
        "jwk_url": "https://clerk.example.com/.well-known/jwks.json",
        "issuer": "https://clerk.example.com",
    }


def test_the_jwt_secret_follows_the_configuration() -> None:
    graph = production(
        {
            "jwtAudience": '["api"]',
            "jwtTemplateClaims": '{"aud": "api"}',
            "jwtAllowedSkew": "7",
            "claimsNamespace": "https://example.com/claims",
            "jwtHeader": '{"type": "Cookie", "name": "session"}',
            "jwksUrl": "https://keys.example.com/jwks.json",
        }
    )
    assert json.loads(environment(graph.resources["Container/hasura"])["HASURA_GRAPHQL_JWT_SECRET"]) == {
        "jwk_url": "https://keys.example.com/jwks.json",
        "issuer": "https://clerk.example.com",
        "audience": ["api"],
        "allowed_skew": 7,
        "claims_namespace": "https://example.com/claims",
        "header": {"type": "Cookie", "name": "session"},
    }
    assert json.loads(graph.outputs["jwtAudience"]) == ["api"]
    assert "jwtAudience" not in production().outputs
    template = graph.resources["JwtTemplate/jwt-template"].inputs
    assert set(template["claims"]) == {"https://example.com/claims", "aud"}
    assert template["claims_namespace"] == "https://example.com/claims"


def test_a_signing_key_of_ones_own_reaches_both_sides_as_a_secret() -> None:
    own = {"jwtSigningKey": "canary" * 6, "jwtSigningAlgorithm": "HS256"}
    graph = production(own, "jwtSigningKey")
    engine, template = graph.resources["Container/hasura"], graph.resources["JwtTemplate/jwt-template"]
    assert json.loads(environment(engine)["HASURA_GRAPHQL_JWT_SECRET"]) == {
        "type": "HS256",
        "key": "canary" * 6,
        "issuer": "https://clerk.example.com",
    }
    assert "envs" in engine.secrets
    assert set(template.secrets) - {"__provider"} == {"signing_key"}
    for key, resource in graph.resources.items():
        plain = {name: value for name, value in resource.inputs.items() if name not in resource.secrets}
        assert "canary" not in json.dumps(plain, default=str), key


@pytest.mark.parametrize(
    "encrypted", [frozenset[str](), frozenset({"engineEnvironment"})], ids=["plain", "secret"]
)
def test_a_variable_of_the_engine_s_environment_is_a_secret_whatever_it_holds(
    encrypted: frozenset[str],
) -> None:
    config = stack_config("dev") | {"engineEnvironment": '{"TOKEN": "canary"}'}
    graph = deploy(config, stack="dev", encrypted=encrypted)
    assert environment(graph.resources["Container/hasura"])["TOKEN"] == "canary"
    assert graph.resources["EngineTrial/hasura-trial"].additional_secret_outputs >= {"environment"}
    for key, resource in graph.resources.items():
        plain = {name: value for name, value in resource.inputs.items() if name not in resource.secrets}
        assert "canary" not in json.dumps(plain, default=str), key


def test_a_variable_of_the_engine_s_environment_reaches_replicas_as_a_file() -> None:
    graph = with_caddy(
        {"replicas": "3", "hasuraConnections": "20", "engineEnvironment": '{"TOKEN": "canary"}'}
    )
    service = graph.resources["SwarmService/hasura-service"]
    assert service.inputs["secrets"]["value"]["TOKEN"] == "canary"
    plain = {name: value for name, value in service.inputs.items() if name not in service.secrets}
    assert "canary" not in json.dumps(plain, default=str)


def test_the_engine_is_closed_by_default(dev: Graph) -> None:
    engine = environment(production({"hasuraCorsDomains": "[]"}).resources["Container/hasura"])
    assert engine["HASURA_GRAPHQL_ENABLE_TELEMETRY"] == "false"
    assert engine["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "false"
    assert engine["HASURA_GRAPHQL_DEV_MODE"] == "false"
    assert engine["HASURA_GRAPHQL_INFER_FUNCTION_PERMISSIONS"] == "false"
    assert engine["HASURA_GRAPHQL_ENABLED_APIS"] == "metadata,graphql"
    assert engine["HASURA_GRAPHQL_DISABLE_CORS"] == "true"
    assert "HASURA_GRAPHQL_CORS_DOMAIN" not in engine


def test_the_template_is_what_hasura_needs(dev: Graph) -> None:
    template = dev.resources["JwtTemplate/jwt-template"].inputs
    assert template["name"] == "hasura"
    assert template["claims"] == {
        "https://hasura.io/jwt/claims": {
            "x-hasura-default-role": "user",
            "x-hasura-allowed-roles": ["user"],
            "x-hasura-user-id": "{{user.id}}",
        }
    }


def test_outputs_are_complete_and_two_of_them_secret(dev: Graph) -> None:
    assert set(dev.outputs) == {
        "graphqlUrl",
        "hasuraUrl",
        "jwksUrl",
        "issuer",
        "jwtTemplate",
        "publishableKey",
        "clerkApiUrl",
        "frontendApiUrl",
        "claimsNamespace",
        "tokensSignedBy",
        "provenAt",
        "graphqlWsUrl",
        "clerkProxyUrl",
        "adminSecret",
        "databaseUrl",
    }
    assert dev.secret_outputs == {"adminSecret", "databaseUrl"}


@pytest.mark.parametrize(
    ("key", "value", "resource", "seen"),
    [
        ("hasuraPort", "18080", "Container/hasura", 18080),
        ("postgresPort", "25432", "Container/postgres", 25432),
        ("postgresPort", "25432", "SuperuserPassword/superuser", 25432),
        ("localClerkPort", "19500", "Container/clerk", 19500),
        ("postgresMaxConnections", "321", "Container/postgres", "max_connections=321"),
        ("postgresMemoryMb", "1024", "Container/postgres", "shared_buffers=256MB"),
        ("postgresMemoryMb", "1024", "Container/postgres", 1024),
        ("postgresCpus", "1.5", "Container/postgres", "1.5"),
        ("postgresAddress", "127.0.0.1:25432", "SuperuserPassword/superuser", 25432),
        ("postgresAddress", "127.0.0.1:25432", "postgresql/postgres", "25432"),
        ("hasuraMemoryMb", "2048", "Container/hasura", 2048),
        ("hasuraCpus", "2", "Container/hasura", "2.0"),
        ("hasuraStopSeconds", "70", "Container/hasura", 70),
        ("hasuraStopSeconds", "70", "Container/hasura", "HASURA_GRAPHQL_GRACEFUL_SHUTDOWN_TIMEOUT=65"),
        ("hasuraAdminUrl", "http://127.0.0.1:18080", "Migrations/migrations", "http://127.0.0.1:18080"),
        ("pidsLimit", "700", "PidsLimit/hasura-pids-limit", 700),
        ("bindAddress", "192.0.2.1", "Container/hasura", "192.0.2.1"),
        ("bindAddress", "192.0.2.1", "Container/postgres", "127.0.0.1"),
        ("secretsRotation", "2026-11", "GeneratedSecret/hasura-admin-secret", "2026-11"),
        ("secretsRotation", "2026-11", "GeneratedSecret/superuser-password", "2026-11"),
        ("secretsRotation", "2026-11", "EngineLogin/engine-login", "hasura_05e01bd6"),
        ("postgresStopSeconds", "77", "Container/postgres", 77),
        ("hasuraConnections", "33", "Container/hasura", "HASURA_GRAPHQL_PG_CONNECTIONS=33"),
        ("startSeconds", "45", "ContainerHealth/hasura-healthy", 45),
        ("healthIntervalSeconds", "3", "Container/hasura", "3s"),
        ("logFileMb", "7", "Container/hasura", "7m"),
        ("engineEnvironment", '{"ACTIONS": "http://shop"}', "Container/hasura", "ACTIONS=http://shop"),
        ("engineEnvironment", '{"ACTIONS": "http://shop"}', "EngineTrial/hasura-trial", "http://shop"),
        (
            "hasuraImage",
            "hasura/graphql-engine:v2.48.9",
            "RemoteImage/hasura-image",
            "hasura/graphql-engine:v2.48.9",
        ),
        ("databaseName", "shop", "Database/database", "shop"),
        ("databaseRole", "engine", "Role/databases-owner", "engine_owner"),
        ("databaseRole", "engine", "Database/database", "engine_owner"),
        ("databaseRole", "engine", "Role/engine-role", "engine"),
        ("jwtTemplateName", "api", "JwtTemplate/jwt-template", "api"),
        ("jwtTemplateLifetime", "90", "JwtTemplate/jwt-template", 90),
        ("jwtTemplateClockSkew", "9", "JwtTemplate/jwt-template", 9),
        ("lockTimeout", "8", "Migrations/migrations", 8),
    ],
)
def test_a_setting_reaches_its_resource(key: str, value: str, resource: str, seen: object) -> None:
    inputs = deploy(stack_config("dev") | {key: value}, stack="dev").resources[resource].inputs
    assert seen in list(_leaves(inputs)), inputs


def test_the_role_reaches_the_template_when_the_metadata_knows_it(tmp_path: Path) -> None:
    role = {"userRole": "member"}
    with pytest.raises(
        pulumi.RunError, match=r"public_users.yaml:.*the role user has permissions, and no token"
    ):
        deploy(stack_config("dev") | role, stack="dev")
    shutil.copytree(ROOT / "hasura_metadata", tmp_path / "metadata")
    table = tmp_path / "metadata/databases/default/tables/public_users.yaml"
    table.write_text(table.read_text().replace("role: user", "role: member"))
    config = stack_config("dev") | role | {"metadataDirectory": str(tmp_path / "metadata")}
    inputs = deploy(config, stack="dev").resources["JwtTemplate/jwt-template"].inputs
    assert "member" in _leaves(inputs)


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


SOUND = {
    "clerkPublishableKey": keys.publishable_key_for("clerk.example.com", kind="live"),
    "clerkSecretKey": "sk_live_" + "a" * 40,
    "hasuraImage": "hasura/graphql-engine:v2.48.10@sha256:" + "0" * 64,
    "postgresImage": "postgres:17.12-trixie@sha256:" + "0" * 64,
    "hasuraCorsDomains": '["https://app.example.com"]',
}


PUBLIC = {
    "ingress": "true",
    "ingressDomain": "api.example.com",
    "caddyImage": "registry.example.com/caddy:2.11.9@sha256:" + "0" * 64,
}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        (EXTERNAL, []),
        (ENGINE, []),
        ({"jwtTemplateLifetime": "600"}, [("token-lifetime", "hasura lifetime")]),
        (PUBLIC, []),
    ],
    ids=[
        *("sound", "with a database of somebody else", "with an engine of somebody else", "with long tokens"),
        "with an ingress",
    ],
)
def test_the_policy_pack_finds_what_is_loosened_on_a_production_stack_and_nothing_else(
    change: dict[str, str], broken: list[tuple[str, str]]
) -> None:
    graph = deploy(
        stack_config("prod") | SOUND | change,
        stack="prod",
        encrypted=frozenset({"clerkSecretKey"} | ({"databaseUrl", "adminSecret"} & set(change))),
    )
    found = []
    for registered in graph.resources.values():
        # The mocks answer with a secret that anybody could guess.
        text = json.dumps(registered.inputs).replace(
            "value-of-hasura-admin-secret", secrets.token_urlsafe(32)
        )
        seen = properties.resource(
            type_=registered.type,
            name=registered.name,
            properties=json.loads(text),
            protect=registered.protect,
        )
        found += [(rule.name, violation.subject) for rule in RULES for violation in rule.check(seen)]
    assert found == broken


SERVICE = {"replicas": "3", "hasuraConnections": "20"}
CADDY = {
    "Caddy/caddy",
    "RemoteImage/caddy-image",
    "Volume/caddy-files",
    "VolumeFiles/caddy-files",
    "Container/caddy",
    "PidsLimit/caddy-pids-limit",
    "ContainerHealth/caddy-healthy",
    "CaddyReload/caddy-configuration",
}


def with_caddy(change: dict[str, str]) -> Graph:
    graph = deploy(stack_config("dev") | change, stack="dev", encrypted=frozenset({"ingressCertificateKey"}))
    for kind, name in ((each.type, each.name) for each in graph.resources.values() if is_shown(each.type)):
        assert kind in KINDS or f"{kind}/{name}" in KINDS, kind
    return graph


def test_replicas_take_the_place_of_the_container(dev: Graph) -> None:
    graph = with_caddy(SERVICE)
    assert set(dev.resources) - set(graph.resources) - {STACK} == {
        "EngineTrial/hasura-trial",
        "Container/hasura",
        "PidsLimit/hasura-pids-limit",
        "ContainerHealth/hasura-healthy",
    }
    assert set(graph.resources) - set(dev.resources) - {STACK} == CADDY | {
        "Network/overlay",
        "SwarmService/hasura-service",
        "Replicas/replicas",
        *(f"NetworkAttachment/{part}-on-overlay" for part in ("postgres", "clerk", "caddy")),
    }
    service = graph.resources["SwarmService/hasura-service"]
    assert set(service.secrets) - {"__provider"} == {"secrets"}
    assert "secrets" in service.additional_secret_outputs
    assert set(service.inputs["secrets"]["value"]) == SECRETS
    assert not SECRETS & set(service.inputs["definition"]["environment"])
    # What it needs leaves the network after it.
    assert service.depends_on >= {
        "NetworkAttachment/postgres-on-overlay",
        "NetworkAttachment/clerk-on-overlay",
        "Network/overlay",
        "EngineLogin/engine-login",
    }
    assert graph.resources["Container/caddy"].depends_on >= {"SwarmService/hasura-service"}
    assert graph.resources["Migrations/migrations"].depends_on >= {"CaddyReload/caddy-configuration"}
    assert graph.resources["Replicas/replicas"].depends_on >= {"Metadata/metadata"}
    assert graph.resources["RowIsolation/row-isolation"].depends_on >= {"Replicas/replicas"}
    # Containers that serve stay the same in either mode.
    for key in ("Container/postgres", "Container/clerk", "Network/network"):
        assert graph.resources[key] == dev.resources[key]
    ports = graph.resources["Container/caddy"].inputs["ports"]
    assert [(port["ip"], port["external"]) for port in ports] == [("127.0.0.1", 8080)]
    assert graph.outputs.keys() == dev.outputs.keys()


def test_an_ingress_stands_before_the_container(dev: Graph) -> None:
    graph = with_caddy({"ingress": "true", "ingressDomain": "api.example.com", "ingressHttpsPort": "8443"})
    assert set(graph.resources) - set(dev.resources) - {STACK} == CADDY | {"Volume/caddy-certificates"}
    assert not set(dev.resources) - set(graph.resources) - {STACK}
    assert graph.outputs["publicGraphqlUrl"] == "https://api.example.com:8443/v1/graphql"
    assert graph.outputs["graphqlUrl"] == dev.outputs["graphqlUrl"]
    caddy = graph.resources["Container/caddy"].inputs
    assert [(port["ip"], port["external"]) for port in caddy["ports"]] == [
        ("0.0.0.0", 80),
        ("0.0.0.0", 8443),
    ]
    assert caddy["user"].partition(":")[0] not in ("", "0", "root")
    assert caddy["readOnly"] is True
    assert caddy["capabilities"] == {"drops": ["ALL"]}
    # The engine's own port stays the deployment's, on loopback.
    assert graph.resources["Container/hasura"].inputs["ports"][0]["ip"] == "127.0.0.1"


def test_a_private_key_is_a_secret_and_obtained_certificates_need_a_volume() -> None:
    pair = Authority("test").server("api.example.com")
    graph = with_caddy(
        {
            "ingress": "true",
            "ingressDomain": "api.example.com",
            "ingressCertificate": pair.certificate,
            "ingressCertificateKey": pair.key,
        }
    )
    assert "Volume/caddy-certificates" not in graph.resources
    files = graph.resources["VolumeFiles/caddy-files"]
    assert "files" in files.secrets
    assert set(files.inputs["files"]["value"]) == {"caddy.json", "certificate.pem", "certificate-key.pem"}
    others = [dict(r.inputs) for key, r in graph.resources.items() if key != "VolumeFiles/caddy-files"]
    shown = json.dumps(others, default=str)
    assert pair.key.splitlines()[1] not in shown
