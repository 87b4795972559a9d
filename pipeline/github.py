"""The few calls to GitHub's REST API that a pipeline needs (https://docs.github.com/en/rest)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final
from urllib.parse import quote

import httpx

from components.hasura.json_types import Json, JsonObject

PAGE: Final = 100
"""Entries of a page, the most that GitHub gives."""
BOT: Final = "github-actions[bot]"
"""Who writes with the token of a workflow."""


class GitHubError(Exception):
    """GitHub refused, or did not answer. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Where to speak to, and as whom. `author` is the login that the token writes as."""

    api: str
    name: str
    token: str
    author: str = BOT


def repository(environment: Mapping[str, str]) -> Repository:
    """The repository that GitHub Actions names in the environment.

    :raises GitHubError: naming every variable that is missing.
    """
    missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environment.get(name)]
    if missing:
        raise GitHubError(
            f"{' and '.join(missing)} must be set: the repository as OWNER/NAME, and a token that may write "
            "comments and issues. In a workflow, GITHUB_TOKEN: ${{ github.token }}."
        )
    return Repository(
        api=environment.get("GITHUB_API_URL") or "https://api.github.com",
        name=environment["GITHUB_REPOSITORY"],
        token=environment["GITHUB_TOKEN"],
        author=environment.get("GITHUB_TOKEN_LOGIN") or BOT,
    )


class GitHub:
    """A client for one repository; a context manager."""

    def __init__(self, where: Repository) -> None:
        self._where = where
        self._client = httpx.Client(
            base_url=f"{where.api.rstrip('/')}/repos/{quote(where.name)}/",
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {where.token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=30,
            transport=httpx.HTTPTransport(retries=3),
        )

    def __enter__(self) -> GitHub:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def put_comment(self, number: int, marker: str, body: str) -> str:
        """Writes the one comment with `marker` under a pull request or an issue. Gives its address."""
        for comment in self._pages(f"issues/{number}/comments"):
            if self._is_ours(comment, marker):
                if comment.get("body") == body:
                    return str(comment["html_url"])
                return str(self._ask("PATCH", f"issues/comments/{comment['id']}", {"body": body})["html_url"])
        return str(self._ask("POST", f"issues/{number}/comments", {"body": body})["html_url"])

    def put_issue(self, marker: str, title: str, body: str) -> str:
        """Writes the one open issue with `marker`. Gives its address."""
        found = self._issue(marker)
        if found is None:
            return str(self._ask("POST", "issues", {"title": title, "body": body})["html_url"])
        if found.get("body") == body:
            return str(found["html_url"])
        return str(
            self._ask("PATCH", f"issues/{found['number']}", {"title": title, "body": body})["html_url"]
        )

    def close_issue(self, marker: str, comment: str) -> str | None:
        """Closes the open issue with `marker`, saying why. Gives its address, None where there is none."""
        found = self._issue(marker)
        if found is None:
            return None
        self._ask("POST", f"issues/{found['number']}/comments", {"body": comment})
        closed = {"state": "closed", "state_reason": "completed"}
        return str(self._ask("PATCH", f"issues/{found['number']}", closed)["html_url"])

    def open_pull_requests(self) -> set[int]:
        """The numbers of the pull requests that are open."""
        return {int(str(one["number"])) for one in self._pages("pulls", state="open")}

    def _issue(self, marker: str) -> JsonObject | None:
        # Pull requests are listed among them.
        issues = (one for one in self._pages("issues", state="open") if "pull_request" not in one)
        return next((one for one in issues if self._is_ours(one, marker)), None)

    def _is_ours(self, written: JsonObject, marker: str) -> bool:
        """Whether we wrote it: anybody can write the marker, and could change the text afterwards."""
        user = written.get("user")
        login = user.get("login") if isinstance(user, dict) else None
        return login == self._where.author and marker in str(written.get("body"))

    def _pages(self, path: str, **query: str) -> Iterator[JsonObject]:
        page = 1
        while True:
            answer = self._send("GET", path, params={**query, "per_page": str(PAGE), "page": str(page)})
            entries = answer if isinstance(answer, list) else []
            yield from (entry for entry in entries if isinstance(entry, dict))
            if len(entries) < PAGE:
                return
            page += 1

    def _ask(self, method: str, path: str, content: Mapping[str, str]) -> JsonObject:
        answer = self._send(method, path, content=content)
        return answer if isinstance(answer, dict) else {}

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: Mapping[str, str] | None = None,
    ) -> Json:
        try:
            answer = self._client.request(method, path, params=params, json=content)
            if answer.is_success:
                return answer.json()  # type: ignore[no-any-return]
        except (httpx.HTTPError, ValueError) as error:
            raise GitHubError(
                f"{method} {path}: {self._where.api} did not answer as GitHub does: {error}"
            ) from error
        raise GitHubError(
            f"{method} {path}: GitHub answered {answer.status_code}. {_advice(answer.status_code)}"
        )


def _advice(status: int) -> str:
    if status in (401, 403, 404):
        return "The token may not do that: comments need pull-requests: write, issues need issues: write."
    return "Run the job again; https://www.githubstatus.com tells of troubles."
