"""A local Clerk that serves on a free loopback port for the length of one test."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.clerk.server import Running, serving


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "clerk", faults=True) as running:
        yield running


@pytest.fixture
def backend(clerk: Running) -> Iterator[httpx.Client]:
    """A client of its Backend API."""
    headers = {"Authorization": f"Bearer {clerk.secret_key}"}
    with httpx.Client(base_url=clerk.url, headers=headers, timeout=10) as client:
        yield client
