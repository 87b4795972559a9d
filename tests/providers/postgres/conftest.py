"""A real Postgres whose superuser's passwords the tests change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.postgres.server import Server
from tests.local_engine.engines import Postgres, postgres


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    """The container; its password is that of its first initialisation."""
    with postgres() as started:
        yield started


@pytest.fixture
def server(running: Postgres) -> Server:
    return Server(host="127.0.0.1", port=running.port)
