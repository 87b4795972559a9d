"""Migrations against a real Postgres through the engine: exactly once, whatever happens."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from components.hasura.client import HasuraClient, HasuraError
from components.schema import ledger as sql_of
from components.schema.deployment import Outcome, deploy, read_states
from components.schema.ledger import LOCK_KEYS, Timeouts
from components.schema.maintenance import roll_back
from components.schema.migrations import read_migrations
from components.schema.plan import Policy, lost_in_catalog
from components.schema.problems import SchemaError
from components.schema.steps import Settings, Transaction
from tests.images.containers import wait_for
from tests.providers.schema.conftest import ADMIN_SECRET, Engine, Project

USERS = "create table users (id text primary key, name text);\n"


def run(
    engine: Engine,
    *,
    client: HasuraClient | None = None,
    report: Callable[[str], None] = print,
    **settings: object,
) -> Outcome:
    chosen = Settings(**{"stack": "test", **settings})  # type: ignore[arg-type]
    with client or engine.client() as used:
        return deploy(used, read_migrations(Path("migrations"), shown_as="migrations"), chosen, report)


def ledger(engine: Engine, database: str = "first") -> list[tuple[object, ...]]:
    return engine.rows(
        "select source, version::int, name, origin, state, in_catalog from migration_ledger.migration "
        "order by 1, 2",
        database,
    )


def catalog(engine: Engine) -> object:
    with engine.client() as client:
        return client.get_catalog_state()


def test_applies_in_order_and_once(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS, "drop table users;\n")
    project.migration("2_row", "insert into users values ('a', 'it''s $t$ and $$') -- no newline at the end")
    assert run(engine).done == ["applied default/1_users", "applied default/2_row"]
    assert engine.rows("select id, name from users") == [("a", "it's $t$ and $$")]
    assert ledger(engine) == [
        ("default", 1, "users", "applied", "done", True),
        ("default", 2, "row", "applied", "done", True),
    ]
    assert engine.rows("select down_sql, stack from migration_ledger.migration order by version") == [
        ("drop table users;\n", "test"),
        (None, "test"),
    ]
    assert catalog(engine) == {
        "migrations": {"default": {"1": False, "2": False}},
        "settings": {"migration_mode": "true"},
        "isStateCopyCompleted": True,
    }
    assert run(engine).done == []


def test_a_ledger_of_before_its_function_gets_it(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    run(engine)
    engine.rows(f"drop function {sql_of.REFUSE}(text, text)")
    project.migration("2_more", "alter table users add note text;")
    assert run(engine).done == ["applied default/2_more"]
    assert engine.rows(f"select to_regproc('{sql_of.REFUSE}') is not null") == [(True,)]


def test_nothing_to_do_writes_nothing(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    run(engine)
    with engine.client() as client:
        before = client.export_metadata()
    sent: list[str] = []

    class Watching(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            body = json.loads(request.read())
            sent.append(body["type"] + (" read_only" if body["args"].get("read_only") else ""))
            return super().handle_request(request)

    assert run(engine, client=HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Watching())).done == []
    assert sent == ["run_sql read_only", "get_catalog_state"]
    with engine.client() as client:
        assert client.export_metadata() == before


def test_catalog_state_keeps_what_is_not_ours(engine: Engine, project: Project) -> None:
    with engine.client() as client:
        client.set_catalog_state(
            {
                "migrations": {"elsewhere": {"7": False}},
                "settings": {"migration_mode": "false"},
                "their": {"own": 1},
            }
        )
    project.migration("1_users", USERS)
    run(engine)
    assert catalog(engine) == {
        "migrations": {"elsewhere": {"7": False}, "default": {"1": False}},
        "settings": {"migration_mode": "false"},
        "their": {"own": 1},
        "isStateCopyCompleted": True,
    }


def test_failure_tells_file_line_and_what_was_done(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    project.migration(
        "2_rows", "insert into users values ('a');\n\n-- again\ninsert into users\nvalues ('a');\n"
    )
    project.migration("3_more", "create table more ();")
    with pytest.raises(SchemaError) as caught:
        run(engine)
    assert str(caught.value).splitlines() == [
        "migrations failed:",
        '  migrations/default/2_rows/up.sql:4: duplicate key value violates unique constraint "users_pkey"'
        " (SQLSTATE 23505)",
        "      detail: Key (id)=(a) already exists.",
        "      statement: insert into users values ('a')",
        "  Done before it: applied default/1_users.",
        "  Nothing else was run.",
    ]
    assert engine.rows("select count(*) from users") == [(0,)]
    assert [row[1] for row in ledger(engine)] == [1]
    # The Hasura CLI, if used next, must not run the first again.
    assert catalog(engine)["migrations"] == {"default": {"1": False}}  # type: ignore[index]


def test_failure_behind_many_names_the_first_and_the_last(engine: Engine, project: Project) -> None:
    for number in range(20):
        project.migration(f"{number}_m", f"select {number};")
    project.migration("20_bad", "select 1/0;")
    with pytest.raises(SchemaError) as caught:
        run(engine)
    done = ", ".join(f"applied default/{number}_m" for number in range(10))
    assert f"Done before it: {done} and 10 more, the last: applied default/19_m." in str(caught.value)


def test_hint_and_line_of_a_raised_error(engine: Engine, project: Project) -> None:
    project.migration(
        "1_a",
        "select 1;\ndo $$ begin raise exception 'stop' using detail = 'the detail', hint = 'the "
        "hint'; end $$;",
    )
    with pytest.raises(SchemaError) as caught:
        run(engine)
    text = str(caught.value)
    assert "migrations/default/1_a/up.sql:2: stop (SQLSTATE P0001)" in text
    assert "detail: the detail" in text
    assert "hint: the hint" in text


def test_syntax_error_behind_a_statement_that_would_fail(engine: Engine, project: Project) -> None:
    project.migration("1_a", "select * from nowhere;\n\ncreate\n  tabel x ();\n")
    with pytest.raises(
        SchemaError, match=r'1_a/up.sql:4: syntax error at or near "tabel" \(SQLSTATE 42601\)'
    ):
        run(engine)


def test_looking_for_the_statement_leaves_nothing(engine: Engine, project: Project) -> None:
    project.migration("1_a", "create table a ();\ncreate table b ();\nselect 1/0;")
    with pytest.raises(SchemaError, match=r"1_a/up.sql:3: division by zero"):
        run(engine)
    assert engine.rows("select tablename from pg_tables where schemaname = 'public'") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("create table a ();\ncommit;", r"1_a/up.sql:2: transaction control \(COMMIT\)"),
        ("create table a ();\nselect 'open", "1_a/up.sql:2: the string that starts here is not closed"),
        ("create table a ();\n/* open", "1_a/up.sql:2: the comment that starts here is not closed"),
        (
            "create table a ();\ncreate index concurrently i on a (x);",
            "1_a/up.sql:2: CREATE INDEX cannot run",
        ),
    ],
)
def test_found_before_anything_runs(engine: Engine, project: Project, text: str, place: str) -> None:
    project.migration("1_a", text)
    with pytest.raises(SchemaError, match=place):
        run(engine)
    assert engine.rows("select to_regclass('a'), to_regclass('migration_ledger.migration')") == [(None, None)]


def test_a_search_path_set_by_a_file_does_not_lead_the_ledger_astray(
    engine: Engine, project: Project
) -> None:
    project.migration("1_a", "select set_config('search_path', '', true); create table public.a ();")
    project.migration("2_b", "create table public.b ();")
    assert len(run(engine).done) == 2


def test_outside_a_transaction(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    project.migration("2_index", "-- no-transaction\ncreate index concurrently users_name on users (name);\n")
    run(engine)
    assert engine.rows("select indisvalid from pg_index where indexrelid = 'users_name'::regclass") == [
        (True,)
    ]
    assert ledger(engine)[1][4] == "done"


def test_outside_a_transaction_and_failed(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS + "insert into users values ('a', 'x'), ('b', 'x');")
    project.migration(
        "2_index", "-- no-transaction\ncreate unique index concurrently users_name on users (name);\n"
    )
    with pytest.raises(SchemaError, match=r"2_index/up\.sql: could not create unique index"):
        run(engine)
    with pytest.raises(SchemaError) as caught:
        run(engine)
    text = str(caught.value)
    assert "migrations/default/2_index/up.sql: ran outside a transaction" in text
    assert "INVALID now: users_name." in text
    assert "repair --source default --done 2" in text
    assert engine.rows("select count(*) from migration_ledger.migration where state = 'started'") == [(1,)]


def test_all_or_nothing(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    project.migration("2_bad", "create table b ();\nselect 1/0;")
    with pytest.raises(SchemaError, match=r"2_bad/up.sql:2: division by zero"):
        run(engine, transaction="all")
    assert engine.rows("select to_regclass('users')") == [(None,)]
    project.migration("2_bad", "create table b ();")
    run(engine, transaction="all")
    assert [row[1] for row in ledger(engine)] == [1, 2]


def test_all_or_nothing_backwards_as_well(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    folders = [project.migration(f"{n}_t", f"create table t{n} ();", f"drop table t{n};") for n in (2, 3)]
    run(engine)
    for folder in folders:
        shutil.rmtree(folder)
    project.migration("4_more", "create table more ();\nselect 1/0;")
    back = {"policy": Policy(rollback="down"), "transaction": "all"}
    with pytest.raises(SchemaError, match=r"4_more/up.sql:2: division by zero"):
        run(engine, **back)
    assert [row[1] for row in ledger(engine)] == [1, 2, 3]
    assert engine.rows("select to_regclass('t2')::text, to_regclass('t3')::text") == [("t2", "t3")]
    project.migration("4_more", "create table more ();")
    done = "rolled back default/3_t, rolled back default/2_t, applied default/4_more"
    assert run(engine, **back).done == [done]
    assert [row[1] for row in ledger(engine)] == [1, 4]
    assert run(engine, **back).done == []


@pytest.mark.parametrize("status", [413, 403])
def test_refused_as_a_whole(engine: Engine, project: Project, status: int) -> None:
    """By what stands before the engine: nothing ran, and nothing is said to have run."""

    class Refusing(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if json.loads(request.read())["type"] == "bulk":
                return httpx.Response(status, text="<html>no</html>")
            return super().handle_request(request)

    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();")
    with pytest.raises(SchemaError) as caught:
        run(engine, client=HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Refusing()))
    text = str(caught.value)
    assert "migrations/default: the request was refused as a whole: POST /v2/query: <html>no</html>" in text
    assert f"HTTP {status}" in text
    assert "Done before it: nothing." in text
    assert engine.rows("select to_regclass('users')") == [(None,)]


def test_two_that_write_the_catalog_state_at_once(engine: Engine, project: Project) -> None:
    """Where the isolation level refuses the second, it is tried again."""

    class Colliding(httpx.HTTPTransport):
        collided = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if not self.collided and b"set in_catalog = true" in request.read():
                self.collided += 1
                error = {"status_code": "40001", "message": "could not serialize access"}
                return httpx.Response(
                    400,
                    json={
                        "code": "postgres-error",
                        "path": "$",
                        "error": "query execution failed",
                        "internal": {"error": error},
                    },
                )
            return super().handle_request(request)

    project.migration("1_users", USERS)
    transport = Colliding()
    run(engine, client=HasuraClient(engine.endpoint, ADMIN_SECRET, transport=transport))
    assert transport.collided == 1
    assert [row[5] for row in ledger(engine)] == [True]


def test_a_down_of_comments_is_none(engine: Engine, project: Project) -> None:
    """As the Hasura console writes it. Else it would be run, undo nothing, and count as rolled back."""
    project.migration(
        "1_users", USERS, "-- Could not auto-generate a down migration.\n-- drop table users;\n"
    )
    run(engine)
    assert engine.rows("select down_sql from migration_ledger.migration") == [(None,)]
    shutil.rmtree(project.root / "migrations/default/1_users")
    with pytest.raises(SchemaError, match="is to be rolled back and has no down SQL in the ledger"):
        run(engine, policy=Policy(rollback="down"))


def test_a_down_that_could_not_run_is_found_before_its_up_runs(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS, "drop table users;\ncommit;")
    with pytest.raises(SchemaError, match=r"1_users/down.sql:2: transaction control \(COMMIT\)"):
        run(engine)
    assert engine.rows("select to_regclass('users')") == [(None,)]


def test_what_ends_its_own_transaction_is_told_where_to_go(engine: Engine, project: Project) -> None:
    project.migration("1_a", "create table a ();\ndo $$ begin commit; end $$;")
    with pytest.raises(SchemaError, match="first line is `-- no-transaction`") as caught:
        run(engine)
    assert "1_a/up.sql:2: invalid transaction termination" in str(caught.value)
    project.migration("1_a", "-- no-transaction\ndo $$ begin create table a (); commit; end $$;")
    assert run(engine).done == ["applied default/1_a"]


def test_second_source_is_added_before_its_migrations(engine: Engine, project: Project) -> None:
    project.migration("1_a", "create table a ();", source="second")
    configuration = {"connection_info": {"database_url": {"from_env": "SECOND_DATABASE_URL"}}}
    run(engine, configurations={"second": {"kind": "postgres", "configuration": configuration}})
    assert engine.rows("select to_regclass('a')::text", "second") == [("a",)]
    assert engine.rows("select to_regclass('a')::text", "first") == [(None,)]
    assert [row[0] for row in ledger(engine, "second")] == ["second"]


def test_second_source_that_the_engine_cannot_have(engine: Engine, project: Project) -> None:
    project.migration("1_a", "create table a ();", source="second")
    with pytest.raises(SchemaError, match="the engine has no source named second"):
        run(engine)
    configuration = {"connection_info": {"database_url": {"from_env": "NO_SUCH_VARIABLE"}}}
    with pytest.raises(SchemaError, match="NO_SUCH_VARIABLE"):
        run(engine, configurations={"second": {"kind": "postgres", "configuration": configuration}})


def test_second_source_beside_metadata_that_does_not_fit(engine: Engine, project: Project) -> None:
    """What is wrong elsewhere is no reason to refuse a source, and is not repaired in passing."""
    with engine.client() as client:
        version, metadata = client.export_metadata()
        metadata["sources"][0]["tables"] = [{"table": {"name": "ghosts", "schema": "public"}}]  # type: ignore[index,call-overload]
        client.replace_metadata(metadata, version, allow_inconsistent=True)
    project.migration("1_a", "create table a ();", source="second")
    configuration = {"connection_info": {"database_url": {"from_env": "SECOND_DATABASE_URL"}}}
    run(engine, configurations={"second": {"kind": "postgres", "configuration": configuration}})
    assert engine.rows("select to_regclass('a')::text", "second") == [("a",)]
    with engine.client() as client:
        assert [each.name for each in client.inconsistent()] == ["table ghosts in source default"]


def test_roll_back(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    for number in (2, 3):
        project.migration(f"{number}_t", f"create table t{number} ();", f"drop table t{number};")
    run(engine)
    for number in (2, 3):
        for file in ("up.sql", "down.sql"):
            (project.root / f"migrations/default/{number}_t/{file}").unlink()
        (project.root / f"migrations/default/{number}_t").rmdir()
    with pytest.raises(SchemaError, match="is missing here"):
        run(engine)
    outcome = run(engine, policy=Policy(rollback="down"))
    assert outcome.done == ["rolled back default/3_t", "rolled back default/2_t"]
    assert engine.rows("select tablename from pg_tables where schemaname = 'public'") == [("users",)]
    assert catalog(engine)["migrations"] == {"default": {"1": False}}  # type: ignore[index]


def test_adoption_and_baseline(engine: Engine, project: Project) -> None:
    engine.rows(USERS)
    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();")
    with engine.client() as client:
        client.set_catalog_state({"migrations": {"default": {"1": False}}, "isStateCopyCompleted": True})
    assert run(engine).done == ["taking over 1_users", "applied default/2_b"]
    assert [row[3] for row in ledger(engine)] == ["adopted", "applied"]
    assert run(engine).done == []

    engine.reset()
    engine.rows(USERS)
    assert run(engine, policy=Policy(baseline={"default": 1})).done == [
        "taking over 1_users",
        "applied default/2_b",
    ]
    assert [row[3] for row in ledger(engine)] == ["baseline", "applied"]
    assert run(engine, policy=Policy(baseline={"default": 1})).done == []


@pytest.mark.parametrize("moved", [False, True])
def test_adoption_of_what_an_older_cli_recorded(engine: Engine, project: Project, moved: bool) -> None:
    """Before Hasura 2.0 the record lay in each database; the newer CLI moves it at its first command."""
    engine.rows(
        USERS + "drop schema if exists hdb_catalog cascade; create schema hdb_catalog;"
        "create table hdb_catalog.schema_migrations (version bigint primary key, dirty boolean not null);"
        "insert into hdb_catalog.schema_migrations values (1, false)"
    )
    try:
        project.migration("1_users", USERS)
        project.migration("2_b", "create table b ();")
        if moved:
            with engine.client() as client:
                client.set_catalog_state({"isStateCopyCompleted": True})
            with pytest.raises(SchemaError, match='relation "users" already exists'):
                run(engine)
        else:
            assert run(engine).done == ["taking over 1_users", "applied default/2_b"]
            assert run(engine).done == []
    finally:
        engine.rows("drop schema hdb_catalog cascade")


class Losing(httpx.HTTPTransport):
    """Carries out the n-th bulk and loses the answer, or loses the request before it is sent on."""

    def __init__(self, *, arrives: bool) -> None:
        super().__init__()
        self.arrives = arrives
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self.lost and json.loads(request.read())["type"] == "bulk":
            self.lost += 1
            if self.arrives:
                super().handle_request(request).read()
            raise httpx.ReadError("connection reset by peer")
        return super().handle_request(request)


@pytest.mark.parametrize("arrives", [True, False])
def test_lost_answer_is_settled_by_the_ledger(engine: Engine, project: Project, arrives: bool) -> None:
    project.migration("1_users", USERS)
    project.migration("2_row", "insert into users values ('a');")
    transport = Losing(arrives=arrives)
    told: list[str] = []
    outcome = run(
        engine, client=HasuraClient(engine.endpoint, ADMIN_SECRET, transport=transport), report=told.append
    )
    assert transport.lost == 1
    assert "the answer was lost" in told[0]
    suffix = " (as the ledger tells)" if arrives else ""
    assert outcome.done == [f"applied default/1_users{suffix}", f"applied default/2_row{suffix}"]
    assert engine.rows("select id from users") == [("a",)]
    assert [row[5] for row in ledger(engine)] == [True, True]


def test_killed_before_the_catalog_state(engine: Engine, project: Project) -> None:
    class Dying(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if json.loads(request.read())["type"] == "set_catalog_state":
                raise KeyboardInterrupt
            return super().handle_request(request)

    project.migration("1_users", USERS)
    with pytest.raises(KeyboardInterrupt):
        run(engine, client=HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Dying()))
    assert catalog(engine) == {}
    run(engine)
    assert catalog(engine)["migrations"] == {"default": {"1": False}}  # type: ignore[index]


def test_two_deployers_at_once(engine: Engine, project: Project) -> None:
    project.migration("01_runs", "create table runs (version int);")
    for number in range(2, 12):
        project.migration(f"{number:02}_run", f"insert into runs values ({number}); select pg_sleep(0.02);")
    start = threading.Barrier(3)

    def deployer() -> list[str]:
        start.wait()
        return run(engine).done

    with ThreadPoolExecutor(3) as pool:
        outcomes = [future.result() for future in [pool.submit(deployer) for _ in range(3)]]
    assert engine.rows("select version from runs order by 1") == [(number,) for number in range(2, 12)]
    assert len(ledger(engine)) == 11
    own = [line for done in outcomes for line in done if "as the ledger tells" not in line]
    assert len(own) == len(set(own)) == 11


def test_a_ledger_that_another_deployer_makes_meanwhile(engine: Engine, project: Project) -> None:
    """Also on a connection that has looked for it in vain and not heard of it since."""
    sql = sql_of.create(Timeouts())
    with engine.connect() as one, engine.connect() as two, ThreadPoolExecutor(1) as pool:
        one.autocommit = False
        # The first definition in a session makes it look at the tables that tell of others' changes.
        two.execute("create table first_of_session (); drop table first_of_session")
        assert two.execute("select to_regnamespace('migration_ledger')").fetchone() == (None,)
        one.execute(sql)
        waiting = pool.submit(two.execute, sql)
        wait_for(lambda: _waiting(engine) == 1, "the second waits")
        one.commit()
        waiting.result()
    assert ledger(engine) == []


def _waiting(engine: Engine) -> object:
    ((count,),) = engine.rows("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    return count


def test_waits_for_another_deployer_but_not_for_ever(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    with engine.connect() as other:
        other.autocommit = False
        other.execute("select pg_advisory_xact_lock(%s, %s)", LOCK_KEYS)
        with pytest.raises(SchemaError) as caught:
            run(engine, timeouts=Timeouts(deployment=0.3))
        assert "SQLSTATE 55P03" in str(caught.value)
        assert f"another deployment is at work: pid {other.info.backend_pid}, user" in str(caught.value)
        waiting = threading.Thread(target=run, args=(engine,))
        waiting.start()
        wait_for(lambda: _waiting(engine) == 1, "the deployer waits")
        assert engine.rows("select to_regclass('users')") == [(None,)]
        other.rollback()
        waiting.join()
    assert engine.rows("select to_regclass('users')::text") == [("users",)]


def test_a_long_deployment_tells_how_far_it_has_come(
    engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.schema.deployment.PROGRESS_SECONDS", 0.05)
    project.migration("1_users", USERS)
    project.migration("2_waits", "select pg_advisory_xact_lock(4713);")
    told: list[str] = []
    with engine.connect() as holder:
        holder.execute("select pg_advisory_lock(4713)")
        deployer = threading.Thread(target=run, args=(engine,), kwargs={"report": told.append})
        deployer.start()
        wait_for(
            lambda: any("1 of 2 migrations are in the ledger" in line for line in list(told)), "it tells"
        )
    deployer.join()
    assert len(ledger(engine)) == 2


def test_lock_timeout_names_who_blocks_and_nobody_else(engine: Engine, project: Project) -> None:
    engine.rows(USERS + "create table others (id text);")
    project.migration("1_a", "select 1;\nalter table users add column email text;")
    with engine.connect() as other, engine.connect() as bystander:
        for connection, query in (
            (other, "select * from users where id = 'secret'"),
            (bystander, "select * from others"),
        ):
            connection.autocommit = False
            connection.execute(query)
        pid, innocent = other.info.backend_pid, bystander.info.backend_pid
        with pytest.raises(SchemaError) as caught:
            run(engine, timeouts=Timeouts(lock=0.5))
        other.rollback()
        bystander.rollback()
    text = str(caught.value)
    assert "migrations/default/1_a/up.sql:2: canceling statement due to lock timeout (SQLSTATE 55P03)" in text
    assert f"blocked by: pid {pid}, user postgres, idle in transaction, query since 20" in text
    assert "select * from users where id = '...'" in text
    assert f"pid {innocent}," not in text
    assert run(engine).done == ["applied default/1_a"]


def test_statement_timeout(engine: Engine, project: Project) -> None:
    project.migration("1_a", "create table a ();\nselect pg_sleep(30);")
    with pytest.raises(SchemaError, match=r"1_a/up.sql:2: canceling statement due to statement timeout"):
        run(engine, timeouts=Timeouts(statement=0.3))
    assert engine.rows("select to_regclass('a')") == [(None,)]


def test_large_file_in_pieces(engine: Engine, project: Project) -> None:
    body = "insert into users values\n" + ",\n".join(f"('{n}', 'Zoë {n}')" for n in range(100_000)) + ";\n"
    assert len(body) > 2 << 20
    project.migration("1_users", USERS + body)
    run(engine)
    assert engine.rows("select count(*), max(name) from users where name like 'Zoë%'") == [
        (100_000, "Zoë 99999")
    ]


def test_guard_names_its_reason(engine: Engine) -> None:
    limits = Timeouts()

    def attempt(version: int, *, out_of_order: bool = False, after: int | None = None) -> str | None:
        sql = sql_of.guard("default", [version], out_of_order=out_of_order, after=after)
        sql += sql_of.insert("default", version, "x", "0", stack="test", down=None)
        with engine.client() as client:
            try:
                client.run_sql(sql_of.lock(limits) + sql)
            except HasuraError as error:
                return error.sqlstate
        return None

    with engine.client() as client:
        client.run_sql(sql_of.create(limits))
        client.run_sql(sql_of.create(limits))
    assert attempt(2) is None
    assert attempt(2) == attempt(2, out_of_order=True) == sql_of.ALREADY_RECORDED
    assert attempt(1) == sql_of.NEWER_RECORDED
    assert attempt(1, out_of_order=True) is None
    assert attempt(3) is None
    assert attempt(5, after=4) == sql_of.PREDECESSOR_GONE
    assert attempt(5, after=3) is None


@pytest.mark.parametrize(
    ("versions", "out_of_order", "expected"),
    [
        ([4, 7], False, None),
        ([3, 4], False, sql_of.ALREADY_RECORDED),
        ([2, 3], False, sql_of.ALREADY_RECORDED),
        ([2, 4], False, sql_of.NEWER_RECORDED),
        ([2, 4], True, None),
        ([2, 3], True, sql_of.ALREADY_RECORDED),
    ],
)
def test_guard_of_several(
    engine: Engine, versions: list[int], out_of_order: bool, expected: str | None
) -> None:
    with engine.client() as client:
        client.run_sql(sql_of.create(Timeouts()))
        client.run_sql(sql_of.insert("default", 3, "x", "0", stack="test", down=None))
        sql = sql_of.guard("default", versions, out_of_order=out_of_order)
        if expected is None:
            client.run_sql(sql)
        else:
            with pytest.raises(HasuraError) as caught:
                client.run_sql(sql)
            assert caught.value.sqlstate == expected


def test_all_are_confirmed(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS)
    project.migration("2_forget", "delete from migration_ledger.migration where version = 1;")
    project.migration("3_more", "create table more ();")
    with pytest.raises(SchemaError, match="took the record of version 1 out of the ledger"):
        run(engine, transaction="all")
    assert engine.rows("select to_regclass('users')") == [(None,)]


@pytest.mark.parametrize("transaction", ["each", "all"])
def test_a_roll_back_in_between_is_not_built_upon(
    engine: Engine, project: Project, transaction: Transaction
) -> None:
    """Another deployment takes back what this one's new migration was to follow."""
    project.migration("1_users", USERS)
    project.migration("2_b", "create table b ();", "drop table b;")
    run(engine)
    project.migration("3_c", "create table c ();")
    project.migration("4_d", "create table d ();")

    class Racing(httpx.HTTPTransport):
        raced = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if not self.raced and json.loads(request.read())["type"] == "bulk":
                self.raced = True
                with engine.client() as other:
                    roll_back(other, "default", 1, Settings())
            return super().handle_request(request)

    client = HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Racing())
    run(engine, client=client, transaction=transaction)
    assert [row[1] for row in ledger(engine)] == [1, 2, 3, 4]
    assert engine.rows("select to_regclass('b')::text, to_regclass('c')::text") == [("b", "c")]


def test_what_came_in_between_is_not_rolled_back_from_beneath(engine: Engine, project: Project) -> None:
    """Another deployment has built upon what this one was to take back: both go, newest first."""
    project.migration("1_users", USERS)
    folder = project.migration("2_b", "create table b (id int);", "drop table b;")
    run(engine)
    shutil.rmtree(folder)
    told: list[str] = []

    class Racing(httpx.HTTPTransport):
        raced = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if not self.raced and json.loads(request.read())["type"] == "bulk":
                self.raced = True
                row = sql_of.insert("default", 3, "c", "0", stack="other", down="drop view c")
                with engine.client() as other:
                    other.run_sql(row + "create view c as select * from b")
            return super().handle_request(request)

    client = HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Racing())
    done = run(engine, client=client, policy=Policy(rollback="down"), report=told.append).done
    assert done == ["rolled back default/3_c", "rolled back default/2_b"]
    assert [row[1] for row in ledger(engine)] == [1]


def test_reading_while_another_deployer_writes(engine: Engine, project: Project) -> None:
    """After each look at the catalog state another deployment finishes one more migration."""
    project.migration("1_users", USERS)
    run(engine)

    class Racing(httpx.HTTPTransport):
        newest = 1

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            looks = json.loads(request.read())["type"] == "get_catalog_state"
            if looks:
                self.finish_one_more()
            answer = super().handle_request(request)
            answer.read()
            if looks:
                self.finish_one_more()
            return answer

        def finish_one_more(self) -> None:
            if self.newest >= 5:
                return
            self.newest += 1
            row = sql_of.insert("default", self.newest, "x", "0", stack="other", down=None, in_catalog=True)
            with engine.client() as other:
                other.run_sql(row)
                told = {str(version): False for version in range(1, self.newest + 1)}
                other.set_catalog_state({"migrations": {"default": told}})

    with HasuraClient(engine.endpoint, ADMIN_SECRET, transport=Racing()) as client:
        state = read_states(client, ["default"])["default"]
    assert lost_in_catalog(state) == ()
    assert [row.version for row in state.ledger or ()] == [1, 2, 3, 4, 5]
