"""Migrations that tell how often each of them ran, and what must hold when all deployers are done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.schema_faults.deployer import inputs, preview
from tests.schema_faults.stage import ADMIN_SECRET, Stage


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's folder. The first migration makes the table `ran`, into which each other one writes its
    version; nothing there is unique, so that a second run would show."""

    root: Path

    def first(self) -> None:
        self.write(1, "create table ran (version bigint not null);\n")

    def counted(self, version: int, *, sleep: float = 0.0) -> None:
        """A migration that takes `sleep` seconds between its row and its end."""
        text = f"insert into ran (version) values ({version});\n"
        self.write(version, text + (f"select pg_sleep({sleep});\n" if sleep else ""))

    def write(self, version: int, up: str, down: str | None = None) -> None:
        folder = self.root / "migrations" / "default" / f"{version:06}_m"
        folder.mkdir()
        (folder / "up.sql").write_text(up)
        if down is not None:
            (folder / "down.sql").write_text(down)


def ran(stage: Stage) -> dict[int, int]:
    """How often each version ran; none where the first migration has not made the table."""
    if stage.database.rows("select to_regclass('ran')") == [(None,)]:
        return {}
    rows = stage.database.rows("select version, count(*) from ran group by 1 order by 1")
    return {int(str(version)): int(str(count)) for version, count in rows}


def assert_all_once(stage: Stage, newest: int) -> None:
    """Each of the versions 2 to `newest` ran once; ledger, catalog state and preview agree that all is done.

    The working directory is the project's.
    """
    assert ran(stage) == dict.fromkeys(range(2, newest + 1), 1)
    rows = stage.database.rows(
        "select version::int, state, in_catalog from migration_ledger.migration "
        "where source = 'default' order by 1"
    )
    assert rows == [(version, "done", True) for version in range(1, newest + 1)]
    with stage.client() as client:
        catalog = client.get_catalog_state()
    assert catalog["migrations"] == {"default": {str(version): False for version in range(1, newest + 1)}}
    assert preview(inputs(stage.endpoint, ADMIN_SECRET)) == []
