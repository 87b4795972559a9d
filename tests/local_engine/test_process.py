"""The engine as a process: what survives it, what several of them share, how it ends, what it tells."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.local_engine.engines import stand_in, until
from tests.local_engine.workbench import SECRET, Workbench, source, table

pytestmark = pytest.mark.docker


@contextmanager
def running(url: str, **environment: str) -> Iterator[Workbench]:
    settings = {
        "HASURA_GRAPHQL_DATABASE_URL": url,
        "HASURA_GRAPHQL_ADMIN_SECRET": SECRET,
        **{f"HASURA_GRAPHQL_{name}": value for name, value in environment.items()},
    }
    with stand_in(settings) as engine:
        until(engine.settled, "healthy or ended")
        yield Workbench(engine=engine, database_url=url)


def headers_of(bench: Workbench, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    address = urlsplit(bench.engine.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): each for name, each in headers.items()}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_metadata_and_states_survive_a_restart(new_database: Callable[[], str]) -> None:
    url = new_database()
    state = {"migrations": {"default": {"1": False}}}
    with running(url) as bench:
        bench.sql("create table users (id text primary key)", check_metadata_consistency=False)
        bench.tables(table("users"))
        bench.metadata("set_catalog_state", {"type": "cli", "state": state})
        before = bench.metadata("export_metadata", version=2), bench.metadata("get_catalog_state")
    with running(url) as bench:
        assert (bench.metadata("export_metadata", version=2), bench.metadata("get_catalog_state")) == before
        assert bench.data("{ users { id } }") == {"users": []}


def test_replicas_take_over_what_another_wrote(new_database: Callable[[], str]) -> None:
    url = new_database()
    with running(url) as one, running(url) as two:
        one.sql("create table users (id text primary key)", check_metadata_consistency=False)
        one.tables(table("users"))
        until(
            lambda: two.graphql("{ users { id } }") == {"data": {"users": []}}, "the other has taken it over"
        )
        one.replace({"version": 3, "sources": [source(table("ghost"))]}, allow_inconsistent=True)
        until(
            lambda: headers_of(two, "GET", "/healthz?strict=true")[0] == 500, "the other is inconsistent too"
        )
        stale = two.metadata("export_metadata", version=2)["resource_version"] - 1
        metadata = {"version": 3, "sources": []}
        answer = two.refused("replace_metadata", {"metadata": metadata}, version=2, resource_version=stale)
        assert answer["code"] == "conflict"


def test_a_separate_metadata_database_keeps_the_source_clean(new_database: Callable[[], str]) -> None:
    url, catalog = new_database(), new_database()
    with running(url, METADATA_DATABASE_URL=catalog) as bench:
        found = bench.sql("select count(*) from pg_namespace where nspname = 'hdb_catalog'")
        assert found["result"][1] == ["0"]
    with psycopg.connect(catalog) as connection:
        assert connection.execute("select count(*) from hdb_catalog.hdb_metadata").fetchone() == (1,)


def test_the_catalog_of_a_real_engine_is_left_alone(new_database: Callable[[], str]) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema hdb_catalog")
        connection.execute(
            "create table hdb_catalog.hdb_version (hasura_uuid uuid primary key default gen_random_uuid(),"
            " version text not null, upgraded_on timestamptz not null,"
            " cli_state jsonb not null default '{}', console_state jsonb not null default '{}')"
        )
        connection.execute("insert into hdb_catalog.hdb_version (version, upgraded_on) values ('48', now())")
    with running(url) as bench:
        assert bench.engine.exit_code() == 1
        assert "catalog of a real engine (version 48)" in bench.engine.log()
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regclass('hdb_catalog.hdb_metadata')").fetchone() == (None,)


def test_sigterm_ends_cleanly_and_says_so(new_database: Callable[[], str]) -> None:
    with running(new_database()) as bench:
        bench.engine.process.send_signal(signal.SIGTERM)
        until(lambda: bench.engine.exit_code() is not None, "ended")
        assert bench.engine.exit_code() == 0
        assert "gracefully shut down" in bench.engine.log()


def test_it_says_that_it_is_a_stand_in(new_database: Callable[[], str]) -> None:
    with running(new_database()) as bench:
        assert "THIS IS A STAND-IN" in bench.engine.log()
        for method, path in (
            ("GET", "/healthz"),
            ("GET", "/nothing"),
            ("POST", "/v2/query"),
            ("GET", "/v1/version"),
        ):
            assert headers_of(bench, method, path)[1]["x-local-engine"] == "stand-in"


def test_no_secret_reaches_the_log(new_database: Callable[[], str]) -> None:
    jwt = '{"type": "HS256", "key": "canary-jwt-key-canary-jwt-key-canary"}'
    url = new_database()
    with running(url, JWT_SECRET=jwt) as bench:
        bench.refused_sql("select nope")
        assert headers_of(bench, "POST", "/v1/graphql", Authorization="Bearer canary-token")[0] == 200
        log = bench.engine.log()
    password = urlsplit(url).password
    for secret in (SECRET, "canary-jwt-key", "canary-token", password):
        assert secret not in log
    with running(url.replace("postgresql://", "postgresql//"), JWT_SECRET='{"key": "canary-jwt-key') as bench:
        assert bench.engine.exit_code() == 1
        log = bench.engine.log()
    for secret in (SECRET, "canary-jwt-key", password):
        assert secret not in log


def test_all_problems_of_the_environment_at_once(new_database: Callable[[], str]) -> None:
    with running(new_database(), CORS_DOMAIN="nonsense", ENABLED_APIS="nonsense", SERVER_PORT="0") as bench:
        assert bench.engine.exit_code() == 1
        for name in ("CORS_DOMAIN", "ENABLED_APIS", "SERVER_PORT"):
            assert f"HASURA_GRAPHQL_{name}" in bench.engine.log()


def test_browsers_from_named_origins_only(new_database: Callable[[], str]) -> None:
    with running(new_database(), CORS_DOMAIN="https://a.example, https://*.b.example") as bench:

        def allowed(origin: str) -> str | None:
            asked = {"Origin": origin, "Access_Control_Request_Method": "POST"}
            _, headers = headers_of(bench, "OPTIONS", "/v1/graphql", **asked)
            return headers.get("access-control-allow-origin")

        assert allowed("https://a.example") == "https://a.example"
        assert allowed("https://x.b.example") == "https://x.b.example"
        assert allowed("https://evil.example") is None
        assert allowed("https://ab.example") is None
        assert allowed("https://a.example.evil.test") is None


def test_switched_off_apis_are_not_there(new_database: Callable[[], str]) -> None:
    with running(new_database(), ENABLED_APIS="graphql") as bench:
        assert bench.ask("/v1/metadata", {})[0] == 404
        assert bench.ask("/v2/query", {})[0] == 404
        assert bench.data("{ __typename }") == {"__typename": "query_root"}


def test_without_internal_errors(new_database: Callable[[], str]) -> None:
    with running(new_database(), ADMIN_INTERNAL_ERRORS="false") as bench:
        answer = bench.refused_sql("select nope")
        assert answer == {"error": "query execution failed", "path": "$", "code": "postgres-error"}


def test_nobody_is_a_role_where_that_is_configured(new_database: Callable[[], str]) -> None:
    jwt = '{"type": "HS256", "key": "0123456789012345678901234567890123"}'
    with running(new_database(), JWT_SECRET=jwt, UNAUTHORIZED_ROLE="nobody") as bench:
        body = {"query": "{ __schema { queryType { fields { name } } } }"}
        _, answer = bench.engine.call("/v1/graphql", body)
        assert answer["data"]["__schema"]["queryType"]["fields"] == [{"name": "no_queries_available"}]
        _, answer = bench.engine.call("/v1/graphql", body, {"Authorization": "Bearer x.y.z"})
        assert answer["errors"][0]["extensions"]["code"] == "invalid-jwt"
        status, answer = bench.engine.call("/v1/metadata", {"type": "export_metadata", "args": {}})
        assert (status, answer["code"]) == (400, "access-denied")


def test_long_sql_keeps_nobody_else_waiting(new_database: Callable[[], str]) -> None:
    url = new_database()
    with running(url) as bench, psycopg.connect(url) as holder, ThreadPoolExecutor() as pool:
        holder.execute("select pg_advisory_xact_lock(7)")
        waiting = pool.submit(
            bench.sql, "alter table if exists x rename to y; select pg_advisory_xact_lock(7) is null as a"
        )
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        until(lambda: bench.sql(waits)["result"][1] == ["1"], "the lock is waited for")
        assert headers_of(bench, "GET", "/healthz")[0] == 200
        assert bench.data("{ __typename }") == {"__typename": "query_root"}
        assert bench.metadata("get_catalog_state")["cli_state"] == {}
        assert not waiting.done()
        holder.rollback()
        assert waiting.result(timeout=30)["result"] == [["a"], ["f"]]
