"""The real Hasura CLI on the stand-in: its commands end as they ended on the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.hasura.recording import load
from tests.local_engine.hasura_cli import CliProject, hasura_cli
from tests.local_engine.workbench import SECRET, Workbench, permission, table

pytestmark = pytest.mark.docker

STATUS = ("migrate", "status", "--database-name", "default")
APPLY = ("migrate", "apply", "--database-name", "default")


@pytest.fixture
def project(workbench: Workbench, tmp_path: Path) -> CliProject:
    made = CliProject(
        program=hasura_cli(), folder=tmp_path / "p", endpoint=workbench.engine.endpoint, admin_secret=SECRET
    )
    made.prepare()
    workbench.metadata("set_catalog_state", {"type": "cli", "state": {}})
    return made


def succeed(project: CliProject, *arguments: str) -> str:
    done = project.run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statuses(project: CliProject) -> dict[str, str]:
    lines = [line.split(None, 2) for line in succeed(project, *STATUS).splitlines() if line[:1].isdigit()]
    return {version: rest for version, _, rest in lines}


def test_migrations_up_and_down(project: CliProject, workbench: Workbench) -> None:
    project.migration(1, "users", "create table users (id text primary key);", "drop table users;")
    project.migration(2, "mail", "alter table users add mail text;", "alter table users drop mail;")
    assert set(statuses(project).values()) == {"Present        Not Present"}
    succeed(project, *APPLY)
    assert set(statuses(project).values()) == {"Present        Present"}
    assert workbench.metadata("get_catalog_state")["cli_state"]["migrations"] == {
        "default": {"1": False, "2": False}
    }
    succeed(project, *APPLY, "--down", "1")
    assert statuses(project) == {"1": "Present        Present", "2": "Present        Not Present"}
    project.migration(3, "bad", "create table ok (id int); select * from nowhere;")
    failed = project.run(*APPLY)
    assert failed.returncode == 1
    assert 'relation \\"nowhere\\" does not exist' in failed.stderr.replace("\\\\", "\\").replace(
        '\\\\"', '\\"'
    )
    assert workbench.sql("select to_regclass('ok') is null as gone")["result"][1] == ["t"]


def test_metadata_out_and_in_again(project: CliProject, workbench: Workbench) -> None:
    workbench.sql(
        "create table users (id text primary key, last_seen int, name text)", check_metadata_consistency=False
    )
    workbench.tables(
        table(
            "users",
            select_permissions=permission(
                "user", columns=["id", "last_seen", "name"], filter={"id": {"_eq": "X-Hasura-User-Id"}}
            ),
        )
    )
    before = workbench.metadata("export_metadata")
    succeed(project, "metadata", "export")
    recorded = load("cli.json")["exported_directory"]
    assert project.files() == {name.removeprefix("hasura_metadata/"): text for name, text in recorded.items()}
    assert succeed(project, "metadata", "diff") == ""
    succeed(project, "metadata", "apply")
    assert workbench.metadata("export_metadata") == before
    succeed(project, "metadata", "reload")
    assert "metadata is consistent" in project.run("metadata", "inconsistency", "status").stderr


def test_inconsistent_metadata_is_listed(project: CliProject, workbench: Workbench) -> None:
    workbench.tables()
    succeed(project, "metadata", "export")
    tables = project.folder / "hasura_metadata/databases/default/tables/tables.yaml"
    tables.write_text("- table:\n    schema: public\n    name: ghosts\n")
    assert "Metadata is inconsistent" in project.run("metadata", "apply").stderr
    assert "ghosts" in succeed(project, "metadata", "inconsistency", "list")
    assert project.run("metadata", "inconsistency", "status").returncode == 1
    succeed(project, "metadata", "inconsistency", "drop")
    assert workbench.metadata("get_inconsistent_metadata")["is_consistent"]
