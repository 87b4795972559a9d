"""The real Hasura CLI and an engine, for a project that both the CLI and the providers deploy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.schema import inputs as resource_inputs
from components.schema.directories import read_schema
from components.schema.inputs import MigrationSettings
from components.schema.provider import MetadataProvider, MigrationsProvider
from tests.hasura_cli.command import Answer, CannotBeHad, HasuraCli, installed
from tests.schema_faults.stage import ADMIN_SECRET, Stage, staged

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).parent / "project"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's folder, deployed by either side. The working directory is that folder."""

    root: Path
    stage: Stage
    tool: HasuraCli
    home: Path

    def cli(self, *arguments: str) -> Answer:
        """The real CLI; it must succeed."""
        answer = self.tool.run(*arguments, home=self.home)
        assert answer.code == 0, f"hasura {' '.join(arguments)}: {answer.output}{answer.log}"
        return answer

    def status(self) -> dict[int, tuple[str, str]]:
        """`hasura migrate status` as {version: (source status, database status)}."""
        found = {}
        for line in self.cli("migrate", "status", "--database-name", "default").output.splitlines():
            words = line.split()
            if words and words[0].isdigit():
                states = line.replace("Not Present", "absent").replace("Present", "present").split()[-2:]
                found[int(words[0])] = (states[0], states[1])
        return found

    def differences(self) -> str:
        """`hasura metadata diff`."""
        return self.cli("metadata", "diff").output

    def migration_inputs(self, **settings: object) -> dict[str, object]:
        how: MigrationSettings = {"stack": "test", **settings}  # type: ignore[typeddict-item]
        return resource_inputs.migration_inputs(
            read_schema(), endpoint=self.stage.endpoint, admin_secret=ADMIN_SECRET, settings=how
        )

    def metadata_inputs(self) -> dict[str, object]:
        return resource_inputs.metadata_inputs(
            read_schema(), endpoint=self.stage.endpoint, admin_secret=ADMIN_SECRET
        )

    def refusals(self, **settings: object) -> list[str]:
        """What the preview of the migrations refuses."""
        checked = MigrationsProvider().check({}, self.migration_inputs(**settings))
        return [failure.reason for failure in checked.failures]

    def migrate(self, **settings: object) -> None:
        """Deploy the migrations as `pulumi up` does."""
        assert self.refusals(**settings) == []
        MigrationsProvider().create(self.migration_inputs(**settings))

    def apply_metadata(self) -> None:
        """Deploy the metadata as `pulumi up` does."""
        inputs = self.metadata_inputs()
        assert MetadataProvider().check({}, inputs).failures == []
        MetadataProvider().create(inputs)

    def assert_no_difference_for_pulumi(self, *, metadata: bool = True) -> None:
        """After a refresh the next preview would show no diff: what is read back is what goes in."""
        assert self.refusals() == []
        inputs = self.migration_inputs()
        assert MigrationsProvider().read("migrations", dict(inputs)).inputs == inputs
        if metadata:
            inputs = self.metadata_inputs()
            assert MetadataProvider().read("metadata", dict(inputs)).inputs == inputs

    def ledger(self) -> list[tuple[object, ...]]:
        """(version, name, origin, checksum as the file has it)."""
        return self.stage.database.rows(
            "select version, name, origin, checksum from migration_ledger.migration order by version"
        )


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return installed()
    except CannotBeHad as reason:
        pytest.skip(f"the Hasura CLI: {reason}")


@pytest.fixture(scope="session")
def running_stage(binary: Path) -> Iterator[Stage]:
    with staged() as stage:
        yield stage


def prepared(
    origin: Path, running_stage: Stage, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    running_stage.reset()
    root, home = tmp_path / "project", tmp_path / "home"
    for folder in ("migrations", "hasura_metadata"):
        shutil.copytree(origin / folder, root / folder)
    tool = HasuraCli(binary=binary, project=root, endpoint=running_stage.endpoint, admin_secret=ADMIN_SECRET)
    tool.prepare(home)
    monkeypatch.chdir(root)
    return Project(root=root, stage=running_stage, tool=tool, home=home)


@pytest.fixture(params=["this project", "a richer project"])
def project(
    request: pytest.FixtureRequest,
    running_stage: Stage,
    binary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """The project's own folders, or ones with more of what metadata can hold; nothing is deployed yet."""
    origin = ROOT if request.param == "this project" else PROJECT
    return prepared(origin, running_stage, binary, tmp_path, monkeypatch)


@pytest.fixture
def rich_project(
    running_stage: Stage, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    return prepared(PROJECT, running_stage, binary, tmp_path, monkeypatch)
