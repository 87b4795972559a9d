"""The deployer is killed with signal 9 at random moments; in the end each migration has run exactly once."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from components.hasura.client import HasuraClient
from components.schema.deployment import Settings, deploy
from components.schema.migrations import read_migrations
from tests.providers.schema.conftest import ADMIN_SECRET, Engine, Project

KILLS = int(os.environ.get("KILLS", "60"))
NEW_EACH_ROUND = 4
SEED = 20_261_124


def deployer(endpoint: str, folder: str, ready: Event) -> None:
    ready.set()
    with HasuraClient(endpoint, ADMIN_SECRET) as client:
        deploy(client, read_migrations(Path(folder), shown_as="migrations"), Settings(stack="kill"))


def test_every_migration_runs_exactly_once(engine: Engine, project: Project) -> None:
    context = multiprocessing.get_context("fork")
    randomly = random.Random(SEED)
    folder = str(project.root / "migrations")
    engine.rows("create table runs (version int)")
    version = 0
    kills = 0
    left_behind: set[tuple[bool, bool]] = set()
    longest = 0.0
    while kills < KILLS:
        for _ in range(NEW_EACH_ROUND):
            version += 1
            text = f"insert into runs values ({version});"
            if version % 7 == 0:
                text = f"-- no-transaction\n{text}"
            project.migration(f"{version:05}_run", text)
        ready = context.Event()
        process = context.Process(target=deployer, args=(engine.endpoint, folder, ready))
        process.start()
        assert ready.wait(60)
        started = time.monotonic()
        # Every so often one runs to its end, to know over how long the moments are to be spread.
        process.join(randomly.uniform(0, longest) if version // NEW_EACH_ROUND % 20 != 1 else None)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
        else:
            assert process.exitcode == 0
            longest = time.monotonic() - started
        left_behind.add(_state(engine, version))
        _repair_unfinished(engine)
    deployer(engine.endpoint, folder, context.Event())
    assert engine.rows("select version from runs order by version") == [(n,) for n in range(1, version + 1)]
    assert engine.rows(
        "select count(*), bool_and(state = 'done'), bool_and(in_catalog) from migration_ledger.migration"
    ) == [(version, True, True)]
    with engine.client() as client:
        migrations = client.get_catalog_state()["migrations"]
    assert migrations == {"default": {str(n): False for n in range(1, version + 1)}}
    # The kills did hit different moments: before anything ran, in the midst, before the catalog state.
    assert len(left_behind) >= 3, left_behind


def _state(engine: Engine, newest: int) -> tuple[bool, bool]:
    if engine.rows("select to_regclass('migration_ledger.migration')") == [(None,)]:
        return (False, False)
    rows = engine.rows(
        f"select max(version) = {newest}, bool_and(in_catalog) from migration_ledger.migration"
    )
    return (bool(rows[0][0]), bool(rows[0][1]))


def _repair_unfinished(engine: Engine) -> None:
    """What a person does after reading the preview: look whether the change is there, and say so."""
    if engine.rows("select to_regclass('migration_ledger.migration')") == [(None,)]:
        return
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        started = engine.rows("select version from migration_ledger.migration where state = 'started'")
        running = engine.rows(
            "select count(*) from pg_stat_activity where state <> 'idle' and pid <> pg_backend_pid() "
            "and datname = current_database() and backend_type = 'client backend'"
        )
        if not started or running == [(0,)]:
            break
        time.sleep(0.01)
    for (version,) in engine.rows("select version from migration_ledger.migration where state = 'started'"):
        there = engine.rows(f"select count(*) from runs where version = {version}") == [(1,)]
        engine.rows(
            f"update migration_ledger.migration set state = 'done' where version = {version}"
            if there
            else f"delete from migration_ledger.migration where version = {version}"
        )
