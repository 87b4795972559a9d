"""One stack on PostgreSQL 15: backups of it, restorations, and the way of `docs/runbooks/postgres-upgrade.md` to 17."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from project_copy import ProjectCopy, Run

from local import images
from tests.images.containers import docker

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

OLDER = 15
ROWS = (
    "insert into users (id, name) select 'user_' || n, 'é ' || n from generate_series(1, 500) n;"
    ' create table odd ("it\'s" numeric(10, 2), "the whole row" jsonb, at timestamptz default now());'
    " insert into odd values (1.50, '{\"a\": [1, null]}'), (1.50, '{\"a\": [1, null]}'), (null, null);"
    ' create view names as select name from users; create index on odd ("it\'s");'
    " alter table odd owner to hasura; alter database app set work_mem = '9MB'"
)
SEEN = (
    "select count(*), sum(hashtext(u::text)) from users u; select o::text from odd o order by 1;"
    " select count(*) from names; select version, name, checksum from migration_ledger.migration; show work_mem"
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stack, and the image that is a version newer."""

    project: ProjectCopy
    newer: str

    @property
    def container(self) -> str:
        return f"clerk-hasura-{self.project.stack}-postgres"

    def sql(self, text: str, database: str = "app") -> str:
        return docker("exec", self.container, "psql", "-XAtqU", "postgres", "-d", database, "-c", text)

    def databases(self) -> set[str]:
        names = self.sql("select datname from pg_database where not datistemplate", "postgres")
        return set(names.split()) - {"postgres"}

    def backup(self) -> Path:
        """A backup that `make backup` has made, in a folder of its own."""
        folder = self.project.folder / ".local" / f"backup-{uuid.uuid4().hex[:6]}"
        said = self.project.run("make", "-s", "backup", f"FOLDER={folder}").ok()
        [file] = folder.glob("*.tar")
        assert str(file) in said and "compared" in said
        return file

    def restore(self, file: Path, *, yes: bool = True) -> Run:
        """As without make."""
        command = (".venv/bin/python", "-m", "components.backup", "restore", str(file))
        return self.project.run(*command, *(["--yes"] if yes else []), PULUMI_STACK=self.project.stack)

    def unchanged(self) -> None:
        self.project.pulumi("preview", "--refresh", "--expect-no-changes").ok()

    def names_by_the_api(self) -> list[str]:
        outputs = self.project.outputs()
        answer = httpx.post(
            outputs["graphqlUrl"],
            json={"query": "{ users(order_by: {id: asc}) { name } }"},
            headers={"x-hasura-admin-secret": outputs["adminSecret"]},
        ).json()
        return [row["name"] for row in answer["data"]["users"]]


def _older_image(newer: str) -> str:
    """PostgreSQL 15 from Debian's packages beside the newer one, in an image of the same form."""
    tag = f"clerk-hasura.local/test-postgres-{OLDER}:{newer.rpartition(':')[2][:40]}"
    older = f"/usr/share/postgresql/{OLDER}"
    recipe = f"""
FROM {newer}
RUN for file in $(grep -lrs trixie /etc/apt/sources.list /etc/apt/sources.list.d); do \\
      sed 's/trixie/bookworm/g' "$file" > "/etc/apt/sources.list.d/older-$(basename "$file")"; done \\
 && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql-{OLDER} \\
 && echo "listen_addresses = '*'" >> {older}/postgresql.conf.sample && rm -rf /var/lib/apt/lists/*
ENV PG_MAJOR={OLDER} PATH=/usr/lib/postgresql/{OLDER}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
    subprocess.run(
        ["docker", "build", "--tag", tag, "-"], input=recipe, text=True, check=True, capture_output=True
    )
    return tag


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    newer = images.build("postgres", progress=print)
    project = ProjectCopy(
        tmp_path_factory.mktemp("project"),
        f"e2e{uuid.uuid4().hex[:6]}",
        {"postgresImage": _older_image(newer), "proof": "false"},
    )
    made = Stage(project=project, newer=newer)
    try:
        project.pulumi("stack", "init").ok()
        project.up().ok()
        made.sql(ROWS)
        yield made
        project.pulumi("destroy", "--yes").ok()
        assert project.left() == []
    finally:
        project.remove()


@pytest.fixture(scope="module")
def seen(stage: Stage) -> str:
    """What the data database holds."""
    assert stage.sql("show server_version").startswith(f"{OLDER}.")
    return stage.sql(SEEN)


@pytest.fixture(scope="module")
def backup(stage: Stage, seen: str) -> Path:
    return stage.backup()


def test_a_backup_is_private_whole_and_leaves_no_scratch_database(stage: Stage, backup: Path) -> None:
    for file in (backup, backup.with_name(f"{backup.name}.sha256")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list(backup.parent.iterdir())) == 2
    subprocess.run(["sha256sum", "--check", f"{backup.name}.sha256"], cwd=backup.parent, check=True)
    assert stage.databases() == {"app", "hasura_metadata"}
    with tarfile.open(backup) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    tables = manifest["databases"]["data"]["tables"]
    assert tables["public.users"]["rows"] == 500 and tables["public.odd"]["rows"] == 3
    assert tables["migration_ledger.migration"]["rows"] == 1


def test_a_restoration_is_refused_before_anything_is_touched(
    stage: Stage, backup: Path, tmp_path: Path
) -> None:
    asked = stage.restore(backup, yes=False).failed()
    assert "YES=1" in asked and "app and hasura_metadata" in asked
    spoilt = tmp_path / backup.name
    shutil.copy(backup, spoilt)
    shutil.copy(f"{backup}.sha256", tmp_path)
    with spoilt.open("r+b") as file:
        file.seek(-600, 2)
        file.write(b"x")
    assert "is not what was written" in stage.restore(spoilt).failed()
    other = _rewritten(backup, tmp_path / "other", stack="another")
    assert "ANOTHER_STACK=1" in stage.restore(other).failed()
    assert stage.databases() == {"app", "hasura_metadata"}


def test_what_does_not_restore_to_what_was_there_leaves_all_as_it_was(
    stage: Stage, backup: Path, tmp_path: Path, seen: str
) -> None:
    fewer = _rewritten(backup, tmp_path, rows=499)
    told = stage.restore(fewer).failed()
    assert "public.users has 500 rows, not 499" in told
    assert stage.databases() == {"app", "hasura_metadata"}
    assert stage.sql(SEEN) == seen


def _rewritten(backup: Path, folder: Path, *, stack: str | None = None, rows: int | None = None) -> Path:
    """A backup whose manifest says something else, with a checksum that is right."""
    folder.mkdir(exist_ok=True)
    file = folder / "rewritten.tar"
    with tarfile.open(backup) as source:
        source.extractall(folder, filter="data")
    manifest = json.loads((folder / "manifest.json").read_text())
    if stack:
        manifest["stack"] = stack
    if rows:
        manifest["databases"]["data"]["tables"]["public.users"]["rows"] = rows
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(file, "w") as target:
        for name in ("manifest.json", "data.dump", "metadata.dump"):
            target.add(folder / name, name)
    said = subprocess.run(["sha256sum", file.name], cwd=folder, check=True, capture_output=True)
    file.with_name(f"{file.name}.sha256").write_bytes(said.stdout)
    return file


def test_what_was_dropped_comes_back_while_the_engine_runs(stage: Stage, backup: Path, seen: str) -> None:
    stage.sql("drop view names; drop table odd; drop table users; drop schema migration_ledger cascade")
    stage.sql(
        'update hdb_catalog.hdb_metadata set metadata = \'{"version": 3, "sources": []}\'', "hasura_metadata"
    )
    said = stage.project.run("make", "-s", "restore", f"FILE={backup}", "YES=1").ok()
    assert "The engine has read its metadata anew" in said
    assert stage.sql(SEEN) == seen
    assert len(stage.names_by_the_api()) == 500
    stage.unchanged()
    former = stage.databases() - {"app", "hasura_metadata"}
    assert len(former) == 2
    for name in former:
        assert f'drop database "{name}"' in said
        stage.sql(f'drop database "{name}"', "postgres")


def test_another_major_version_is_refused_in_a_preview(stage: Stage, seen: str) -> None:
    stage.project.pulumi("config", "set", "postgresImage", stage.newer).ok()
    told = stage.project.pulumi("preview").failed()
    assert "is PostgreSQL 17, which cannot read the data of PostgreSQL 15" in told
    assert "docs/runbooks/postgres-upgrade.md" in told
    docker("stop", stage.container)
    assert (
        "cannot read the data of PostgreSQL 15"
        in stage.project.pulumi("up", "--yes", "--skip-preview").failed()
    )
    docker("start", stage.container)


def test_the_runbook_leads_to_the_newer_version(stage: Stage, seen: str) -> None:
    try:
        stage.project.run("bash", "-euo", "pipefail", "-c", _runbook(stage), timeout=1200).ok()
        assert stage.sql("show server_version").startswith("17.")
        assert stage.sql(SEEN) == seen
        assert len(stage.names_by_the_api()) == 500
        copied = docker("run", "--rm", f"--volume={stage.project.stack}-former-postgres:/data:ro", "--entrypoint=cat",
                        stage.newer, "/data/PG_VERSION")  # fmt: skip
        assert copied == str(OLDER)
    finally:
        docker("volume", "rm", f"{stage.project.stack}-former-postgres", check=False)


def _runbook(stage: Stage) -> str:
    """The commands of the runbook, with this stack's name and image."""
    text = (stage.project.folder / "docs" / "runbooks" / "postgres-upgrade.md").read_text()
    block = text.partition("```sh\n")[2].partition("```")[0]
    for written, own in (("=prod", f"={stage.project.stack}"), ("postgres:18.1-trixie", stage.newer)):
        assert written in block
        block = block.replace(written, own)
    return block
