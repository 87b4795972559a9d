"""The tutorial's page shows what is really made: claims, JWT secret, table and permission."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from project import ROOT, manifest

from components.clerk.claims import template_claims
from components.hasura.jwt_secret import jwt_secret

PAGE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
TABLE = ROOT / "hasura_metadata" / "databases" / "default" / "tables" / "public_users.yaml"
MIGRATION = ROOT / "migrations" / "default" / "1700000000000_users" / "up.sql"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_claims_and_jwt_secret_are_those_of_the_defaults() -> None:
    claims, secret = map(json.loads, blocks("json"))
    role = str(manifest()["userRole"]["default"])
    assert claims == template_claims(role, [role], {})
    issuer = secret["issuer"]
    assert secret == jwt_secret(keys=f"{issuer}/.well-known/jwks.json", issuer=issuer)


def test_table_and_permission_are_those_of_the_project() -> None:
    assert blocks("sql") == [MIGRATION.read_text(encoding="utf-8")]
    [permission] = blocks("yaml")
    assert yaml.safe_load(permission) == yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def test_the_front_end_asks_for_the_templates_name() -> None:
    assert f'template: "{manifest()["jwtTemplateName"]["default"]}"' in "".join(blocks("js"))


@pytest.mark.parametrize("page", ["walkthrough.md", "concepts.md", "graph.md"])
def test_files_settings_and_commands_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    targets = set(
        re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    commands = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert commands and commands <= targets
    for path in re.findall(r"`((?:migrations|hasura_metadata|examples|components)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
    for key in re.findall(r"pulumi config set (?:--path '?)?(\w+)", text):
        assert key in manifest(), key
