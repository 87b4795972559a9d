"""The front-end API as a browser meets it: cookies, origins, and sessions that end."""

from collections.abc import Iterator

import httpx
import jwt
import pytest

from local.clerk.server import Running

ORIGIN = "http://127.0.0.1:5173"


@pytest.fixture
def browser(clerk: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{clerk.url}/__clerk", headers={"Origin": ORIGIN}, timeout=10) as client:
        yield client


def sign_in(browser: httpx.Client, backend: httpx.Client, email: str) -> tuple[str, str]:
    """Sign a new user in by ticket; gives user id and session id."""
    user = backend.post("/v1/users", json={"email_address": [email]}).json()["id"]
    ticket = backend.post("/v1/sign_in_tokens", json={"user_id": user}).json()["token"]
    answer = browser.post("/v1/client/sign_ins", data={"strategy": "ticket", "ticket": ticket})
    assert answer.status_code == 200, answer.text
    return user, answer.json()["response"]["created_session_id"]


def test_a_reloaded_page_is_still_signed_in(browser: httpx.Client, backend: httpx.Client) -> None:
    assert browser.get("/v1/client").json() == {"response": None, "client": None}
    user, session = sign_in(browser, backend, "a@example.com")
    client = browser.get("/v1/client").json()["response"]
    assert client["last_active_session_id"] == session
    assert [each["user"]["id"] for each in client["sessions"]] == [user]
    assert "private_metadata" not in client["sessions"][0]["user"]
    assert browser.get("/v1/me").json()["response"]["id"] == user


def test_the_cookie_is_out_of_reach_of_scripts(browser: httpx.Client, backend: httpx.Client) -> None:
    sign_in(browser, backend, "a@example.com")
    touched = browser.put("/v1/client")
    cookie = touched.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_one_browser_cannot_use_anothers_session(
    clerk: Running, browser: httpx.Client, backend: httpx.Client
) -> None:
    _, session = sign_in(browser, backend, "a@example.com")
    with httpx.Client(base_url=browser.base_url, headers={"Origin": ORIGIN}) as other:
        sign_in(other, backend, "b@example.com")
        refused = other.post(f"/v1/client/sessions/{session}/tokens")
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["code"] == "authentication_invalid"


def test_tokens_name_the_page_and_end_with_the_session(browser: httpx.Client, backend: httpx.Client) -> None:
    backend.post("/v1/jwt_templates", json={"name": "hasura", "claims": {}})
    _, session = sign_in(browser, backend, "a@example.com")
    path = f"/v1/client/sessions/{session}/tokens/hasura"
    query = {"__clerk_api_version": "2026-08-20", "_clerk_js_version": "6.40.0"}
    token = browser.post(path, params=query).json()["jwt"]
    assert jwt.decode(token, options={"verify_signature": False})["azp"] == ORIGIN
    assert browser.post(f"/v1/client/sessions/{session}/touch").status_code == 200
    assert browser.post(f"/v1/client/sessions/{session}/end").json()["response"]["status"] == "ended"
    assert browser.post(path).status_code == 401
    assert browser.get("/v1/client").json()["response"]["sessions"] == []


@pytest.mark.parametrize("revoke", [True, False], ids=["revoked", "user deleted"])
def test_the_backend_ends_a_browsers_session(
    browser: httpx.Client, backend: httpx.Client, *, revoke: bool
) -> None:
    user, session = sign_in(browser, backend, "a@example.com")
    assert browser.post(f"/v1/client/sessions/{session}/tokens").status_code == 200
    if revoke:
        backend.post(f"/v1/sessions/{session}/revoke")
    else:
        backend.delete(f"/v1/users/{user}")
    assert browser.post(f"/v1/client/sessions/{session}/tokens").status_code == 401


def test_signing_out_by_method_override(browser: httpx.Client, backend: httpx.Client) -> None:
    sign_in(browser, backend, "a@example.com")
    answer = browser.post("/v1/client/sessions", params={"_method": "DELETE"})
    assert answer.json()["response"]["sessions"] == []
    assert browser.get("/v1/me").status_code == 401


def test_signing_in_by_code(browser: httpx.Client, backend: httpx.Client) -> None:
    backend.post("/v1/users", json={"email_address": ["a+clerk_test@example.com"]})
    nobody = browser.post("/v1/client/sign_ins", data={"identifier": "nobody@example.com"})
    assert nobody.json()["errors"][0]["code"] == "form_identifier_not_found"
    begun = browser.post("/v1/client/sign_ins", data={"identifier": "a+clerk_test@example.com"}).json()
    assert begun["response"]["status"] == "needs_first_factor"
    path = f"/v1/client/sign_ins/{begun['response']['id']}/attempt_first_factor"
    wrong = browser.post(path, data={"strategy": "email_code", "code": "000000"})
    assert wrong.json()["errors"][0]["code"] == "form_code_incorrect"
    done = browser.post(path, data={"strategy": "email_code", "code": "424242"}).json()
    assert done["response"]["status"] == "complete"


@pytest.mark.parametrize("path", ["/__clerk/v1/environment", "/v1/environment"])
def test_pages_of_this_machine_may_send_credentials(clerk: Running, path: str) -> None:
    answer = httpx.get(clerk.url + path, headers={"Origin": "http://localhost:3000"})
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("origin", ["https://example.com", "http://127.0.0.1.example.com", "null"])
def test_pages_from_elsewhere_may_not(clerk: Running, origin: str) -> None:
    answer = httpx.get(f"{clerk.url}/v1/environment", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


def test_a_dev_browser_and_a_testing_token_may_be_brought(clerk: Running, backend: httpx.Client) -> None:
    given = {
        "__clerk_db_jwt": httpx.post(f"{clerk.url}/v1/dev_browser").json()["id"],
        "__clerk_testing_token": backend.post("/v1/testing_tokens").json()["token"],
    }
    with httpx.Client(base_url=clerk.url, params=given, headers={"Origin": ORIGIN}) as browser:
        _, session = sign_in(browser, backend, "a@example.com")
        assert browser.post(f"/v1/client/sessions/{session}/tokens").status_code == 200
    assert given["__clerk_db_jwt"].startswith("dvb_")
