"""The sign-in at the frontend API: what is sent, and what is made of answers other than a session."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from components.clerk import keys
from components.clerk.answers import TemplateContent
from components.clerk.errors import ClerkError
from components.clerk.frontend import FrontendClient

from .conftest import QUICK, LocalClerk, RawServer, RawServers, http

JSON = "Content-Type: application/json"
TICKET = "CANARYticket0123456789"
TESTING_TOKEN = "CANARYtesting0123456789"


def answer(status: str, body: object, *headers: str) -> bytes:
    return http(status, json.dumps(body).encode(), JSON, *headers)


def sign_in(status: str = "complete", session: str | None = "sess_1") -> bytes:
    body = {"response": {"status": status, "created_session_id": session}, "client": None}
    return answer("200 OK", body, "Set-Cookie: __client=CANARYcookie; Path=/; HttpOnly")


def browser(server: RawServer, kind: keys.KeyKind = "live") -> FrontendClient:
    return FrontendClient(server.url, kind=kind, testing_token=TESTING_TOKEN, retry=QUICK)


def paths(server: RawServer) -> list[str]:
    return [urlsplit(each.split(b" ")[1].decode()).path for each in server.received]


def query(request: bytes) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.split(b" ")[1].decode()).query)


def test_as_a_page_of_the_domain_on_a_production_instance(raw_server: RawServers) -> None:
    server = raw_server([sign_in(), answer("200 OK", {"jwt": "a.b.c"})])
    with browser(server) as clerk:
        assert clerk.token(clerk.sign_in_by_ticket(TICKET), "hasura") == "a.b.c"
    assert paths(server) == ["/v1/client/sign_ins", "/v1/client/sessions/sess_1/tokens/hasura"]
    for request in server.received:
        assert f"Origin: {server.url}".encode() in request
        # Clerk refuses a browser that sends both.
        assert b"authorization:" not in request.lower()
        assert query(request) == {
            "__clerk_api_version": ["2026-05-12"],
            "__clerk_testing_token": [TESTING_TOKEN],
        }
    assert server.received[0].endswith(f"strategy=ticket&ticket={TICKET}".encode())
    assert b"Cookie: __client=CANARYcookie" in server.received[1]


def test_through_a_dev_browser_on_a_development_instance(raw_server: RawServers) -> None:
    signed_in = {"response": {"status": "complete", "created_session_id": "sess_1"}, "client": None}
    server = raw_server(
        [
            answer("200 OK", {"id": "dvb_1"}),
            answer("200 OK", signed_in, "Clerk-Db-Jwt: dvb_2"),
            answer("200 OK", {"jwt": "a.b.c"}),
        ]
    )
    with browser(server, "test") as clerk:
        clerk.token(clerk.sign_in_by_ticket(TICKET), "hasura")
    assert paths(server)[:2] == ["/v1/dev_browser", "/v1/client/sign_ins"]
    assert [query(each).get("__clerk_db_jwt") for each in server.received] == [None, ["dvb_1"], ["dvb_2"]]


@pytest.mark.parametrize(
    ("url", "kind", "origin"),
    [
        ("https://clerk.example.com", "live", "https://example.com"),
        ("https://clerk.shop.example.co.uk", "live", "https://shop.example.co.uk"),
        ("https://example.com/__clerk", "live", "https://example.com"),
        ("https://quick-fox-1.clerk.accounts.dev", "test", "http://localhost:3000"),
    ],
)
def test_the_origin_is_one_that_the_instance_takes(url: str, kind: keys.KeyKind, origin: str) -> None:
    assert keys.page_origin(url, kind) == origin


@pytest.mark.parametrize("status", ["needs_second_factor", "needs_client_trust"])
def test_a_sign_in_that_needs_more_is_named(raw_server: RawServers, status: str) -> None:
    with browser(raw_server([sign_in(status, None)])) as clerk, pytest.raises(ClerkError) as caught:
        clerk.sign_in_by_ticket(TICKET)
    assert caught.value.code == "sign_in_incomplete"
    assert status in str(caught.value)
    assert "second factor" in str(caught.value)


def test_the_rate_of_sign_ins_is_waited_for(raw_server: RawServers) -> None:
    limited = answer("429 Too Many Requests", {"errors": [{"code": "too_many_requests"}]}, "Retry-After: 1")
    server = raw_server([limited, sign_in()])
    with browser(server) as clerk:
        assert clerk.sign_in_by_ticket(TICKET) == "sess_1"
    assert len(server.received) == 2


def test_a_ticket_is_sent_once(raw_server: RawServers) -> None:
    server = raw_server([b""])
    with browser(server) as clerk, pytest.raises(ClerkError):
        clerk.sign_in_by_ticket(TICKET)
    assert len(server.received) == 1


def test_no_error_holds_a_ticket_or_a_token(raw_server: RawServers) -> None:
    said = f"{TICKET} {TESTING_TOKEN} dvb_CANARY0123456789"
    refused = answer("400 Bad Request", {"errors": [{"code": "x", "long_message": said}]})
    server = raw_server([answer("200 OK", {"id": "dvb_CANARY0123456789"}), refused])
    with browser(server, "test") as clerk, pytest.raises(ClerkError) as caught:
        clerk.sign_in_by_ticket(TICKET)
    assert "[hidden] [hidden] [hidden]" in str(caught.value)
    assert "CANARY" not in f"{caught.value} {caught.value!r} {clerk!r}"


def test_a_real_sign_in_at_the_local_clerk(local_clerk: LocalClerk) -> None:
    backend = local_clerk.client()
    name = "My template 2.0"
    backend.create_jwt_template(TemplateContent(name=name, claims={}, lifetime=60, allowed_clock_skew=5))
    user = backend.create_user(email_address="a+clerk_test@example.com")
    token = backend.create_testing_token()
    with FrontendClient(local_clerk.url, kind="test", testing_token=token) as clerk:
        session = clerk.sign_in_by_ticket(backend.create_sign_in_token(user.id))
        assert clerk.token(session, name).count(".") == 2
    assert backend.session_token(backend.create_session(user.id).id, name).count(".") == 2
