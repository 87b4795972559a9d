"""Keys, and what follows from a publishable one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.clerk import keys
from components.clerk.keys import KeyFormatError

CANARY = "sk_test_CANARYcanary0123456789"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "kind", "host"),
    [
        (f"pk_test_{encoded('happy-cat-1.clerk.accounts.dev$')}", "test", "happy-cat-1.clerk.accounts.dev"),
        (f"pk_live_{encoded('clerk.example.com$')}", "live", "clerk.example.com"),
        (f"pk_live_{encoded('clerk.example.com$').rstrip('=')}", "live", "clerk.example.com"),
        (f"pk_test_{encoded('127.0.0.1:9500$')}", "test", "127.0.0.1:9500"),
    ],
)
def test_a_publishable_key_names_its_frontend_api(text: str, kind: str, host: str) -> None:
    key = keys.parse_publishable_key(text)
    assert (key.kind, key.frontend_api, key.value) == (kind, host, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (CANARY, "a secret key stands where"),
        ("pk_prod_abc", "does not start with"),
        ("pk_test_a_b", "4 parts"),
        ("pk_test_!!!", "no base64"),
        (f"pk_test_{encoded('clerk.example.com')}", "does not end with a single"),
        (f"pk_test_{encoded('clerk.$example.com$')}", "does not end with a single"),
        (f"pk_test_{encoded('localhost:9500$')}", "no host name with a dot"),
        (f"pk_test_{encoded('clerk.example.com/path$')}", "no host name with a dot"),
        (f"pk_test_{encoded('clerk.example.com:99999$')}", "no host name with a dot"),
        (f" pk_test_{encoded('clerk.example.com$')}", "white space"),
        (f"pk_test_{encoded('clerk.example.com$')}"[:-6], "cut off"),
    ],
)
def test_a_publishable_key_that_cannot_be_right_is_an_error(text: str, says: str) -> None:
    with pytest.raises(KeyFormatError) as caught:
        keys.parse_publishable_key(text)
    assert says in caught.value.problem
    assert caught.value.remedy
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(("text", "kind"), [(CANARY, "test"), ("sk_live_0123456789abcdef", "live")])
def test_a_secret_key_says_its_kind(text: str, kind: str) -> None:
    assert keys.parse_secret_key(text) == kind


def test_the_key_of_the_local_clerk_is_a_key() -> None:
    assert keys.parse_secret_key(keys.LOCAL_SECRET_KEY) == "test"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("pk_test_CANARYcanary", "a publishable key stands where"),
        ("CANARYcanary0123456789", "does not start with"),
        (f"{CANARY}\n", "white space"),
        (f"{CANARY}\r\nHost: x", "a character other than"),
        (f"{CANARY}é", "a character other than"),
        ("sk_test_CANARY", "cut off"),
    ],
)
def test_a_secret_key_that_cannot_be_right_is_an_error_without_the_key(text: str, says: str) -> None:
    with pytest.raises(KeyFormatError) as caught:
        keys.parse_secret_key(text)
    assert says in caught.value.problem
    assert "CANARY" not in f"{caught.value} {caught.value!r}"


@given(
    host=st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z][a-z0-9]{0,20}){1,3}(:[1-9][0-9]{0,3})?", fullmatch=True),
    kind=st.sampled_from(["test", "live"]),
)
def test_a_key_written_for_a_host_reads_back(host: str, kind: keys.KeyKind) -> None:
    key = keys.parse_publishable_key(keys.publishable_key_for(host, kind))
    assert (key.frontend_api, key.kind) == (host, kind)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_by_our_own_error(text: str) -> None:
    for candidate in (text, f"pk_test_{text}", f"sk_live_{text}"):
        for parse in (keys.parse_publishable_key, keys.parse_secret_key):
            try:
                assert parse(candidate)
            except KeyFormatError as error:
                assert error.problem


def key(host: str, kind: keys.KeyKind = "live") -> keys.PublishableKey:
    return keys.parse_publishable_key(keys.publishable_key_for(host, kind))


def test_the_frontend_api_is_https_except_on_this_machine() -> None:
    assert keys.frontend_api_url(key("clerk.example.com")) == "https://clerk.example.com"
    assert keys.frontend_api_url(key("127.0.0.1:9500", "test")) == "http://127.0.0.1:9500"


def test_a_proxy_replaces_the_frontend_api() -> None:
    url = keys.frontend_api_url(key("clerk.example.com"), "https://example.com/__clerk/")
    assert url == "https://example.com/__clerk"
    assert keys.jwks_url(url) == "https://example.com/__clerk/.well-known/jwks.json"


def test_a_live_satellite_has_its_own_frontend_api() -> None:
    live, test = key("clerk.example.com"), key("a.clerk.accounts.dev", "test")
    assert keys.frontend_api_url(live, satellite_domain="other.example") == "https://clerk.other.example"
    assert (
        keys.frontend_api_url(live, satellite_domain="clerk.other.example") == "https://clerk.other.example"
    )
    assert keys.frontend_api_url(test, satellite_domain="other.example") == "https://a.clerk.accounts.dev"


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "ftp://example.com",
        "http://example.com/__clerk",
        "https://user:CANARY@example.com",
        "https://example.com/?token=CANARY",
        "https://example.com/#CANARY",
        "https://exa mple.com",
        "https://",
        "https://[::1",
        "/__clerk",
    ],
)
def test_an_address_that_a_key_must_not_be_sent_to_is_an_error(url: str) -> None:
    with pytest.raises(KeyFormatError) as caught:
        keys.checked_url(url, name="the address")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:9", True),
        ("127.9.9.9", True),
        ("localhost:9", True),
        ("[::1]:9", True),
        ("a.localhost", True),
        ("example.com", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert keys.is_loopback(host) is expected
