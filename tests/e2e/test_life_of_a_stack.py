"""One stack from `make up` to `make down`, in the order in which a person would do it."""

from __future__ import annotations

import io
import json
import re
import subprocess
from functools import partial

import dotenv
import httpx
import pytest
from project_copy import PARTS, ProjectCopy

from components.clerk.answers import TemplateContent
from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY
from components.hasura.client import HasuraClient
from tests.local_engine.engines import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

SECRET_OUTPUTS = {"adminSecret", "databaseUrl"}
PLAIN_OUTPUTS = {
    "graphqlUrl",
    "hasuraUrl",
    "jwksUrl",
    "issuer",
    "jwtTemplate",
    "publishableKey",
    "clerkApiUrl",
    "frontendApiUrl",
    "claimsNamespace",
    "tokensSignedBy",
    "provenAt",
    "graphqlWsUrl",
    "clerkProxyUrl",
}


@pytest.fixture(scope="module")
def up(project: ProjectCopy) -> str:
    """What the first `make up` printed."""
    assert project.left() == []
    return project.run("make", "up", timeout=1800).ok()


def test_up_proves_that_one_user_cannot_see_anothers_row(up: str, project: ProjectCopy) -> None:
    assert "LOCAL CLERK" in up
    assert project.run("make", "prove").ok()
    assert f"http://127.0.0.1:{project.ports['hasuraPort']}/v1/graphql" in up


def test_the_curl_of_the_next_steps_works_as_printed(up: str, project: ProjectCopy) -> None:
    [line] = [line.strip() for line in up.splitlines() if line.strip().startswith("curl ")]
    answer = json.loads(project.run("sh", "-c", line).ok())
    assert answer["errors"][0]["extensions"]["code"] == "invalid-headers"


def test_containers_are_healthy_and_named_after_the_stack(up: str, project: ProjectCopy) -> None:
    def health(part: str) -> str:
        name = f"clerk-hasura-{project.stack}-{part}"
        asked = ["docker", "inspect", "--format", "{{.State.Health.Status}}", name]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    for part in PARTS:
        assert health(part) in ("starting", "healthy"), part
        # Docker makes its first check when an interval is over.
        until(partial(lambda part: health(part) == "healthy", part), f"{part} is healthy to Docker too")


def test_outputs_are_complete_and_secrets_are_marked(up: str, project: ProjectCopy) -> None:
    shown = json.loads(project.run("make", "outputs").ok())
    assert set(shown) == SECRET_OUTPUTS | PLAIN_OUTPUTS
    assert {key for key, value in shown.items() if value == "[secret]"} == SECRET_OUTPUTS
    assert json.loads(project.run("make", "outputs", SECRETS="1").ok()) == project.outputs()


def test_a_front_ends_variables_are_read_back_and_none_is_secret(up: str, project: ProjectCopy) -> None:
    outputs = project.outputs()
    printed = dotenv.dotenv_values(stream=io.StringIO(project.run("make", "-s", "env").ok()))
    assert printed["GRAPHQL_URL"] == outputs["graphqlUrl"]
    assert printed["CLERK_PROXY_URL"] == outputs["clerkProxyUrl"]
    assert not {outputs[key] for key in SECRET_OUTPUTS} & set(printed.values())
    file = project.folder / ".local" / "front-end.env"
    file.write_text("OWN=kept\nVITE_GRAPHQL_URL=former\n")
    project.run("make", "env", f"FILE={file}", "ENV_PREFIX=VITE_").ok()
    written = dotenv.dotenv_values(file)
    assert written == {"OWN": "kept"} | {f"VITE_{name}": value for name, value in printed.items()}
    socket = outputs["graphqlWsUrl"]
    assert socket == outputs["graphqlUrl"].replace("http://", "ws://")


def test_the_metadata_directory_says_what_the_engine_has(up: str, project: ProjectCopy) -> None:
    said = project.run("make", "-s", "metadata-export").ok()
    assert "wrote" not in said and "says what the engine has" in said


def test_git_status_is_clean_afterwards(up: str, project: ProjectCopy) -> None:
    assert project.run("git", "status", "--porcelain").ok() == ""


def test_the_users_own_login_is_untouched(up: str, project: ProjectCopy) -> None:
    assert list((project.folder / ".local").rglob(f"{project.stack}.json")), "the state is in the copy"
    assert not (project.home / ".pulumi").exists(), "and nothing is where `pulumi login` keeps an account"


def test_the_printed_lines_make_stock_pulumi_work(up: str, project: ProjectCopy) -> None:
    # Without the tools and the backend that this test's own environment names.
    bare = {name: "" for name in project.environment if name.startswith("PULUMI_")}
    said = project.run("sh", "-ec", 'eval "$(make -s activate)"; pulumi stack output graphqlUrl', **bare).ok()
    assert said.strip() == project.outputs()["graphqlUrl"]


def test_a_second_up_changes_nothing(up: str, project: ProjectCopy) -> None:
    again = project.run("make", "up", timeout=900).ok()
    assert " unchanged" in again
    assert not any(word in again for word in (" created", " updated", " replaced", " deleted"))
    project.pulumi("preview", "--expect-no-changes").ok()


def test_the_deployment_log_holds_both_and_no_secret(up: str, project: ProjectCopy) -> None:
    log = (project.folder / ".local" / "deployments" / f"{project.stack}.log").read_text()
    assert "created engine's container hasura" in log
    assert "applied default/1700000000000_users" in log
    ends = [line for line in log.splitlines() if f" up of {project.stack} at " in line and " s: " in line]
    first, second = (line.rpartition(" s: ")[2] for line in ends)
    assert re.fullmatch(r"[0-9]+ created", first)
    assert second == "nothing changed"
    outputs = project.outputs()
    password = outputs["databaseUrl"].split(":")[2].split("@")[0]
    assert outputs["adminSecret"] not in log and password not in log
    assert f"Log: .local/deployments/{project.stack}.log" in up


def test_refresh_of_an_untouched_stack_shows_no_drift(up: str, project: ProjectCopy) -> None:
    project.pulumi("refresh", "--yes").ok()
    project.pulumi("preview", "--expect-no-changes").ok()


def test_drift_of_the_template_is_shown_and_repaired(up: str, project: ProjectCopy) -> None:
    outputs = project.outputs()
    with ClerkClient(outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        [template] = clerk.jwt_templates()
        claims = json.loads(json.dumps(template.claims))
        claims["https://hasura.io/jwt/claims"]["x-hasura-allowed-roles"] = ["user", "editor"]
        by_hand = TemplateContent(name=template.name, claims=claims, lifetime=600, allowed_clock_skew=5)
        clerk.update_jwt_template(template.id, by_hand)
        project.pulumi("refresh", "--yes").ok()
        drift = project.pulumi("preview", "--diff", "--expect-no-changes")
        assert drift.code != 0
        assert "editor" in drift.text and "600" in drift.text
        project.up().ok()
        [repaired] = clerk.jwt_templates()
    assert repaired.claims == template.claims
    assert repaired.lifetime == template.lifetime
    project.pulumi("preview", "--expect-no-changes").ok()


def test_drift_of_the_metadata_is_shown_and_repaired(up: str, project: ProjectCopy) -> None:
    outputs = project.outputs()
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        version, before = hasura.export_metadata()
        changed = json.loads(json.dumps(before))
        [permission] = changed["sources"][0]["tables"][0]["select_permissions"]
        permission["permission"]["filter"] = {}
        hasura.replace_metadata(changed, resource_version=version)
        project.pulumi("refresh", "--yes").ok()
        drift = project.pulumi("preview", "--diff", "--expect-no-changes")
        assert drift.code != 0
        assert "X-Hasura-User-Id" in drift.text
        project.up().ok()
        assert hasura.export_metadata()[1] == before
    project.pulumi("preview", "--expect-no-changes").ok()
    project.run("make", "prove").ok()


def test_a_template_deleted_by_hand_comes_back(up: str, project: ProjectCopy) -> None:
    with ClerkClient(project.outputs()["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        [template] = clerk.jwt_templates()
        clerk.delete_jwt_template(template.id)
        project.pulumi("refresh", "--yes").ok()
        project.up().ok()
        [again] = clerk.jwt_templates()
    assert (again.name, again.claims) == (template.name, template.claims)


def test_no_secret_is_in_plain_state(up: str, project: ProjectCopy) -> None:
    exported = project.pulumi("stack", "export").ok()
    outputs = project.outputs()
    password = outputs["databaseUrl"].split(":")[2].split("@")[0]
    for secret in (outputs["adminSecret"], password):
        assert len(secret) > 20
        assert secret not in exported


def test_users_and_rows_of_the_proof_are_gone(up: str, project: ProjectCopy) -> None:
    outputs = project.outputs()
    users = httpx.get(
        f"{outputs['clerkApiUrl']}/v1/users", headers={"Authorization": f"Bearer {LOCAL_SECRET_KEY}"}
    )
    assert users.json() == []
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        assert hasura.run_sql("select count(*) from users").rows == (("0",),)


def test_down_leaves_nothing_and_may_be_repeated(up: str, project: ProjectCopy) -> None:
    assert project.left() != []
    project.run("make", "down", timeout=900).ok()
    assert project.left() == []
    project.run("make", "down", timeout=900).ok()
