"""What is seen of real servers that somebody else runs: TLS in all its ways to fail, rights, a pooler."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from components.postgres import check
from components.postgres.check import DatabaseFacts, NoAnswer, findings, gather
from components.settings import DatabaseUrl, ExternalPostgresSettings
from tests.external_postgres.certificates import Authority
from tests.external_postgres.servers import External, bridge_address, pgbouncer, tls_postgres

pytestmark = pytest.mark.docker

AUTHORITY, ANOTHER = Authority("the one"), Authority("another")
PASSWORD = f"canary-{secrets.token_hex(8)}"


@dataclass(frozen=True, kw_only=True)
class Servers:
    """One server with TLS, one without, both with a role and its two databases; and a pooler before the first."""

    tls: External
    plain: External
    bouncer: External


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    pair = AUTHORITY.server(bridge_address(), "db.example.com")
    with tls_postgres(pair) as tls, tls_postgres(None) as plain:
        for server in (tls, plain):
            server.run(f"create role app login password '{PASSWORD}'")
            for database in ("shop", "catalog"):
                server.run(f"create database {database}")
                server.run(f"grant create on database {database} to app")
                server.run("create extension pgcrypto; grant usage, create on schema public to app", database)
        with pgbouncer(tls, pair, {"app": PASSWORD}) as bouncer:
            yield Servers(tls=tls, plain=plain, bouncer=bouncer)


def settings(server: External, **change: object) -> ExternalPostgresSettings:
    host = str(change.pop("host", server.host))
    data = DatabaseUrl(
        hosts=f"{host}:{server.port}",
        # libpq then connects to the address, and holds the certificate against the name.
        parameters={} if host == server.host else {"hostaddr": server.host},
        user="app",
        password=str(change.pop("password", PASSWORD)),
        database=str(change.pop("database", "shop")),
    )
    whole = ExternalPostgresSettings(
        data=data,
        data_key="databaseUrl",
        metadata=data.of("catalog"),
        metadata_key="metadataDatabaseName",
        tls="verify-full",
        ca_certificate=AUTHORITY.certificate,
        pooler=False,
        extensions=("pgcrypto",),
    )
    return replace(whole, **change)


def told(external: ExternalPostgresSettings) -> tuple[list[str], list[str]]:
    problems, notices = findings(external, gather(external))
    said = "\n".join([*map(str, problems), *notices])
    assert PASSWORD not in said
    return [str(problem) for problem in problems], notices


def test_a_good_authority_and_a_name_of_the_certificate(servers: Servers) -> None:
    answers = gather(settings(servers.tls))
    for facts in answers.values():
        assert isinstance(facts, DatabaseFacts)
        assert facts.version >= 17 and facts.user == "app"
        assert facts.own_schemas and facts.public_schema and not facts.through_pooler
        assert "pgcrypto" in facts.installed
    assert findings(settings(servers.tls), answers) == ([], [])


@pytest.mark.parametrize(
    ("change", "reason", "remedy"),
    [
        (
            {"ca_certificate": ANOTHER.certificate},
            "certificate verify failed",
            "pulumi config set databaseCaCertificate",
        ),
        ({"ca_certificate": ""}, "certificate verify failed", "pulumi config set databaseCaCertificate"),
        (
            {"host": "other.example.com"},
            "does not match host name",
            "connect by a name that the certificate holds",
        ),
        ({"tls": "disable"}, "no encryption", "pulumi config rm databaseTls"),
        ({"password": "canary-wrong"}, "password authentication failed", "pulumi config set --secret"),
    ],
    ids=["another authority", "the system's authorities", "another host name", "no TLS", "a wrong password"],
)
def test_what_a_server_with_tls_refuses(
    servers: Servers, change: dict[str, object], reason: str, remedy: str
) -> None:
    problems, notices = told(settings(servers.tls, **change))
    assert notices == []
    [problem] = problems
    assert problem.startswith("databaseUrl: ")
    assert reason in problem and remedy in problem
    assert "canary-wrong" not in problem


def test_another_name_of_the_certificate(servers: Servers) -> None:
    assert told(settings(servers.tls, host="db.example.com")) == ([], [])


def test_a_name_is_not_looked_at_where_only_the_authority_is_asked_for(servers: Servers) -> None:
    assert told(settings(servers.tls, host="other.example.com", tls="verify-ca")) == ([], [])
    assert told(settings(servers.tls, tls="require", ca_certificate="")) == ([], [])


def test_a_server_without_tls(servers: Servers) -> None:
    [problem], _ = told(settings(servers.plain))
    assert "does not support SSL" in problem and "let the server speak TLS" in problem
    assert told(settings(servers.plain, tls="disable", ca_certificate="")) == ([], [])


def test_a_database_that_is_not_there(servers: Servers) -> None:
    problems, _ = told(settings(servers.tls, database="absent"))
    [problem] = problems
    assert 'create database "absent";' in problem


def test_what_is_missing_is_mended_by_the_statements_that_are_shown(servers: Servers) -> None:
    for statement in ("role bare login password 'bare'", "database bare", "database bare_catalog"):
        servers.tls.run(f"create {statement}")
    external = settings(servers.tls, database="bare", password="bare")
    data = replace(external.data, user="bare")
    external = replace(external, data=data, metadata=data.of("bare_catalog"))
    problems, _ = findings(external, gather(external))
    assert len(problems) == 5, problems
    for problem in problems:
        database = "bare" if problem.key == "databaseUrl" else "bare_catalog"
        servers.tls.run(problem.write.partition("--")[0], database)
    assert findings(external, gather(external)) == ([], [])


@pytest.mark.parametrize("hosts", ["127.0.0.1:1", "absent.invalid:5432", "192.0.2.1:5432"])
def test_a_database_out_of_reach_is_only_mentioned(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CONNECT_SECONDS", 2)
    data = DatabaseUrl(hosts=hosts, user="app", password=PASSWORD, database="shop")
    nowhere = External(name="", host="127.0.0.1", port=1, password="")
    external = replace(settings(nowhere), data=data, metadata=data.of("catalog"))
    answers = gather(external)
    assert all(isinstance(answer, NoAnswer) and answer.out_of_reach for answer in answers.values()), answers
    problems, notices = told(external)
    assert problems == []
    assert all("was not looked at" in notice for notice in notices)


def test_a_pooler_is_recognised(servers: Servers) -> None:
    problems, notices = told(settings(servers.bouncer))
    assert problems == []
    assert all("set databasePooler true" in notice for notice in notices) and len(notices) == 2
    assert told(settings(servers.bouncer, pooler=True)) == ([], [])


def test_the_pooler_does_not_bear_prepared_statements(servers: Servers) -> None:
    """What `databasePooler` is for; else the tests that run through the pooler would show nothing."""
    url = settings(servers.bouncer).data.text(sslmode="require")
    with (
        psycopg.connect(url, autocommit=True, prepare_threshold=0) as one,
        psycopg.connect(url, autocommit=True, prepare_threshold=0) as two,
        pytest.raises(psycopg.Error, match="prepared statement"),
    ):
        for _ in range(20):
            one.execute("select %s::int", (1,))
            with two.transaction():
                two.execute("select %s::int", (1,))
                one.execute("select %s::int", (1,))
