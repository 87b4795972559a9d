"""Fixtures of the engine's contract suite.

By default the suite runs against the stand-in, as a process. `--engine-image IMAGE` runs it against that
image instead, each engine in a container of a network of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import pytest

from tests.contract.hasura.key_server import KeyServer, key_server
from tests.contract.hasura.recording import SigningKeys
from tests.contract.hasura.summary import engine_image
from tests.local_engine.engines import Engine, Postgres, engine_container, network, postgres, stand_in

Start = Callable[[Mapping[str, str]], AbstractContextManager[Engine]]


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture(scope="session")
def contract_network(pytestconfig: pytest.Config) -> Iterator[str | None]:
    if engine_image(pytestconfig) is None:
        yield None
        return
    with network() as name:
        yield name


@pytest.fixture(scope="session")
def contract_postgres(contract_network: str | None) -> Iterator[Postgres]:
    with postgres(network=contract_network or "bridge") as started:
        yield started


@pytest.fixture(scope="session")
def keys_served(signing_keys: SigningKeys, contract_network: str | None) -> Iterator[KeyServer]:
    with key_server(signing_keys.key_set(), contract_network) as server:
        yield server


@pytest.fixture(scope="session")
def database_url_of(contract_postgres: Postgres, contract_network: str | None) -> Callable[[str], str]:
    """The URL of a database as the engine reaches it."""
    return contract_postgres.url if contract_network is None else contract_postgres.inner_url


@pytest.fixture(scope="session")
def start_engine(pytestconfig: pytest.Config, contract_network: str | None) -> Start:
    image = engine_image(pytestconfig)
    if image is None or contract_network is None:
        return stand_in
    return lambda environment: engine_container(image, contract_network, environment)
