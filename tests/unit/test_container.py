"""How limits and durations are written so that Docker gives them back as the same."""

from __future__ import annotations

import pytest

from components.container import configured_image, docker_cpus, go_duration


@pytest.mark.parametrize(
    ("cpus", "written"),
    [
        (0, None),
        (0.1, "0.1"),
        (0.5, "0.5"),
        (1, "1.0"),
        (1.5, "1.5"),
        (2, "2.0"),
        (10, "10."),
        (10.5, "10.5"),
        (64, "64.0"),
    ],
)
def test_processors(cpus: float, written: str | None) -> None:
    assert docker_cpus(cpus) == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(5, "5s"), (60, "1m0s"), (65, "1m5s"), (3600, "1h0m0s"), (3661, "1h1m1s")]
)
def test_durations(seconds: int, written: str) -> None:
    assert go_duration(seconds) == written


@pytest.mark.parametrize(
    ("image", "part", "user"),
    [
        ("postgres:17.12-trixie", "postgres", "999:999"),
        ("postgres:17.12-alpine3.22", "postgres", "70:70"),
        ("registry:5000/alpine/postgres:17.12", "postgres", "70:70"),
        ("hasura/graphql-engine:v2.48.10", "hasura", "1001:1001"),
    ],
)
def test_the_user_of_a_vendors_image(image: str, part: str, user: str) -> None:
    assert configured_image(image, part).user == user
