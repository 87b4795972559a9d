"""What a front end is given of a stack's outputs: by name, and in a form that a dotenv reader reads back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values

from components.dotenv import text, variables, write

OUTPUTS = {
    "graphqlUrl": "https://api.example.com/v1/graphql",
    "graphqlWsUrl": "wss://api.example.com/v1/graphql",
    "publishableKey": "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
    "jwtTemplate": "hasura",
    "adminSecret": "canary",
    "databaseUrl": "postgresql://canary",
    "somethingNew": "canary",
}
SATELLITE = {"clerkSatelliteDomain": "shop.example.org", "jwtHeader": '{"type":"Cookie","name":"it\'s"}'}


@pytest.mark.parametrize("prefix", ["", "VITE_", "NEXT_PUBLIC_"])
def test_only_named_outputs_go_in(prefix: str) -> None:
    assert variables(OUTPUTS, prefix) == {
        f"{prefix}GRAPHQL_URL": OUTPUTS["graphqlUrl"],
        f"{prefix}GRAPHQL_WS_URL": OUTPUTS["graphqlWsUrl"],
        f"{prefix}CLERK_PUBLISHABLE_KEY": OUTPUTS["publishableKey"],
        f"{prefix}CLERK_JWT_TEMPLATE": "hasura",
    }


def test_a_satellite_says_that_it_is_one() -> None:
    found = variables(OUTPUTS | SATELLITE, "NEXT_PUBLIC_")
    assert found["NEXT_PUBLIC_CLERK_DOMAIN"] == "shop.example.org"
    assert found["NEXT_PUBLIC_CLERK_IS_SATELLITE"] == "true"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    values = variables(OUTPUTS | SATELLITE)
    assert dotenv_values(stream=io.StringIO(text("prod", values))) == values
    file = tmp_path / "web" / ".env"
    write(file, "prod", values)
    assert dotenv_values(file) == values
    write(file, "prod", values)
    assert file.read_text() == text("prod", values), "nothing is written twice"


def test_lines_of_others_stay(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nOWN=1\nGRAPHQL_URL=former   # note\nLAST=2")
    write(file, "prod", {"GRAPHQL_URL": "new", "CLERK_JWT_TEMPLATE": "hasura"})
    assert file.read_text() == ("# mine\nOWN=1\nGRAPHQL_URL='new'\nLAST=2\nCLERK_JWT_TEMPLATE='hasura'\n")
