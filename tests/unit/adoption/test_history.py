"""What becomes of the migrations folder, as data: `histories/cases.yaml`. Cases that write nothing are the twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.adoption.history import decide, unrecorded
from components.schema.baseline import Baseline
from components.schema.ledger import LedgerRow
from components.schema.migrations import MigrationSet, read_migrations
from components.schema.plan import SourceState

CASES = yaml.safe_load((Path(__file__).parent / "histories" / "cases.yaml").read_text())


def local(root: Path, folders: list[str]) -> MigrationSet:
    for name in folders:
        (root / name).mkdir(parents=True)
        (root / name / "up.sql").write_text(f"select '{name}';")
    root.mkdir(exist_ok=True)
    return read_migrations(root, shown_as="migrations")


def state(given: dict[str, Any], source: str, here: MigrationSet) -> SourceState:
    checksums = {migration.key: migration.up.checksum for migration in here.of(source)}
    rows = tuple(
        LedgerRow(version=int(key.partition("_")[0]), name=key.partition("_")[2], checksum=checksums[key])
        for key in given.get("ledger", ())
    )
    catalog = given.get("catalog") or (dict.fromkeys((row.version for row in rows), False) if rows else None)
    return SourceState(ledger=rows or None, catalog=catalog)


@pytest.mark.parametrize("name", CASES)
def test_history(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    here = local(tmp_path / "migrations", case["local"])
    states = {source: state(given, source, here) for source, given in case["states"].items()}
    asked, configured = case.get("asked", {}), case.get("configured", {})
    schemas = {source: Baseline(text=text, remarks=()) for source, text in case.get("schemas", {}).items()}
    assert unrecorded(states, here, asked=asked, configured=configured) == tuple(schemas)
    found = decide(
        states,
        here,
        schemas,
        asked=asked,
        configured=configured,
        version=5,
        pending=case.get("pending", False),
    )
    expected = case.get("problems", [])
    assert len(found.problems) == len(expected), list(map(str, found.problems))
    for start in expected:
        assert any(str(problem).startswith(start) for problem in found.problems), list(
            map(str, found.problems)
        )
    if expected:
        return
    assert {"/".join(key): text for key, text in found.written.items()} == case.get("writes", {})
    assert dict(found.baseline) == case.get("baseline", {})
    assert list(found.replaced) == case.get("replaces", [])
    assert list(found.recorded) == case.get("records", [])
    assert list(found.remarks) == case.get("remarks", [])
