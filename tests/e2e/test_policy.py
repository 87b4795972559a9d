"""The policy pack on a program that is not the project's own, by the real CLI. Nothing is deployed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from project_copy import ROOT, Run

from local import toolchain

pytestmark = pytest.mark.e2e

MANIFEST = f"""\
name: elsewhere
runtime:
  name: python
  options: {{toolchain: pip, virtualenv: {ROOT}/.venv}}
"""
PROGRAM = """\
import pulumi
import pulumi_docker as docker

docker.Volume("data")
docker.Container(
    "engine",
    image="hasura/graphql-engine@sha256:" + "0" * 64,
    memory=512,
    cpus="1",
    ports=[docker.ContainerPortArgs(internal=5432, external=5432, ip=pulumi.Config().get("address"))],
    envs=[
        "HASURA_GRAPHQL_DISABLE_CORS=true",
        pulumi.Output.secret("HASURA_GRAPHQL_ADMIN_SECRET=fVh0yQ8sZk3pX1rT7uWc9eBn2mLd5gAi"),
    ],
)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a backend of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "Pulumi.yaml").write_text(MANIFEST)
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "state").mkdir()
    for arguments in (["stack", "init", "live"], ["config", "set", "address", "127.0.0.1"]):
        pulumi(folder, *arguments).ok()
    return folder


def pulumi(folder: Path, *arguments: str) -> Run:
    own = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    own |= {"CLERK_HASURA_CACHE": str(toolchain.cache_folder())}
    environment = {
        **own,
        **toolchain.environment(ROOT, own),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "of a test",
    }
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive", "--color=never"],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Run(code=done.returncode, text=done.stdout)


def preview(folder: Path) -> Run:
    return pulumi(folder, "preview", "--policy-pack", str(ROOT / "policy"))


def test_a_stack_that_is_not_one_of_production_is_told(elsewhere: Path) -> None:
    told = preview(elsewhere).ok()
    assert "[advisory] [severity: high]  protected-volume  (docker:index:Volume: data)" in told
    assert "the volume `data` is not protected" in told
    assert "To except it in policy/exceptions.yaml, subject: `data protection`" in told
    assert told.count("[advisory]") == 1, told


def test_a_production_stack_is_stopped(elsewhere: Path) -> None:
    pulumi(elsewhere, "config", "set", "production", "true").ok()
    pulumi(elsewhere, "config", "set", "address", "10.0.0.5").ok()
    stopped = preview(elsewhere).failed()
    assert "[mandatory] [severity: high]  protected-volume  (docker:index:Volume: data)" in stopped
    assert "[mandatory] [severity: critical]  published-database  (docker:index:Container: engine)" in stopped
    assert stopped.count("[mandatory]") == 2, stopped
    assert "fVh0yQ8sZk3pX1rT7uWc9eBn2mLd5gAi" not in stopped


def test_a_production_stack_that_breaks_nothing_passes(elsewhere: Path) -> None:
    pulumi(elsewhere, "config", "set", "production", "true").ok()
    pulumi(elsewhere, "config", "set", "address", "127.0.0.1").ok()
    program = elsewhere / "__main__.py"
    program.write_text(
        PROGRAM.replace('Volume("data")', 'Volume("data", opts=pulumi.ResourceOptions(protect=True))')
    )
    assert "[mandatory]" not in preview(elsewhere).ok()
