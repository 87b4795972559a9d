"""The plan of one stack: a change that touches rows, permissions and tokens, then nothing, then drift."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from project_copy import ProjectCopy, Run

from components.clerk.answers import TemplateContent
from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY
from components.hasura.client import HasuraClient

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

HASURA = "https://hasura.io/jwt/claims"
KEY = "1700000000001_notes"
UP = """\
create table notes (
    id bigint generated always as identity primary key,
    author text not null references users (id),
    body text not null
);
alter table users add column email text;
alter table users drop column last_seen;
"""
USERS = """\
table:
  name: users
  schema: public
select_permissions:
  - role: user
    permission:
      columns: [id, name, email]
      filter:
        id:
          _eq: X-Hasura-User-Id
"""
NOTES = """\
table:
  name: notes
  schema: public
select_permissions:
  - role: user
    permission:
      columns: [id, author, body]
      filter:
        author:
          _eq: X-Hasura-User-Id
"""
EXPECTED = f"""\
# Plan of `STACK`

**Destroys data: 1.** **Gives more access: 2.** Takes access away: 1. Migrations: 1. Resources that change: 4.

## Destroys data

- migration `default/{KEY}`, line 7: `alter table users drop column last_seen`

## Gives more access

- role `user` on `notes`: may now read `author`, `body`, `id` of rows where `author` = `X-Hasura-User-Id`
- role `user` on `users`: may now also read `email`

## Takes access away

- role `user` on `users`: may no longer read `last_seen`

## Other changes

- a token holds the claim `x-hasura-org-id` too: `"{{{{org.id || 'none'}}}}"`
- table `notes` becomes a part of the API (tracked)

## Migrations

### `default/{KEY}` runs

- `migrations/default/{KEY}/up.sql:7`: Dropping a column may break existing clients. (ban-drop-column)

<details><summary>SQL, 7 lines, {len(UP)} bytes</summary>

```sql
{UP}```

</details>

- default: rehearsed, would succeed: {KEY}

## JWT template `hasura`
"""


def plan(project: ProjectCopy, *arguments: str) -> Run:
    """`python -m components.plan`, as a pipeline without make calls it."""
    return project.run(".venv/bin/python", "-m", "components.plan", "--stack", project.stack, *arguments)


def shape(project: ProjectCopy) -> dict:
    return json.loads((project.folder / ".local" / "plan" / f"{project.stack}.json").read_text())


def document(project: ProjectCopy) -> str:
    return (project.folder / ".local" / "plan" / f"{project.stack}.md").read_text()


@pytest.fixture(scope="module")
def deployed(project: ProjectCopy) -> Iterator[ProjectCopy]:
    """A stack as `main` has it."""
    project.pulumi("stack", "init").ok()
    project.pulumi("config", "set", "rehearse", "true").ok()
    project.up().ok()
    yield project
    project.pulumi("destroy", "--yes").ok()


def test_a_pull_request_is_one_document(deployed: ProjectCopy) -> None:
    project = deployed
    folder = project.folder / "migrations" / "default" / KEY
    folder.mkdir()
    (folder / "up.sql").write_text(UP)
    (folder / "down.sql").write_text("drop table notes;\n")
    tables = project.folder / "hasura_metadata" / "databases" / "default" / "tables"
    (tables / "public_users.yaml").write_text(USERS)
    (tables / "public_notes.yaml").write_text(NOTES)
    (tables / "tables.yaml").write_text('- "!include public_notes.yaml"\n- "!include public_users.yaml"\n')
    claim = f'jwtTemplateClaims["{HASURA}"].x-hasura-org-id'
    project.pulumi("config", "set", "--path", claim, "{{org.id || 'none'}}").ok()

    project.run("make", "plan").ok()
    text, found = document(project), shape(project)
    assert text.startswith(EXPECTED.replace("STACK", project.stack)), text
    assert "| `x-hasura-org-id` | none | **`\"{{org.id \\|\\| 'none'}}\"`** |" in text
    assert (found["outcome"], found["exit_code"], found["ledger_read"]) == ("change", 2, True)
    outputs = project.outputs()
    for secret in (outputs["adminSecret"], outputs["databaseUrl"].split(":")[2].split("@")[0]):
        assert secret not in text + json.dumps(found)


def test_the_same_is_drawn(deployed: ProjectCopy) -> None:
    project = deployed
    project.run("make", "graph", DIFF="1").ok()
    drawn = {
        kind: (project.folder / ".local" / "graph" / f"{project.stack}.{kind}").read_text()
        for kind in ("md", "html")
    }
    # A claim, a table, what may be read of it, and what may be read of users.
    assert "As the program wants it now: 4 differences from the last deployment" in drawn["md"]
    assert "| `notes` **added** | `user` | read `author`, `body`, `id` of rows where" in drawn["md"]
    assert "**less access: may no longer read `last_seen`**" in drawn["md"]
    assert 'id="table-notes"' in drawn["html"]
    outputs = project.outputs()
    for secret in (outputs["adminSecret"], outputs["databaseUrl"].split(":")[2].split("@")[0]):
        assert secret not in drawn["md"] + drawn["html"]


def test_the_policy_pack_speaks_of_what_the_plan_changes(deployed: ProjectCopy) -> None:
    project = deployed
    users = project.folder / "hasura_metadata" / "databases" / "default" / "tables" / "public_users.yaml"
    sound = users.read_text()
    users.write_text(sound.partition("      filter:")[0] + "      filter: {}\n")
    exceptions = project.folder / "policy" / "exceptions.yaml"
    before = exceptions.read_text()
    subject = "default/users select user"
    written = project.folder / "policies"

    def found() -> dict[str, str]:
        project.run("make", "plan", PLAN_FOLDER=str(written)).ok()
        read = json.loads((written / f"{project.stack}.json").read_text())
        return {one["policy"]: one["text"] for one in read["policies"]}

    def except_until(day: str) -> None:
        exceptions.write_text(
            f"- rule: permission-filter\n  subject: {subject}\n  stacks: [{project.stack}]\n"
            f"  reason: a test\n  by: a@example.com\n  until: {day}\n"
        )

    told = found()["permission-filter"]
    assert (
        "role `user` on `users` may read `email`, `id`, `name` of every row, though `id` says whose a row is"
        in told
    )
    assert f"subject: `{subject}`" in told
    assert (
        f"- **advisory** `permission-filter` on `metadata`: {told}"
        in (written / f"{project.stack}.md").read_text()
    )
    except_until("2999-12-31")
    assert "permission-filter" not in found()
    except_until("2020-12-31")
    again = found()
    assert again["permission-filter"] == told
    assert again["exceptions"].startswith(
        "policy/exceptions.yaml:1: the exception of `default/users select user`"
    )
    exceptions.write_text(before)
    users.write_text(sound)


def test_the_approved_plan_is_known_again_and_another_is_not(deployed: ProjectCopy) -> None:
    project = deployed
    approved, text = shape(project)["fingerprint"], document(project)
    again = project.folder / "again.md"
    known = plan(project, "--expect", approved, "--markdown", str(again), "--policy-pack", "policy")
    assert known.code == 0, known.text
    assert again.read_text() == text, "byte by byte"
    again.unlink()
    project.pulumi("config", "set", "jwtTemplateLifetime", "90").ok()
    other = project.run("make", "plan", EXPECT=approved).failed()
    assert "another plan than the expected one" in other
    assert "a token is valid for `90` seconds (was: `60`)" in other
    assert shape(project)["fingerprint"] != approved
    project.pulumi("config", "rm", "jwtTemplateLifetime").ok()


def test_a_refused_plan_is_a_document_too(deployed: ProjectCopy) -> None:
    project = deployed
    edited = project.folder / "migrations" / "default" / "1700000000000_users" / "up.sql"
    before = edited.read_text()
    edited.write_text(f"{before}-- edited\n")
    refused = plan(project)
    assert refused.code == 1
    assert refused.text.startswith("previewing")
    assert f"# Plan of `{project.stack}`: none" in refused.text
    assert "migrations/default/1700000000000_users/up.sql: was changed after it ran" in refused.text
    edited.write_text(before)


def test_after_the_deployment_it_is_one_line(deployed: ProjectCopy) -> None:
    project = deployed
    project.up().ok()
    project.run("make", "plan", DRIFT="1").ok()
    assert document(project).startswith(
        f"Plan of `{project.stack}`: nothing changes. It is as it was deployed."
    )
    assert document(project).count("\n") == 1
    assert shape(project)["exit_code"] == 0


def test_drift_by_hand_is_found_in_the_same_words(deployed: ProjectCopy) -> None:
    project = deployed
    outputs = project.outputs()
    with ClerkClient(outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        [found] = clerk.jwt_templates()
        claims = json.loads(json.dumps(found.claims))
        claims[HASURA]["x-hasura-allowed-roles"] = ["user", "editor"]
        by_hand = TemplateContent(name=found.name, claims=claims, lifetime=600, allowed_clock_skew=5)
        clerk.update_jwt_template(found.id, by_hand)
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        version, tree = hasura.export_metadata()
        [users] = [t for t in tree["sources"][0]["tables"] if t["table"]["name"] == "users"]
        users["select_permissions"][0]["permission"]["filter"] = {}
        hasura.replace_metadata(tree, resource_version=version)
    drifted = plan(project, "--drift")
    assert drifted.code == 3, drifted.text
    for words in (
        "- **Gives more access:** role `user` on `users`: may now see every row "
        "(was: only rows where `id` = `X-Hasura-User-Id`)",
        "- **Gives more access:** a token is valid for `600` seconds (was: `60`)",
        "- **Gives more access:** a token allows requests as the role `editor` too",
    ):
        assert words in drifted.text
