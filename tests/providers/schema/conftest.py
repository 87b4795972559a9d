"""A throwaway Postgres and an engine on it, each in a container, for the tests of this folder.

The engine is whatever serves the configured image on this machine: the vendor's where it is, else the
local one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from components.hasura.client import HasuraClient
from components.hasura.json_types import JsonObject
from local import images
from tests.images.containers import container, docker, wait_for

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "database-test-only"
ADMIN_SECRET = "admin-test-only"
DATABASES = ("first", "second")
EMPTY_METADATA: JsonObject = {
    "version": 3,
    "sources": [
        {
            "name": "default",
            "kind": "postgres",
            "tables": [],
            "configuration": {
                "connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}
            },
        }
    ],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine; source `default` is database `first`, SECOND_DATABASE_URL is database `second`."""

    endpoint: str
    database_port: int
    postgres_name: str

    def client(self) -> HasuraClient:
        return HasuraClient(self.endpoint, ADMIN_SECRET)

    def connect(
        self, database: str = "first", user: str = "postgres"
    ) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.database_port,
            dbname=database,
            user=user,
            password=PASSWORD,
            autocommit=True,
        )

    def rows(self, query: str, database: str = "first") -> list[tuple[object, ...]]:
        with self.connect(database) as connection:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def reset(self) -> None:
        """As on the first day: no table, no ledger, no metadata, no catalog state."""
        for database in DATABASES:
            self.rows(
                "drop schema if exists migration_ledger cascade; drop schema public cascade; create "
                "schema public",
                database,
            )
        with self.client() as client:
            version, _ = client.export_metadata()
            client.replace_metadata(EMPTY_METADATA, version)
            client.set_catalog_state({})


def _url(database: str) -> str:
    return f"postgres://postgres:{PASSWORD}@postgres:5432/{database}"


@pytest.fixture(scope="session")
def running_engine() -> Iterator[Engine]:
    keys = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    configured = images.ConfiguredImages(
        postgres=keys["postgresImage"]["default"], hasura=keys["hasuraImage"]["default"]
    )
    rows = {row.part: row for row in images.ensure(configured, progress=print, parts=("postgres", "hasura"))}
    network = f"test-schema-{uuid.uuid4().hex[:10]}"
    docker("network", "create", network)
    try:
        with container(
            rows["postgres"].image,
            "--network",
            network,
            "--network-alias",
            "postgres",
            "--publish",
            "127.0.0.1::5432",
            "--env",
            f"POSTGRES_PASSWORD={PASSWORD}",
            command=("postgres", "-c", "fsync=off"),
        ) as postgres:
            wait_for(postgres.accepts_tcp, "Postgres answers over TCP")
            for database in (*DATABASES, "metadata"):
                postgres.run("psql", "-U", "postgres", "-qc", f"create database {database}")
            with container(
                rows["hasura"].image,
                "--network",
                network,
                "--publish",
                "127.0.0.1::8080",
                "--env",
                f"HASURA_GRAPHQL_DATABASE_URL={_url('first')}",
                "--env",
                f"HASURA_GRAPHQL_METADATA_DATABASE_URL={_url('metadata')}",
                "--env",
                f"SECOND_DATABASE_URL={_url('second')}",
                "--env",
                f"HASURA_GRAPHQL_ADMIN_SECRET={ADMIN_SECRET}",
                command=("python", "-m", "local.engine") if rows["hasura"].warning else (),
            ) as hasura:
                endpoint = f"http://127.0.0.1:{hasura.port(8080)}"
                with HasuraClient(endpoint, ADMIN_SECRET) as client:
                    wait_for(
                        lambda: client.healthy() or hasura.state("Running") != "true", "the engine is healthy"
                    )
                    assert client.healthy(), hasura.logs()
                yield Engine(
                    endpoint=endpoint, database_port=postgres.port(5432), postgres_name=postgres.name
                )
    finally:
        docker("network", "rm", network)


@pytest.fixture
def engine(running_engine: Engine) -> Engine:
    running_engine.reset()
    return running_engine


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's folder with migrations and metadata."""

    root: Path

    def migration(self, name: str, up: str, down: str | None = None, *, source: str = "default") -> Path:
        folder = self.root / "migrations" / source / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "up.sql").write_text(up)
        if down is not None:
            (folder / "down.sql").write_text(down)
        return folder

    def metadata(self, name: str, text: str) -> Path:
        path = self.root / "hasura_metadata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project, and the working directory in it, as a Pulumi provider has it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "migrations" / "default").mkdir(parents=True)
    made = Project(root=tmp_path)
    made.metadata("version.yaml", "version: 3\n")
    made.metadata(
        "databases/databases.yaml",
        "- name: default\n"
        "  kind: postgres\n"
        "  configuration:\n"
        "    connection_info:\n"
        "      database_url:\n"
        "        from_env: HASURA_GRAPHQL_DATABASE_URL\n"
        '  tables: "!include default/tables/tables.yaml"\n',
    )
    made.metadata("databases/default/tables/tables.yaml", "[]\n")
    return made
