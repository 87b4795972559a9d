"""The real Hasura CLI and our providers on one engine: either may be used next, none sees a difference."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.adoption import engine
from components.adoption.history import decide, unrecorded
from components.schema.__main__ import main
from components.schema.metadata_export import planned_export
from components.schema.migrations import read_migrations
from tests.hasura_cli.conftest import Project
from tests.schema_faults.stage import ADMIN_SECRET

PRESENT = ("present", "present")


def versions(project: Project) -> list[int]:
    return [each.version for each in read_migrations(project.root / "migrations").of("default")]


def expected_ledger(project: Project, origin: str) -> list[tuple[object, ...]]:
    found = read_migrations(project.root / "migrations").of("default")
    return [(each.version, each.name, origin, each.up.checksum) for each in found]


def test_the_cli_sees_no_difference_after_our_deployment(project: Project) -> None:
    project.migrate()
    project.apply_metadata()
    assert project.status() == dict.fromkeys(versions(project), PRESENT)
    assert project.differences() == ""
    text = project.cli("migrate", "apply", "--database-name", "default").log
    assert "nothing to apply" in text
    project.assert_no_difference_for_pulumi()


def test_we_adopt_what_the_cli_applied(project: Project) -> None:
    project.cli("migrate", "apply", "--database-name", "default")
    project.cli("metadata", "apply")
    project.migrate()
    assert project.ledger() == expected_ledger(project, "adopted")
    project.apply_metadata()
    assert project.status() == dict.fromkeys(versions(project), PRESENT)
    project.assert_no_difference_for_pulumi()


def test_an_adoption_recognizes_what_the_cli_applied_and_writes_nothing_of_it(project: Project) -> None:
    project.cli("migrate", "apply", "--database-name", "default")
    project.cli("metadata", "apply")
    local = read_migrations(project.root / "migrations", shown_as="migrations")
    with project.stage.client() as client:
        found = engine.look(client)
        before = client.export_metadata(), client.get_catalog_state()
        assert unrecorded(found.states, local, asked={}, configured={}) == ()
        decided = decide(found.states, local, {}, asked={}, configured={}, version=1)
        export = planned_export(found.metadata, project.root / "hasura_metadata")
        assert (client.export_metadata(), client.get_catalog_state()) == before
    assert (decided.problems, decided.written, decided.replaced) == ((), {}, ())
    keys = ", ".join(each.key for each in local.of("default"))
    assert decided.recorded == (f"default: adopt {keys}",)
    assert export.metadata.keyed() == project.metadata_inputs()["metadata"]
    newest = local.of("default")[-1]
    shutil.rmtree(newest.up.path.parent)
    without = read_migrations(project.root / "migrations", shown_as="migrations")
    [problem] = decide(found.states, without, {}, asked={}, configured={}, version=1).problems
    assert f"{newest.version}_*: was applied by the Hasura CLI and is missing here" in str(problem)


def test_metadata_applied_by_the_cli_is_no_difference_for_us(project: Project) -> None:
    project.migrate()
    project.cli("metadata", "apply")
    project.assert_no_difference_for_pulumi()
    assert project.differences() == ""


def test_metadata_exported_by_the_cli_is_no_difference_for_us(project: Project) -> None:
    project.migrate()
    project.apply_metadata()
    before = project.metadata_inputs()
    shutil.rmtree(project.root / "hasura_metadata" / "databases")
    project.cli("metadata", "export")
    assert project.metadata_inputs() == before
    project.assert_no_difference_for_pulumi()
    project.apply_metadata()
    assert project.differences() == ""


def test_our_export_is_the_clis(rich_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASURA_GRAPHQL_ENDPOINT", rich_project.stage.endpoint)
    monkeypatch.setenv("HASURA_GRAPHQL_ADMIN_SECRET", ADMIN_SECRET)
    rich_project.migrate()
    rich_project.apply_metadata()
    folder = rich_project.root / "hasura_metadata"
    shutil.rmtree(folder)
    rich_project.cli("metadata", "export")
    theirs = {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert main(["export"]) == 0, "the folder is not in git, and there is nothing to write"
    (folder / "network.yaml").write_text("# mine\n")
    assert main(["export"]) == 1
    assert main(["export", "--overwrite"]) == 0
    ours = {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert ours == theirs
    assert rich_project.differences() == ""
    rich_project.assert_no_difference_for_pulumi()


def test_the_cli_formats_queries_in_its_own_way(rich_project: Project) -> None:
    file = rich_project.root / "hasura_metadata/query_collections.yaml"
    theirs = file.read_text()
    ours = theirs.replace("\t", "    ")
    assert ours != theirs
    file.write_text(ours)
    rich_project.migrate()
    rich_project.apply_metadata()
    rich_project.cli("metadata", "export")
    assert file.read_text() == theirs
    rich_project.assert_no_difference_for_pulumi()


def test_our_change_is_what_the_cli_calls_a_difference(rich_project: Project) -> None:
    """The comparisons above can fail: a permission less is seen by both."""
    rich_project.migrate()
    rich_project.apply_metadata()
    file = rich_project.root / "hasura_metadata/databases/default/tables/public_orders.yaml"
    file.write_text(file.read_text().replace("        - total\n", "", 1))
    assert "total" in rich_project.differences()
    with pytest.raises(AssertionError):
        rich_project.assert_no_difference_for_pulumi()
    rich_project.apply_metadata()
    assert rich_project.differences() == ""
    rich_project.assert_no_difference_for_pulumi()


def test_a_whole_deployment_by_the_cli(rich_project: Project) -> None:
    rich_project.cli("deploy")
    rich_project.migrate()
    rich_project.apply_metadata()
    rich_project.assert_no_difference_for_pulumi()
    assert rich_project.ledger() == expected_ledger(rich_project, "adopted")


def test_taking_turns(rich_project: Project) -> None:
    """Ours, then the CLI's, then ours: each applies only what is new."""
    rich_project.migrate()
    ours = expected_ledger(rich_project, "applied")
    write(rich_project, "1900000000001_theirs", "create table theirs (id int);", "drop table theirs;")
    rich_project.cli("migrate", "apply", "--database-name", "default")
    assert rich_project.refusals() == []
    write(rich_project, "1900000000002_ours", "create table ours (id int);", "drop table ours;")
    rich_project.migrate()
    assert [row[:3] for row in rich_project.ledger()] == [
        *(row[:3] for row in ours),
        (1900000000001, "theirs", "adopted"),
        (1900000000002, "ours", "applied"),
    ]
    assert set(rich_project.status().values()) == {PRESENT}
    rich_project.assert_no_difference_for_pulumi(metadata=False)


def test_rolled_back_by_the_cli(rich_project: Project) -> None:
    """Our preview tells it, with the way out, and does not run anything again by itself."""
    write(rich_project, "1900000000001_more", "create table more (id int);", "drop table more;")
    rich_project.migrate()
    rich_project.cli("migrate", "apply", "--down", "1", "--database-name", "default")
    (refused,) = rich_project.refusals()
    assert "1900000000001_more" in refused
    assert "repair --source default --forget 1900000000001" in refused


def test_squashed_by_the_cli(rich_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our preview tells what to say about it, and then nothing runs again."""
    for number in (1, 2, 3):
        write(
            rich_project, f"190000000000{number}_t", f"create table t{number} ();", f"drop table t{number};"
        )
    rich_project.migrate()
    rich_project.cli(
        *("migrate", "squash", "--from", "1900000000001", "--name", "all", "--delete-source"),
        *("--database-name", "default"),
    )
    (refused,) = rich_project.refusals()
    assert "repair --source default --accept 1900000000003`. If it was made of those before it" in refused
    assert "--forget 1900000000001 1900000000002`" in refused
    monkeypatch.setenv("HASURA_GRAPHQL_ENDPOINT", rich_project.stage.endpoint)
    monkeypatch.setenv("HASURA_GRAPHQL_ADMIN_SECRET", ADMIN_SECRET)
    for repair in (["--accept", "1900000000003"], ["--forget", "1900000000001", "1900000000002"]):
        assert main(["--metadata", "hasura_metadata", "repair", *repair]) == 0
    rich_project.assert_no_difference_for_pulumi(metadata=False)
    assert set(rich_project.status().values()) == {PRESENT}
    down = rich_project.stage.database.rows(
        "select down_sql from migration_ledger.migration where version = 1900000000003"
    )
    assert "drop table t1" in str(down), "it takes back all that it is made of"


def test_baseline_of_a_database_that_nobody_migrated(rich_project: Project) -> None:
    first, second = versions(rich_project)[:2]
    for version in (first, second):
        (folder,) = (rich_project.root / "migrations" / "default").glob(f"{version}_*")
        rich_project.stage.database.rows((folder / "up.sql").read_text())
    assert rich_project.status()[first] == ("present", "absent")
    baseline = {"baseline": {"default": second}}
    rich_project.migrate(**baseline)
    rows = {row[0]: row[2] for row in rich_project.ledger()}
    later = versions(rich_project)[2:]
    assert rows == {first: "baseline", second: "baseline", **dict.fromkeys(later, "applied")}
    assert set(rich_project.status().values()) == {PRESENT}
    assert "nothing to apply" in rich_project.cli("migrate", "apply", "--database-name", "default").log
    rich_project.apply_metadata()
    assert rich_project.refusals(**baseline) == []
    rich_project.assert_no_difference_for_pulumi()


def write(project: Project, name: str, up: str, down: str) -> Path:
    folder = project.root / "migrations" / "default" / name
    folder.mkdir()
    (folder / "up.sql").write_text(up)
    (folder / "down.sql").write_text(down)
    return folder
