"""Migrations through the real CLI, in the order in which a project lives: forward, refused, back, repaired."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg
import pytest
from project_copy import ProjectCopy

from components.hasura.client import HasuraClient

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

TABLE = "hasura_metadata/databases/default/tables/public_users.yaml"
EMAIL = "1800000000001_email"


@pytest.fixture(scope="module")
def up(project: ProjectCopy) -> ProjectCopy:
    """A stack without the proof, which has tests of its own."""
    project.run("pulumi", "stack", "init", project.stack).ok()
    configure(project, proof="false")
    project.up().ok()
    return project


def configure(project: ProjectCopy, **values: str) -> None:
    for key, value in values.items():
        project.pulumi("config", "set", key, value).ok()


def write(project: ProjectCopy, key: str, up: str, down: str | None = None) -> Path:
    folder = project.folder / "migrations" / "default" / key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "up.sql").write_text(up)
    if down is not None:
        (folder / "down.sql").write_text(down)
    return folder


def rows(project: ProjectCopy, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(project.outputs()["databaseUrl"], autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def columns(project: ProjectCopy) -> set[str]:
    found = rows(project, "select column_name from information_schema.columns where table_name = 'users'")
    return {str(name) for (name,) in found}


def test_a_migration_and_its_permission_are_a_line_each(up: ProjectCopy) -> None:
    write(up, EMAIL, "alter table users add column email text;", "alter table users drop column email;")
    path = up.folder / TABLE
    path.write_text(path.read_text().replace("        - name\n", "        - name\n        - email\n"))
    shown = up.pulumi("preview", "--diff").ok()
    assert f"+ {EMAIL}: " in shown
    assert "+ email: true" in shown
    assert "- id" not in shown
    said = up.up().ok()
    assert f"applied default/{EMAIL}" in said
    assert "metadata: role `user` on `users`: may now also read `email`" in said
    assert "email" in columns(up)
    up.pulumi("preview", "--expect-no-changes").ok()


def test_an_applied_file_that_was_edited_is_refused_with_both_checksums(up: ProjectCopy) -> None:
    [(before,)] = rows(up, "select checksum from migration_ledger.migration where version = 1800000000001")
    file = up.folder / "migrations/default" / EMAIL / "up.sql"
    text = file.read_text()
    file.write_text(text + "-- later\n")
    said = up.pulumi("preview").failed()
    file.write_text(text)
    assert f"migrations/default/{EMAIL}/up.sql: was changed after it ran" in said
    assert f"ledger {before}, file " in said


def test_an_older_commit_is_refused_then_rolled_back_to_on_purpose(up: ProjectCopy, tmp_path: Path) -> None:
    folder, path = up.folder / "migrations/default" / EMAIL, up.folder / TABLE
    shutil.copytree(folder, tmp_path / EMAIL)
    metadata = path.read_text()
    shutil.rmtree(folder)
    path.write_text(metadata.replace("        - email\n", ""))
    assert f"migrations/default/{EMAIL}: ran (" in up.pulumi("preview").failed()
    configure(up, rollback="down")
    assert (
        f"default: would roll back {EMAIL} by the down SQL that the ledger keeps: "
        in up.pulumi("preview").ok()
    )
    assert f"rolled back default/{EMAIL}" in up.up().ok()
    assert "email" not in columns(up)
    up.pulumi("preview", "--expect-no-changes").ok()
    up.pulumi("config", "rm", "rollback").ok()
    shutil.copytree(tmp_path / EMAIL, folder)
    path.write_text(metadata)
    assert f"applied default/{EMAIL}" in up.up().ok()


def test_a_version_older_than_the_newest_needs_permission(up: ProjectCopy) -> None:
    write(up, "1750000000000_late", "create table late (id bigint primary key);")
    said = up.pulumi("preview").failed()
    assert "1750000000000_late/up.sql: is older than 1800000000001, which has run already" in said
    configure(up, outOfOrder="true")
    assert "applied default/1750000000000_late" in up.up().ok()
    up.pulumi("config", "rm", "outOfOrder").ok()
    up.pulumi("preview", "--expect-no-changes").ok()


def test_a_failure_names_file_and_line_and_keeps_what_came_before(up: ProjectCopy) -> None:
    write(up, "1800000000002_one", "create table one (id bigint primary key);")
    write(up, "1800000000003_two", "-- two\nselect 1;\n\ninsert into one\n  values ('x');\nselect 2;\n")
    configure(up, rehearse="true")
    said = up.pulumi("preview").failed()
    assert "1800000000003_two/up.sql:4: would fail: invalid input syntax" in said
    assert rows(up, "select to_regclass('one')") == [(None,)]
    configure(up, rehearse="false")
    said = up.up().failed()
    assert "1800000000003_two/up.sql:4: invalid input syntax for type bigint" in said
    assert "(SQLSTATE 22P02)" in said
    assert "Done before it: applied default/1800000000002_one." in said
    assert "Nothing else was run." in said
    write(up, "1800000000003_two", "insert into one values (1);")
    said = up.up().ok()
    assert "applied default/1800000000003_two" in said
    assert "applied default/1800000000002_one" not in said


def test_a_dump_comes_before_what_destroys(up: ProjectCopy) -> None:
    configure(up, backupDirectory="dumps")
    up.up().ok()
    write(up, "1800000000004_drop", "drop table one;", "create table one (id bigint primary key);")
    configure(up, lint="error")
    assert "1800000000004_drop/up.sql:1: Dropping a table may break existing clients" in up.up().failed()
    assert not (up.folder / "dumps").exists()
    configure(up, lint="off")
    reason = "a dump of default is due before migrations/default/1800000000004_drop/up.sql:1: drop table one"
    assert reason in up.pulumi("preview").ok()
    said = up.up().ok()
    (dump,) = (up.folder / "dumps").iterdir()
    assert f"dumps/{dump.name}" in said
    assert 'COPY "public"."one" ("id") FROM stdin;\n1\n' in dump.read_text()
    assert rows(up, "select to_regclass('one')") == [(None,)]
    up.run("make", "rollback").ok()
    assert rows(up, "select count(*) from one") == [(0,)]
    assert len(list((up.folder / "dumps").iterdir())) == 2
    assert '"default: apply 1800000000004_drop"' in up.pulumi("preview", "--diff").ok()
    assert "applied default/1800000000004_drop" in up.up().ok()
    up.pulumi("preview", "--expect-no-changes").ok()


def test_seeds_are_applied_when_they_change(up: ProjectCopy) -> None:
    assert "this stack has no seeds" in up.run("make", "seed").failed()
    seed = up.folder / "seeds/default/users.sql"
    seed.parent.mkdir(parents=True)
    seed.write_text("insert into users (id) values ('seed') on conflict do nothing;")
    configure(up, seedsDirectory="seeds")
    assert "seeded default/users.sql" in up.up().ok()
    up.pulumi("preview", "--expect-no-changes").ok()
    assert rows(up, "select count(*) from users") == [(1,)]


def test_what_died_outside_a_transaction_is_shown_and_repaired(up: ProjectCopy) -> None:
    rows(up, "insert into users (id, email) values ('a', 'same'), ('b', 'same')")
    key = "1800000000005_index"
    write(up, key, "-- no-transaction\ncreate unique index concurrently users_email on users (email);")
    said = up.up().failed()
    assert 'could not create unique index "users_email"' in said
    said = up.pulumi("preview").failed()
    assert "was not seen to end" in said
    assert "INVALID now: users_email" in said
    rows(up, "drop index users_email")
    rows(up, "update users set email = id")
    up.run("make", "repair", "ARGS=--forget 1800000000005").ok()
    assert f"applied default/{key}" in up.up().ok()
    status = json.loads(up.run("python", "-m", "components.schema", "status", "--json").ok())
    assert {row["ledger"] for row in status["migrations"]} == {"applied"}
    assert status["pending"] == {} and status["problems"] == []


def test_drift_of_ledger_and_catalog_state_is_shown_and_repaired(up: ProjectCopy) -> None:
    outputs = up.outputs()
    version = EMAIL.split("_", maxsplit=1)[0]
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        before = hasura.get_catalog_state()
        hasura.set_catalog_state({**before, "migrations": {}})
        assert '"default: write the catalog state"' in up.pulumi("preview", "--diff").ok()
        rows(up, f"delete from migration_ledger.migration where version = {version}")
        # Its change is there, so it is not run again unseen: a person says that it is done.
        assert f"{EMAIL}/up.sql: is older than 1800000000005" in up.pulumi("preview").failed()
        up.run("make", "repair", f"ARGS=--done {version}").ok()
        up.up().ok()
        assert hasura.get_catalog_state() == before
    up.pulumi("preview", "--refresh", "--expect-no-changes").ok()
    up.run("make", "down", timeout=900).ok()
