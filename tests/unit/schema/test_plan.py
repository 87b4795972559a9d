"""Plans as data: `plans/*.yaml` hold a directory, a ledger and a catalog state, and the plan or errors
that they give.

Each has a twin: the state in which the same directory (and policy) leaves nothing to do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.schema.ledger import LedgerRow
from components.schema.migrations import Migration, MigrationSet, SqlFile, read_migrations
from components.schema.plan import Policy, SourcePlan, SourceState, make_plan

CASES = sorted((Path(__file__).parent / "plans").glob("*.yaml"))


def _directory(root: Path, files: dict[str, str]) -> MigrationSet:
    for name, text in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_migrations(root, shown_as="migrations")


def _row(given: str | dict[str, object], local: MigrationSet, source: str) -> LedgerRow:
    fields = {"key": given} if isinstance(given, str) else dict(given)
    key = str(fields.pop("key"))
    version, name = key.split("_", 1)
    checksums = {m.key: m.up.checksum for m in local.of(source)}
    defaults = {
        "checksum": checksums.get(key, "gone"),
        "recorded_at": "2026-01-02T03:04:05Z",
        "stack": "dev",
        "in_catalog": True,
    }
    return LedgerRow(version=int(version), name=name, **{**defaults, **fields})


def _states(case: dict, local: MigrationSet) -> dict[str, SourceState]:
    ledger, catalog = case.get("ledger") or {}, case.get("catalog") or {}
    return {
        source: SourceState(
            ledger=tuple(_row(row, local, source) for row in ledger[source]) if source in ledger else None,
            catalog=catalog.get(source),
            invalid_indexes=tuple((case.get("invalid_indexes") or {}).get(source, ())),
            still_there=frozenset((case.get("still_there") or {}).get(source, ())),
            rolled_back=frozenset((case.get("rolled_back") or {}).get(source, ())),
            at_work=(case.get("at_work") or {}).get(source, {}),
        )
        for source in {*local.sources, *ledger, *catalog}
    }


def _in_words(plan: SourcePlan) -> dict[str, object]:
    words: dict[str, object] = {
        "adopt": [m.key for m in plan.adopt],
        "baseline": [m.key for m in plan.baseline],
        "downs": [row.key for row in plan.downs],
        "ups": [m.key for m in plan.ups],
        "write_catalog": plan.write_catalog,
    }
    return {key: value for key, value in words.items() if value}


def _policy(case: dict) -> Policy:
    return Policy(**(case.get("policy") or {}))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert ("plan" in case) != ("errors" in case)
    local = _directory(tmp_path, case["directory"])
    plan, problems = make_plan(local, _states(case, local), _policy(case))
    if "plan" in case:
        assert [str(problem) for problem in problems] == []
        assert {p.source: _in_words(p) for p in plan.sources} == case["plan"]
        assert str(plan) == case.get("words", str(plan))
    else:
        assert plan.empty
        told = "\n".join(str(problem) for problem in problems)
        for text in case["errors"]:
            assert text in told
        heads = [text for text in case["errors"] if text.startswith("migrations/")]
        assert len(problems) == len(heads), told


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_twin_has_nothing_to_do(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    local = _directory(tmp_path, case["directory"])
    twin = case["twin"]
    policy = _policy(twin if "policy" in twin else case)
    plan, problems = make_plan(local, _states(twin, local), policy)
    assert [str(problem) for problem in problems] == []
    assert plan.empty, plan


def test_there_are_cases() -> None:
    assert len(CASES) >= 25


VERSIONS = st.sets(st.integers(1, 8), max_size=6)


def _migration(version: int) -> Migration:
    up = SqlFile(
        path=Path("up.sql"), shown=f"migrations/default/{version}_m/up.sql", checksum=str(version), size=1
    )
    return Migration(source="default", version=version, name="m", key=f"{version}_m", up=up)


def _carried_out(state: SourceState, plan: SourcePlan) -> SourceState:
    """What ledger and catalog state hold when a plan was carried out."""
    undone = {row.version for row in plan.downs}
    rows = {row.version: row for row in state.ledger or () if row.version not in undone}
    for migration in (*plan.adopt, *plan.baseline, *plan.ups):
        checksum = migration.up.checksum
        rows[migration.version] = LedgerRow(version=migration.version, name="m", checksum=checksum)
    ledger = tuple(replace(rows[version], in_catalog=True) for version in sorted(rows))
    return SourceState(ledger=ledger, catalog=dict.fromkeys(rows, False) if rows or state.catalog else None)


@given(
    local=VERSIONS,
    recorded=VERSIONS,
    catalog=st.none() | st.dictionaries(st.integers(1, 8), st.booleans(), max_size=6),
    untold=VERSIONS,
    unfinished=st.none() | st.integers(1, 8),
    out_of_order=st.booleans(),
    rollback=st.sampled_from(["refuse", "down"]),
)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    local, recorded, catalog, untold, unfinished, out_of_order, rollback
) -> None:
    """Whatever files, ledger and catalog state say: there is a plan or a reason, nothing runs that has run, and after
    it there is nothing left."""
    migrations = MigrationSet(sources={"default": tuple(map(_migration, sorted(local)))})
    ledger = tuple(
        LedgerRow(
            version=version,
            name="m",
            checksum=str(version),
            state="started" if version == unfinished else "done",
            in_catalog=version not in untold,
            has_down=True,
        )
        for version in sorted(recorded)
    )
    state = SourceState(ledger=ledger or None, catalog=catalog)
    policy = Policy(out_of_order=out_of_order, rollback=rollback)
    plan, problems = make_plan(migrations, {"default": state}, policy)
    if problems:
        assert plan.empty
        assert all(str(problem) for problem in problems)
        return
    for source in plan.sources:
        assert not {m.version for m in source.ups} & recorded
        assert {row.version for row in source.downs} <= recorded - local
        assert [m.version for m in source.ups] == sorted(m.version for m in source.ups)
        state = _carried_out(state, source)
    again, problems = make_plan(migrations, {"default": state}, policy)
    assert problems == ()
    assert again.empty, again
