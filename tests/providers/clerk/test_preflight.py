"""The keys of a stack with a real Clerk, checked over HTTP; the local Clerk stands where that would."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import preflight
from components.clerk import keys
from components.docker_command import Docker
from components.host import HostFacts
from local.clerk.server import serving
from tests.unit.project import stack_config

from .conftest import LocalClerk


def check(clerk_url: str, change: dict[str, str], secret_key: str) -> preflight.Checked:
    real = {
        "localClerk": "false",
        "clerkApiUrl": clerk_url,
        "clerkPublishableKey": keys.publishable_key_for(clerk_url.removeprefix("http://")),
    }
    return preflight.check(
        stack_config("dev") | real | change,
        encrypted=frozenset(),
        stack="dev",
        environment={"CLERK_SECRET_KEY": secret_key},
        docker=Docker(),
        look_at_host=lambda _settings, _docker: HostFacts(docker_error=None, busy_ports={}),
        look_at_clerk=preflight.ask_clerk,
        look_at_databases=lambda _: {},
    )


def test_one_instance_throughout(local_clerk: LocalClerk) -> None:
    assert check(local_clerk.url, {}, local_clerk.running.secret_key).warnings == ()


def test_keys_of_two_instances(local_clerk: LocalClerk, tmp_path: Path) -> None:
    with serving(tmp_path / "other") as other, pytest.raises(preflight.PreflightError) as caught:
        own = {"clerkPublishableKey": keys.publishable_key_for(other.url.removeprefix("http://"))}
        check(local_clerk.url, own, local_clerk.running.secret_key)
    said = str(caught.value)
    assert "clerkPublishableKey: it names the frontend API" in said
    assert "clerkSecretKey: its instance signs with" in said


def test_addresses_that_the_instance_does_not_have(local_clerk: LocalClerk) -> None:
    change = {"jwtIssuer": f"{local_clerk.url}/elsewhere", "jwksUrl": f"{local_clerk.url}/elsewhere"}
    with pytest.raises(preflight.PreflightError, match="jwtIssuer: the issuer would be") as caught:
        check(local_clerk.url, change, local_clerk.running.secret_key)
    assert "jwksUrl: the JWKS at" in str(caught.value)
    assert "cannot be read (HTTP 404)" in str(caught.value)


def test_a_key_that_the_instance_does_not_take(local_clerk: LocalClerk) -> None:
    with pytest.raises(preflight.PreflightError, match="clerkSecretKey: Clerk, GET /v1/instance") as caught:
        check(local_clerk.url, {}, "sk_test_CANARYcanary0123456789")
    assert "CANARY" not in str(caught.value)


def test_without_network_the_preview_goes_on(local_clerk: LocalClerk) -> None:
    checked = check(local_clerk.url, {"clerkApiUrl": "http://127.0.0.1:1"}, local_clerk.running.secret_key)
    [notice] = checked.warnings
    assert notice.startswith(
        "The Clerk keys were not checked against Clerk: cannot connect to http://127.0.0.1:1"
    )
