"""The proof against both stand-ins: a sound stack is proven, each unsound one is not."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from rich.console import Console

from components.clerk import keys
from components.clerk.answers import TemplateContent, User
from components.clerk.claims import HASURA_NAMESPACE, template_claims
from components.clerk.client import ClerkClient
from components.hasura.client import HasuraClient
from components.proof import __main__ as command
from components.proof import cases, throwaway
from components.proof.problems import ProofError
from components.proof.run import Proof, prove
from components.proof.target import Target, read_target
from components.proof.throwaway import MARK, Run, new_run
from components.proof.user_table import table_outputs
from components.settings import ProofSettings
from local.clerk.server import serving
from tests.local_engine.engines import Engine, Postgres, postgres, stand_in, until

pytestmark = pytest.mark.docker

ROOT = Path(__file__).resolve().parents[3]
ADMIN_SECRET = "CANARYadminsecret0123456789"
SELECT_OWN = {"columns": ["id", "name", "last_seen"], "filter": {"id": {"_eq": "X-Hasura-User-Id"}}}


@dataclasses.dataclass(kw_only=True)
class Stack:
    """A whole stack without Pulumi: both stand-ins, a table, a permission, a template."""

    outputs: dict[str, str]
    engine: HasuraClient
    clerk: ClerkClient

    @property
    def target(self) -> Target:
        return read_target(self.outputs)

    def permit(self, permission: Mapping[str, Any] | None, *more: Mapping[str, Any]) -> None:
        """Replace the metadata: this select permission of the role user, and further keys of the table."""
        table: dict[str, Any] = {"table": {"name": "users", "schema": "public"}}
        if permission is not None:
            table["select_permissions"] = [{"role": "user", "permission": permission}]
        for keys_of_table in more:
            table |= keys_of_table
        source = {
            "name": "default",
            "kind": "postgres",
            "configuration": {
                "connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}
            },
            "tables": [table],
        }
        version, _ = self.engine.export_metadata()
        self.engine.replace_metadata({"version": 3, "sources": [source]}, version)

    def template(self, claims: Mapping[str, Any], name: str = "hasura") -> None:
        for found in self.clerk.jwt_templates():
            self.clerk.delete_jwt_template(found.id)
        content = TemplateContent(name=name, claims=dict(claims), lifetime=60, allowed_clock_skew=5)
        self.clerk.create_jwt_template(content)

    def sound(self) -> None:
        self.permit(SELECT_OWN)
        self.template(template_claims("user", ["user"], {}))

    def prove(self, target: Target | None = None) -> Proof:
        return prove(target or self.target, self.clerk, new_run(), notice=lambda _: None)

    def rows(self) -> list[tuple[str, ...]]:
        return list(self.engine.run_sql("select id, name from users order by id", read_only=True).rows)

    def users(self) -> list[str]:
        return [user.id for user in self.clerk.users()]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture(scope="module")
def running(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with contextlib.ExitStack() as parts:
        data = parts.enter_context(database.database())
        metadata = parts.enter_context(database.database())
        clerk = parts.enter_context(serving(tmp_path_factory.mktemp("clerk"), faults=True))
        secret = {"jwk_url": keys.jwks_url(clerk.url), "issuer": clerk.url}
        environment = {
            "HASURA_GRAPHQL_DATABASE_URL": database.url(data),
            "HASURA_GRAPHQL_METADATA_DATABASE_URL": database.url(metadata),
            "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
            "HASURA_GRAPHQL_JWT_SECRET": json.dumps(secret),
        }
        engine: Engine = parts.enter_context(stand_in(environment))
        until(engine.healthy, "the engine is healthy")
        admin = parts.enter_context(HasuraClient(engine.endpoint, ADMIN_SECRET))
        admin.run_sql(_users_sql())
        outputs = {
            "graphqlUrl": f"{engine.endpoint}/v1/graphql",
            "hasuraUrl": engine.endpoint,
            "jwksUrl": keys.jwks_url(clerk.url),
            "issuer": clerk.url,
            "jwtTemplate": "hasura",
            "publishableKey": keys.publishable_key_for(clerk.url.removeprefix("http://")),
            "clerkApiUrl": clerk.url,
            "adminSecret": ADMIN_SECRET,
            "databaseUrl": "postgres://unused",
        }
        client = parts.enter_context(ClerkClient(clerk.url, clerk.secret_key))
        yield Stack(outputs=outputs, engine=admin, clerk=client)


def _users_sql() -> str:
    return next((ROOT / "migrations" / "default").glob("*_users/up.sql")).read_text()


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    running.sound()
    running.engine.run_sql(
        "truncate users; insert into users (id, name) values ('user_resident', 'Resident')"
    )
    yield running
    assert running.rows() == [("user_resident", "Resident")], (
        "the proof left rows, or took one that was not its own"
    )
    assert running.users() == [], "the proof left users"


def failed(proof: Proof) -> dict[str, str]:
    """Name and place to look at of each line that failed."""
    return {verdict.name: verdict.look_at for verdict in proof.verdicts if not verdict.passed}


def test_a_sound_stack_is_proven(stack: Stack) -> None:
    proof = stack.prove()
    assert failed(proof) == {}
    assert proof.passed
    assert "getToken's own call" in proof.way
    assert len(proof.verdicts) == 2 + 2 * 6 + 6 + 1


def test_twice_in_a_row(stack: Stack) -> None:
    assert stack.prove().passed
    assert stack.prove().passed


UNSOUND: dict[str, tuple[Callable[[Stack], None], str, str]] = {
    "everybody sees all": (
        lambda s: s.permit({**SELECT_OWN, "filter": {}}),
        "A: B's row by key",
        "select_permissions",
    ),
    "all but one's own": (
        lambda s: s.permit({**SELECT_OWN, "filter": {"id": {"_neq": "X-Hasura-User-Id"}}}),
        "A: all users",
        "select_permissions",
    ),
    "no permission": (lambda s: s.permit(None), "A: all users", "permissions, in the metadata directory"),
    "nobody sees anything": (
        lambda s: s.permit({**SELECT_OWN, "filter": {"id": {"_eq": "nobody"}}}),
        "B: own row by key",
        "select_permissions",
    ),
    "names may be written": (
        lambda s: s.permit(
            SELECT_OWN,
            {"update_permissions": [{"role": "user", "permission": {"columns": ["name"], "filter": {}}}]},
        ),
        "rows as they were",
        "update_permissions",
    ),
    "admin in the token": (
        lambda s: s.template(template_claims("user", ["user", "admin"], {})),
        "A: x-hasura-role: admin",
        "x-hasura-allowed-roles",
    ),
    "no namespace": (lambda s: s.template({"role": "user"}), "A: all users", "namespace"),
    "another namespace": (
        lambda s: s.template(template_claims("user", ["user"], {}, namespace="https://example.com")),
        "A: token",
        "template",
    ),
    "no user id": (
        lambda s: s.template(
            {HASURA_NAMESPACE: {"x-hasura-default-role": "user", "x-hasura-allowed-roles": ["user"]}}
        ),
        "A: token",
        "template",
    ),
    "one id for all": (
        lambda s: s.template(
            {
                HASURA_NAMESPACE: {
                    "x-hasura-default-role": "user",
                    "x-hasura-allowed-roles": ["user"],
                    "x-hasura-user-id": "user_resident",
                }
            }
        ),
        "A: all users",
        "select_permissions",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_stack_is_not_proven(stack: Stack, name: str) -> None:
    spoil, line, look_at = UNSOUND[name]
    spoil(stack)
    proof = stack.prove()
    assert not proof.passed
    assert line in failed(proof)
    assert look_at in failed(proof)[line]


MEMBERS = """
    create table members (
        number integer generated always as identity primary key,
        user_id varchar(64) not null unique,
        email text not null unique,
        label text,
        settings jsonb not null,
        active boolean not null,
        check (active)
    )
"""


@pytest.fixture
def members(stack: Stack) -> Iterator[Target]:
    """Users have their rows in another table: other columns, another key, and some that must be filled."""
    stack.engine.run_sql(MEMBERS)
    version, metadata = stack.engine.export_metadata()
    permission = {"columns": ["user_id", "label"], "filter": {"user_id": {"_eq": "X-Hasura-User-Id"}}}
    table: Any = {
        "table": {"name": "members", "schema": "public"},
        "select_permissions": [{"role": "user", "permission": permission}],
    }
    metadata["sources"][0]["tables"].append(table)  # type: ignore[index, union-attr, call-overload]
    stack.engine.replace_metadata(metadata, version)
    settings = ProofSettings(
        enabled=True,
        table="members",
        user_column="user_id",
        text_column="label",
        row={"email": "{user}@example.com", "active": True, "settings": {"of": ["{user}"]}},
    )
    yield read_target(stack.outputs | table_outputs(settings))
    assert stack.engine.run_sql("select * from members", read_only=True).rows == ()
    stack.sound()
    stack.engine.run_sql("drop table members")


def test_users_may_have_their_rows_in_any_table(stack: Stack, members: Target) -> None:
    proof = stack.prove(members)
    assert failed(proof) == {}
    by_key = [v.seen for v in proof.verdicts if v.name.endswith("by key")]
    assert by_key == ["no such query for this role"] * 4


def test_a_leak_of_another_table_is_found(stack: Stack, members: Target) -> None:
    version, metadata = stack.engine.export_metadata()
    text = json.dumps(metadata).replace('"user_id": {"_eq": "X-Hasura-User-Id"}', "")
    stack.engine.replace_metadata(json.loads(text), version)
    wrong = failed(stack.prove(members))
    assert "select_permissions of the table members" in wrong["A: B's row by where"]


def test_what_a_table_insists_on_is_told_with_the_remedy(stack: Stack, members: Target) -> None:
    bare = dataclasses.replace(members, table=dataclasses.replace(members.table, values={"active": True}))
    with pytest.raises(ProofError, match=r"table members: Not-NULL violation.*proofRow\.email"):
        stack.prove(bare)
    elsewhere = dataclasses.replace(members, table=dataclasses.replace(members.table, name="people"))
    with pytest.raises(ProofError, match=r"table people: .*not found.*pulumi config set proofTable"):
        stack.prove(elsewhere)


def test_row_level_security_that_holds_the_engine_is_told(stack: Stack) -> None:
    # The engine of this test is a superuser, whom no policy holds; a trigger says what Postgres would.
    said = 'new row violates row-level security policy for table "users"'
    stack.engine.run_sql(
        "create function refuse() returns trigger language plpgsql as"
        f" $$ begin raise '{said}' using errcode = '42501'; end $$;"
        "create trigger refuse before insert on users for each row execute function refuse()"
    )
    try:
        with pytest.raises(ProofError, match="Row-level security holds the role of the engine as well"):
            stack.prove()
    finally:
        stack.engine.run_sql("drop trigger refuse on users; drop function refuse")


@pytest.mark.parametrize("makes", [1, 2])
def test_rows_that_a_webhook_makes_are_taken_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, makes: int
) -> None:
    made: list[str] = []

    def create(self: ClerkClient, **given: Any) -> User:
        user = create_user(self, **given)
        made.append(user.id)
        if len(made) <= makes:
            stack.engine.run_sql(f"insert into users (id, name) values ('{user.id}', 'from the webhook')")
        return user

    create_user = ClerkClient.create_user
    monkeypatch.setattr(ClerkClient, "create_user", create)
    assert stack.prove().passed


def test_another_issuer_is_found_in_the_token(stack: Stack) -> None:
    # The engine is right, the outputs are not.
    other = dataclasses.replace(stack.target, issuer=stack.target.issuer + "/__clerk")
    assert list(failed(stack.prove(other))) == ["A: token", "B: token"]


@pytest.mark.parametrize(("seconds", "order"), [(600, "ahead of"), (-600, "behind")])
def test_clocks_that_are_apart_are_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, seconds: int, order: str
) -> None:
    """Of the two clocks Clerk's is the wrong one here; the engine cannot know, and neither can the proof."""
    monkeypatch.setattr("local.clerk.tokens.time", SimpleNamespace(time=lambda: time.time() + seconds))
    proof = stack.prove()
    [where] = {look_at for name, look_at in failed(proof).items() if "all users" in name}
    found = re.search(r"the clocks: Clerk's is (\d+) s (ahead of|behind) the engine's", where)
    assert found is not None, where
    assert abs(int(found[1]) - 600) < cases.CLOCKS_AGREE
    assert found[2] == order


def test_a_template_of_another_name_is_one_clear_error(stack: Stack) -> None:
    stack.template(template_claims("user", ["user"], {}), name="hasurra")
    with pytest.raises(ProofError, match="no JWT template named 'hasura'"):
        stack.prove()


def test_without_a_table_it_is_one_clear_error(stack: Stack) -> None:
    version, metadata = stack.engine.export_metadata()
    stack.engine.replace_metadata({"version": 3, "sources": []}, version)
    try:
        with pytest.raises(ProofError, match="pulumi up"):
            stack.prove()
    finally:
        stack.engine.replace_metadata(metadata, version + 1)


def test_a_frontend_api_that_does_not_answer_gives_way_to_the_backend_api(stack: Stack) -> None:
    body = {"kind": "500", "method": "POST", "path": "/v1/client/sign_ins"}
    httpx.post(f"{stack.target.clerk_api_url}/_local/faults", json=body).raise_for_status()
    proof = stack.prove()
    assert proof.passed
    assert proof.way.startswith("Backend API")


def test_a_lost_answer_to_a_creation_leaves_no_user(stack: Stack) -> None:
    body = {"kind": "truncated", "method": "POST", "path": "/v1/users"}
    httpx.post(f"{stack.target.clerk_api_url}/_local/faults", json=body).raise_for_status()
    with pytest.raises(Exception, match="answer_lost"):
        stack.prove()
    # The fixture looks whether the user, whose id nobody was told, is gone.


def process(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "components.proof", "-", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "160"},
    )


def output(started: subprocess.Popen[str], outputs: Mapping[str, str]) -> str:
    said, _ = started.communicate(json.dumps(outputs), timeout=60)
    return said


def test_the_command_proves_and_prints_no_secret(stack: Stack) -> None:
    started = process(stack)
    said = output(started, stack.outputs)
    assert started.returncode == 0, said
    assert "LOCAL CLERK, a stand-in" in said
    assert "Proven: all 21 lines hold." in said
    assert "CANARY" not in said
    assert "eyJ" not in said


def test_the_command_fails_with_where_to_look(stack: Stack) -> None:
    stack.permit({**SELECT_OWN, "filter": {}})
    started = process(stack)
    said = output(started, stack.outputs)
    assert started.returncode == 1
    assert "A: B's row by where: look at select_permissions of the table users" in said
    assert "Not proven" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_proof_removes_its_users(stack: Stack, number: signal.Signals) -> None:
    started = _stopped_with_users_and_rows(stack)
    started.send_signal(number)
    started.send_signal(signal.SIGCONT)
    said = started.communicate(timeout=60)[0]
    assert started.returncode == command.INTERRUPTED, said
    assert "Interrupted." in said
    assert "Traceback" not in said


def test_what_a_killed_proof_left_is_removed_by_the_next(stack: Stack) -> None:
    started = _stopped_with_users_and_rows(stack)
    started.kill()
    started.communicate(timeout=60)
    assert len(stack.users()) == 2
    assert len(stack.rows()) == 3
    notices: list[str] = []
    assert prove(stack.target, stack.clerk, new_run(), notice=notices.append).passed
    assert notices == ["Removed 2 throwaway users that an earlier proof had left."]


def _stopped_with_users_and_rows(stack: Stack) -> subprocess.Popen[str]:
    """A proof that has made its users and rows, stopped there. A signal reaches it when it goes on."""
    started = process(stack)
    assert started.stdin is not None
    started.stdin.write(json.dumps(stack.outputs))
    started.stdin.close()
    started.stdin = None
    deadline = time.monotonic() + 60
    while len(stack.rows()) < 3:
        assert started.poll() is None, started.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started.send_signal(signal.SIGSTOP)
    assert len(stack.rows()) == 3, "the proof was over before it could be stopped"
    return started


@pytest.mark.parametrize(
    "changes",
    [{"process": os.getppid()}, {"host": "another machine of this name"}, {"engine": "another stack's"}],
    ids=["live", "elsewhere", "another engine"],
)
def test_the_throwaway_users_of_others_are_left_alone(stack: Stack, changes: dict[str, Any]) -> None:
    gone = Run(name="0123456789ab", host=new_run().host, process=2**22 + 1, engine=stack.engine.catalog_id())
    user = throwaway._create(stack.clerk, dataclasses.replace(gone, **changes), "A", [])
    try:
        assert stack.prove().passed
        assert stack.users() == [user.id]
    finally:
        stack.clerk.delete_user(user.id)


def test_when_the_users_of_another_engine_are_abandoned() -> None:
    user = User(
        id="user_1",
        email_addresses=(f"{MARK}-x+clerk_test@example.com",),
        external_id=f"{MARK}-x",
        private_metadata=Run(name="x", host="h", process=1, engine="other").mark("A"),
        created_at=1000.0,
    )

    def left_over(age: float, engine: str) -> bool:
        return throwaway.is_left_over(user, now=1000.0 + age, alive=lambda _: False, engine=engine)

    assert [left_over(throwaway.STALE_AFTER + 1, engine) for engine in ("other", "own")] == [True, False]
    assert left_over(throwaway.ABANDONED_AFTER + 1, "own")


def test_a_user_with_a_part_of_the_mark_is_nobodys_leftover(stack: Stack) -> None:
    made = [
        stack.clerk.create_user(email_address=f"{MARK}-x+clerk_test@example.com"),
        stack.clerk.create_user(
            email_address=f"someone-{MARK}@example.com",
            external_id=f"{MARK}-y",
            private_metadata={"clerk_hasura_proof": {"host": new_run().host, "process": 2**22 + 1}},
        ),
    ]
    try:
        assert stack.prove().passed
        assert len(stack.users()) == 2
    finally:
        for user in made:
            stack.clerk.delete_user(user.id)


def run_command(
    outputs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(outputs)))
    console = Console(file=io.StringIO(), width=160)
    code = command.main(["-", *arguments], environment, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


@pytest.fixture
def live(stack: Stack) -> dict[str, str]:
    """A production instance in its outputs; the local one stands where it would be."""
    return {
        **stack.outputs,
        "publishableKey": keys.publishable_key_for("clerk.example.com", "live"),
        "frontendApiUrl": stack.outputs["clerkApiUrl"],
    }


def configured(monkeypatch: pytest.MonkeyPatch, **configuration: str) -> None:
    def pulumi(*arguments: str) -> str:
        if arguments[:2] == ("config", "get") and arguments[2] in configuration:
            return f"{configuration[arguments[2]]}\n"
        raise ProofError("there is no such key")

    monkeypatch.setattr(command, "_pulumi", pulumi)


def test_a_production_instance_is_refused(live: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, proofInProduction="false")
    code, said = run_command(live, monkeypatch)
    assert code == command.NOT_MADE
    assert "--production" in said


@pytest.mark.parametrize(
    ("arguments", "configuration"), [(["--production"], {}), ([], {"proofInProduction": "true"})]
)
def test_a_production_instance_where_it_is_allowed(
    live: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    configuration: dict[str, str],
) -> None:
    configured(monkeypatch, **configuration)
    key = {"CLERK_SECRET_KEY": keys.LOCAL_SECRET_KEY}
    code, said = run_command(live, monkeypatch, *arguments, **key)
    assert code == command.PROVEN, said
    assert "the Clerk instance clerk.example.com" in said
    assert "Tokens from the frontend API" in said


def test_on_a_production_instance_there_is_no_other_way_to_a_token(
    stack: Stack, live: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch)
    body = {"kind": "500", "method": "POST", "path": "/v1/client/sign_ins"}
    httpx.post(f"{stack.target.clerk_api_url}/_local/faults", json=body).raise_for_status()
    key = {"CLERK_SECRET_KEY": keys.LOCAL_SECRET_KEY}
    code, said = run_command(live, monkeypatch, "--production", **key)
    assert code == command.NOT_MADE
    assert "POST /v1/client/sign_ins: HTTP 500" in said


def test_an_engine_that_is_not_there_is_one_clear_error(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run_command({**stack.outputs, "graphqlUrl": "http://127.0.0.1:1/v1/graphql"}, monkeypatch)
    assert code == command.NOT_MADE
    assert "does not answer" in said
    assert "Traceback" not in said
