"""What is compared, what is refused, and the SQL and the service files that are made."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from components.backup.archive import DumpedDatabase, Manifest
from components.backup.contents import Contents, TableContent, differences
from components.backup.databases import (
    LONGEST_NAME,
    Defaults,
    Setting,
    create_statement,
    derived_name,
    setting_statement,
)
from components.backup.postgres_tools import Tools, identifier, literal
from components.backup.restoring import problems
from components.backup.stack_servers import Stack, StackDatabase, _in_throwaway_container, service_text
from components.docker_command import Docker
from components.settings import DatabaseUrl, ExternalPostgresSettings

HELD = Contents(
    tables={"public.a": TableContent(rows=2, content="5"), "public.b": TableContent(rows=0, content="0")},
    objects=frozenset({"table public.a", "table public.b", "index public.a_pkey"}),
)


def changed(**tables: tuple[int, str]) -> Contents:
    own = {
        f"public.{name}": TableContent(rows=rows, content=content) for name, (rows, content) in tables.items()
    }
    return dataclasses.replace(HELD, tables={**HELD.tables, **own})  # fmt: skip


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (HELD, []),
        (changed(a=(1, "5")), ["public.a has 1 rows, not 2"]),
        (changed(a=(2, "6")), ["public.a has other content in its 2 rows"]),
        (
            dataclasses.replace(HELD, objects=HELD.objects - {"index public.a_pkey"}),
            ["index public.a_pkey is missing"],
        ),
        (dataclasses.replace(HELD, objects=HELD.objects | {"view v"}), ["view v was not there"]),
        (
            dataclasses.replace(HELD, objects=HELD.objects | {f"view v{n}" for n in range(7)}),
            [*(f"view v{n} was not there" for n in range(5)), "and 2 more"],
        ),
    ],
)
def test_differences_are_named(found: Contents, told: list[str]) -> None:
    assert differences(HELD, found) == told


def _stack(name: str = "prod", server: int = 17) -> Stack:
    tools = Tools(prefix=(), connection="", environment={}, where="here")
    databases = tuple(
        StackDatabase(
            purpose=purpose,
            name=purpose,
            tools=tools,
            maintenance="postgres",
            server=server,
            defaults=Defaults(owner="o", rights={}),
        )
        for purpose in ("data", "metadata")
    )
    return Stack(name=name, project="clerk-hasura", databases=databases)


@pytest.mark.parametrize(
    ("stack", "meant", "count", "told"),
    [
        (_stack(), False, 0, ""),
        (_stack(server=18), False, 0, ""),
        (_stack("dev"), False, 1, "of the stack prod, and the selected one is dev"),
        (_stack("dev"), True, 0, ""),
        (_stack(server=15), False, 2, "of PostgreSQL 17, and data runs on 15"),
    ],
)
def test_backups_that_must_not_be_restored(stack: Stack, meant: bool, count: int, told: str) -> None:
    database = DumpedDatabase(name="app", server=17, contents=HELD)
    manifest = Manifest(
        project="clerk-hasura",
        stack="prod",
        made=datetime(2026, 3, 1, tzinfo=UTC),
        databases={"data": database, "metadata": database},
    )
    found = problems(manifest, stack, of_another_stack=meant)
    assert len(found) == count
    assert told in "\n".join(found)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"datcollate": "C", "datctype": "C", "datlocprovider": "c"},
            " encoding 'UTF8' lc_collate 'C' lc_ctype 'C'",
        ),
        ({"datcollate": "C", "datctype": "C"}, " encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"),
        (
            {"datcollate": "C", "datctype": "C", "datlocprovider": "i", "daticulocale": "de"},
            " encoding 'UTF8' lc_collate 'C' lc_ctype 'C' locale_provider icu icu_locale 'de'",
        ),
        (
            {"datcollate": "C", "datctype": "C", "datlocprovider": "b", "datlocale": "C.UTF-8"},
            " encoding 'UTF8' lc_collate 'C' lc_ctype 'C' locale_provider builtin builtin_locale 'C.UTF-8'",
        ),
        (None, " encoding 'UTF8'"),
    ],
    ids=["libc", "before 15", "icu in 15", "builtin in 17", "none there"],
)
def test_a_database_is_made_like_another(properties: dict[str, str] | None, expected: str) -> None:
    like = None if properties is None else {"encoding": "UTF8", "properties": dict(properties)}
    assert create_statement('a"b', like) == f'create database "a""b" template template0{expected}'


@pytest.mark.parametrize("name", ["app", "a" * 63, "ä" * 31, "é" * 30 + "x"])
def test_derived_names_are_short_enough_and_say_what_for(name: str) -> None:
    derived = derived_name(name, "before_20260301T120000Z")
    assert len(derived.encode()) <= LONGEST_NAME
    assert derived.endswith("_before_20260301T120000Z")
    assert name.startswith(derived.removesuffix("_before_20260301T120000Z"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            Setting(role="", name="search_path", value='"$user", it\'s'),
            "select set_config('search_path', '\"$user\", it''s', true);"
            ' alter database "app" set "search_path" from current',
        ),
        (
            Setting(role="o", name="my.word", value=""),
            "select set_config('my.word', '', true);"
            ' alter role "o" in database "app" set "my"."word" from current',
        ),
    ],
)
def test_a_setting_is_given_by_the_session(setting: Setting, expected: str) -> None:
    assert setting_statement("app", setting) == f"begin; {expected}; commit"


def test_texts_and_names_are_quoted() -> None:
    assert (literal("it's"), identifier('a"b')) == ("'it''s'", '"a""b"')


def test_no_argument_of_a_throwaway_container_holds_a_secret() -> None:
    url = DatabaseUrl(hosts="db.example.com:5432", user="app", password="canary", database="shop")
    external = ExternalPostgresSettings(
        data=url,
        data_key="databaseUrl",
        metadata=url.of("catalog"),
        metadata_key="metadataDatabaseName",
        tls="verify-full",
        ca_certificate="-----BEGIN CERTIFICATE-----",
        pooler=False,
        extensions=(),
    )
    tools = _in_throwaway_container(external, url, Docker(), "postgres:17")
    said = " ".join([*tools.prefix, tools.connection, tools.where, repr(tools)])
    assert "canary" not in said and "CERTIFICATE" not in said
    assert tools.environment["PGPASSWORD"] == "canary"


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("db.example.com:6432", "db.example.com", "6432"),
        ("db.example.com", "db.example.com", "5432"),
        ("[::1]:5433", "::1", "5433"),
        ("[::1]", "::1", "5432"),
        ("a:1,b", "a,b", "1,5432"),
    ],
)
def test_a_service_file_has_everything_but_the_password(hosts: str, host: str, port: str) -> None:
    url = DatabaseUrl(
        hosts=hosts, user="app", password="canary", database="shop", parameters={"hostaddr": "1.2.3.4"}
    )
    lines = service_text(url, {"sslmode": "verify-full"}).splitlines()
    assert lines[0] == "[clerk_hasura]"
    found = dict(line.split("=", 1) for line in lines[1:])
    assert (found["host"], found["port"], found["user"]) == (host, port, "app")
    assert found["hostaddr"] == "1.2.3.4" and found["sslmode"] == "verify-full"
    assert "canary" not in "".join(lines) and "dbname" not in found
