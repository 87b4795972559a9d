"""PostgreSQL's settings for a stated size."""

from __future__ import annotations

import pytest

from components.postgres.tuning import server_arguments, shared_memory_mb, tuning


@pytest.mark.parametrize(
    ("memory_mb", "max_connections", "expected"),
    [
        (
            512,
            100,
            {
                "max_connections": "100",
                "shared_buffers": "128MB",
                "effective_cache_size": "384MB",
                "work_mem": "1310kB",
                "maintenance_work_mem": "32MB",
                "max_wal_size": "1024MB",
                "min_wal_size": "256MB",
            },
        ),
        (
            8192,
            200,
            {
                "max_connections": "200",
                "shared_buffers": "2048MB",
                "effective_cache_size": "6144MB",
                "work_mem": "10485kB",
                "maintenance_work_mem": "512MB",
                "max_wal_size": "8192MB",
                "min_wal_size": "2048MB",
            },
        ),
        (
            131_072,
            500,
            {
                "max_connections": "500",
                "shared_buffers": "32768MB",
                "effective_cache_size": "98304MB",
                "work_mem": "67108kB",
                "maintenance_work_mem": "2048MB",
                "max_wal_size": "16384MB",
                "min_wal_size": "4096MB",
            },
        ),
    ],
)
def test_settings_of_a_size(memory_mb: int, max_connections: int, expected: dict[str, str]) -> None:
    assert tuning(memory_mb=memory_mb, max_connections=max_connections) == expected


def test_work_mem_never_falls_below_what_a_sort_needs() -> None:
    assert tuning(memory_mb=256, max_connections=10_000)["work_mem"] == "1024kB"


def test_what_is_reserved_fits_into_the_container() -> None:
    for memory_mb in (256, 512, 1024, 65_536):
        settings = tuning(memory_mb=memory_mb, max_connections=100)
        reserved = int(settings["shared_buffers"][:-2]) + int(settings["maintenance_work_mem"][:-2])
        assert reserved <= memory_mb // 2
        assert shared_memory_mb(memory_mb) <= memory_mb // 4


def test_each_setting_is_an_argument_of_the_server() -> None:
    assert server_arguments({"a": "1", "b": "2MB"}) == ["postgres", "-c", "a=1", "-c", "b=2MB"]
