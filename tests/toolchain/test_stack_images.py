"""Which images a stack's configuration asks for, and where they have to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.toolchain.stack_images import read

MANIFEST = """\
config:
  postgresImage: {default: 'postgres:17'}
  hasuraImage: {default: 'hasura/graphql-engine:v2'}
  standIns: {default: false}
  localClerk: {default: false}
  caddyImage: {default: ''}
  ingress: {default: false}
  replicas: {default: 0}
"""


@pytest.mark.parametrize(
    ("own", "parts", "docker_host"),
    [
        ("", ("postgres", "hasura"), ""),
        ('clerk-hasura:localClerk: "true"', ("postgres", "hasura", "stand-ins"), ""),
        ("clerk-hasura:databaseUrl: {secure: x}", ("hasura",), ""),
        ("clerk-hasura:engineUrl: https://example.hasura.app", (), ""),
        ("clerk-hasura:databaseHost: db.example.com", ("hasura",), ""),
        ("docker:host: ssh://there", ("postgres", "hasura"), "ssh://there"),
        ('clerk-hasura:replicas: "3"', ("postgres", "hasura", "caddy"), ""),
        ('clerk-hasura:ingress: "true"', ("postgres", "hasura", "caddy"), ""),
        ('clerk-hasura:replicas: "0"', ("postgres", "hasura"), ""),
    ],
    ids=[
        *("defaults", "local Clerk", "database by URL", "engine", "database by parts", "another host"),
        *("replicas", "ingress", "no replicas"),
    ],
)
def test_parts_and_host(tmp_path: Path, own: str, parts: tuple[str, ...], docker_host: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(MANIFEST)
    (tmp_path / "Pulumi.x.yaml").write_text(f"config:\n  {own}\n" if own else "")
    found = read(tmp_path, "x")
    assert (found.parts, found.docker_host) == (parts, docker_host)
    assert found.name("hasura") == "hasura/graphql-engine:v2"
