"""A local engine on a throwaway Postgres, emptied for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.local_engine.engines import Postgres, postgres, stand_in, until
from tests.local_engine.workbench import SECRET, Workbench


@pytest.fixture(scope="session")
def engine_postgres() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture(scope="module")
def shared_workbench(engine_postgres: Postgres) -> Iterator[Workbench]:
    with engine_postgres.database() as database:
        url = engine_postgres.url(database)
        environment = {"HASURA_GRAPHQL_DATABASE_URL": url, "HASURA_GRAPHQL_ADMIN_SECRET": SECRET}
        with stand_in(environment) as engine:
            until(engine.settled, "the engine is healthy")
            assert engine.exit_code() is None, engine.log()
            yield Workbench(engine=engine, database_url=url)


@pytest.fixture
def workbench(shared_workbench: Workbench) -> Workbench:
    """The module's engine with an empty schema and without metadata."""
    with psycopg.connect(shared_workbench.database_url, autocommit=True) as connection:
        connection.execute("drop schema public cascade; create schema public")
    shared_workbench.metadata("clear_metadata")
    return shared_workbench


@pytest.fixture
def new_database(engine_postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Makes empty databases and gives their URLs."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda: engine_postgres.url(stack.enter_context(engine_postgres.database()))
