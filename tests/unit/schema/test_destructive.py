"""Which statements count as dropping or rewriting data."""

from __future__ import annotations

import pytest

from components.schema.destructive import destructions

YES = [
    "drop table users",
    "drop schema if exists a cascade",
    "drop materialized view v",
    "truncate users",
    "delete from users",
    "update users set name = ''",
    "merge into users using x on true when matched then delete",
    "with gone as (delete from users returning *) select * from gone",
    "alter table users drop column name",
    "alter table users drop name",
    'alter table users drop "Name"',
    "alter table users alter column id type bigint using id::bigint",
    "alter table users alter id set data type bigint",
    "alter table users " + ", ".join(f"add column c{n} text" for n in range(60)) + ", drop column name",
    "/* x */ DROP /* y */ TABLE users",
    "insert into users values ('a') on conflict (id) DO\nUPDATE set name = excluded.name",
]
NO = [
    "create table users (id int)",
    "alter table users add column type text",
    "alter table users drop constraint users_pkey",
    "alter table users alter column name drop default, alter column name drop not null",
    "alter table users alter column id drop identity if exists",
    "alter type mood add value 'x'",
    "drop index i",
    "drop function f()",
    "drop policy p on users",
    "insert into users values ('drop table users')",
    "insert into users values ('a') on conflict do nothing",
    "select 'delete'",
    "with x as (select 1) insert into users select * from x",
    "comment on table users is 'update'",
    "create rule r as on delete to users do nothing",
]


@pytest.mark.parametrize("text", YES)
def test_destroys(text: str) -> None:
    (found,) = destructions((f"select 1;\n\n{text};\nselect 2",))
    assert found.line == 3
    assert len(found.what) <= 80


@pytest.mark.parametrize("text", NO)
def test_keeps(text: str) -> None:
    assert list(destructions((f"{text};\nselect 2",))) == []
