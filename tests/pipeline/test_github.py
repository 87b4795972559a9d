"""Comments and issues: one of each, found again, never somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.github import GitHub, GitHubError, repository
from tests.pipeline.fake_github import FakeGitHub, served

MARKER = "<!-- a marker -->"


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with served() as running:
        yield running


@pytest.fixture
def github(fake: FakeGitHub) -> Iterator[GitHub]:
    with GitHub(repository(fake.environment)) as client:
        yield client


def test_a_comment_is_written_once_and_updated(fake: FakeGitHub, github: GitHub) -> None:
    address = github.put_comment(7, MARKER, f"{MARKER}\nfirst")
    assert address == fake.comments[0]["html_url"]
    assert github.put_comment(7, MARKER, f"{MARKER}\nsecond") == address
    assert [comment["body"] for comment in fake.comments] == [f"{MARKER}\nsecond"]
    calls = len(fake.calls)
    assert github.put_comment(7, MARKER, f"{MARKER}\nsecond") == address
    assert fake.calls[calls:] == ["GET issues/7/comments"], "the same text is not written again"


def test_a_comment_is_found_behind_many(fake: FakeGitHub, github: GitHub) -> None:
    for number in range(100):
        fake.comment(7, f"talk {number}", login="somebody")
    ours = fake.comment(7, MARKER)
    github.put_comment(7, MARKER, f"{MARKER} new")
    assert len(fake.comments) == 101
    assert ours["body"] == f"{MARKER} new"


def test_a_marker_that_somebody_else_wrote_is_not_ours(fake: FakeGitHub, github: GitHub) -> None:
    theirs = fake.comment(7, f"{MARKER}\nlooks good", login="mallory")
    fake.issue("Drift", MARKER, login="mallory")
    github.put_comment(7, MARKER, f"{MARKER}\nthe plan")
    assert theirs["body"] == f"{MARKER}\nlooks good"
    assert fake.comments[1]["body"] == f"{MARKER}\nthe plan"
    assert github.close_issue(MARKER, "gone") is None


def test_an_issue_is_opened_updated_and_closed(fake: FakeGitHub, github: GitHub) -> None:
    fake.issue("a pull request", MARKER, pull_request={})
    github.put_issue(MARKER, "Drift", f"{MARKER} one")
    github.put_issue(MARKER, "Drift", f"{MARKER} two")
    github.put_issue(MARKER, "Drift", f"{MARKER} two")
    [_, issue] = fake.issues
    assert (issue["state"], issue["body"]) == ("open", f"{MARKER} two")
    assert github.close_issue(MARKER, "It is gone.") == issue["html_url"]
    assert issue["state"] == "closed"
    assert [comment["body"] for comment in fake.comments] == ["It is gone."]
    assert github.close_issue(MARKER, "It is gone.") is None
    github.put_issue(MARKER, "Drift", f"{MARKER} again")
    assert len(fake.issues) == 3, "a closed one is not opened again: its story has ended"


def test_open_pull_requests_are_all_found(fake: FakeGitHub, github: GitHub) -> None:
    fake.open = list(range(1, 151))
    assert github.open_pull_requests() == set(range(1, 151))


@pytest.mark.parametrize(
    ("status", "advice"), [(403, "pull-requests: write"), (404, "may not"), (502, "Run the job")]
)
def test_a_refusal_says_what_to_do(fake: FakeGitHub, github: GitHub, status: int, advice: str) -> None:
    fake.refuse = status
    with pytest.raises(GitHubError) as refused:
        github.put_comment(7, MARKER, "text")
    assert f"GitHub answered {status}" in str(refused.value)
    assert advice in str(refused.value)
    assert "a-token-of-a-test" not in str(refused.value)


def test_no_answer_is_told() -> None:
    here = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t"}
    with GitHub(repository(here)) as github, pytest.raises(GitHubError, match="did not answer"):
        github.open_pull_requests()


def test_what_is_missing_in_the_environment_is_told_at_once() -> None:
    with pytest.raises(GitHubError, match="GITHUB_REPOSITORY and GITHUB_TOKEN must be set"):
        repository({})
