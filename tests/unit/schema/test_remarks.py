"""What the check of migrations says is read back as it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.schema.ledger import LedgerRow
from components.schema.plan import Plan, SourcePlan
from components.schema.problems import Problem
from components.schema.remarks import NOTHING, Remark, heard, of_lint, of_plan, of_rehearsal

LINES: list[tuple[str, Remark]] = [
    ("default: would run 1_a, 2_b", Remark(kind="run", source="default", keys=("1_a", "2_b"))),
    (
        "default: would take over without running, because the Hasura CLI applied it: 1_a",
        Remark(kind="adopt", source="default", keys=("1_a",)),
    ),
    (
        "default: would take over without running, as a baseline: 1_a, 2_b",
        Remark(kind="baseline", source="default", keys=("1_a", "2_b")),
    ),
    (
        'default: would roll back 2_b by the down SQL that the ledger keeps: "drop table \\"b\\";\\n"',
        Remark(kind="roll back", source="default", keys=("2_b",), sql='drop table "b";\n'),
    ),
    (
        "default: would bring Hasura's catalog state in line with the ledger",
        Remark(kind="catalog state", source="default"),
    ),
    (
        'default: would run "1_with, comma and \\"quotes\\"", 2_b',
        Remark(kind="run", source="default", keys=('1_with, comma and "quotes"', "2_b")),
    ),
    (
        "warning: migrations/default/1_a/up.sql:6: Dropping a column may break clients. (ban-drop-column)",
        Remark(
            kind="lint",
            where="migrations/default/1_a/up.sql:6",
            text="Dropping a column may break clients. (ban-drop-column)",
        ),
    ),
    ("no migration would run: the ledgers hold all of them already", NOTHING),
    ("warning: squawk failed: no", Remark(kind="lint", text="squawk failed: no")),
    (
        "default: rehearsed, would succeed: 1_a",
        Remark(kind="rehearsal", text="default: rehearsed, would succeed: 1_a"),
    ),
    ("not rehearsed: no answer", Remark(kind="rehearsal", text="not rehearsed: no answer")),
]


@pytest.mark.parametrize(("line", "remark"), LINES)
def test_a_line_is_a_remark(line: str, remark: Remark) -> None:
    assert heard(f"{line}\n\n") == remark
    assert str(remark) == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "applied default/1_a",
        "metadata: table `users` becomes a part of the API (tracked)",
        "default: would run",
        "default: would roll back 2_b",
        'default: would roll back 2_b by the down SQL that the ledger keeps: "not closed',
        "Row isolation is proven: all 21 lines hold.",
        "warning: the engine was not reached",
    ],
)
def test_anybody_elses_line_is_none(line: str) -> None:
    assert heard(line) is None


NAMES = st.text(min_size=1).map(lambda name: f"1_{name}")
SOURCES = st.text(min_size=1)


@settings(deadline=None)
@given(st.sampled_from(["run", "adopt", "baseline"]), SOURCES, st.lists(NAMES, min_size=1, max_size=3))
def test_whatever_names_hold(kind: str, source: str, keys: list[str]) -> None:
    remark = Remark(kind=kind, source=source, keys=tuple(keys))
    assert heard(str(remark)) == remark


@settings(deadline=None)
@given(SOURCES, NAMES, st.text())
def test_whatever_sql_holds(source: str, key: str, sql: str) -> None:
    remark = Remark(kind="roll back", source=source, keys=(key,), sql=sql)
    assert heard(str(remark)) == remark
    assert "\n" not in str(remark)


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(1, 9999))
def test_whatever_a_linter_says(message: str, remedy: str, line: int) -> None:
    finding = Problem(path="migrations/default/1_a/up.sql", line=line, message=f"x{message}", remedy=remedy)
    remark = of_lint(finding)
    assert heard(str(remark)) == remark
    assert "\n" not in str(remark)


@settings(deadline=None)
@given(st.text())
def test_whatever_a_rehearsal_says(said: str) -> None:
    remark = of_rehearsal(f"default: rehearsed up to {said}")
    assert heard(str(remark)) == remark


def test_a_plan_in_remarks() -> None:
    row = LedgerRow(version=2, name="b", checksum="x")
    told = of_plan(
        Plan(sources=(SourcePlan(source="a", downs=(row,)), SourcePlan(source="b", write_catalog=True))),
        {"a": {2: "drop table b"}},
    )
    assert [(r.kind, r.source, r.keys, r.sql) for r in told] == [
        ("roll back", "a", ("2_b",), "drop table b"),
        ("catalog state", "b", (), ""),
    ]
