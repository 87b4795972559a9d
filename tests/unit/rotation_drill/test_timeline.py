"""The drill's figures from what was seen, and when they contradict the runbook.

The whole drill takes two minutes, because engines read keys once a minute: it is held by `make rotate-drill`,
not by a test.
"""

from __future__ import annotations

import pytest

from local.rotation_drill.timeline import OldKey, Sample, Situation, Timeline, problems, row


def seen(*samples: tuple[float, bool, bool]) -> tuple[Sample, ...]:
    return tuple(Sample(at=at, old_accepted=old, new_accepted=new) for at, old, new in samples)


def timeline(
    max_age: int | None,
    old_key: OldKey,
    samples: tuple[Sample, ...],
    *,
    restarted: Sample | None = None,
    before: bool = True,
) -> Timeline:
    return Timeline(
        situation=Situation(max_age=max_age, old_key=old_key),
        accepted_before=before,
        samples=samples,
        after_restart=restarted,
    )


NEVER_READ = seen((1, True, False), (75, True, False))
READ_AND_KEPT = seen((1, True, False), (60.2, True, True), (75, True, True))
READ_AND_DROPPED = seen((1, True, False), (60.2, False, True), (75, False, True))
RESTARTED_KEPT = seen((80, True, True))[0]
RESTARTED_DROPPED = seen((80, False, True))[0]

AS_EXPECTED = [
    timeline(30, "keep", READ_AND_KEPT),
    timeline(30, "drop", READ_AND_DROPPED),
    timeline(None, "keep", NEVER_READ, restarted=RESTARTED_KEPT),
    timeline(None, "drop", NEVER_READ, restarted=RESTARTED_DROPPED),
]


def test_the_table() -> None:
    assert [row(line) for line in AS_EXPECTED] == [
        (
            "max-age=30",
            "stays in the JWKS",
            "accepted throughout (75 s)",
            "accepted after 60 s",
            "not needed",
        ),
        ("max-age=30", "leaves the JWKS", "refused after 60 s", "accepted after 60 s", "not needed"),
        (
            "none",
            "stays in the JWKS",
            "accepted throughout (75 s)",
            "refused throughout (75 s)",
            "old accepted, new accepted",
        ),
        (
            "none",
            "leaves the JWKS",
            "accepted throughout (75 s)",
            "refused throughout (75 s)",
            "old refused, new accepted",
        ),
    ]


def test_nothing_contradicts_the_runbook() -> None:
    assert problems(AS_EXPECTED) == []


def test_settled_means_that_a_restart_changes_nothing() -> None:
    assert [line.settled for line in AS_EXPECTED] == [True, True, False, False]
    assert not timeline(30, "drop", READ_AND_KEPT).settled, "the dropped key still opens"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (timeline(30, "keep", NEVER_READ, restarted=RESTARTED_KEPT), "had not read the keys"),
        (timeline(30, "drop", READ_AND_KEPT, restarted=RESTARTED_DROPPED), "had not read the keys"),
        (timeline(None, "keep", READ_AND_KEPT), "without being restarted"),
        (
            timeline(None, "drop", NEVER_READ, restarted=seen((80, True, True))[0]),
            "not treated as the JWKS says",
        ),
        (timeline(None, "keep", NEVER_READ, restarted=seen((80, False, True))[0]), "not treated as the JWKS"),
        (timeline(None, "keep", NEVER_READ, restarted=seen((80, True, False))[0]), "refused even after"),
        (timeline(30, "keep", READ_AND_KEPT, before=False), "before any rotation"),
    ],
)
def test_what_contradicts_the_runbook_is_told(line: Timeline, says: str) -> None:
    [problem] = problems([line])
    assert says in problem
