"""Every rule of the configuration, as data: a change to the dev stack, and what is said about it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import CA, EXPIRED_CA, manifest, stack_config

from components import settings
from components.clerk import keys
from tests.external_postgres.certificates import Authority

PK_TEST = keys.publishable_key_for("clear-cat-1.clerk.accounts.dev")
PK_LIVE = keys.publishable_key_for("clerk.example.com", kind="live")
SK_TEST = "sk_test_" + "a" * 40
SK_LIVE = "sk_live_" + "a" * 40
REAL = {"localClerk": "false", "clerkPublishableKey": PK_TEST, "clerkSecretKey": SK_TEST}

LIVE = {"localClerk": "false", "clerkPublishableKey": PK_LIVE, "clerkSecretKey": SK_LIVE, "proof": "false"}

INGRESS = {"ingress": "true", "ingressDomain": "api.example.com"}
PAIR = Authority("test").server("b.example.com", "*.example.com")
SERVED = {"ingressCertificate": PAIR.certificate, "ingressCertificateKey": PAIR.key}


def parse(change: dict[str, str], environment: dict[str, str] | None = None) -> settings.Settings:
    return settings.parse(
        stack_config("dev") | change,
        stack="dev",
        environment=environment or {"PULUMI_CONFIG_PASSPHRASE": "own"},
    )


def test_pulumi_yaml_declares_exactly_the_keys_that_the_program_reads() -> None:
    assert tuple(manifest()) and set(manifest()) == set(settings.KEYS)


@pytest.mark.parametrize("key", list(manifest()))
def test_every_key_is_described_and_typed(key: str) -> None:
    declared = manifest()[key]
    assert declared["type"] in {"string", "integer", "boolean", "array", "object"}
    assert len(str(declared["description"])) > 20
    assert "default" in declared, "a key without a default would have to be set on every stack, dev included"


def test_the_dev_stack_needs_nothing_else() -> None:
    dev = parse({})
    assert dev.clerk.local
    assert dev.clerk.issuer == "http://127.0.0.1:9500"
    assert dev.clerk.jwks_url == "http://127.0.0.1:9500/.well-known/jwks.json"
    assert dev.clerk.engine_jwks_url == "http://clerk-hasura-dev-clerk:9500/.well-known/jwks.json"
    assert keys.parse_publishable_key(dev.clerk.publishable_key).frontend_api == "127.0.0.1:9500"
    assert dev.ports == {"postgresPort": 15432, "hasuraPort": 8080, "localClerkPort": 9500}


def test_a_stack_without_ports_has_those_of_its_name() -> None:
    own = settings.parse(
        stack_config("dev") | {"hasuraPort": "0", "postgresPort": "0", "localClerkPort": "0"},
        stack="feature-42",
        environment={},
    )
    assert own.ports == {"postgresPort": 25541, "hasuraPort": 25540, "localClerkPort": 25542}
    assert own.hasura.admin_url == "http://127.0.0.1:25540"
    assert own.clerk.issuer == "http://127.0.0.1:25542"
    assert isinstance(own.postgres, settings.PostgresSettings)
    assert own.postgres.address == settings.Address(host="127.0.0.1", port=25541)


def test_a_tunnel_replaces_the_addresses_of_the_deployment_only() -> None:
    change = {"hasuraAdminUrl": "http://127.0.0.1:18080", "postgresAddress": "[::1]:25432"}
    through = parse(change)
    assert through.hasura.admin_url == "http://127.0.0.1:18080"
    assert isinstance(through.postgres, settings.PostgresSettings)
    assert through.postgres.address == settings.Address(host="::1", port=25432)
    assert through.ports == parse({}).ports


def test_no_part_of_a_url_is_shown() -> None:
    external = parse(EXTERNAL | {"metadataDatabaseUrl": "postgresql://a:canary@other/meta"}).postgres
    assert isinstance(external, settings.ExternalPostgresSettings)
    assert (external.data.place, external.metadata.place) == ("db.example.com:5432/app", "other/meta")
    assert "canary" not in repr(external)


def test_addresses_of_a_real_application_follow_from_its_publishable_key() -> None:
    real = parse(REAL).clerk
    assert (real.issuer, real.jwks_url, real.engine_jwks_url, real.api_url) == (
        "https://clear-cat-1.clerk.accounts.dev",
        "https://clear-cat-1.clerk.accounts.dev/.well-known/jwks.json",
        "https://clear-cat-1.clerk.accounts.dev/.well-known/jwks.json",
        "https://api.clerk.com",
    )


def test_the_secret_key_may_come_from_the_environment() -> None:
    parse(REAL | {"clerkSecretKey": ""}, {"CLERK_SECRET_KEY": SK_TEST})


def test_a_proxy_url_replaces_the_frontend_api() -> None:
    assert parse(LIVE | {"clerkProxyUrl": "https://app.example.com/__clerk"}).clerk.issuer == (
        "https://app.example.com/__clerk"
    )


def test_explicit_addresses_replace_those_of_the_frontend_api() -> None:
    own = {"jwksUrl": "https://keys.example.com/jwks.json", "jwtIssuer": "https://issuer.example.com/"}
    real = parse(REAL | own).clerk
    assert (real.jwks_url, real.engine_jwks_url) == (own["jwksUrl"], own["jwksUrl"])
    assert (real.issuer, real.frontend_api_url) == (
        "https://issuer.example.com",
        "https://clear-cat-1.clerk.accounts.dev",
    )
    assert (real.jwks_key, real.issuer_key) == ("jwksUrl", "jwtIssuer")
    assert parse(own).clerk.engine_jwks_url == own["jwksUrl"], "also where the local Clerk has one of its own"


def test_a_satellite_domain_has_a_frontend_api_of_its_own() -> None:
    satellite = LIVE | {"clerkSatelliteDomain": "shop.example.org"}
    assert parse(satellite).clerk.issuer == "https://clerk.shop.example.org"
    assert parse(satellite).clerk.jwks_url == "https://clerk.shop.example.org/.well-known/jwks.json"


def test_the_signing_key_is_not_shown() -> None:
    own = parse({"jwtSigningKey": "canary" * 6, "jwtSigningAlgorithm": "HS256"})
    assert own.clerk.template.signing_key
    assert "canary" not in repr(own)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse({}).stack = "prod"  # type: ignore[misc]


EXTERNAL = {"databaseUrl": "postgresql://app:canary@db.example.com:5432/app"}
PARTS = {"databaseHost": "db.example.com", "databaseUser": "app", "databasePassword": "canary"}

CASES = {
    "a real application is good": (REAL, []),
    "port out of range": ({"hasuraPort": "70000"}, ["hasuraPort: is above 65535"]),
    "port not a number": ({"postgresPort": "http"}, ["postgresPort: is not a whole number"]),
    "unknown key": (
        {"hasuraPrt": "1"},
        ["hasuraPrt: is not a key of this project; did you mean hasuraPort?"],
    ),
    "lifetime below": ({"jwtTemplateLifetime": "29"}, ["jwtTemplateLifetime: is below 30"]),
    "lifetime at the lower bound": ({"jwtTemplateLifetime": "30"}, []),
    "lifetime above": ({"jwtTemplateLifetime": "315360001"}, ["jwtTemplateLifetime: is above 315360000"]),
    "lifetime at the upper bound": ({"jwtTemplateLifetime": "315360000"}, []),
    "skew below": ({"jwtTemplateClockSkew": "-1"}, ["jwtTemplateClockSkew: is below 0"]),
    "skew above": ({"jwtTemplateClockSkew": "301"}, ["jwtTemplateClockSkew: is above 300"]),
    "skew at its bounds": ({"jwtTemplateClockSkew": "300"}, []),
    "template name": ({"jwtTemplateName": "my/template"}, ["jwtTemplateName: does not match"]),
    "template name that ends in white space": (
        {"jwtTemplateName": "mine "},
        ["jwtTemplateName: does not match"],
    ),
    "template name of only dots": ({"jwtTemplateName": ".."}, ["jwtTemplateName: does not match"]),
    "template name given by hand": ({"jwtTemplateName": "My template 2.0"}, []),
    "floating tag": (
        {"hasuraImage": "hasura/graphql-engine:latest"},
        ["hasuraImage: has the floating tag latest"],
    ),
    "no tag": ({"postgresImage": "postgres"}, ["postgresImage: is not an image with a tag or digest"]),
    "digest": ({"postgresImage": "postgres@sha256:" + "0" * 64}, []),
    "tag and digest": ({"postgresImage": "postgres:17.12-trixie@sha256:" + "0" * 64}, []),
    "a floating tag is pinned by a digest": ({"postgresImage": "postgres:latest@sha256:" + "0" * 64}, []),
    "a registry with a port": ({"postgresImage": "127.0.0.1:5000/team/postgres:17"}, []),
    "a registry with a port and no tag": (
        {"postgresImage": "127.0.0.1:5000/team/postgres"},
        ["postgresImage: is not an image with a tag or digest"],
    ),
    "bad switch": ({"hasuraConsole": "maybe"}, ["hasuraConsole: is neither true nor false"]),
    "bad address": ({"bindAddress": "localhost"}, ["bindAddress: is not an IP address"]),
    "claims not JSON": ({"jwtTemplateClaims": "{"}, ["jwtTemplateClaims: "]),
    "one port twice": ({"hasuraPort": "15432"}, ["postgresPort: is 15432, which hasuraPort uses as well"]),
    "one database twice": ({"metadataDatabaseName": "app"}, ["metadataDatabaseName: is the data database"]),
    "a role whose logins would have too long a name": (
        {"databaseRole": "r" * 55},
        ["databaseRole: does not match"],
    ),
    "the owner of an earlier version": (
        {"databaseOwner": "shop"},
        ["databaseOwner: has given way to databaseRole"],
    ),
    "a key of an earlier version": (
        {"postgresSharedBuffersMb": "256"},
        ["postgresSharedBuffersMb: has given way to postgresMemoryMb"],
    ),
    "fewer processes than connections": (
        {"pidsLimit": "131"},
        ["pidsLimit: is 131, yet Postgres runs a process for each of postgresMaxConnections (100)"],
    ),
    "just enough processes": ({"pidsLimit": "132"}, []),
    "processes without limit": ({"pidsLimit": "0"}, []),
    "processors in hundredths": ({"hasuraCpus": "0.25"}, ["hasuraCpus: does not match"]),
    "processors in tenths": ({"hasuraCpus": "1.5"}, []),
    "memory too small for Postgres": ({"postgresMemoryMb": "255"}, ["postgresMemoryMb: is below 256"]),
    "an admin address with a path": (
        {"hasuraAdminUrl": "http://127.0.0.1:1/v1"},
        ["hasuraAdminUrl: is not an address like"],
    ),
    "an address without a port": (
        {"postgresAddress": "127.0.0.1"},
        ["postgresAddress: is not an address like"],
    ),
    "an address of the other family": ({"postgresAddress": "[::1]:25432"}, []),
    "a database of somebody else": (EXTERNAL, []),
    "a database of somebody else by its parts": (PARTS, []),
    "both forms": (
        EXTERNAL | PARTS,
        ["databaseHost: is set, and so is databaseUrl", "databaseUser: is set", "databasePassword: is set"],
    ),
    "parts without the login": (
        {"databaseHost": "db.example.com"},
        [
            "databaseUser: is not set, and databaseHost is",
            "databasePassword: is not set, and databaseHost is",
        ],
    ),
    "what belongs to a database of somebody else": (
        {
            "metadataDatabaseUrl": "postgresql://a:b@c/d",
            "databaseUser": "a",
            "databasePassword": "b",
            "databaseCaCertificate": CA,
            "databasePooler": "true",
        },
        [
            "metadataDatabaseUrl: is set, yet neither",
            "databaseUser: is set, yet neither",
            "databasePassword: is set, yet neither",
            "databaseCaCertificate: is set, yet neither",
            "databasePooler: is set, yet neither",
        ],
    ),
    "a catalog elsewhere": (EXTERNAL | {"metadataDatabaseUrl": "postgresql://a:canary@other/meta"}, []),
    "a catalog in the data database": (
        EXTERNAL | {"metadataDatabaseUrl": EXTERNAL["databaseUrl"]},
        ["metadataDatabaseName: is the data database as well"],
    ),
    "a URL without a password": (
        {"databaseUrl": "postgresql://canary@db.example.com/app"},
        ["databaseUrl: names no password"],
    ),
    "no URL": ({"databaseUrl": "canary"}, ["databaseUrl: is not a connection URL"]),
    "a URL that asks for more than the key": (
        {"databaseUrl": "postgresql://u:canary@db/app?sslmode=verify-full", "databaseTls": "require"},
        ["databaseTls: is require, and databaseUrl asks for more with sslmode=verify-full"],
    ),
    "a URL that asks for less than the key": (
        {"databaseUrl": "postgresql://u:canary@db/app?sslmode=require"},
        [],
    ),
    "another mode of TLS": (EXTERNAL | {"databaseTls": "prefer"}, ["databaseTls: is not one of"]),
    "an authority": (EXTERNAL | {"databaseCaCertificate": CA}, []),
    "an authority for nothing": (
        EXTERNAL | {"databaseCaCertificate": CA, "databaseTls": "require"},
        ["databaseCaCertificate: is set, yet databaseTls is require"],
    ),
    "an authority that has expired": (
        EXTERNAL | {"databaseCaCertificate": EXPIRED_CA},
        ["databaseCaCertificate: expired on "],
    ),
    "one authority of two that has expired": (EXTERNAL | {"databaseCaCertificate": EXPIRED_CA + CA}, []),
    "no authority at all": (
        EXTERNAL | {"databaseCaCertificate": "ca.pem"},
        ["databaseCaCertificate: is not a certificate in PEM form"],
    ),
    "any authority for any host": (
        EXTERNAL | {"databaseTls": "verify-ca"},
        ["databaseCaCertificate: is not set, and databaseTls is verify-ca"],
    ),
    "an ingress": (INGRESS, []),
    "an ingress without a name": ({"ingress": "true"}, ["ingressDomain: is not set, and ingress is true"]),
    "an ingress of an address": (
        INGRESS | {"ingressDomain": "192.0.2.1"},
        ["ingressDomain: is not a host name like"],
    ),
    "an authority without TLS": (
        INGRESS | {"ingressAcmeDirectory": "http://ca.example.com/directory"},
        ["ingressAcmeDirectory: does not match"],
    ),
    "an authority of one's own": (INGRESS | {"ingressAcmeCaCertificate": CA}, []),
    "an authority of one's own by its file's name": (
        INGRESS | {"ingressAcmeCaCertificate": "ca.pem"},
        ["ingressAcmeCaCertificate: is not a certificate in PEM form"],
    ),
    "a certificate of one's own": (INGRESS | SERVED, []),
    "a certificate for several names": (INGRESS | SERVED | {"ingressDomain": "b.example.com"}, []),
    "a certificate without its key": (
        INGRESS | SERVED | {"ingressCertificateKey": ""},
        ["ingressCertificateKey: is not set, and ingressCertificate is"],
    ),
    "a key without its certificate": (
        INGRESS | SERVED | {"ingressCertificate": ""},
        ["ingressCertificate: is not set, and ingressCertificateKey is"],
    ),
    "a certificate for another name": (
        INGRESS | SERVED | {"ingressDomain": "a.b.example.com"},
        ["ingressCertificate: does not name a.b.example.com"],
    ),
    "a certificate that names nothing and has expired": (
        INGRESS | SERVED | {"ingressCertificate": EXPIRED_CA},
        [
            "ingressCertificate: expired on ",
            "ingressCertificate: does not name",
            "ingressCertificateKey: does not belong to ingressCertificate",
        ],
    ),
    "a key that is none": (
        INGRESS | SERVED | {"ingressCertificateKey": "canary"},
        ["ingressCertificateKey: is not a private key in PEM form"],
    ),
    "a network that is none": (
        INGRESS | {"ingressTrustedProxies": '["10.0.0.1/8"]'},
        ["ingressTrustedProxies: has 10.0.0.1/8"],
    ),
    "one port for both": (
        INGRESS | {"ingressHttpsPort": "80"},
        ["ingressHttpsPort: is 80, which ingressHttpPort uses as well"],
    ),
    "replicas": ({"replicas": "3", "hasuraConnections": "24"}, []),
    "replicas that use up the connections": (
        {"replicas": "3", "hasuraConnections": "25"},
        ["hasuraConnections: is 25, which makes 100 for 3 replicas and the one that takes another's place"],
    ),
    "replicas without an image of Caddy": (
        REAL | {"standIns": "false", "replicas": "2", "hasuraConnections": "20"},
        ["caddyImage: is not set, and replicas needs it"],
    ),
    "an ingress with an image of Caddy": (
        REAL | INGRESS | {"standIns": "false", "caddyImage": "registry.example.com/caddy:2.11.9"},
        [],
    ),
    "too many connections": ({"hasuraConnections": "100"}, ["hasuraConnections: is 100, not below"]),
    "local Clerk without stand-ins": ({"standIns": "false"}, ["localClerk: is true, yet standIns is false"]),
    "no stand-ins with a real application": (REAL | {"standIns": "false"}, []),
    "development keys neither allowed nor refused": (
        {"allowDevelopmentKeys": "perhaps"},
        ["allowDevelopmentKeys: "],
    ),
    "proxy without encryption": (
        REAL | {"clerkProxyUrl": "http://app.example.com/__clerk"},
        ["clerkProxyUrl: the address"],
    ),
    "proxy on this machine": (LIVE | {"clerkProxyUrl": "http://127.0.0.1:3000/__clerk"}, []),
    "proxy of a development instance": (
        REAL | {"clerkProxyUrl": "https://app.example.com/__clerk"},
        ["clerkProxyUrl: is set, yet the frontend API of a development instance"],
    ),
    "a table of one's own": (
        {
            "proofTable": "members",
            "proofUserColumn": "user_id",
            "proofTextColumn": "label",
            "proofRow": '{"email": "{user}@example.com"}',
        },
        [],
    ),
    "a table that is no name": ({"proofTable": "public.users"}, ["proofTable: does not match"]),
    "one column for both": ({"proofTextColumn": "id"}, ["proofTextColumn: is the column of the user's id"]),
    "a column that the proof fills": (
        {"proofRow": '{"name": "x", "id": "y", "email": "z"}'},
        ["proofRow: has the column name", "proofRow: has the column id"],
    ),
    "no API address": (REAL | {"clerkApiUrl": ""}, ["clerkApiUrl: "]),
    "JWKS with a user": ({"jwksUrl": "https://me:x@example.com/jwks"}, ["jwksUrl: the address holds a user"]),
    "issuer is no address": ({"jwtIssuer": "clerk"}, ["jwtIssuer: the address"]),
    "any issuer": (REAL | {"jwtIssuer": "any"}, []),
    "any issuer and a key of one's own": (
        REAL | {"jwtIssuer": "any", "jwtSigningKey": "a" * 40, "jwtSigningAlgorithm": "HS256"},
        ["jwtIssuer: is any, and tokens are signed by"],
    ),
    "satellite of a development instance": (
        REAL | {"clerkSatelliteDomain": "shop.example.org"},
        ["clerkSatelliteDomain: is set, yet satellites"],
    ),
    "satellite and proxy": (
        LIVE | {"clerkSatelliteDomain": "shop.example.org", "clerkProxyUrl": "https://example.com/__clerk"},
        ["clerkSatelliteDomain: is set, and so is clerkProxyUrl"],
    ),
    "satellite with a scheme": (
        LIVE | {"clerkSatelliteDomain": "https://shop.example.org"},
        ["clerkSatelliteDomain: the satellite domain"],
    ),
    "proof at a development instance": (REAL | {"proof": "true"}, []),
    "proof in production": (LIVE | {"proof": "true"}, ["proof: is true, yet clerkPublishableKey"]),
    "proof in production, meant": (LIVE | {"proof": "true", "proofInProduction": "true"}, []),
    "audiences": ({"jwtAudience": '["api"]'}, []),
    "audience not a list": ({"jwtAudience": '"api"'}, ["jwtAudience: is not a list"]),
    "claims not an object": ({"jwtTemplateClaims": "[1]"}, ["jwtTemplateClaims: is not an object"]),
    "claims no JSON": ({"jwtTemplateClaims": "{"}, ["jwtTemplateClaims: is no JSON"]),
    "claims without a bottom": ({"jwtTemplateClaims": "[" * 100_000}, ["jwtTemplateClaims: is no JSON"]),
    "skew of the engine": ({"jwtAllowedSkew": "301"}, ["jwtAllowedSkew: is above 300"]),
    "token in a cookie": ({"jwtHeader": '{"type": "Cookie", "name": "session"}'}, []),
    "cookie without a name": ({"jwtHeader": '{"type": "Cookie"}'}, ["jwtHeader: is none of"]),
    "another place": ({"jwtHeader": '{"type": "Query", "name": "t"}'}, ["jwtHeader: is none of"]),
    "no claims namespace": ({"claimsNamespace": ""}, ["claimsNamespace: "]),
    "signing key without algorithm": ({"jwtSigningKey": "a" * 40}, ["jwtSigningAlgorithm: is not set"]),
    "algorithm without signing key": ({"jwtSigningAlgorithm": "RS256"}, ["jwtSigningKey: is not set"]),
    "signing key too short": (
        {"jwtSigningKey": "canary", "jwtSigningAlgorithm": "HS256"},
        ["jwtSigningKey: the key has 6 bytes"],
    ),
    "HMAC key": ({"jwtSigningKey": "a" * 32, "jwtSigningAlgorithm": "HS256"}, []),
    "admin as the role of users": ({"userRole": "admin"}, ["userRole: is admin"]),
    "no keys": (
        {"localClerk": "false"},
        ["clerkPublishableKey: is not set", "clerkSecretKey: is not set"],
    ),
    "both Clerks": ({"clerkPublishableKey": PK_TEST}, ["localClerk: is true, yet clerkPublishableKey"]),
    "malformed keys": (
        REAL | {"clerkPublishableKey": "pk_test_x", "clerkSecretKey": "whsec_1"},
        ["clerkPublishableKey: ", "clerkSecretKey: "],
    ),
    "two instances": (
        REAL | {"clerkPublishableKey": PK_LIVE, "proof": "false"},
        ["clerkSecretKey: is a test key and clerkPublishableKey is a live key"],
    ),
    "several at once": (
        {"hasuraPort": "-1", "jwtTemplateLifetime": "1", "nope": "1", "localClerk": "false"},
        [
            "hasuraPort: is below 0",
            "jwtTemplateLifetime: is below 30",
            "nope: ",
            "clerkPublishableKey: ",
            "clerkSecretKey: ",
        ],
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_case(name: str) -> None:
    change, expected = CASES[name]
    if not expected:
        parse(change)
        return
    with pytest.raises(settings.SettingsError) as caught:
        parse(change)
    said = [f"{problem.key}: {problem.what}" for problem in caught.value.problems]
    assert len(said) == len(expected), said
    for start in expected:
        assert any(line.startswith(start) for line in said), (start, said)
    assert all(problem.write for problem in caught.value.problems)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("change", [REAL, EXTERNAL, PARTS])
def test_a_real_secret_under_the_public_passphrase_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError, match="public passphrase"):
        parse(change, {"PULUMI_CONFIG_PASSPHRASE": settings.PUBLIC_PASSPHRASE})


@pytest.mark.parametrize("secret", ["sk_live_canary_in_a_secret_key", "canary_without_a_prefix"])
def test_no_secret_in_an_error(secret: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        parse(REAL | {"clerkSecretKey": secret, "hasuraPort": "-1"})
    assert "canary" not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    with pytest.raises(settings.SettingsError) as caught:
        parse(REAL | {"clerkSecretKey": secret})
    assert "canary" not in str(caught.value) + repr(caught.value)


def test_a_secret_in_plain_text_is_refused() -> None:
    config = stack_config("dev") | REAL
    with pytest.raises(settings.SettingsError, match="plain text") as caught:
        settings.parse(config, stack="own", environment={}, encrypted=frozenset())
    assert SK_TEST not in str(caught.value)
    settings.parse(config, stack="own", environment={}, encrypted=frozenset({"clerkSecretKey"}))


def test_what_is_shown_is_no_secret() -> None:
    config = stack_config("dev") | {"jwtTemplateClaims": '{"plan": "canary"}'}
    with pytest.raises(settings.SettingsError, match="jwtTemplateClaims: is set with --secret") as caught:
        settings.parse(config, stack="own", environment={}, encrypted=frozenset({"jwtTemplateClaims"}))
    assert "canary" not in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from(sorted(settings.KEYS)),
        st.text(max_size=30)
        | st.sampled_from(["true", "false", "0", "-1", "1e9", "[]", "{}", "null", '"x"', "[1]"]),
        max_size=5,
    )
)
def test_any_values_are_read_or_refused_by_their_keys(change: dict[str, str]) -> None:
    """No other error, and no problem without a key, whatever is set."""
    try:
        parse(change)
    except settings.SettingsError as error:
        assert error.problems
        assert all(problem.key and problem.what for problem in error.problems)
