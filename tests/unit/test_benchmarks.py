"""What the benchmarks say of their figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.chart import drawn
from benchmarks.report import Row, cells

ROWS = [
    (1.0, 4.0, 1 / 3.5, True, "4.0 times faster"),
    (1.0, 3.0, 1 / 3.5, False, "3.0 times faster"),
    (1.2, 1.0, 1.2, True, "1.20 times"),
    (1.3, 1.0, 1.2, False, "1.30 times"),
    (1.3, 1.0, None, None, "1.30 times"),
]


@pytest.mark.parametrize(("ours", "theirs", "most", "reached", "text"), ROWS)
def test_a_goal_is_reached_by_the_ratio(
    ours: float, theirs: float, most: float | None, reached: bool | None, text: str
) -> None:
    row = Row(work="work", ours=ours, against="other", theirs=theirs, goal="a goal", most=most)
    assert row.reached is reached
    assert row.ratio_text() == text


def test_a_missing_peer_is_told_in_its_row_and_drawn_nowhere() -> None:
    missing = Row(
        work="w",
        ours=1,
        against="goose up",
        theirs=float("nan"),
        missing="goose not here (no network)",
        most=1,
    )
    there = Row(work="apply", ours=1, against="psql", theirs=2, most=1.2)
    assert missing.reached is None
    assert cells(missing)[3:7] == ("goose not here (no network)", "", "", "not run")
    picture = drawn([missing, there])
    ElementTree.fromstring(picture)
    assert "apply / psql" in picture and "goose" not in picture
    assert "<script" not in picture
