"""The proof where tokens are not the usual ones: a key of one's own, another namespace, another header."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from components.clerk import keys
from components.clerk.answers import TemplateContent
from components.clerk.claims import template_claims
from components.clerk.client import ClerkClient
from components.hasura.client import HasuraClient
from components.hasura.jwt_secret import jwt_secret, jwt_secret_text, own_key
from components.proof.run import prove
from components.proof.target import OWN_KEY, Target, read_target
from components.proof.throwaway import new_run
from local.clerk.server import Running, serving
from tests.local_engine.engines import Postgres, postgres, stand_in, until

from .test_proof import ADMIN_SECRET, SELECT_OWN, _users_sql

pytestmark = pytest.mark.docker

NAMESPACE = "https://example.com/claims"
COOKIE = {"type": "Cookie", "name": "session"}
HMAC = "canary" * 12


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture(scope="module")
def clerk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("clerk")) as running:
        yield running


@contextlib.contextmanager
def stack(
    database: Postgres, clerk: Running, secret: Mapping[str, object], content: TemplateContent, **outputs: str
) -> Iterator[tuple[Target, ClerkClient]]:
    with contextlib.ExitStack() as parts:
        data = parts.enter_context(database.database())
        metadata = parts.enter_context(database.database())
        engine = parts.enter_context(
            stand_in(
                {
                    "HASURA_GRAPHQL_DATABASE_URL": database.url(data),
                    "HASURA_GRAPHQL_METADATA_DATABASE_URL": database.url(metadata),
                    "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
                    "HASURA_GRAPHQL_JWT_SECRET": jwt_secret_text(dict(secret)),
                }
            )
        )
        until(engine.healthy, "the engine is healthy")
        admin = parts.enter_context(HasuraClient(engine.endpoint, ADMIN_SECRET))
        admin.run_sql(_users_sql())
        version, found = admin.export_metadata()
        table = {
            "table": {"name": "users", "schema": "public"},
            "select_permissions": [{"role": "user", "permission": SELECT_OWN}],
        }
        url = {"connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}}
        source = {"name": "default", "kind": "postgres", "configuration": url, "tables": [table]}
        admin.replace_metadata({**found, "version": 3, "sources": [source]}, version)
        client = parts.enter_context(ClerkClient(clerk.url, clerk.secret_key))
        for template in client.jwt_templates():
            client.delete_jwt_template(template.id)
        client.create_jwt_template(content)
        usual = {
            "graphqlUrl": f"{engine.endpoint}/v1/graphql",
            "jwksUrl": keys.jwks_url(clerk.url),
            "issuer": clerk.url,
            "jwtTemplate": "hasura",
            "publishableKey": keys.publishable_key_for(clerk.url.removeprefix("http://")),
            "clerkApiUrl": clerk.url,
            "adminSecret": ADMIN_SECRET,
        }
        yield read_target(usual | outputs), client


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def failed(target: Target, client: ClerkClient) -> list[str]:
    proof = prove(target, client, new_run(), notice=lambda _: None)
    assert len(proof.verdicts) >= 20
    return [verdict.name for verdict in proof.verdicts if not verdict.passed]


@pytest.mark.parametrize(
    ("signing_key", "algorithm"),
    [
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "RS256"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "PS256"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "ES256"),
        (HMAC, "HS256"),
    ],
    ids=["RS256", "PS256", "ES256", "HS256"],
)
def test_a_key_of_ones_own(database: Postgres, clerk: Running, signing_key: str, algorithm: str) -> None:
    secret = jwt_secret(keys=own_key(signing_key, algorithm), issuer=clerk.url)
    content = TemplateContent(
        name="hasura",
        claims=template_claims("user", ["user"], {}),
        lifetime=60,
        allowed_clock_skew=5,
        signing_algorithm=algorithm,
        signing_key=signing_key,
    )
    with stack(database, clerk, secret, content, tokensSignedBy=OWN_KEY) as (target, client):
        assert failed(target, client) == []


def test_namespace_audience_and_cookie(database: Postgres, clerk: Running) -> None:
    secret = jwt_secret(
        keys=keys.jwks_url(clerk.url),
        issuer=clerk.url,
        audience=["api"],
        claims_namespace=NAMESPACE,
        header=COOKIE,
    )
    claims = template_claims("user", ["user"], {"aud": "api"}, NAMESPACE)
    content = TemplateContent(name="hasura", claims=claims, lifetime=60, allowed_clock_skew=5)
    own = {"claimsNamespace": NAMESPACE, "jwtHeader": '{"type": "Cookie", "name": "session"}'}
    with stack(database, clerk, secret, content, **own) as (target, client):
        assert failed(target, client) == []
    with stack(database, clerk, secret, content, claimsNamespace=NAMESPACE) as (target, client):
        assert "A: all users" in failed(target, client), "the engine looks into the cookie only"


def test_tokens_of_any_issuer(database: Postgres, clerk: Running) -> None:
    secret = jwt_secret(keys=keys.jwks_url(clerk.url), issuer=None)
    claims = template_claims("user", ["user"], {})
    content = TemplateContent(name="hasura", claims=claims, lifetime=60, allowed_clock_skew=5)
    own = {"issuer": keys.ANY_ISSUER, "frontendApiUrl": clerk.url}
    with stack(database, clerk, secret, content, **own) as (target, client):
        assert failed(target, client) == []
