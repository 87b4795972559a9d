"""What comes from elsewhere is read, or refused by our own error: a JWKS, an answer of Clerk's Backend API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.clerk import answers
from components.clerk.errors import ClerkError
from components.clerk.jwks import Jwks, JwksError, read_jwks

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keys", "kty", "use", "id", "name", "claims", "lifetime", "errors", "data"]),
            inner,
        )
    ),
    max_leaves=10,
)
BODIES = st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode()))
HEADERS = st.sampled_from([{}, {"Cache-Control": "max-age=60"}, {"Content-Type": "text/html"}])


@given(status=st.sampled_from([200, 204, 301, 404, 500]), body=BODIES, headers=HEADERS)
def test_any_jwks(status: int, body: bytes, headers: dict[str, str]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers=headers))
    try:
        found = read_jwks("http://127.0.0.1:1/jwks.json", transport=transport)
    except JwksError as error:
        assert str(error)
    else:
        assert status == 200
        assert isinstance(found, Jwks)
        assert found.usable in (True, False)


@pytest.mark.parametrize("read", [answers.template_record, answers.user_record, answers.session_record])
@given(status=st.sampled_from([200, 401, 422, 500]), body=BODIES)
def test_any_answer(read: Callable[[answers.Answer], Any], status: int, body: bytes) -> None:
    try:
        read(answers.read_answer(httpx.Response(status, content=body), "GET /v1/anything"))
    except ClerkError as error:
        assert "GET /v1/anything" in str(error)
