"""Shortcodes as data: claims of a template in, claims of the token out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.clerk.shortcodes import render
from local.clerk.state import User
from local.clerk.tokens import shortcode_context

CASES = json.loads((Path(__file__).parent / "shortcodes.json").read_text("utf-8"))

JOHN = User(
    id="user_1",
    email_addresses=["john@doe.org"],
    external_id="e-1",
    first_name="John",
    last_name=None,
    public_metadata={
        "interests": ["hiking", "knitting"],
        "addresses": {"Home": "2355 Pointe Lane"},
        "level": 3,
        "off": False,
        "empty": "",
    },
    private_metadata={"secret": "s"},
    unsafe_metadata={"foo": {"bar": 42}},
    created_at=1227618844000,
    updated_at=1227618844000,
    last_sign_in_at=None,
)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_rendering(case: dict) -> None:
    rendered = render(case["claims"], shortcode_context(JOHN))
    # Compared as text, since in Python 1 == True.
    assert json.dumps(rendered, sort_keys=True) == json.dumps(case["token"], sort_keys=True)


@given(st.text())
def test_any_text_renders(text: str) -> None:
    rendered = render({"a": text}, shortcode_context(JOHN))
    if "{{" not in text:
        assert rendered == {"a": text}
    json.dumps(rendered)
