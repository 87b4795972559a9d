"""`python -m components.schema`, on a real engine."""

from __future__ import annotations

import json
import shutil

import pytest

from components.hasura.client import HasuraError
from components.schema.__main__ import main
from components.schema.ledger import QUERY_CANCELED, Timeouts
from components.schema.migrations import read_migrations
from components.schema.rehearsal import Script, rehearse
from tests.providers.schema.conftest import ADMIN_SECRET, Engine, Project
from tests.providers.schema.test_deployment import USERS, catalog, ledger, run


@pytest.fixture(autouse=True)
def _environment(engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASURA_GRAPHQL_ENDPOINT", engine.endpoint)
    monkeypatch.setenv("HASURA_GRAPHQL_ADMIN_SECRET", ADMIN_SECRET)
    monkeypatch.setenv("STACK", "test")


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(["status", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_status(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    run(engine)
    project.migration("2_b", "create table b ();")
    code, told = status(capsys)
    assert code == 3
    row = {
        "source": "default",
        "version": 1,
        "name": "users",
        "file": "present",
        "ledger": "applied",
        "engine": "applied",
    }
    assert told == {
        "migrations": [row, {**row, "version": 2, "name": "b", "ledger": "-", "engine": "-"}],
        "pending": {"default": ["2_b"]},
        "problems": [],
    }
    run(engine)
    assert status(capsys)[0] == 0
    project.migration("1_users", USERS + "-- edited")
    code, told = status(capsys)
    assert code == 1
    assert told["migrations"][0]["file"] == "edited"
    assert "was changed after it ran" in told["problems"][0]


def test_status_as_a_table(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    assert main(["status"]) == 3
    assert "users" in capsys.readouterr().out


def test_new(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "add_posts"]) == 0
    path = capsys.readouterr().out.strip()
    assert path.endswith("_add_posts/up.sql")
    (project.root / path).write_text("select 1;")
    assert [m.name for m in read_migrations(project.root / "migrations").of("default")] == ["add_posts"]
    assert main(["new", "../x"]) == 1


def test_down(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS, "drop table users;")
    project.migration("2_b", "create table b ();", "drop table b;")
    run(engine)
    assert main(["down"]) == 0
    assert "rolled back default/2_b\n\nA folder of what was rolled back" in capsys.readouterr().out
    assert engine.rows("select to_regclass('b'), to_regclass('users')::text") == [(None, "users")]
    assert catalog(engine)["migrations"] == {"default": {"1": False}}  # type: ignore[index]
    assert status(capsys)[1]["pending"] == {"default": ["2_b"]}
    run(engine)
    assert main(["down", "2"]) == 0
    assert ledger(engine) == []


def test_down_without_down(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();", "drop table b;")
    run(engine)
    assert main(["down", "2"]) == 1
    assert "default/1_users: has no down SQL in the ledger" in capsys.readouterr().err
    assert engine.rows("select to_regclass('b')::text") == [("b",)]


def test_down_that_fails(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS, "select 1;\ndrop table nothing;")
    run(engine)
    assert main(["down"]) == 1
    told = capsys.readouterr().err
    assert 'down SQL of default/1_users (from the ledger):2: table "nothing" does not exist' in told
    assert [row[1] for row in ledger(engine)] == [1]


def test_baseline(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    engine.rows(USERS)
    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();")
    assert main(["baseline", "9"]) == 1
    assert main(["baseline", "1"]) == 0
    assert [row[3] for row in ledger(engine)] == ["baseline"]
    assert main(["baseline", "2"]) == 1
    assert "already holds 1 migrations" in capsys.readouterr().err
    assert run(engine).done == ["applied default/2_b"]


def test_repair_accept(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    run(engine)
    project.migration("1_users", USERS + "-- only a comment")
    assert status(capsys)[0] == 1
    assert main(["repair", "--accept", "1"]) == 0
    assert status(capsys)[0] == 0


def test_repair_accept_takes_the_way_back_as_well(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration("1_users", USERS, "drop table usres;")
    run(engine)
    project.migration("1_users", USERS, "drop table users;")
    assert main(["down"]) == 1
    assert main(["repair", "--accept", "1"]) == 0
    assert main(["down"]) == 0
    assert engine.rows("select to_regclass('users')") == [(None,)]
    assert main(["repair", "--accept", "1"]) == 1, "it is not in the ledger any more"
    assert "neither the ledger nor the migrations folder" in capsys.readouterr().err


def test_repair_done_of_what_was_rolled_back_a_moment_ago(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row is still there, until the catalog state has forgotten it."""
    project.migration("1_users", USERS)
    run(engine)
    engine.rows("update migration_ledger.migration set state = 'rolled back'")
    assert main(["repair", "--done", "1"]) == 0
    assert status(capsys)[0] == 0


@pytest.mark.parametrize("choice", ["--done", "--forget"])
def test_repair_of_an_unfinished_one(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str], choice: str
) -> None:
    project.migration("1_users", USERS)
    project.migration("2_i", "-- no-transaction\ncreate index concurrently i on users (name);")
    run(engine)
    engine.rows(
        "update migration_ledger.migration set state = 'started', in_catalog = false where version = 2"
    )
    assert status(capsys)[0] == 1
    assert main(["repair", choice, "2"]) == 0
    engine.rows("drop index i")
    expected = [] if choice == "--done" else ["applied default/2_i"]
    assert run(engine).done == expected
    assert status(capsys)[0] == 0


@pytest.mark.parametrize("choice", ["--done", "--forget"])
def test_repair_after_the_hasura_cli_went_down(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str], choice: str
) -> None:
    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();", "drop table b;")
    run(engine)
    with engine.client() as client:
        client.set_catalog_state({"migrations": {"default": {"1": False}}, "isStateCopyCompleted": True})
    engine.rows("drop table b")
    code, told = status(capsys)
    assert code == 1
    assert "Hasura's catalog state has lost it" in told["problems"][0]
    assert main(["repair", choice, "2"]) == 0
    run(engine)
    assert status(capsys)[0] == 0
    assert engine.rows("select to_regclass('b')::text") == [("b" if choice == "--forget" else None,)]


def test_state_edited_by_hand_repairs_itself(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the migration makes is there already, so nobody has rolled it back."""
    project.migration("1_users", USERS)
    project.migration("2_email", "alter table users add column email text;")
    project.migration("3_i", "create index i on users (email);")
    run(engine)
    with engine.client() as client:
        client.set_catalog_state({"migrations": {"default": {"1": False}}, "isStateCopyCompleted": True})
    assert status(capsys)[0] == 3
    assert run(engine).done == []
    assert status(capsys)[0] == 0
    assert catalog(engine)["migrations"] == {"default": {"1": False, "2": False, "3": False}}  # type: ignore[index]


def test_repair_of_what_the_hasura_cli_left(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration("1_users", USERS)
    with engine.client() as client:
        client.set_catalog_state({"migrations": {"default": {"1": True, "7": False}, "other": {"3": False}}})
    code, told = status(capsys)
    assert (code, len(told["problems"])) == (1, 2)
    assert main(["repair", "--forget", "7"]) == 0
    assert main(["repair", "--forget", "1"]) == 0
    assert main(["repair", "--forget", "1"]) == 1
    assert status(capsys)[0] == 3
    with engine.client() as client:
        assert client.get_catalog_state()["migrations"] == {"default": {}, "other": {"3": False}}


def test_rehearse(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    project.migration("2_row", "insert into users values ('a');")
    project.migration("3_i", "-- no-transaction\ncreate index concurrently i on users (name);")
    assert main(["rehearse"]) == 0
    told = capsys.readouterr().out
    assert "default: rehearsed, would succeed: 1_users, 2_row" in told
    assert "outside a transaction: 3_i" in told
    project.migration("2_row", "\ninsert into users values ('a'), ('a');")
    assert main(["rehearse"]) == 1
    assert "migrations/default/2_row/up.sql:2: would fail: duplicate key value" in capsys.readouterr().err
    assert engine.rows("select to_regclass('users'), to_regnamespace('migration_ledger')") == [(None, None)]


def test_rehearse_finds_a_deferred_constraint(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration(
        "1_a",
        "create table a (id int primary key, b int references a deferrable initially deferred);\n"
        "insert into a values (1, 2);",
    )
    assert main(["rehearse"]) == 1
    assert "violates foreign key constraint" in capsys.readouterr().err


def test_rehearse_as_if_each_were_committed(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Constraints are checked between two migrations, and deferred again for the next."""
    circle = "references {} deferrable initially deferred"
    project.migration(
        "1_circle",
        "create table a (id int primary key, b int);\n"
        f"create table b (id int primary key, a int {circle.format('a')});\n"
        f"alter table a add foreign key (b) {circle.format('b')};\n"
        "insert into a values (1, 1); insert into b values (1, 1);",
    )
    # Refused where rows of the same transaction still wait for their check.
    project.migration("2_alter", "alter table a add column name text;\nalter table b add column name text;")
    project.migration("3_circle", "insert into a values (2, 2); insert into b values (2, 2);")
    assert main(["rehearse"]) == 0
    assert "would succeed: 1_circle, 2_alter, 3_circle" in capsys.readouterr().out
    project.migration("3_circle", "insert into a values (2, 3); insert into b values (2, 2);")
    project.migration("4_more", "select 1;")
    assert main(["rehearse"]) == 1
    assert (
        "migrations/default/3_circle/up.sql:1: would fail: insert or update on table"
        in capsys.readouterr().err
    )
    assert engine.rows("select to_regclass('a')") == [(None,)]


TOLD = {
    "savepoint": "select 1;\nsavepoint s; rollback to s;",
    "select into": "select 1;\nselect 1 as x into table a;",
}


@pytest.mark.parametrize("name", TOLD)
def test_rehearse_does_not_refuse_what_it_cannot_run(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    project.migration("1_a", TOLD[name])
    assert main(["rehearse"]) == 0
    told = capsys.readouterr().out
    assert "rehearsed up to migrations/default/1_a/up.sql:2, whose statement runs in earnest only" in told
    assert run(engine).done == ["applied default/1_a"]


def test_rehearse_gives_each_migration_a_session_of_its_own(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration("1_a", "create schema app; set local search_path = app; create table a ();")
    project.migration(
        "2_b",
        "create table public.a (); select * from a join pg_class c on c.oid = 'a'::regclass "
        "and 1 / (c.relnamespace = 'public'::regnamespace)::int = 1;",
    )
    assert main(["rehearse"]) == 0
    assert "would succeed: 1_a, 2_b" in capsys.readouterr().out


def test_rehearse_leaves_nothing_in_the_session(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration("1_a", "prepare q as select 1; select pg_advisory_lock(4712); listen x;")
    assert main(["rehearse"]) == 0
    assert engine.rows("select count(*) from pg_locks where locktype = 'advisory' and objid = 4712") == [(0,)]
    with engine.client() as client:
        assert client.run_sql("select name from pg_prepared_statements where from_sql").rows == ()
    assert run(engine).done == ["applied default/1_a"]
    with engine.client() as client:
        client.run_sql("deallocate q; select pg_advisory_unlock_all(); unlisten *;")


def test_rehearse_holds_each_statement_to_its_own_time(engine: Engine, project: Project) -> None:
    """Not the sum of all to the time of one."""
    one = rehearse(
        [Script(shown="a", text="select 1; select pg_sleep(0.6); select pg_sleep(0.6);")],
        Timeouts(statement=1),
    )
    two = rehearse(
        [Script(shown="a", text="select 1;\nselect pg_sleep(1.2); select 1;")], Timeouts(statement=1)
    )
    with engine.client() as client:
        found = []
        for rehearsal in (one, two):
            with pytest.raises(HasuraError) as caught:
                client.run_sql(rehearsal.sql)
            found.append(rehearsal.outcome(caught.value))
    assert found[0] is None
    assert found[1] is not None
    assert (found[1].line, found[1].sqlstate) == (2, QUERY_CANCELED)


def test_rehearse_tells_what_it_cannot_know(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure that comes from the rehearsal's being one transaction is no reason to refuse."""
    project.migration("1_mood", "create type mood as enum ('good'); create table m (mood mood);")
    run(engine)
    project.migration("2_bad", "alter type mood add value 'bad';")
    project.migration("3_use", "select 1;\ninsert into m values ('bad');")
    assert main(["rehearse"]) == 0
    told = capsys.readouterr().out
    assert "rehearsed up to migrations/default/3_use/up.sql:2" in told
    assert "usable once that is committed" in told
    run(engine)
    project.migration("4_i", "-- no-transaction\ncreate unique index concurrently i on m (mood);")
    project.migration("5_i", "alter table m add constraint one unique using index i;")
    assert main(["rehearse"]) == 0
    told = capsys.readouterr().out
    assert (
        "rehearsed up to migrations/default/5_i/up.sql:1, which may need what was left out before it (4_i)"
        in told
    )
    run(engine)
    project.migration("6_both", "alter type mood add value 'worse'; insert into m values ('worse');")
    assert main(["rehearse"]) == 1
    assert "unsafe use of new value" in capsys.readouterr().err


def test_seed(engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.migration("1_users", USERS)
    run(engine)
    assert main(["seed"]) == 1
    assert "seeds: cannot be read" in capsys.readouterr().err
    folder = project.root / "seeds" / "default"
    folder.mkdir(parents=True)
    (folder / "users.sql").write_text("insert into users values ('a');")
    assert main(["seed"]) == 0
    assert capsys.readouterr().out == "seeded default/users.sql\n"
    assert main(["seed"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert engine.rows("select count(*) from users") == [(1,)]


def test_nobody_answers(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HASURA_GRAPHQL_ENDPOINT", "http://127.0.0.1:1")
    assert main(["status"]) == 1
    told = capsys.readouterr().err
    assert "http://127.0.0.1:1 does not answer" in told
    assert "Traceback" not in told


def test_bad_directories(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project.root / "hasura_metadata")
    (project.root / "migrations/default/x").mkdir()
    assert main(["status"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 4


@pytest.mark.parametrize("arguments", [["repair"], ["down", "-1"], ["down", "0"], ["down", "all"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """Minus one would be all but the oldest."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
