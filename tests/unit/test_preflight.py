"""What a preview says before it begins: all problems together, and Clerk asked only where it is real."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from project import ROOT, stack_config

from components import preflight, settings
from components.clerk import keys
from components.clerk.answers import Domain, Instance
from components.clerk.errors import ClerkError, ErrorDetail
from components.clerk.instance_check import InstanceFacts
from components.clerk.jwks import Jwks
from components.docker_command import Docker
from components.host import HostFacts
from components.postgres.check import Answers, DatabaseFacts, NoAnswer

SECRET_KEY = "sk_test_canary" + "a" * 30
FREE_HOST = HostFacts(docker_error=None, busy_ports={})
HOST = "clear-cat-1.clerk.accounts.dev"
ONE_INSTANCE = InstanceFacts(
    instance=Instance(id="ins_1", environment_type="development"),
    domains=(
        Domain(id="dmn_1", name=HOST, is_satellite=False, frontend_api_url=f"https://{HOST}", proxy_url=None),
    ),
    key_ids=frozenset({"ins_1"}),
    jwks=Jwks(keys=({"kty": "RSA", "kid": "ins_1", "use": "sig"},), cache_control="max-age=3600"),
)
TWO_INSTANCES = replace(ONE_INSTANCE, key_ids=frozenset({"ins_2"}))


def check(
    change: dict[str, str],
    answer: InstanceFacts | Exception = ONE_INSTANCE,
    *,
    host: HostFacts = FREE_HOST,
    secret_key: str = SECRET_KEY,
    databases: Answers | None = None,
    misfits: Sequence[tuple[str, str]] = (),
) -> tuple[preflight.Checked, list[str]]:
    asked: list[str] = []

    def look_at_clerk(clerk: settings.ClerkSettings, key: str) -> InstanceFacts:
        asked.append(f"{clerk.api_url} {key}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def look_at_databases(_external: settings.ExternalPostgresSettings) -> Answers:
        assert databases is not None, "a database was asked"
        return databases

    own = {
        "migrationsDirectory": str(ROOT / "migrations"),
        "metadataDirectory": str(ROOT / "hasura_metadata"),
    }
    checked = preflight.check(
        stack_config("dev") | own | change,
        encrypted=settings.SECRET_KEYS,
        stack="dev",
        environment={"CLERK_SECRET_KEY": secret_key},
        docker=Docker(),
        misfits=misfits,
        look_at_host=lambda _settings, _docker: host,
        look_at_clerk=look_at_clerk,
        look_at_databases=look_at_databases,
    )
    return checked, asked


REAL = {"localClerk": "false", "clerkPublishableKey": keys.publishable_key_for(HOST)}


def refused(
    change: dict[str, str], answer: InstanceFacts | Exception = ONE_INSTANCE, **more: Any
) -> list[str]:
    with pytest.raises(preflight.PreflightError) as caught:
        check(change, answer, **more)
    assert "canary" not in str(caught.value)
    return list(caught.value.problems)


def unreachable(code: str = "unreachable", *, nothing_sent: bool = True) -> ClerkError:
    return ClerkError(
        request="GET /v1/instance",
        status=None if nothing_sent else 401,
        details=[ErrorDetail(code=code, message="no network")],
        remedy="r",
        nothing_sent=nothing_sent,
    )


def test_the_local_clerk_is_never_asked() -> None:
    checked, asked = check({}, AssertionError("asked"))
    assert asked == []
    assert checked.warnings == ()


def test_a_real_clerk_is_asked_once_with_the_key_of_the_environment() -> None:
    checked, asked = check(REAL)
    assert asked == [f"https://api.clerk.com {SECRET_KEY}"]
    assert checked.warnings == ()


def test_keys_of_two_instances_stop_the_preview() -> None:
    [problem] = refused(REAL, TWO_INSTANCES)
    assert problem.startswith("clerkSecretKey: its instance signs with ins_2, and the JWKS at")


def test_they_are_told_together_with_everything_else() -> None:
    change = REAL | {"jwtTemplateClaims": '{"sid": "x"}', "metadataDirectory": "/nowhere"}
    problems = refused(change, TWO_INSTANCES, host=HostFacts(docker_error="no daemon", busy_ports={}))
    for part in ("jwtTemplateClaims: ", "/nowhere", "docker: ", "clerkSecretKey: "):
        assert any(part in problem for problem in problems), (part, problems)


def test_a_jwks_that_is_never_read_again_is_a_warning() -> None:
    assert ONE_INSTANCE.jwks is not None
    checked, _ = check(REAL, replace(ONE_INSTANCE, jwks=replace(ONE_INSTANCE.jwks, cache_control="")))
    [warning] = checked.warnings
    assert "without cache headers" in warning


DIGEST = "@sha256:" + "0" * 64
PRODUCTION = {
    "production": "true",
    "standIns": "false",
    "protectData": "true",
    "proof": "false",
    "hasuraCpus": "1",
    "postgresCpus": "1",
    "hasuraImage": f"hasura/graphql-engine:v2.48.10{DIGEST}",
    "postgresImage": f"postgres:17.12-trixie{DIGEST}",
}


def test_what_breaks_a_rule_of_production_is_told_with_what_is_missing() -> None:
    problems = refused({"production": "true", "standIns": "false", "localClerk": "false"}, secret_key="")
    said = [problem.partition(":")[0] for problem in problems]
    assert said == [
        "clerkPublishableKey",
        "clerkSecretKey",
        "postgresImage",
        "hasuraImage",
        "protectData",
        "hasuraCpus",
        "postgresCpus",
    ]


def test_development_keys_on_a_production_stack() -> None:
    [problem] = refused(REAL | PRODUCTION)
    assert problem.startswith("clerkPublishableKey: is that of a development instance")
    checked, _ = check(REAL | PRODUCTION | {"allowDevelopmentKeys": "true"})
    [warning] = checked.warnings
    assert "this is a production stack" in warning


FACTS = DatabaseFacts(
    version=17,
    user="app",
    installed=frozenset({"pgcrypto"}),
    own_schemas=True,
    public_schema=True,
    through_pooler=False,
)
EXTERNAL = {"databaseUrl": "postgresql://app:canary@db.example.com:5432/shop"}


def test_a_database_of_somebody_else_is_looked_at() -> None:
    checked, _ = check(EXTERNAL, databases={"data": FACTS, "metadata": FACTS})
    assert checked.warnings == ()
    [problem] = refused(
        EXTERNAL, databases={"data": FACTS, "metadata": replace(FACTS, installed=frozenset())}
    )
    assert problem.startswith(
        "metadataDatabaseName: db.example.com:5432/hasura_metadata has no extension pgcrypto"
    )
    assert 'create extension "pgcrypto";' in problem


def test_a_database_that_only_its_engine_reaches_is_passed_over_with_a_notice() -> None:
    checked, _ = check(EXTERNAL, databases={"data": NoAnswer(reason="timed out", out_of_reach=True)})
    [notice] = checked.warnings
    assert notice.startswith("databaseUrl: db.example.com:5432/shop was not looked at")


def test_a_source_that_prepares_statements_behind_a_pooler_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "hasura_metadata", tmp_path / "metadata")
    file = tmp_path / "metadata/databases/databases.yaml"
    file.write_text(
        file.read_text().replace("use_prepared_statements: false", "use_prepared_statements: true")
    )
    own = EXTERNAL | {"metadataDirectory": str(tmp_path / "metadata")}
    answers: Answers = {"data": FACTS, "metadata": FACTS}
    check(own, databases=answers)
    [problem] = refused(own | {"databasePooler": "true"}, databases=answers)
    assert problem.startswith(f"{file}:8: use_prepared_statements is true, yet databasePooler")
    other = file.read_text().replace("HASURA_GRAPHQL_DATABASE_URL", "WAREHOUSE_URL")
    file.write_text(other)
    check(own | {"databasePooler": "true"}, databases=answers)


def test_what_the_docker_command_cannot_follow_is_told() -> None:
    [problem] = refused({}, misfits=[("docker:sshOpts", "put the options into ~/.ssh/config")])
    assert problem == (
        "docker:sshOpts: is a setting of the Docker provider that the docker command has not\n"
        "    put the options into ~/.ssh/config"
    )


@pytest.mark.parametrize("code", ["unreachable", "timeout"])
def test_without_network_the_check_is_passed_over_with_a_notice(code: str) -> None:
    checked, _ = check(REAL, unreachable(code))
    assert checked.warnings == ("The Clerk keys were not checked against Clerk: no network.",)


def test_a_refusal_of_clerk_stops_the_preview() -> None:
    [problem] = refused(REAL, unreachable("clerk_key_invalid", nothing_sent=False))
    assert problem.startswith("clerkSecretKey: Clerk, GET /v1/instance")


def test_clerk_is_not_asked_with_keys_that_cannot_be_right() -> None:
    problems = refused(REAL | {"clerkPublishableKey": "pk_test_x"}, AssertionError("asked"))
    assert any(problem.startswith("clerkPublishableKey: ") for problem in problems)


def test_an_audience_without_its_claim_would_keep_nobody_out() -> None:
    [problem] = refused({"jwtAudience": '["api"]'})
    assert problem.startswith("jwtTemplateClaims: claim aud: it is missing, and jwtAudience asks for api")
    [problem] = refused({"jwtAudience": '["api"]', "jwtTemplateClaims": '{"aud": "web"}'})
    assert 'it is "web", and Hasura accepts api only' in problem
    checked, _ = check({"jwtAudience": '["api"]', "jwtTemplateClaims": '{"aud": ["web", "api"]}'})
    assert checked.warnings == ()
    checked, _ = check({"jwtTemplateClaims": '{"aud": "web"}'})
    [warning] = checked.warnings
    assert "no audience is configured" in warning


def test_another_claims_namespace_reaches_claims_and_checks() -> None:
    checked, _ = check({"claimsNamespace": "https://example.com/claims"})
    assert set(checked.claims) == {"https://example.com/claims"}
    [problem, *_] = refused(
        {
            "claimsNamespace": "https://example.com/claims",
            "jwtTemplateClaims": '{"https://example.com/claims": {"x-hasura-user-id": "x"}}',
        }
    )
    assert '"https://example.com/claims" > x-hasura-user-id: this claim is written by the project' in problem


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({}, True),
        ({"engineEnvironment": '{"OTHER": "x"}'}, True),
        ({"engineEnvironment": '{"ACTIONS": "http://shop"}'}, False),
        # Of an engine that somebody else runs nothing is known.
        (
            REAL
            | {"engineUrl": "https://example.hasura.app", "adminSecret": "canary", "standIns": "false"}
            | {"hasuraPort": "0", "postgresPort": "0", "protectData": "true", "hasuraCpus": "1"}
            | {"postgresCpus": "1", "hasuraCorsDomains": "[]"},
            False,
        ),
    ],
    ids=["none", "another", "this one", "an engine of somebody else"],
)
def test_a_variable_that_metadata_reads_and_the_engine_has_not_is_a_warning(
    tmp_path: Path, change: dict[str, str], warned: bool
) -> None:
    shutil.copytree(ROOT / "hasura_metadata", tmp_path / "metadata")
    file = tmp_path / "metadata" / "actions.yaml"
    file.write_text("actions:\n- name: pay\n  definition: {handler: '{{ACTIONS}}/pay'}\n")
    checked, _ = check(change | {"metadataDirectory": str(tmp_path / "metadata")})
    assert checked.warnings == (
        (
            f"{file}:3: action `pay` reads the variable `ACTIONS`, which the engine is not given\n"
            "    pulumi config set --path engineEnvironment.ACTIONS VALUE    # with --secret, where nobody may see it",
        )
        if warned
        else ()
    )
