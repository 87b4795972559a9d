"""What a preview says before it begins: all problems together, and Clerk asked only where it is real."""

from __future__ import annotations

from dataclasses import replace

import pytest
from project import ROOT, stack_config

from components import preflight, settings
from components.clerk import keys
from components.clerk.answers import Domain, Instance
from components.clerk.errors import ClerkError, ErrorDetail
from components.clerk.instance_check import InstanceFacts, Jwks
from components.host import HostFacts

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
) -> tuple[preflight.Checked, list[str]]:
    asked: list[str] = []

    def look_at_clerk(clerk: settings.ClerkSettings, key: str) -> InstanceFacts:
        asked.append(f"{clerk.api_url} {key}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    own = {
        "migrationsDirectory": str(ROOT / "migrations"),
        "metadataDirectory": str(ROOT / "hasura_metadata"),
    }
    checked = preflight.check(
        stack_config("dev") | own | change,
        encrypted=frozenset(),
        stack="dev",
        environment={"CLERK_SECRET_KEY": secret_key},
        look_at_host=lambda _: host,
        look_at_clerk=look_at_clerk,
    )
    return checked, asked


REAL = {"localClerk": "false", "clerkPublishableKey": keys.publishable_key_for(HOST)}


def refused(
    change: dict[str, str], answer: InstanceFacts | Exception = ONE_INSTANCE, **more: HostFacts
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


def test_development_keys_on_a_production_stack() -> None:
    production = REAL | {"production": "true", "standIns": "false"}
    [problem] = refused(production)
    assert "this is a production stack" in problem
    checked, _ = check(production | {"allowDevelopmentKeys": "true"})
    [warning] = checked.warnings
    assert "this is a production stack" in warning


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
