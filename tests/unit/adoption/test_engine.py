"""What is asked of an engine, and what is said where it does not answer as it should."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from components.adoption.engine import look, schema_of
from components.hasura.client import HasuraClient
from components.hasura.json_types import Json, JsonObject
from components.schema.problems import SchemaError

METADATA: JsonObject = {
    "version": 3,
    "sources": [
        {"name": "default", "kind": "postgres", "tables": [{"table": "status", "is_enum": True}]},
        {"name": "old", "kind": "mssql", "tables": []},
    ],
}
END = "\n-- PostgreSQL database dump complete\n"
Answer = Callable[[JsonObject], tuple[int, Json]]


def client(version: str = "v2.48.10", metadata: JsonObject | None = None, **answers: Answer) -> HasuraClient:
    """An engine that keeps nothing; it fails a test that writes to it."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/version":
            return httpx.Response(200, json={"version": version})
        body = json.loads(request.content)
        kind = body.get("type", request.url.path.rpartition("/")[2])
        if kind in answers:
            status, answer = answers[kind](body)
            return httpx.Response(
                status, **({"text": answer} if isinstance(answer, str) else {"json": answer})
            )
        if kind == "export_metadata":
            return httpx.Response(200, json={"resource_version": 1, "metadata": metadata or METADATA})
        if kind == "get_inconsistent_metadata":
            return httpx.Response(200, json={"is_consistent": True, "inconsistent_objects": []})
        if kind == "get_catalog_state":
            return httpx.Response(200, json={"cli_state": {"migrations": {"default": {"1": False}}}})
        assert kind == "run_sql" and body["args"]["read_only"] is True, body
        error = {"exec_status": "FatalError", "status_code": "42P01", "message": "no such table"}
        return httpx.Response(
            400, json={"code": "postgres-error", "error": "failed", "path": "$", "internal": {"error": error}}
        )

    return HasuraClient("http://engine", "canary", transport=httpx.MockTransport(handler))


def test_it_is_read_and_never_written() -> None:
    found = look(client())
    assert (found.version, found.inconsistent, dict(found.others)) == ("v2.48.10", (), {"old": "mssql"})
    assert set(found.states) == {"default"}
    assert (found.states["default"].ledger, found.states["default"].catalog) == (None, {1: False})


def _refusal(code: str) -> Answer:
    return lambda _: (400, {"code": code, "error": "no", "path": "$"})


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (client(version="v1.3.3"), "engineUrl: http://engine is Hasura v1.3.3"),
        (client(version=""), "engineUrl: http://engine is Hasura of an unknown version"),
        (client(metadata={"version": 2, "tables": []}), "engineUrl: its metadata is of version 2"),
        (client(export_metadata=_refusal("access-denied")), "adminSecret: http://engine refuses it"),
        (client(export_metadata=_refusal("not-found")), "engineUrl: http://engine cannot be read"),
    ],
)
def test_an_engine_that_cannot_be_taken_over_is_named(engine: HasuraClient, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        look(engine)
    assert str(caught.value).startswith(said)
    assert "canary" not in str(caught.value)


def test_nobody_there() -> None:
    with pytest.raises(SchemaError, match=r"engineUrl: .*does not answer"):
        look(HasuraClient("http://127.0.0.1:9", "canary"))


def _dump(body: JsonObject) -> tuple[int, Json]:
    options = body["opts"]
    assert isinstance(options, list)
    rows = "--data-only" in options
    assert ('--table="public"."status"' in options) is rows
    return 200, (
        "INSERT INTO public.status VALUES ('open');" if rows else "CREATE TABLE public.status ();"
    ) + END


def test_the_schema_comes_with_the_rows_of_enums() -> None:
    engine = client(pg_dump=_dump)
    assert schema_of(engine, look(engine), "default").text == (
        "CREATE TABLE public.status ();\n\nINSERT INTO public.status VALUES ('open');\n"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "CREATE TABLE"), "pg_dump's last line is missing"),
        ((500, {"code": "unexpected", "error": "no", "path": "$", "internal": "pg_dump:\n old"}), "pg_dump: old"),
        ((404, {"code": "not-found", "error": "resource does not exist", "path": "$"}), "resource does not exist"),
    ],
)  # fmt: skip
def test_an_engine_without_a_dump_is_told_with_another_way(answer: tuple[int, Json], said: str) -> None:
    engine = client(pg_dump=lambda _: answer)
    with pytest.raises(SchemaError, match=said) as caught:
        schema_of(engine, look(engine), "default")
    assert "BASELINE=default:1700000000000" in str(caught.value)
