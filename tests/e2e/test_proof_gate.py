"""The proof of row isolation as a part of the stack: made after a change, told, and in the way of a leak."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from project_copy import ProjectCopy

from components.clerk.keys import LOCAL_SECRET_KEY
from components.hasura.client import HasuraClient

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

PROVEN = "Proven: all 21 lines hold."
BY_ITSELF = "Row isolation is proven: all 21 lines hold."
TABLE = "hasura_metadata/databases/default/tables/public_users.yaml"


@pytest.fixture(scope="module")
def up(project: ProjectCopy) -> str:
    """What the first `make up` printed."""
    return project.run("make", "up", timeout=1800).ok()


@pytest.fixture
def leak(project: ProjectCopy, up: str) -> Iterator[Path]:
    """A permission that lets every user see every row, put right afterwards."""
    path = project.folder / TABLE
    before = path.read_text()
    start = before.index("      filter:")
    end = before.index("X-Hasura-User-Id", start) + len("X-Hasura-User-Id")
    path.write_text(f"{before[:start]}      filter: {{}}{before[end:]}")
    yield path
    path.write_text(before)
    project.up().ok()


def users(project: ProjectCopy) -> list[object]:
    url = f"{project.outputs()['clerkApiUrl']}/v1/users"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {LOCAL_SECRET_KEY}"})
    return list(answer.json())


def test_the_first_up_proves_once_and_shows_its_table(up: str, project: ProjectCopy) -> None:
    assert BY_ITSELF in up
    assert up.count(PROVEN) == 1, up
    assert up.count("A: B's row by where") == 1
    assert project.outputs()["provenAt"]


def test_an_up_without_a_change_proves_by_itself(up: str, project: ProjectCopy) -> None:
    before = project.outputs()["provenAt"]
    again = project.run("make", "up", timeout=900).ok()
    assert BY_ITSELF not in again
    assert again.count(PROVEN) == 1, again
    assert project.outputs()["provenAt"] == before


def test_a_preview_proves_nothing(leak: Path, project: ProjectCopy) -> None:
    said = project.pulumi("preview", "--diff").ok()
    assert "row-isolation" in said
    assert BY_ITSELF not in said
    assert "NOT proven" not in said


def test_a_leak_fails_the_deployment_and_leaves_no_user(leak: Path, project: ProjectCopy) -> None:
    before = project.outputs()["provenAt"]
    said = project.up().failed()
    assert "Row isolation is NOT proven" in said
    assert "A: B's row by where: expected nothing, seen the answer holds" in said
    assert "Look at select_permissions of the table users" in said
    assert users(project) == []
    assert project.outputs()["provenAt"] == before
    assert "NOT proven" in project.up().failed(), "until it is mended, every deployment fails"


def test_a_leak_by_hand_is_seen_by_a_refresh_and_proven_again_after_its_repair(
    up: str, project: ProjectCopy
) -> None:
    outputs = project.outputs()
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        version, before = hasura.export_metadata()
        changed = json.loads(json.dumps(before))
        changed["sources"][0]["tables"][0]["select_permissions"][0]["permission"]["filter"] = {}
        hasura.replace_metadata(changed, resource_version=version)
    project.pulumi("refresh", "--yes").ok()
    said = project.pulumi("preview", "--diff").ok()
    assert "the metadata or the JWT template have changed since" in said
    assert BY_ITSELF in project.up().ok()
    assert project.outputs()["provenAt"] > outputs["provenAt"]
    project.pulumi("preview", "--expect-no-changes").ok()


def test_a_refresh_without_drift_keeps_the_proof(up: str, project: ProjectCopy) -> None:
    project.pulumi("refresh", "--yes").ok()
    project.pulumi("preview", "--expect-no-changes").ok()


def test_a_proof_that_cannot_be_made_is_told_from_one_that_failed(up: str, project: ProjectCopy) -> None:
    container = f"clerk-hasura-{project.stack}-clerk"
    project.run("docker", "stop", container).ok()
    try:
        said = project.run("make", "prove").failed()
    finally:
        project.run("docker", "start", container).ok()
    assert "could not be made" in said
    assert "Nothing is proven." in said
    assert "the table above shows which line" not in said


def test_without_the_gate_make_up_still_proves(up: str, project: ProjectCopy) -> None:
    project.pulumi("config", "set", "proof", "false").ok()
    said = project.run("make", "up", timeout=900).ok()
    assert said.count(PROVEN) == 1, said
    assert "provenAt" not in project.outputs()
