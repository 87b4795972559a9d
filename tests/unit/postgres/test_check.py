"""What is said of a database that somebody else runs, as data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.postgres.check import Answers, DatabaseFacts, NoAnswer, findings
from components.settings import DatabaseUrl, ExternalPostgresSettings

DATA = DatabaseUrl(hosts="db:5432", user="app", password="canary", database="shop")
EXTERNAL = ExternalPostgresSettings(
    data=DATA,
    data_key="databaseUrl",
    metadata=DATA.of("meta"),
    metadata_key="metadataDatabaseName",
    tls="verify-full",
    ca_certificate="",
    pooler=False,
    extensions=("pgcrypto",),
)
GOOD = DatabaseFacts(
    version=17,
    user="app",
    installed=frozenset({"plpgsql", "pgcrypto"}),
    own_schemas=True,
    public_schema=True,
    through_pooler=False,
)


def refused(reason: str) -> Answers:
    return {"data": NoAnswer(reason=reason, out_of_reach=False)}


# name: (answers, what is told with its remedy, what is only mentioned)
CASES: dict[str, tuple[Answers, list[tuple[str, str]], list[str]]] = {
    "all is there": ({"data": GOOD, "metadata": GOOD}, [], []),
    "no extension": (
        {"data": replace(GOOD, installed=frozenset())},
        [
            (
                "databaseUrl: db:5432/shop has no extension pgcrypto",
                'create extension "pgcrypto";    -- in shop',
            )
        ],
        [],
    ),
    "the oldest version": ({"data": replace(GOOD, version=12)}, [], []),
    "too old": (
        {"data": replace(GOOD, version=11)},
        [("databaseUrl: db:5432/shop is PostgreSQL 11, and Hasura needs 12", "upgrade it")],
        [],
    ),
    "no schemas for the catalog": (
        {"metadata": replace(GOOD, own_schemas=False)},
        [
            (
                "metadataDatabaseName: db:5432/meta lets app make no schema, and Hasura's catalog lives in one",
                'grant create on database "meta" to "app";',
            )
        ],
        [],
    ),
    "nothing in public": (
        {"data": replace(GOOD, public_schema=False)},
        [
            (
                "databaseUrl: db:5432/shop lets app make nothing in the schema public",
                'grant usage, create on schema public to "app";    -- in shop',
            )
        ],
        [],
    ),
    "nothing in public of the catalog's database": ({"metadata": replace(GOOD, public_schema=False)}, [], []),
    "everything at once": (
        {"data": replace(GOOD, installed=frozenset(), own_schemas=False, public_schema=False)},
        [
            ("databaseUrl: db:5432/shop has no extension", "create extension"),
            ("databaseUrl: db:5432/shop lets app make no schema", "grant create"),
            ("databaseUrl: db:5432/shop lets app make nothing", "grant usage"),
        ],
        [],
    ),
    "out of reach": (
        {"data": NoAnswer(reason="connection refused", out_of_reach=True)},
        [],
        [
            "databaseUrl: db:5432/shop was not looked at, since it cannot be reached from here (connection refused)"
        ],
    ),
    "a pooler that nobody named": (
        {"data": replace(GOOD, through_pooler=True)},
        [],
        ["databaseUrl: a connection pooler stands before db:5432/shop"],
    ),
    "another authority": (
        refused("SSL error: certificate verify failed"),
        [("databaseUrl: db:5432/shop: SSL error", "pulumi config set databaseCaCertificate < ca.pem")],
        [],
    ),
    "another host name": (
        refused('server certificate for "a" does not match host name "db"'),
        [("databaseUrl: db:5432/shop: server certificate", "connect by a name that the certificate holds")],
        [],
    ),
    "no TLS where the server wants it": (
        refused(
            'FATAL: no pg_hba.conf entry for host "10.0.0.1", user "app", database "shop", no encryption'
        ),
        [("databaseUrl: db:5432/shop: FATAL", "pulumi config rm databaseTls")],
        [],
    ),
    "TLS that the server has not": (
        refused("server does not support SSL, but SSL was required"),
        [("databaseUrl: db:5432/shop: server does not", "let the server speak TLS")],
        [],
    ),
    "a wrong password": (
        refused('FATAL: password authentication failed for user "app"'),
        [("databaseUrl: db:5432/shop: FATAL", "pulumi config set --secret")],
        [],
    ),
    "no such database": (
        refused('FATAL: database "shop" does not exist'),
        [("databaseUrl: db:5432/shop: FATAL", 'create database "shop";')],
        [],
    ),
    "something else": (
        refused("FATAL: sorry, too many clients already"),
        [("databaseUrl: db:5432/shop: FATAL: sorry", "mend that")],
        [],
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_case(name: str) -> None:
    answers, expected, mentioned = CASES[name]
    problems, notices = findings(EXTERNAL, answers)
    assert len(problems) == len(expected)
    for problem, (what, write) in zip(problems, expected, strict=True):
        assert f"{problem.key}: {problem.what}".startswith(what)
        assert problem.write.startswith(write)
    assert len(notices) == len(mentioned)
    for notice, start in zip(notices, mentioned, strict=True):
        assert notice.startswith(start)


@pytest.mark.parametrize(
    ("data_key", "secret"), [("databaseUrl", "databaseUrl"), ("databaseHost", "databasePassword")]
)
def test_what_both_databases_answer_is_told_once_by_the_key_that_decides(data_key: str, secret: str) -> None:
    wrong = NoAnswer(reason="FATAL: password authentication failed", out_of_reach=False)
    external = replace(EXTERNAL, data_key=data_key)
    [problem], notices = findings(external, {"data": wrong, "metadata": wrong})
    assert (problem.key, notices) == (data_key, [])
    assert problem.write.startswith(f"pulumi config set --secret {secret}")
    gone = NoAnswer(reason="timed out", out_of_reach=True)
    problems, [notice] = findings(external, {"data": gone, "metadata": gone})
    assert problems == [] and notice.startswith(data_key)
    elsewhere = replace(external, metadata=replace(DATA, hosts="other"), metadata_key="metadataDatabaseUrl")
    two, _ = findings(elsewhere, {"data": wrong, "metadata": wrong})
    assert [problem.write.split()[4] for problem in two] == [secret, "metadataDatabaseUrl"]


def test_a_pooler_that_was_named_is_not_mentioned() -> None:
    behind = replace(GOOD, through_pooler=True)
    assert findings(replace(EXTERNAL, pooler=True), {"data": behind, "metadata": behind}) == ([], [])
