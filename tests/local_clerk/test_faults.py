"""Faults on demand, and key rotation."""

import json
from pathlib import Path

import httpx
import jwt
import pytest

from local.clerk.server import Running, serving

TEMPLATE = {"name": "hasura", "claims": {}}


def switch_on(clerk: Running, **fault: object) -> None:
    assert httpx.post(f"{clerk.url}/_local/faults", json=fault).status_code == 200


def names(backend: httpx.Client) -> list[str]:
    return [template["name"] for template in backend.get("/v1/jwt_templates").json()]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("429", "too_many_requests"), ("500", "internal_clerk_error"), ("401", "clerk_key_invalid")],
)
def test_refusals_do_nothing(clerk: Running, backend: httpx.Client, kind: str, code: str) -> None:
    switch_on(clerk, kind=kind, method="POST", path="/v1/jwt_templates", times=2, retry_after=7)
    for _ in range(2):
        answer = backend.post("/v1/jwt_templates", json=TEMPLATE)
        assert answer.status_code == int(kind)
        assert answer.json()["errors"][0]["code"] == code
        assert answer.headers.get("retry-after") == ("7" if kind == "429" else None)
    assert names(backend) == []
    assert backend.post("/v1/jwt_templates", json=TEMPLATE).status_code == 200


def test_time_out_after_success(clerk: Running, backend: httpx.Client) -> None:
    switch_on(clerk, kind="timeout_after", method="POST", path="/v1/jwt_templates")
    with pytest.raises(httpx.ReadTimeout):
        backend.post("/v1/jwt_templates", json=TEMPLATE, timeout=0.3)
    assert names(backend) == ["hasura"]


def test_truncated_body(clerk: Running, backend: httpx.Client) -> None:
    switch_on(clerk, kind="truncated", path="/v1/jwt_templates")
    with pytest.raises(httpx.RemoteProtocolError):
        backend.post("/v1/jwt_templates", json=TEMPLATE)
    assert names(backend) == ["hasura"]


@pytest.mark.parametrize(("kind", "content_type"), [("malformed", "application/json"), ("html", "text/html")])
def test_answers_that_are_not_json(
    clerk: Running, backend: httpx.Client, kind: str, content_type: str
) -> None:
    switch_on(clerk, kind=kind, path="/v1/jwt_templates")
    answer = backend.get("/v1/jwt_templates/x" if kind == "malformed" else "/v1/jwt_templates")
    assert answer.headers["content-type"].startswith(content_type)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_faults_can_be_cleared_and_are_checked(clerk: Running, backend: httpx.Client) -> None:
    switch_on(clerk, kind="500", times=100)
    assert httpx.delete(f"{clerk.url}/_local/faults").json() == {"pending": []}
    assert backend.get("/v1/jwt_templates").status_code == 200
    assert httpx.post(f"{clerk.url}/_local/faults", json={"kind": "nonsense"}).status_code == 422
    assert httpx.post(f"{clerk.url}/_local/faults", json={"what": 1}).status_code == 422


def test_there_is_no_switch_unless_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as clerk:
        assert httpx.post(f"{clerk.url}/_local/faults", json={"kind": "500"}).status_code == 404


@pytest.mark.parametrize("old", ["keep", "drop"])
def test_rotation(clerk: Running, backend: httpx.Client, old: str) -> None:
    def kid_of_a_new_token() -> str:
        return jwt.get_unverified_header(backend.post(f"/v1/sessions/{session}/tokens").json()["jwt"])["kid"]

    def published() -> list[str]:
        return [key["kid"] for key in httpx.get(f"{clerk.url}/.well-known/jwks.json").json()["keys"]]

    user = backend.post("/v1/users", json={"email_address": ["a@example.com"]}).json()["id"]
    session = backend.post("/v1/sessions", json={"user_id": user}).json()["id"]
    before = kid_of_a_new_token()
    assert published() == [before]
    assert httpx.post(f"{clerk.url}/_local/rotate-key").status_code == 401
    after = backend.post("/_local/rotate-key", params={"old": old}).json()["kid"]
    assert after != before
    assert kid_of_a_new_token() == after
    assert published() == ([after, before] if old == "keep" else [after])


@pytest.mark.parametrize(
    ("age", "header"), [(60, "public, max-age=60"), (5, "public, max-age=5"), (None, None)]
)
def test_cache_header_of_the_jwks(tmp_path: Path, age: int | None, header: str | None) -> None:
    with serving(tmp_path, jwks_max_age=age) as clerk:
        answer = httpx.get(f"{clerk.url}/.well-known/jwks.json")
        assert answer.headers.get("cache-control") == header
