"""A stage for the tests of this folder, and a project's migrations as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.schema_faults.deployer import Deployer, deployer
from tests.schema_faults.project import Project
from tests.schema_faults.stage import ADMIN_SECRET, Stage, staged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def running_stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


@pytest.fixture
def stage(running_stage: Stage) -> Stage:
    """The engine and its database as on the first day."""
    if not running_stage.database.answers():
        running_stage.database.restart()
    if running_stage.engine is None or not running_stage.engine.healthy():
        running_stage.start_engine()
    running_stage.reset()
    return running_stage


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project, and the working directory in it, as a provider of Pulumi has it."""
    made = Project(root=tmp_path / "project")
    (made.root / "migrations" / "default").mkdir(parents=True)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def one_deployer(stage: Stage, project: Project, tmp_path: Path) -> Iterator[Deployer]:
    with deployer(project.root, tmp_path / "logs", stage.endpoint, ADMIN_SECRET) as started:
        yield started
