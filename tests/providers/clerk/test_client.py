"""The client against the local Clerk, and against servers that misbehave."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from components.clerk import exchange as exchange_module
from components.clerk.answers import TemplateContent
from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError
from components.clerk.keys import KeyFormatError
from components.clerk.retries import RetryPolicy

from .conftest import QUICK, SECRET_KEY, LocalClerk, RawServer, RawServers, http

CONTENT = TemplateContent(
    name="hasura", claims={"a": {"b": [1, "{{user.id}}"]}}, lifetime=90, allowed_clock_skew=3
)
LIST = b'{"data":[],"total_count":0}'
JSON = "Content-Type: application/json"


def refusal(code: str, message: str, param: str | None = None) -> bytes:
    meta = {"meta": {"param_name": param}} if param else {}
    return json.dumps(
        {
            "errors": [{"code": code, "message": "short", "long_message": message, **meta}],
            "clerk_trace_id": "tr_1",
        }
    ).encode()


def client(url: str, retry: RetryPolicy = QUICK, notices: list[str] | None = None) -> ClerkClient:
    return ClerkClient(url, SECRET_KEY, retry=retry, notice=(notices if notices is not None else []).append)


def failure(call: Callable[[], object]) -> ClerkError:
    with pytest.raises(ClerkError) as caught:
        call()
    return caught.value


def test_a_template_lives(local_clerk: LocalClerk) -> None:
    with local_clerk.client() as clerk:
        made = clerk.create_jwt_template(CONTENT)
        assert (made.name, made.claims, made.lifetime, made.allowed_clock_skew) == (
            "hasura",
            CONTENT.claims,
            90,
            3,
        )
        assert clerk.jwt_template(made.id) == made
        changed = clerk.update_jwt_template(
            made.id, TemplateContent(name="other", claims={"c": True}, lifetime=60, allowed_clock_skew=0)
        )
        assert (changed.id, changed.name, changed.claims) == (made.id, "other", {"c": True})
        assert clerk.jwt_templates() == [changed]
        clerk.delete_jwt_template(made.id)
        assert clerk.jwt_templates() == []
        assert failure(lambda: clerk.jwt_template(made.id)).status == 404


def test_people_sign_in_and_get_tokens(local_clerk: LocalClerk) -> None:
    with local_clerk.client() as clerk:
        clerk.create_jwt_template(CONTENT)
        user = clerk.create_user(
            email_address="a+clerk_test@example.com", external_id="ext", private_metadata={"mark": 1}
        )
        assert (user.email_addresses, user.external_id) == (("a+clerk_test@example.com",), "ext")
        assert clerk.users(query="a+clerk_test") == [user]
        assert user.private_metadata == {"mark": 1}
        session = clerk.create_session(user.id)
        assert clerk.session_token(session.id, "hasura").count(".") == 2
        assert clerk.create_sign_in_token(user.id)
        clerk.revoke_session(session.id)
        clerk.delete_user(user.id)
        assert clerk.users(query="a+clerk_test") == []


def test_the_instance_its_domain_and_its_keys(local_clerk: LocalClerk) -> None:
    with local_clerk.client() as clerk:
        instance, jwks, domains = clerk.instance(), clerk.jwks(), clerk.domains()
    assert instance.environment_type == "development"
    assert [key["kid"] for key in jwks] == [instance.id]
    assert [(d.frontend_api_url, d.is_satellite) for d in domains] == [(local_clerk.url, False)]


def test_an_error_names_code_message_parameter_trace_and_remedy(local_clerk: LocalClerk) -> None:
    with local_clerk.client() as clerk:
        error = failure(
            lambda: clerk.create_jwt_template(
                TemplateContent(name="x", claims={}, lifetime=1, allowed_clock_skew=999)
            )
        )
    assert error.status == 422
    assert {detail.param for detail in error.details} == {"lifetime", "allowed_clock_skew"}
    assert error.trace_id
    text = str(error)
    for part in (
        "POST /v1/jwt_templates",
        "form_param_value_invalid",
        "lifetime",
        "skew",
        error.trace_id,
        "Correct",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        ("401 Unauthorized", "clerk_key_invalid", "clerkSecretKey"),
        ("402 Payment Required", "unsupported_subscription_plan_features", "plan"),
        ("403 Forbidden", "session_token_jwt_template", "cannot be deleted"),
        ("403 Forbidden", "something_new", "does not allow this"),
        ("404 Not Found", "resource_not_found", "pulumi refresh"),
        ("400 Bad Request", "jwt_template_reserved_claim", "jwtTemplateClaims"),
        ("400 Bad Request", "api_version_invalid", "API version"),
        ("422 Unprocessable Entity", "form_param_missing", "Correct claims"),
        ("422 Unprocessable Entity", "form_identifier_exists", "Choose another"),
    ],
)
def test_a_refusal_is_not_tried_again_and_says_what_to_do(
    raw_server: RawServers, status: str, code: str, remedy: str
) -> None:
    server = raw_server([http(status, refusal(code, "A long message.", "claims"), JSON)])
    error = failure(client(server.url).jwt_templates)
    assert len(server.received) == 1
    assert (error.code, error.message, error.param, error.trace_id) == (
        code,
        "A long message.",
        "claims",
        "tr_1",
    )
    assert remedy in error.remedy
    assert str(error).startswith(f"Clerk, GET /v1/jwt_templates: HTTP {status[:3]}, A long message ({code}, ")


def test_the_trace_id_falls_back_on_the_ray(raw_server: RawServers) -> None:
    body = b'{"errors":[{"code":"resource_not_found","message":"m"}]}'
    server = raw_server([http("404 Not Found", body, JSON, "CF-Ray: 8abc-VIE")])
    assert "8abc-VIE" in str(failure(client(server.url).jwt_templates))


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_429_is_waited_for_with_every_method_and_told(raw_server: RawServers, method: str) -> None:
    template = b'{"id":"jtmpl_1","name":"n","claims":{}}'
    server = raw_server(
        [
            http("429 Too Many Requests", refusal("too_many_requests", "Slow down"), JSON, "Retry-After: 7"),
            http("200 OK", LIST if method == "GET" else template, JSON),
        ]
    )
    notices: list[str] = []
    clerk = client(server.url, notices=notices)
    calls: dict[str, Callable[[], object]] = {
        "GET": clerk.jwt_templates,
        "POST": lambda: clerk.create_jwt_template(CONTENT),
        "PATCH": lambda: clerk.update_jwt_template("jtmpl_1", CONTENT),
        "DELETE": lambda: clerk.delete_jwt_template("jtmpl_1"),
    }
    calls[method]()
    assert len(server.received) == 2
    assert len(notices) == 1
    # The wait that was asked for is capped by the policy, and both are told.
    assert "Clerk asked for 7 s" in notices[0]
    assert "trying again in 0.1 s" in notices[0] or "trying again in 0.0 s" in notices[0]


@pytest.mark.parametrize(
    ("attempt", "asked", "waited"),
    [(1, 3.0, 3.0), (1, 500.0, 30.0), (4, 0.0, 0.0), (1, None, 0.5), (4, None, 4.0), (20, None, 30.0)],
)
def test_retry_after_decides_the_wait(attempt: int, asked: float | None, waited: float) -> None:
    assert RetryPolicy(first_wait=0.5, longest_wait=30).wait(attempt, asked) == waited


def test_retry_after_may_be_a_date(raw_server: RawServers) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    body = refusal("too_many_requests", "Slow down")
    server = raw_server([http("429 Too Many Requests", body, JSON, f"Retry-After: {later}")])
    error = failure(client(server.url, RetryPolicy(attempts=1)).jwt_templates)
    assert error.retry_after is not None
    assert 90 < error.retry_after <= 100


@pytest.mark.parametrize("answer", ["soon", "-5", "1e9", "", "٣"])
def test_a_retry_after_that_means_nothing_is_passed_over(raw_server: RawServers, answer: str) -> None:
    body = refusal("too_many_requests", "Slow down")
    raw = http("429 Too Many Requests", body, JSON, f"Retry-After: {answer}")
    server = raw_server([raw, http("200 OK", LIST, JSON)])
    assert client(server.url).jwt_templates() == []


def test_429_for_ever_ends(raw_server: RawServers) -> None:
    body = refusal("too_many_requests", "Slow down")
    server = raw_server([http("429 Too Many Requests", body, JSON, "Retry-After: 9")])
    error = failure(client(server.url).jwt_templates)
    assert len(server.received) == QUICK.attempts == error.attempts
    assert "after 3 attempts" in str(error)
    assert "in 9 s" in error.remedy


SERVER_FAULTS = {
    "500": http("500 Internal Server Error", refusal("internal_clerk_error", "Oops"), JSON),
    "502 page": http("502 Bad Gateway", b"<html>bad gateway</html>", "Content-Type: text/html"),
    "closed": b"",
    "truncated": http("200 OK", b'{"data":[', JSON, length=500),
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
}


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_a_fault_that_may_pass_is_outlived_by_reads_and_deletions(raw_server: RawServers, fault: str) -> None:
    server = raw_server([SERVER_FAULTS[fault], http("200 OK", LIST, JSON)])
    assert client(server.url).jwt_templates() == []
    assert len(server.received) == 2
    server = raw_server([SERVER_FAULTS[fault], http("200 OK", b"{}", JSON)])
    client(server.url).delete_jwt_template("jtmpl_1")
    assert len(server.received) == 2


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_a_creation_is_sent_once_and_its_outcome_is_unknown(raw_server: RawServers, fault: str) -> None:
    server = raw_server([SERVER_FAULTS[fault]])
    error = failure(lambda: client(server.url).create_jwt_template(CONTENT))
    assert len(server.received) == 1
    assert error.outcome_unknown


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<!doctype html><title>Sign in to Wi-Fi</title>", "text/html", "not_json"),
        (b'{"data":[', "application/json", "malformed_json"),
        (b"\xff\xfe", "application/json", "malformed_json"),
        (b"[" * 100_000, "application/json", "malformed_json"),
        (b'"text"', "application/json", "unexpected_shape"),
        (b'{"data":{}}', "application/json", "unexpected_shape"),
        (b'{"data":[{"id":"x"}]}', "application/json", "unexpected_shape"),
        (b'[{"id":"x","name":"n","claims":[]}]', "application/json", "unexpected_shape"),
        (b"", "application/json", "unexpected_shape"),
    ],
)
def test_an_answer_that_cannot_be_used_has_a_name(
    raw_server: RawServers, body: bytes, kind: str, code: str
) -> None:
    server = raw_server([http("200 OK", body, f"Content-Type: {kind}")])
    error = failure(client(server.url).jwt_templates)
    assert error.code == code
    assert len(server.received) == 1
    assert "Wi-Fi" not in str(error)


@pytest.mark.parametrize(
    ("bound", "value", "code", "says", "attempts"),
    [
        ("WHOLE_ANSWER", 0.0, "timeout", "had no end after", QUICK.attempts),
        ("LARGEST_ANSWER", 1024 * 1024, "too_large", "more than 1 MiB", 1),
    ],
)
def test_an_answer_without_end_is_given_up(
    endless_server: RawServer,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    value: float,
    code: str,
    says: str,
    attempts: int,
) -> None:
    monkeypatch.setattr(exchange_module, bound, value)
    error = failure(client(endless_server.url).jwt_templates)
    assert (error.code, error.attempts) == (code, attempts)
    assert says in str(error)
    error = failure(lambda: client(endless_server.url).create_jwt_template(CONTENT))
    assert error.outcome_unknown


def test_a_redirect_is_not_followed(raw_server: RawServers) -> None:
    other = raw_server([http("200 OK", LIST, JSON)])
    server = raw_server([http("302 Found", b"", f"Location: {other.url}/v1/jwt_templates")])
    error = failure(client(server.url).jwt_templates)
    assert error.code == "redirect"
    assert other.received == []


def test_nobody_there_is_tried_again_also_for_a_creation() -> None:
    notices: list[str] = []
    error = failure(lambda: client("http://127.0.0.1:1", notices=notices).create_jwt_template(CONTENT))
    assert (error.code, error.attempts, error.nothing_sent, error.outcome_unknown) == (
        "unreachable",
        3,
        True,
        False,
    )
    assert len(notices) == 2


def test_all_pages_are_read(raw_server: RawServers) -> None:
    def page(first: int, count: int) -> bytes:
        items = [{"id": f"jtmpl_{i}", "name": f"n{i}", "claims": {}} for i in range(first, first + count)]
        return http("200 OK", json.dumps(items).encode(), JSON)

    server = raw_server([page(0, 500), page(500, 500), page(1000, 3)])
    assert [t.name for t in client(server.url).jwt_templates()] == [f"n{i}" for i in range(1003)]
    assert [b"offset=500&" in r or b"offset=500 " in r for r in server.received] == [False, True, False]


def test_a_server_that_ignores_the_offset_does_not_hold_the_walk(raw_server: RawServers) -> None:
    items = [{"id": f"jtmpl_{i}", "name": f"n{i}", "claims": {}} for i in range(500)]
    server = raw_server([http("200 OK", json.dumps({"data": items, "total_count": 500}).encode(), JSON)])
    assert len(client(server.url).jwt_templates()) == 500
    assert len(server.received) == 2


def test_what_is_sent(raw_server: RawServers) -> None:
    server = raw_server([http("200 OK", b'{"id":"jtmpl_1","name":"n","claims":{}}', JSON)])
    client(server.url).update_jwt_template("jtmpl_1/../x", CONTENT)
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PATCH /v1/jwt_templates/jtmpl_1%2F..%2Fx HTTP/1.1\r\n")
    assert f"Bearer {SECRET_KEY}".encode() in head
    assert b"clerk-api-version: 2026-05-12" in head.lower()
    assert json.loads(body) == {
        "name": "hasura",
        "claims": CONTENT.claims,
        "lifetime": 90,
        "allowed_clock_skew": 3,
        "custom_signing_key": False,
    }


def test_null_stands_for_the_documented_default(raw_server: RawServers) -> None:
    body = b'{"id":"jtmpl_1","name":"n","claims":{},"lifetime":null,"allowed_clock_skew":null}'
    server = raw_server([http("200 OK", body, JSON)])
    template = client(server.url).jwt_template("jtmpl_1")
    assert (template.lifetime, template.allowed_clock_skew) == (60, 5)


@pytest.mark.parametrize(
    "url", ["https://api.clerk.com/v1", "http://api.clerk.com", "https://u:p@api.clerk.com", "api.clerk.com"]
)
def test_an_address_that_would_betray_the_key_is_refused(url: str) -> None:
    with pytest.raises(KeyFormatError):
        client(url)


def test_no_secret_is_ever_shown(raw_server: RawServers, caplog: pytest.LogCaptureFixture) -> None:
    # pragma: allowlist nextline secret
    signing_key = "-----BEGIN PRIVATE KEY-----\nCANARYsigningkey0123456789\n-----END PRIVATE KEY-----"
    content = TemplateContent(
        name="n",
        claims={},
        lifetime=60,
        allowed_clock_skew=5,
        signing_algorithm="RS256",
        signing_key=signing_key,
    )
    echo = refusal(
        "clerk_key_invalid", f"bad key {SECRET_KEY} or {signing_key} or CANARYsigningkey0123456789"
    )
    answers = [http("401 Unauthorized", echo, JSON), http("200 OK", SECRET_KEY.encode(), JSON), b""]
    shown: list[str] = [repr(content)]
    with caplog.at_level(logging.DEBUG):
        for answer in answers:
            server = raw_server([answer])
            clerk = client(server.url)
            try:
                clerk.create_jwt_template(content)
            except ClerkError as error:
                shown += [
                    str(error),
                    repr(error),
                    "".join(traceback.format_exception(error)),
                    str(vars(error)),
                ]
            assert SECRET_KEY.encode() in server.received[0]
            shown += [repr(clerk), repr(clerk._http.auth), repr(clerk._http.headers)]
    assert len(shown) == 1 + 3 * 7
    assert "CANARY" not in "\n".join([*shown, caplog.text])


class TestFaultsOfTheLocalClerk:
    """The same, with the stand-in's own switches: here a change is really carried out behind the fault."""

    def test_a_rate_limit(self, local_clerk: LocalClerk) -> None:
        local_clerk.fault("429", times=2, retry_after=1)
        assert local_clerk.client().jwt_templates() == []
        assert len(local_clerk.notices) == 2

    @pytest.mark.parametrize("kind", ["malformed", "truncated", "html", "500"])
    def test_a_creation_with_a_lost_answer(self, local_clerk: LocalClerk, kind: str) -> None:
        local_clerk.fault(kind, method="POST")
        error = failure(lambda: local_clerk.client().create_jwt_template(CONTENT))
        assert error.outcome_unknown
        assert [t.name for t in local_clerk.client().jwt_templates()] == ([] if kind == "500" else ["hasura"])

    def test_a_wrong_key(self, local_clerk: LocalClerk) -> None:
        local_clerk.fault("401")
        error = failure(local_clerk.client().jwt_templates)
        assert (error.status, error.attempts) == (401, 1)
