"""The stack of a pull request."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline import review, texts

DEV = yaml.safe_load((Path(__file__).resolve().parents[2] / "Pulumi.dev.yaml").read_text())["config"]
KEYS = {"CLERK_PUBLISHABLE_KEY": "pk_test_MTI3LjAuMC4xOjk1MDAk", "CLERK_SECRET_KEY": "sk_test_x"}


def test_it_is_the_stack_dev_with_ports_of_its_own() -> None:
    made = review.config(DEV, 7, {})
    assert made["clerk-hasura:localClerk"] == "true"
    assert made.items() <= DEV.items()
    assert not [key for key in made if key.endswith("Port")]


def test_it_is_published_where_the_pipeline_says() -> None:
    assert review.config(DEV, 7, {"REVIEW_ADDRESS": "10.0.0.9"})["clerk-hasura:bindAddress"] == "10.0.0.9"
    assert "clerk-hasura:bindAddress" not in review.config(DEV, 7, {})


def test_a_development_instance_has_a_template_for_each_pull_request() -> None:
    made = review.config(DEV, 7, KEYS)
    assert made["clerk-hasura:localClerk"] == "false"
    assert made["clerk-hasura:clerkPublishableKey"] == KEYS["CLERK_PUBLISHABLE_KEY"]
    assert made["clerk-hasura:jwtTemplateName"] == "hasura-pr-7"
    assert KEYS["CLERK_SECRET_KEY"] not in str(made), "the file is no place for it"
    assert review.config(DEV, 8, KEYS)["clerk-hasura:jwtTemplateName"] == "hasura-pr-8"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"CLERK_PUBLISHABLE_KEY": "pk_live_x"}, "is no pk_test_ key"),
        ({"CLERK_SECRET_KEY": ""}, "CLERK_SECRET_KEY is not"),
    ],
)
def test_what_a_pull_request_must_not_have(change: dict[str, str], told: str) -> None:
    with pytest.raises(review.ReviewError, match=told):
        review.config(DEV, 7, {**KEYS, **change})


def test_the_comment_says_who_may_sign_in() -> None:
    outputs = {"graphqlUrl": "u", "frontendApiUrl": "f", "jwtTemplate": "hasura-pr-7"}
    assert "anybody as anybody" in texts.review_comment("pr-7", outputs, local_clerk=True)
    told = texts.review_comment("pr-7", outputs, local_clerk=False)
    assert "anybody as anybody" not in told
    assert "`hasura-pr-7`" in told


@pytest.mark.parametrize(
    ("stacks", "still_open", "expected"),
    [
        ([], set(), []),
        (["dev", "staging", "prod"], set(), []),
        (["pr-7", "pr-12", "pr-9"], {9}, ["pr-7", "pr-12"]),
        (["pr-", "pr-x", "pr-07", "my-pr-7", "pr-7-copy"], set(), []),
    ],
)
def test_only_stacks_of_closed_pull_requests_are_left_over(
    stacks: list[str], still_open: set[int], expected: list[str]
) -> None:
    assert review.leftovers(stacks, still_open) == expected
