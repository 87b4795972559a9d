"""Migrations outside a transaction: run, undone, at work at this moment, and died half-way."""

from __future__ import annotations

import shutil
import threading

import pytest

from components.schema.__main__ import main
from components.schema.ledger import Timeouts
from components.schema.maintenance import roll_back
from components.schema.plan import Policy
from components.schema.problems import SchemaError
from components.schema.provider import MigrationsProvider
from components.schema.steps import Settings
from tests.images.containers import wait_for
from tests.providers.schema.conftest import ADMIN_SECRET, Engine, Project
from tests.providers.schema.test_deployment import USERS, catalog, ledger, run
from tests.providers.schema.test_provider import migration_inputs, reasons

INDEX = "-- no-transaction\n/* slow; */ create index concurrently users_name on users (name); -- the end\n"
WITHOUT = "-- no-transaction\ndrop index concurrently users_name;\n"
ON_HOLD = 4711
WAITING_INDEX = (
    "-- no-transaction\n"
    "create index concurrently -- waits until the test lets it go\n  users_held on users (held(name));\n"
)
HELD = (
    "create function held(text) returns text immutable language plpgsql as "
    f"'begin perform pg_advisory_xact_lock_shared({ON_HOLD}); return $1; end';"
    "insert into users values ('a', 'x');"
)


def indexes(engine: Engine) -> list[tuple[object, ...]]:
    return engine.rows(
        "select indexrelid::regclass::text, indisvalid from pg_index "
        "where indrelid = 'users'::regclass and not indisprimary"
    )


def test_down(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS, "drop table users;")
    folder = project.migration("2_index", INDEX, WITHOUT)
    run(engine)
    assert indexes(engine) == [("users_name", True)]
    shutil.rmtree(folder)
    assert run(engine, policy=Policy(rollback="down")).done == ["rolled back default/2_index"]
    assert indexes(engine) == []
    assert [row[1] for row in ledger(engine)] == [1]
    assert catalog(engine)["migrations"] == {"default": {"1": False}}  # type: ignore[index]


@pytest.mark.parametrize("choice", ["--done", "--forget"])
def test_down_that_died(
    engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    project.migration("1_users", USERS)
    project.migration("2_index", INDEX, "-- no-transaction\ndrop index concurrently nothing;")
    run(engine)
    with (
        engine.client() as client,
        pytest.raises(SchemaError, match=r'2_index .*: index "nothing" does not exist'),
    ):
        roll_back(client, "default", 1, Settings())
    refused = reasons(MigrationsProvider(), migration_inputs(engine.endpoint))[0]
    assert "2_index/up.sql: was being rolled back outside a transaction and was not seen to end" in refused
    assert f"{choice} 2" in refused
    monkeypatch.setenv("HASURA_GRAPHQL_ENDPOINT", engine.endpoint)
    monkeypatch.setenv("HASURA_GRAPHQL_ADMIN_SECRET", ADMIN_SECRET)
    assert main(["repair", choice, "2"]) == 0
    if choice == "--forget":
        engine.rows("drop index users_name")
    assert run(engine).done == ([] if choice == "--done" else ["applied default/2_index"])
    assert indexes(engine) == [("users_name", True)]


def test_what_was_not_seen_to_end_is_not_rolled_back(engine: Engine, project: Project) -> None:
    project.migration("1_users", USERS, "drop table users;")
    run(engine)
    engine.rows("update migration_ledger.migration set state = 'started'")
    with engine.client() as client, pytest.raises(SchemaError, match="was not seen to end"):
        roll_back(client, "default", 1, Settings())
    assert engine.rows("select to_regclass('users')::text") == [("users",)]


def test_down_is_not_rehearsed_and_not_one_of_several(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.migration("1_users", USERS)
    folders = [
        project.migration("2_index", INDEX, WITHOUT),
        project.migration("3_t", "create table t ();", "drop table t;"),
    ]
    run(engine)
    for folder in folders:
        shutil.rmtree(folder)
    with pytest.raises(SchemaError, match="down SQL of default/2_index:1: runs outside a transaction, while"):
        run(engine, policy=Policy(rollback="down"), transaction="all")
    assert len(ledger(engine)) == 3
    back = migration_inputs(engine.endpoint, rollback="down", rehearse=True)
    assert reasons(MigrationsProvider(), back) == []
    told = capsys.readouterr().err
    assert "not rehearsed, because outside a transaction: 2_index" in told
    assert "rehearsed, would succeed: 3_t" in told


def test_another_deployment_is_waited_for(
    engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it builds an index, nobody is told to drop that: the preview shows it, an update waits and is done."""
    project.migration("1_users", USERS + HELD)
    run(engine)
    project.migration("2_index", WAITING_INDEX)
    outcomes: list[list[str]] = []
    told: list[str] = []

    def deployer() -> None:
        outcomes.append(run(engine, report=told.append).done)

    threads = [threading.Thread(target=deployer) for _ in range(2)]
    with engine.connect() as holder:
        holder.execute("select pg_advisory_lock(%s)", [ON_HOLD])
        threads[0].start()
        wait_for(lambda: indexes(engine) == [("users_held", False)], "the index is being built")
        assert reasons(MigrationsProvider(), migration_inputs(engine.endpoint)) == []
        assert "default/2 is running outside a transaction (pid " in capsys.readouterr().err
        with pytest.raises(SchemaError, match="another deployment is at work: default/2_index"):
            run(engine, timeouts=Timeouts(deployment=0.1))
        threads[1].start()
        wait_for(lambda: any("running outside a transaction" in line for line in told), "the second waits")
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [[], ["applied default/2_index"]]
    assert indexes(engine) == [("users_held", True)]
    assert [row[4] for row in ledger(engine)] == ["done", "done"]
    assert reasons(MigrationsProvider(), migration_inputs(engine.endpoint)) == []
    assert "is running" not in capsys.readouterr().err
