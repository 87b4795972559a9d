"""What becomes of a dump, one row a statement, and what the rest of the project says of the result."""

from __future__ import annotations

import pytest

from components.schema.baseline import baseline, enum_tables
from components.schema.sql import findings, statements

HEAD = r"""--
-- PostgreSQL database dump
--

\restrict hasura

-- Dumped from database version 17.6
SET statement_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
"""
TAIL = "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict hasura\n"

DROPPED = {
    "settings": "SET default_table_access_method = heap",
    "the schema that is always there": "CREATE SCHEMA public",
    "what is said of it": "COMMENT ON SCHEMA public IS 'standard public schema'",
    "a comment of a superuser": "COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions'",
    "a trigger of the engine": (
        'CREATE TRIGGER "notify_hasura_new_order_INSERT" AFTER INSERT ON public.orders FOR EACH ROW EXECUTE '
        'FUNCTION hdb_catalog."notify_hasura_new_order_INSERT"()'
    ),
    "an extension in the engine's own schema": "CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA hdb_catalog",
}
KEPT = {
    "an extension": "CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public",
    "a schema": "CREATE SCHEMA shop",
    "a table": "CREATE TABLE public.users (\n    id text NOT NULL,\n    name text DEFAULT 'a;b'::text\n)",
    "a trigger": "CREATE TRIGGER touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.touch()",
    "a comment": "COMMENT ON TABLE public.users IS 'SET x = 1; \\restrict a'",
    "a place in a sequence": "SELECT pg_catalog.setval('public.a_seq', 5, true)",
}


@pytest.mark.parametrize("statement", DROPPED.values(), ids=DROPPED)
def test_what_is_not_of_a_migration_is_left_out(statement: str) -> None:
    assert baseline(f"{HEAD}\n{statement};\n{TAIL}").text == ""
    kept = "CREATE TABLE public.a (b integer)"
    assert baseline(f"{HEAD}\n{kept};\n\n{statement};\n{TAIL}").text == f"{kept};\n"


@pytest.mark.parametrize("statement", KEPT.values(), ids=KEPT)
def test_everything_else_stays_as_it_is(statement: str) -> None:
    made = baseline(f"{HEAD}\n--\n-- Name: x\n--\n\n{statement};\n{TAIL}")
    assert made.text == f"{statement};\n"
    assert findings(made.text) == []


def test_a_function_may_come_before_its_table() -> None:
    body = "CREATE FUNCTION public.n() RETURNS bigint LANGUAGE sql AS $$select count(*) from public.users;$$"
    made = baseline(f"{HEAD}{body};\nCREATE TABLE public.users (id text);\n{TAIL}").text
    assert [s.words[:2] for s in statements(made)] == [
        ("set", "local"),
        ("create", "function"),
        ("create", "table"),
    ]
    assert findings(made) == []


def test_rows_come_after_everything_else() -> None:
    rows = f"{HEAD}INSERT INTO public.status (value) VALUES ('open');\n{TAIL}"
    made = baseline(f"{HEAD}CREATE TABLE public.status (value text);\n{TAIL}", rows)
    assert made.text == (
        "CREATE TABLE public.status (value text);\n\nINSERT INTO public.status (value) VALUES ('open');\n"
    )


def test_nothing_comes_of_an_empty_database() -> None:
    assert baseline(HEAD + TAIL).text == ""


def test_a_dump_that_was_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="line 11 of the dump"):
        baseline(f"{HEAD}COMMENT ON TABLE a IS 'cut")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE MATERIALIZED VIEW public.m AS SELECT 1 WITH NO DATA", ["materialized views"]),
        ("CREATE POLICY p ON public.users", ["row security policies"]),
        ("CREATE VIEW public.v AS SELECT 1", []),
    ],
)
def test_what_a_new_environment_needs_besides_is_told(statement: str, told: list[str]) -> None:
    remarks = baseline(f"{HEAD}{statement};\n{TAIL}").remarks
    assert len(remarks) == len(told)
    assert all(word in remark for word, remark in zip(told, remarks, strict=True))


def test_rows_of_enums_are_part_of_the_schema() -> None:
    source = {
        "tables": [
            {"table": {"schema": "public", "name": "users"}},
            {"table": {"schema": "shop", "name": 'a"b'}, "is_enum": True},
            {"table": "status", "is_enum": True},
            {"table": {"schema": "public", "name": "no"}, "is_enum": False},
        ]
    }
    assert enum_tables(source) == ('"shop"."a""b"', '"public"."status"')  # type: ignore[arg-type]
    assert enum_tables({}) == ()
