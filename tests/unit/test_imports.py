"""What a preview without changes imports: reading modules is most of what it does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_NEEDED = {"cryptography", "graphql", "httpx", "jwt", "psycopg", "rich", "stamina", "tenacity"}
"""The program describes; who speaks to Clerk, to the engine or to Postgres is a provider, when it has to."""
PROVIDERS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "components").rglob("*.py")
    if re.search(r"\((Resource|Docker)Provider\):", path.read_text(encoding="utf-8"))
)


def imported(*modules: str) -> set[str]:
    """The top packages that are there when these modules have been imported by a new interpreter."""
    return {name.split(".")[0] for name in imported_modules(*modules)}


def imported_modules(*modules: str) -> set[str]:
    """All modules that are there then."""
    lines = [f"import {module}" for module in modules]
    text = "\n".join(["import sys", *lines, "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def imports_of(path: Path) -> list[str]:
    """Every module that a file imports from, at any depth of it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def test_the_program_imports_no_client() -> None:
    modules = imports_of(ROOT / "__main__.py")
    assert "components.schema.resources" in modules and "local.clerk.container" in modules
    started = [*modules, "local.images.stack"]
    assert imported(*started) & NOT_NEEDED == set()
    assert imported_modules(*started) & {"local.toolchain", "local.images.__main__"} == set()


@pytest.mark.parametrize("module", PROVIDERS)
def test_a_provider_imports_its_client_when_it_is_called(module: str) -> None:
    """Nor the model of the settings, nor the SDKs of other providers."""
    assert imported(module) & {*NOT_NEEDED, "pydantic", "pulumi_docker", "pulumi_postgresql"} == set()


def test_the_postgresql_plugin_starts_without_the_sdk_and_the_client_of_postgres() -> None:
    """Its process is one of those that each preview starts."""
    package = "local.toolchain.pulumi_resource_postgresql"
    started = imported(f"{package}.__main__; {package}.__main__.leave_the_sdk_out()", f"{package}.serving")
    assert "grpc" in started
    assert started & {*NOT_NEEDED, "dill", "opentelemetry", "yaml"} == set()


def test_the_language_host_starts_without_the_sdk() -> None:
    """The CLI starts it twice for a preview."""
    launchers = ROOT / "local" / "toolchain" / "launchers"
    started = imported(f"sys; sys.path.append({str(launchers)!r})", "language_host")
    assert "grpc" in started
    assert started & {*NOT_NEEDED, "dill", "opentelemetry", "yaml"} == set()


def test_the_providers_are_found() -> None:
    assert {"components.clerk.provider", "components.schema.provider", "components.hasura.trial"} <= set(
        PROVIDERS
    )


def test_what_a_client_needs_is_seen() -> None:
    assert {"httpx", "tenacity"} <= imported("components.clerk.client")
