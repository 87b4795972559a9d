"""The stand-in for the vendor's PostgreSQL plugin, under the real Pulumi CLI and SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local import images, toolchain
from tests.images.containers import Container, container, wait_for

pytestmark = [pytest.mark.docker, pytest.mark.e2e]
ROOT = Path(__file__).resolve().parents[2]
SUPERUSER_PASSWORD = "superuser-of-the-cli-test"
ROLE_PASSWORD = "first-role-password"

PROGRAM = """
import os

import pulumi
import pulumi_postgresql as postgresql

provider = postgresql.Provider(
    "server",
    host="127.0.0.1",
    port=int(os.environ["TEST_PORT"]),
    username="postgres",
    password=os.environ["TEST_PASSWORD"],
    sslmode="disable",
    superuser=True,
    connect_timeout=15,
)
inside = pulumi.ResourceOptions(provider=provider)
owner = postgresql.Role(
    "owner", name="owner", login=True, password=os.environ["TEST_ROLE_PASSWORD"], opts=inside
)
database = postgresql.Database("shop", name="shop", owner=owner.name, opts=inside)
postgresql.Extension("pgcrypto", name="pgcrypto", database=database.name, opts=inside)
schema = postgresql.Schema("stock", name="stock", database=database.name, owner=owner.name, opts=inside)
reader = postgresql.Role("reader", opts=inside)
postgresql.Grant(
    "reader-uses-stock",
    database=database.name,
    schema=schema.name,
    role=reader.name,
    object_type="schema",
    privileges=["USAGE"],
    opts=inside,
)
pulumi.export("reader", reader.name)
"""


@dataclass(frozen=True)
class Stack:
    """A Pulumi project of its own with one stack."""

    folder: Path
    environment: dict[str, str]
    server: Container

    def pulumi(self, *arguments: str, ok: bool = True, **environment: str) -> str:
        result = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder, env=self.environment | environment, text=True, check=False, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert (result.returncode == 0) is ok, result.stdout
        return result.stdout

    def rows(
        self, query: str, user: str = "postgres", password: str = SUPERUSER_PASSWORD, database="postgres"
    ):
        with psycopg.connect(
            host="127.0.0.1", port=self.server.port(5432), user=user, password=password, dbname=database,
            autocommit=True,
        ) as connection:  # fmt: skip
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def state(self) -> str:
        return self.pulumi("stack", "export")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("plugin")
    launchers, backend = folder / "bin", folder / "state"
    launchers.mkdir()
    backend.mkdir()
    launcher = launchers / "pulumi-resource-postgresql"
    # First on PATH, so that this plugin is tested even where the vendor's is installed.
    launcher.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -u -m '
        'local.toolchain.pulumi_resource_postgresql "$@"\n'
    )
    launcher.chmod(0o755)
    (folder / "Pulumi.yaml").write_text(
        "name: plugin-check\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
    )
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "__main__.py").write_text(PROGRAM)
    with container(
        images.build("postgres", progress=print),
        "--publish", "127.0.0.1::5432", "--env", f"POSTGRES_PASSWORD={SUPERUSER_PASSWORD}",
    ) as server:  # fmt: skip
        wait_for(server.accepts_tcp, "PostgreSQL answers over TCP")
        base = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "PG"))}
        tools = base | toolchain.environment(ROOT)
        environment = tools | {
            "PATH": f"{launchers}{os.pathsep}{tools['PATH']}",
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "TEST_PORT": str(server.port(5432)),
            "TEST_PASSWORD": SUPERUSER_PASSWORD,
            "TEST_ROLE_PASSWORD": ROLE_PASSWORD,
        }
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        made = Stack(folder=folder, environment=environment, server=server)
        made.pulumi("stack", "init", "dev")
        yield made


def test_a_stack_from_first_up_to_destroy(stack: Stack) -> None:
    preview = stack.pulumi("preview")
    assert "STAND-IN PLUGIN" in preview
    assert stack.rows("select 1 from pg_roles where rolname = 'owner'") == []

    stack.pulumi("up", "--yes", "--skip-preview")
    signed_in = stack.rows("select current_user", user="owner", password=ROLE_PASSWORD, database="shop")
    assert signed_in == [("owner",)]
    assert stack.rows("select 1 from pg_extension where extname = 'pgcrypto'", database="shop") == [(1,)]
    reader = stack.pulumi("stack", "output", "reader").strip()
    assert reader.startswith("reader-")
    may_use = f"select has_schema_privilege('{reader}', 'stock', 'usage')"
    assert stack.rows(may_use, database="shop") == [(True,)]

    exported = stack.state()
    for secret in (SUPERUSER_PASSWORD, ROLE_PASSWORD):
        assert secret not in exported
    role = next(r for r in json.loads(exported)["deployment"]["resources"] if r["urn"].endswith("::owner"))
    assert "ciphertext" in role["outputs"]["password"]

    # Nothing has changed: neither a preview nor a refresh finds anything, names that were generated included.
    stack.pulumi("preview", "--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--expect-no-changes")


def test_a_password_change_is_an_update_and_is_never_shown(stack: Stack) -> None:
    changed = {"TEST_ROLE_PASSWORD": "second-role-password"}
    shown = stack.pulumi("preview", "--diff", **changed)
    assert "~ password" in shown
    assert "[secret]" in shown
    assert "role-password" not in shown
    stack.pulumi("up", "--yes", "--skip-preview", **changed)
    assert stack.rows("select 1", user="owner", password="second-role-password", database="shop") == [(1,)]
    assert "second-role-password" not in stack.state()
    stack.pulumi("preview", "--expect-no-changes", **changed)
    stack.environment["TEST_ROLE_PASSWORD"] = "second-role-password"


def test_drift_shows_after_refresh_and_up_repairs_it(stack: Stack) -> None:
    stack.rows("alter role owner nologin createdb")
    stack.rows("drop extension pgcrypto", database="shop")
    stack.rows("alter database shop connection limit 5")
    stack.pulumi("preview", "--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    shown = stack.pulumi("preview", "--diff")
    assert "+ postgresql:index/extension:Extension: (create)" in shown
    assert "~ login" in shown
    assert "connectionLimit" in shown
    stack.pulumi("up", "--yes", "--skip-preview")
    repaired = stack.rows("select rolcanlogin, rolcreatedb from pg_roles where rolname = 'owner'")
    assert repaired == [(True, False)]
    assert stack.rows("select datconnlimit from pg_database where datname = 'shop'") == [(-1,)]
    assert stack.rows("select 1 from pg_extension where extname = 'pgcrypto'", database="shop") == [(1,)]
    stack.pulumi("preview", "--refresh", "--expect-no-changes")


def test_what_is_there_can_be_imported(stack: Stack) -> None:
    stack.rows("create role made_by_hand login")
    shown = stack.pulumi(
        "import", "postgresql:index/role:Role", "by-hand", "made_by_hand", "--yes", "--protect=false",
        "--skip-preview",
        "--generate-code=false",
        "--provider", "server=urn:pulumi:dev::plugin-check::pulumi:providers:postgresql::server",
    )  # fmt: skip
    assert "1 imported" in shown
    resources = json.loads(stack.state())["deployment"]["resources"]
    imported = next(r for r in resources if r["urn"].endswith("::by-hand"))
    assert imported["inputs"] == {"login": True, "name": "made_by_hand"}
    stack.pulumi("up", "--yes", "--skip-preview")
    assert stack.rows("select 1 from pg_roles where rolname = 'made_by_hand'") == []


def test_destroy_leaves_nothing(stack: Stack) -> None:
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert stack.rows("select rolname from pg_roles where rolname !~ '^(pg_|postgres$)'") == []
    assert stack.rows("select datname from pg_database where datname = 'shop'") == []
    assert json.loads(stack.state())["deployment"].get("resources", [])[1:] == []


def test_an_error_names_the_server_and_no_secret(stack: Stack) -> None:
    shown = stack.pulumi("up", "--yes", "--skip-preview", ok=False, TEST_PORT="1")
    assert "cannot connect to PostgreSQL at 127.0.0.1:1," in shown
    assert "Traceback" not in shown
    assert SUPERUSER_PASSWORD not in shown
