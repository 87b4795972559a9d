"""Every workflow's sequence of commands, read out of its file, on local stacks with a file backend and a fake GitHub.

One stack is staging and prod at once: what follows the approval is the same, and a stack costs half a minute.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from project_copy import ProjectCopy
from workflow_run import Job, Workflow

from components.clerk.answers import TemplateContent
from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY
from local.toolchain.environment import PUBLIC_PASSPHRASE
from tests.pipeline.fake_github import REPOSITORY, TOKEN, FakeGitHub, served

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

HASURA = "https://hasura.io/jwt/claims"


@dataclass
class Pipeline:
    """A repository with its CI: the working copy, the backend and GitHub."""

    project: ProjectCopy
    github: FakeGitHub
    pull_request: int = field(default_factory=lambda: random.randint(10**6, 10**7))

    @property
    def backend(self) -> dict[str, str]:
        folder = self.project.folder.parent / f"{self.project.folder.name}-backend"
        folder.mkdir(exist_ok=True)
        return {"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": PUBLIC_PASSPHRASE}

    def run(self, workflow: str, job: str, **contexts: str) -> Job:
        """Runs a job of a workflow for the stacks of this pipeline."""
        known = {
            "vars.PULUMI_BACKEND_URL": self.backend["PULUMI_BACKEND_URL"],
            "vars.REVIEW_BACKEND_URL": self.backend["PULUMI_BACKEND_URL"],
            "vars.REVIEW_ADDRESS": "",
            "vars.CLERK_PUBLISHABLE_KEY": "",
            "secrets.PULUMI_ACCESS_TOKEN": "",
            "secrets.PULUMI_CONFIG_PASSPHRASE": PUBLIC_PASSPHRASE,
            "secrets.CLERK_SECRET_KEY": "",
            "github.token": TOKEN,
            "github.event.pull_request.number": str(self.pull_request),
            "inputs.repair && '1' || ''": "",
            "matrix.stack": "prod",
        }
        stacks = {"staging": self.project.stack, "prod": self.project.stack, "dev": self.project.stack}
        return Workflow(self.project, workflow, stacks).run(job, {**known, **contexts})

    def approval(self, **contexts: str) -> str:
        """The job that plans prod; gives the fingerprint for those who approve."""
        planned = self.run("deploy", "plan", **contexts).ok()
        assert f"of `{self.project.stack}`" in planned.summary, "reviewers read the plan there"
        return planned.outputs["fingerprint"]

    def approved(self, fingerprint: str, **contexts: str) -> Job:
        """The job that waits for the approval."""
        return self.run("deploy", "prod", **{"needs.plan.outputs.fingerprint": fingerprint}, **contexts)

    def claims(self) -> dict:
        """The claims that tokens really have."""
        with self.clerk() as clerk:
            [found] = clerk.jwt_templates()
        return json.loads(json.dumps(found.claims))

    def clerk(self) -> ClerkClient:
        return ClerkClient(f"http://127.0.0.1:{self.project.ports['localClerkPort']}", LOCAL_SECRET_KEY)

    def set_claim(self, name: str, value: str) -> None:
        """A change as somebody pushes it."""
        claim = f'jwtTemplateClaims["{HASURA}"].{name}'
        self.project.pulumi("config", "set", "--path", claim, value, **self.backend).ok()

    def migration(self, name: str, sql: str) -> Path:
        folder = self.project.folder / "migrations" / "default" / name
        folder.mkdir()
        (folder / "up.sql").write_text(sql)
        (folder / "down.sql").write_text("select 1;\n")
        return folder / "up.sql"


@pytest.fixture(scope="module")
def pipeline(project: ProjectCopy) -> Iterator[Pipeline]:
    """A pipeline whose stack somebody made once, as docs/ci.md says. Nothing is deployed."""
    with served() as github:
        github_of_the_runner = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY}
        project.environment = {**project.environment, **github_of_the_runner}
        made = Pipeline(project, github)
        yield made
        for stack in (project.stack, f"pr-{made.pull_request}"):
            project.run("pulumi", "destroy", "--yes", "--stack", stack, **made.backend)
            left = project.beside(stack, {})
            left.remove()


def test_a_stack_that_nobody_made_is_not_made_by_a_pipeline(pipeline: Pipeline) -> None:
    told = pipeline.run("deploy", "staging").failed()
    assert f"The backend has no stack {pipeline.project.stack}. Make it once" in told
    pipeline.project.pulumi("stack", "init", **pipeline.backend).ok()


def test_main_is_deployed_to_staging_and_proven_and_prod_waits(pipeline: Pipeline) -> None:
    staging = pipeline.run("deploy", "staging").ok()
    assert "Proven by two throwaway users" in staging.text
    assert "EXPECT is empty" in pipeline.approved("").failed()
    file = Workflow(pipeline.project, "deploy", {})
    assert [file.needs(job) for job in ("staging", "plan", "prod")] == [None, "staging", "plan"]


def test_a_pull_request_has_one_comment_that_every_push_updates(pipeline: Pipeline) -> None:
    project, github = pipeline.project, pipeline.github
    pipeline.set_claim("x-hasura-org-id", "{{org.id || 'none'}}")
    pipeline.run("preview", "plan").ok()
    [comment] = github.comments
    assert comment["number"] == pipeline.pull_request
    assert "a token holds the claim `x-hasura-org-id` too" in comment["body"]

    edited = project.folder / "migrations" / "default" / "1700000000000_users" / "up.sql"
    before = edited.read_text()
    edited.write_text(f"{before}-- edited\n")
    refused = pipeline.run("preview", "plan")
    assert not refused.succeeded
    assert [one["id"] for one in github.comments] == [comment["id"]]
    assert "up.sql: was changed after it ran" in comment["body"], "a plan that could not be made says why"
    edited.write_text(before)


def test_a_plan_that_is_not_the_approved_one_stops_the_deployment(pipeline: Pipeline) -> None:
    approved = pipeline.approval()
    assert re.fullmatch(r"[0-9a-f]{64}", approved)
    pipeline.set_claim("x-hasura-team", "{{org.slug || 'none'}}")
    stopped = pipeline.approved(approved).failed()
    assert "another plan than the expected one" in stopped
    assert "x-hasura-org-id" not in pipeline.claims()[HASURA], "nothing was touched"
    pipeline.approved(pipeline.approval()).ok()
    assert {"x-hasura-org-id", "x-hasura-team"} <= pipeline.claims()[HASURA].keys()


def test_a_failure_in_the_middle_is_planned_and_approved_anew(pipeline: Pipeline) -> None:
    pipeline.migration("1700000000001_notes", "create table notes (id bigint primary key);\n")
    failing = pipeline.migration("1700000000002_ratio", "create table ratio as select 1 / 0 as value;\n")
    approved = pipeline.approval()
    assert "division by zero" in pipeline.approved(approved).failed()
    # Half of it is there, so what was approved is not what would happen.
    assert "another plan than the expected one" in pipeline.approved(approved).failed()
    failing.write_text("create table ratio as select 1 / 1 as value;\n")
    again = pipeline.run("deploy", "plan").ok()
    assert "1700000000002_ratio` runs" in again.text
    assert "1700000000001_notes` runs" not in again.text
    pipeline.approved(again.outputs["fingerprint"]).ok()


def test_drift_by_hand_is_one_issue_until_it_is_repaired(pipeline: Pipeline) -> None:
    github = pipeline.github
    with pipeline.clerk() as clerk:
        [found] = clerk.jwt_templates()
        claims = json.loads(json.dumps(found.claims))
        claims[HASURA]["x-hasura-allowed-roles"] = ["user", "editor"]
        by_hand = TemplateContent(name=found.name, claims=claims, lifetime=600, allowed_clock_skew=5)
        clerk.update_jwt_template(found.id, by_hand)
    for _night in range(2):
        pipeline.run("drift", "drift").ok()
    [issue] = github.issues
    assert issue["state"] == "open"
    assert "a token allows requests as the role `editor` too" in issue["body"]
    assert "a token is valid for `600` seconds (was: `60`)" in issue["body"]

    pipeline.run("deploy", "staging", **{"inputs.repair && '1' || ''": "1"}).ok()
    assert pipeline.claims()[HASURA]["x-hasura-allowed-roles"] == ["user"]
    pipeline.run("drift", "drift").ok()
    assert issue["state"] == "closed"
    assert len(github.issues) == 1


def test_a_pull_request_has_a_stack_of_its_own_from_open_to_close(pipeline: Pipeline) -> None:
    project, github = pipeline.project, pipeline.github
    stack = f"pr-{pipeline.pull_request}"
    github.comments.clear()
    pipeline.run("pull-request-stack", "up").ok()
    [comment] = github.comments
    url = re.search(r"API: (\S+)", comment["body"])
    assert url is not None
    with httpx.Client(timeout=10) as http:
        assert "errors" in http.post(url[1], json={"query": "{ users { id } }"}).json(), "nobody is signed in"
    # The working copy of the next push is another one.
    (project.folder / f"Pulumi.{stack}.yaml").unlink()
    pipeline.migration("1700000000003_tags", "create table tags (id bigint primary key);\n")
    pipeline.run("pull-request-stack", "up").ok()
    assert github.comments == [comment]

    left = f"pr-{pipeline.pull_request + 1}"
    project.run("pulumi", "stack", "init", left, "--non-interactive", **pipeline.backend).ok()
    github.open = [pipeline.pull_request]
    assert f"Left over: {left}\n" in pipeline.run("pull-request-stack", "sweep").ok().text
    pipeline.run("pull-request-stack", "down").ok()
    assert "is gone" in comment["body"]
    assert project.beside(stack, {}).left() == []
    listed = project.run("pulumi", "stack", "ls", "--json", **pipeline.backend).ok()
    assert [entry["name"].split("/")[-1] for entry in json.loads(listed)] == [project.stack]
