"""The engine as this project configures it, with the data of two users, for attacks on its API.

By default the local engine; `--engine-image IMAGE` runs that image instead, as in the contract suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
import yaml
from project import ROOT, stack_config

from components import settings
from components.hasura.client import HasuraClient
from components.hasura.environment import environment
from components.hasura.jwt_secret import jwt_secret, jwt_secret_text
from components.schema.metadata_directory import read_metadata
from tests.attacks.attack import ADMIN_SECRET, AUDIENCE, ISSUER, SKEW, Target
from tests.contract.hasura.conftest import (
    Start,
    contract_network,
    contract_postgres,
    database_url_of,
    keys_served,
    signing_keys,
    start_engine,
)
from tests.contract.hasura.key_server import KeyServer
from tests.contract.hasura.recording import SigningKeys
from tests.local_engine.engines import Postgres, until

__all__ = [
    "contract_network",
    "contract_postgres",
    "database_url_of",
    "keys_served",
    "signing_keys",
    "start_engine",
]

TABLES = yaml.safe_load((ROOT / "tests" / "attacks" / "tables.yaml").read_text())


@pytest.fixture(scope="session")
def target(
    start_engine: Start,
    contract_postgres: Postgres,
    database_url_of: Callable[[str], str],
    keys_served: KeyServer,
    signing_keys: SigningKeys,
) -> Iterator[Target]:
    """The project's own migrations, metadata and engine settings, and three tables with what the `users` table has not:
    aggregates, relationships, mutations, a hidden column."""
    stack = settings.parse(stack_config("dev"), stack="attacks", environment={})
    with contract_postgres.database() as data, contract_postgres.database() as catalog:
        secret = jwt_secret(
            keys=keys_served.url("maxage60"), issuer=ISSUER, audience=AUDIENCE, allowed_skew=SKEW
        )
        variables = environment(
            stack.hasura,
            database_url=database_url_of(data),
            metadata_database_url=database_url_of(catalog),
            admin_secret=ADMIN_SECRET,
            jwt_secret=jwt_secret_text(secret),
            pooled=False,
        )
        with start_engine(variables) as engine:
            until(engine.settled, "the engine is healthy")
            assert engine.exit_code() is None, engine.log()
            with HasuraClient(engine.endpoint, ADMIN_SECRET) as admin:
                for file in sorted((ROOT / "migrations" / "default").glob("*/up.sql")):
                    admin.run_sql(file.read_text())
                admin.run_sql(TABLES["sql"])
                wanted = read_metadata(ROOT / "hasura_metadata").tree
                own = wanted["sources"][0]["tables"][0]  # type: ignore[index,call-overload]
                own |= TABLES["users"]
                wanted["sources"][0]["tables"] += TABLES["tables"]  # type: ignore[index,call-overload]
                version, _ = admin.export_metadata()
                admin.replace_metadata(wanted, version)
            with psycopg.connect(contract_postgres.url(data), autocommit=True) as connection:
                yield Target(
                    engine=engine,
                    database=connection,
                    keys=signing_keys,
                    listener=keys_served,
                    variables=variables,
                )


@pytest.fixture
def rows(target: Target) -> None:
    """The rows of both users as they were."""
    target.sql(TABLES["rows"])
