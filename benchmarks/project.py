"""Folders of migrations and metadata in the sizes that are measured."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

DATABASES = """\
- name: default
  kind: postgres
  configuration:
    connection_info:
      database_url:
        from_env: HASURA_GRAPHQL_DATABASE_URL
      isolation_level: read-committed
      use_prepared_statements: false
  tables: "!include default/tables/tables.yaml"
"""
# Every other file that `hasura metadata export` writes: without them its diff reports differences.
EMPTY = {
    "actions.graphql": "",
    "actions.yaml": (
        "actions: []\ncustom_types:\n  enums: []\n  input_objects: []\n  objects: []\n  scalars: []\n"
    ),
    "allow_list.yaml": "[]\n",
    "api_limits.yaml": "{}\n",
    "cron_triggers.yaml": "[]\n",
    "graphql_schema_introspection.yaml": "disabled_for_roles: []\n",
    "inherited_roles.yaml": "[]\n",
    "network.yaml": "{}\n",
    "query_collections.yaml": "[]\n",
    "remote_schemas.yaml": "[]\n",
    "rest_endpoints.yaml": "[]\n",
    "version.yaml": "version: 3\n",
}
TABLE = """\
table:
  name: t{number}
  schema: public
select_permissions:
  - role: user
    permission:
      columns:
        - id
        - name
      filter:
        id:
          _eq: X-Hasura-User-Id
"""
LARGE_ROW = "('{number:08}', '" + "x" * 80 + "')"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder that both the Hasura CLI and our providers deploy."""

    root: Path

    def write(self, *, tables: int = 0) -> None:
        """Metadata of as many tracked tables, and no migration."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.migrations.mkdir(parents=True)
        folder = self.root / "hasura_metadata" / "databases" / "default" / "tables"
        folder.mkdir(parents=True)
        metadata = self.root / "hasura_metadata"
        for name, text in EMPTY.items():
            (metadata / name).write_text(text)
        (metadata / "databases" / "databases.yaml").write_text(DATABASES)
        names = sorted(f"public_t{number}.yaml" for number in range(tables))
        listed = "".join(f'- "!include {name}"\n' for name in names)
        (folder / "tables.yaml").write_text(listed or "[]\n")
        for number in range(tables):
            (folder / f"public_t{number}.yaml").write_text(TABLE.format(number=number))

    @property
    def migrations(self) -> Path:
        return self.root / "migrations" / "default"

    def tables(self, count: int, *, first: int = 0) -> None:
        """Migrations that make a table each."""
        for number in range(first, first + count):
            self.migration(
                number,
                f"create table t{number} (id text primary key, name text not null default '');\n",
                f"drop table t{number};\n",
            )

    def rows(self, count: int, *, first: int = 0) -> None:
        """Migrations of which the first makes a table, and each other one writes a row into it."""
        for number in range(first, first + count):
            self.migration(
                number,
                f"insert into ran (version) values ({number});\n"  # noqa: S608
                if number
                else "create table ran (version bigint);\n",
            )

    def large(self, size: int) -> Path:
        """One migration of about `size` bytes: a table, and rows in statements of a thousand each."""
        folder = self.migrations / "1700000000000_large"
        folder.mkdir()
        path, number = folder / "up.sql", 0
        with path.open("w") as file:
            written = file.write("create table large (id text primary key, body text not null);\n")
            while written < size:
                rows = [LARGE_ROW.format(number=each) for each in range(number, number + 1000)]
                number += 1000
                written += file.write("insert into large (id, body) values\n" + ",\n".join(rows) + ";\n")
        return path

    def migration(self, number: int, up: str, down: str | None = None) -> None:
        folder = self.migrations / f"{1700000000000 + number}_m{number}"
        folder.mkdir()
        (folder / "up.sql").write_text(up)
        if down is not None:
            (folder / "down.sql").write_text(down)

    @property
    def for_goose(self) -> Path:
        return self.root / "goose"

    @property
    def for_golang_migrate(self) -> Path:
        return self.root / "golang-migrate"

    @property
    def for_sqitch(self) -> Path:
        return self.root / "sqitch"

    def for_others(self) -> None:
        """The same migrations as goose, golang-migrate and sqitch want them."""
        scripts = self.for_sqitch / "deploy"
        for folder in (self.for_goose, self.for_golang_migrate, scripts):
            folder.mkdir(parents=True)
        plan = ["%syntax-version=1.0.0", "%project=bench", ""]
        for source in sorted(self.migrations.iterdir()):
            up, name = (source / "up.sql").read_text(), source.name.partition("_")[2]
            (self.for_goose / f"{source.name}.sql").write_text(f"-- +goose Up\n{up}")
            (self.for_golang_migrate / f"{source.name}.up.sql").write_text(up)
            (scripts / f"{name}.sql").write_text(f"begin;\n{up}commit;\n")
            plan.append(f"{name} 2026-01-01T00:00:00Z Bench <bench@example.com> # {name}")
        (self.for_sqitch / "sqitch.plan").write_text("\n".join([*plan, ""]))
        (self.for_sqitch / "sqitch.conf").write_text("[core]\n\tengine = pg\n")

    def as_one_file(self, path: Path) -> None:
        """All up migrations in their order, for psql."""
        with path.open("w") as file:
            for folder in sorted(self.migrations.iterdir()):
                file.write((folder / "up.sql").read_text())
