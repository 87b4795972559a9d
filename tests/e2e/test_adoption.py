"""A Hasura that was clicked together is taken over: nothing of it changes, neither by that nor by the first deployment.

Engine and Postgres run beside the stack, as somebody else would run them; a local Clerk with keys of an ordinary
application serves in this process.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from project_copy import ROOT, ProjectCopy, Run

from components.clerk import keys
from components.clerk.answers import JwtTemplateRecord, TemplateContent
from components.clerk.client import ClerkClient
from components.hasura.client import HasuraClient
from components.schema.__main__ import PENDING
from local import images
from local.clerk.server import Running, serving
from tests.documents.blocks import blocks
from tests.images.containers import docker
from tests.local_engine.engines import Postgres, engine_container, network, postgres, until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

PASSPHRASE = f"canary-passphrase-{secrets.token_hex(8)}"
ADMIN_SECRET = f"canary-admin-{secrets.token_hex(8)}"
HASURA = "https://hasura.io/jwt/claims"
PAGE = "docs/adoption.md"
SCHEMA = """
create table users (id text primary key, name text not null);
create table status (value text primary key, comment text);
insert into status values ('open', 'to do'), ('done', null);
create table notes (id bigint generated always as identity primary key, author text not null references users (id),
    status text not null default 'open' references status (value));
create function notes_of(u users) returns setof notes language sql stable as
    $$select * from notes where author = u.id;$$;
comment on table notes is 'what; users write';
create view open_notes as select id, author from notes where status = 'open';
insert into users values ('user_before', 'there before');
"""
TEMPLATE = TemplateContent(
    name="hasura",
    claims={
        HASURA: {
            "x-hasura-default-role": "user",
            "x-hasura-allowed-roles": ["editor", "user"],
            "x-hasura-user-id": "{{user.id}}",
            "x-hasura-org-id": "{{org.id || 'none'}}",
        },
        "level": 2,
    },
    lifetime=120,
    allowed_clock_skew=7,
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What was there before, and the checkout that takes it over."""

    project: ProjectCopy
    clerk: Running
    database: Postgres
    endpoint: str

    def run(self, *command: str, **environment: str) -> Run:
        run = self.project.run(*command, **(self.secrets | environment))
        assert "canary" not in run.text
        return run

    def pulumi(self, *arguments: str) -> Run:
        return self.run(
            "pulumi", *arguments, "--stack", self.project.stack, "--non-interactive", "--color=never"
        )

    def adopt(self, **environment: str) -> Run:
        return self.run(".venv/bin/python", "-m", "local.stack", "adopt", URL=self.endpoint, **environment)

    def follow(self, document: str, command: str, *typed: str) -> str:
        """The block of a document that holds a command, as it is written but for the address and the stack in it.

        :param typed: what somebody types, a line each.
        """
        [block] = [block for block in blocks(document) if command in block.text]
        text = block.text.replace("https://example.hasura.app", self.endpoint)
        text = text.replace("STACK=prod", f"STACK={self.project.stack}")
        given = {} if "read -rs" in text else self.secrets
        done = subprocess.run(
            ["bash", "-ec", text],
            cwd=self.project.folder,
            env=self.project.environment | given,
            input="".join(f"{line}\n" for line in typed),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0 and "canary" not in done.stdout, done.stdout
        return done.stdout

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "CLERK_SECRET_KEY": self.clerk.secret_key,
            "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
        }

    def engine(self) -> HasuraClient:
        return HasuraClient(self.endpoint, ADMIN_SECRET)

    def templates(self) -> list[JwtTemplateRecord]:
        with ClerkClient(self.clerk.url, self.clerk.secret_key) as client:
            return client.jwt_templates()

    def dump(self, database: str, *options: str) -> str:
        """What pg_dump says of a database, as a sum."""
        name = self.database.name
        text = docker(
            *("exec", name, "pg_dump", "-U", "postgres", "--restrict-key=x", *options, database),
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def as_it_is(self, *options: str) -> object:
        """Everything of the engine, its databases and Clerk that somebody could have changed."""
        with self.engine() as client:
            return (
                client.export_metadata()[1],
                client.get_catalog_state() if not options else None,
                self.dump("app", *options),
                self.dump("catalog") if not options else None,
                self.templates(),
            )

    def files(self) -> dict[str, str]:
        """The checkout without what Pulumi keeps for itself."""
        listed = self.project.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").ok()
        return {
            name: hashlib.sha256((self.project.folder / name).read_bytes()).hexdigest()
            for name in listed.split("\0")
            if (self.project.folder / name).is_file()
        }


def _jwt_secret(clerk: Running) -> str:
    """A key outright, which needs no way from the engine to this process."""
    [key] = httpx.get(f"{clerk.url}/.well-known/jwks.json").json()["keys"]
    public = RSAAlgorithm.from_jwk(json.dumps(key))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[union-attr]
    return json.dumps({"type": "RS256", "key": pem, "issuer": clerk.url})


def _click(client: HasuraClient) -> None:
    """What somebody does in the console."""
    client.run_sql(SCHEMA)
    with httpx.Client(base_url=client.endpoint, headers={"x-hasura-admin-secret": ADMIN_SECRET}) as http:
        own = {"id": {"_eq": "X-Hasura-User-Id"}}
        notes: dict[str, object] = {"author": {"_eq": "X-Hasura-User-Id"}}
        for kind, args in (
            ("pg_track_table", {"table": "status", "is_enum": True}),
            *(("pg_track_table", {"table": name}) for name in ("users", "notes", "open_notes")),
            (
                "pg_create_object_relationship",
                {"table": "notes", "name": "user", "using": {"foreign_key_constraint_on": "author"}},
            ),
            (
                "pg_create_select_permission",
                {"table": "users", "role": "user", "permission": {"columns": ["id", "name"], "filter": own}},
            ),
            (
                "pg_create_update_permission",
                {
                    "table": "users",
                    "role": "user",
                    "permission": {"columns": ["name"], "filter": own, "check": own},
                },
            ),
            (
                "pg_create_select_permission",
                {
                    "table": "notes",
                    "role": "user",
                    "permission": {"columns": "*", "filter": notes, "limit": 50},
                },
            ),
        ):
            http.post("/v1/metadata", json={"type": kind, "args": args}).raise_for_status()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    manifest = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    image = images.resolve(manifest["hasuraImage"]["default"], "hasura").image
    with (
        serving(tmp_path_factory.mktemp("clerk"), faults=True) as clerk,
        network() as net,
        postgres(network=net) as database,
    ):
        for name in ("app", "catalog"):
            docker("exec", database.name, "psql", "-qU", "postgres", "-c", f"create database {name}")
        environment = {
            "HASURA_GRAPHQL_DATABASE_URL": database.inner_url("app"),
            "HASURA_GRAPHQL_METADATA_DATABASE_URL": database.inner_url("catalog"),
            "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
            "HASURA_GRAPHQL_JWT_SECRET": _jwt_secret(clerk),
        }
        own = {
            **dict.fromkeys(yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]),
            "clerk-hasura:proof": "true",
            "clerkPublishableKey": keys.publishable_key_for(clerk.url.removeprefix("http://")),
            "clerkApiUrl": clerk.url,
        }
        own = {key.removeprefix("clerk-hasura:"): value for key, value in own.items()}
        project = ProjectCopy(tmp_path_factory.mktemp("project"), f"e2e{uuid.uuid4().hex[:6]}", own)
        file = project.folder / f"Pulumi.{project.stack}.yaml"
        text = file.read_text()
        file.write_text("".join(line for line in text.splitlines(True) if "encryptionsalt" not in line))
        with engine_container(image, net, environment) as engine:
            until(engine.settled, "the engine is healthy")
            assert engine.exit_code() is None, engine.log()
            with HasuraClient(engine.endpoint, ADMIN_SECRET) as client:
                _click(client)
            with ClerkClient(clerk.url, clerk.secret_key) as client_of_clerk:
                client_of_clerk.create_jwt_template(TEMPLATE)
            try:
                yield Stage(project=project, clerk=clerk, database=database, endpoint=engine.endpoint)
            finally:
                assert project.left() == [], "no container, volume or network was made"
                project.remove()


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_written(stage: Stage) -> None:
    before = stage.as_it_is()
    assert "passphrase is public" in stage.adopt(PULUMI_CONFIG_PASSPHRASE="local-stack-only").failed()
    stage.pulumi("stack", "init").ok()
    stage.pulumi("config", "set", "hasuraConsole", "true").ok()
    files = stage.files()
    said = stage.adopt(HASURA_GRAPHQL_ADMIN_SECRET="another").failed()
    assert "adminSecret: " in said and "refuses it" in said
    assert "hasuraConsole: is set, yet engineUrl names an engine" in said
    assert (stage.files(), stage.as_it_is()) == (files, before)
    stage.pulumi("config", "rm", "hasuraConsole").ok()


def test_it_is_taken_over_and_nothing_of_it_is_touched(stage: Stage) -> None:
    before, [template] = stage.as_it_is(), stage.templates()
    for method in ("POST", "PATCH", "DELETE"):
        fault = {"kind": "500", "method": method, "path": "/v1/jwt_templates", "times": 1}
        httpx.post(f"{stage.clerk.url}/_local/faults", json=fault).raise_for_status()
    said = stage.follow(PAGE, "make adopt", PASSPHRASE, ADMIN_SECRET, stage.clerk.secret_key)
    [baseline] = (stage.project.folder / "migrations" / "default").glob("*_baseline")
    for expected in (
        f"JWT template hasura ({template.id})",
        "source default: no record of a migration",
        "wrote hasura_metadata/databases/default/tables/public_notes.yaml",
        f"wrote migrations/default/{baseline.name}/up.sql",
        "removed migrations/default/1700000000000_users/up.sql",
        f"default: take over unseen {baseline.name}",
        f"make preview STACK={stage.project.stack}",
    ):
        assert expected in said
    assert "JWT template: the first `up` changes" not in said
    status = stage.run(
        ".venv/bin/python", "-m", "components.schema", "status", PULUMI_STACK=stage.project.stack
    )
    assert baseline.name.partition("_")[0] in status.text and status.code == PENDING, (
        "before the first deployment"
    )
    preview = stage.pulumi("preview", "--diff").ok()
    assert f"take over unseen {baseline.name}" in preview
    assert f"'hasura' ({template.id}) is there already and is taken over, as it is." in preview
    assert "has metadata of its own, which is replaced" not in preview
    assert "is changed:" not in preview
    summary = preview.split("Resources:")[1]
    assert "to create" in summary and "to update" not in summary and "to delete" not in summary
    looked = stage.follow(PAGE, "make preview")
    assert f"take over unseen {baseline.name}" in looked
    drawn = (stage.project.folder / f".local/graph/{stage.project.stack}.md").read_text()
    assert f"GraphQL API: {stage.endpoint}/v1/graphql" in drawn
    assert "for <b>user</b>: only rows where author = X-Hasura-User-Id" in drawn
    assert stage.as_it_is() == before
    # The faults still wait: nobody has asked Clerk for a change. They are met now.
    for method in ("POST", "PATCH", "DELETE"):
        answer = httpx.request(method, f"{stage.clerk.url}/v1/jwt_templates/{template.id}")
        assert answer.status_code == 500
    assert httpx.get(f"{stage.clerk.url}/_local/faults").json()["pending"] == []


def test_the_plan_says_what_it_is_about(stage: Stage) -> None:
    before = stage.as_it_is()
    plan = stage.run("make", "plan").ok()
    assert f"{stage.endpoint} has all of it already, so the API stays what it is" in plan
    assert "_baseline` is taken over as a baseline: it does not run" in plan
    assert stage.as_it_is() == before


def test_engine_and_secret_are_set_as_the_page_says(stage: Stage) -> None:
    before = stage.pulumi("config").ok()
    stage.follow("docs/environments.md", "pulumi config set engineUrl", ADMIN_SECRET)
    assert stage.pulumi("config").ok() == before


def test_taken_over_again_nothing_is_written(stage: Stage) -> None:
    files = stage.files()
    assert "Nothing to write" in stage.adopt().ok()
    assert stage.files() == files


def test_the_first_deployment_changes_nothing_but_the_ledger_and_is_proven(stage: Stage) -> None:
    without_ledger = ("--exclude-schema=migration_ledger",)
    before = stage.as_it_is(*without_ledger)
    assert "Row isolation is proven" in stage.pulumi("up", "--yes", "--skip-preview").ok()
    assert stage.as_it_is(*without_ledger) == before
    stage.pulumi("preview", "--expect-no-changes").ok()
    stage.pulumi("preview", "--refresh", "--run-program", "--expect-no-changes").ok()
    plan = stage.run("make", "plan", "graph", DRIFT="1", DIFF="1").ok()
    assert f"Plan of `{stage.project.stack}`: nothing changes. It is as it was deployed." in plan
    files = stage.files()
    assert "1 migrations in the ledger" in stage.adopt().ok()
    assert stage.files() == files
    outputs = stage.project.outputs(PULUMI_CONFIG_PASSPHRASE=PASSPHRASE)
    assert outputs["hasuraUrl"] == stage.endpoint
    assert json.loads(outputs["jwtSecret"])["issuer"] == stage.clerk.url


def test_a_new_environment_can_be_made_of_the_folders(stage: Stage) -> None:
    [up] = (stage.project.folder / "migrations" / "default").glob("*_baseline/up.sql")
    psql = ("exec", "--interactive", stage.database.name, "psql", "-qXU", "postgres", "--set=ON_ERROR_STOP=1")
    docker(*psql, "-c", "create database fresh")
    docker(*psql, "--single-transaction", "-d", "fresh", "-c", up.read_text())
    schema = ("--schema-only", "--exclude-schema=migration_ledger")
    assert stage.dump("fresh", *schema) == stage.dump("app", *schema)
    enums = ("--data-only", "--table=status")
    assert stage.dump("fresh", *enums) == stage.dump("app", *enums)


def test_a_destroyed_stack_leaves_all_that_was_there_before(stage: Stage) -> None:
    before = stage.as_it_is()
    stage.pulumi("destroy", "--yes", "--skip-preview").ok()
    assert stage.as_it_is() == before
