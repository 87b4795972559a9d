"""GitHub's REST API as far as a pipeline uses it: comments, issues and pull requests of one repository, in memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-a-test"
REPOSITORY = "acme/shop"
BOT = "github-actions[bot]"


class FakeGitHub:
    """What was written, and a server that shows it. `refuse` makes it answer with a status."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.open: list[int] = []
        self.refuse: int | None = None
        self.calls: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": TOKEN}

    def comment(self, number: int, body: str, login: str = BOT) -> dict[str, Any]:
        made = {"id": 1000 + len(self.comments), "number": number, "body": body, "user": {"login": login}}
        made["html_url"] = f"https://github.example.com/{number}#{made['id']}"
        self.comments.append(made)
        return made

    def issue(self, title: str, body: str, login: str = BOT, **more: Any) -> dict[str, Any]:
        made = {"number": 1 + len(self.issues), "title": title, "body": body, "state": "open", **more}
        made |= {"user": {"login": login}, "html_url": f"https://github.example.com/{made['number']}"}
        self.issues.append(made)
        return made

    def answer(
        self, method: str, path: str, query: dict[str, str], content: dict[str, Any]
    ) -> tuple[int, Any]:
        self.calls.append(f"{method} {path}")
        if self.refuse:
            return self.refuse, {"message": "refused"}
        if method == "GET":
            listed = self._listed(path, query)
            size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
            return (404, {}) if listed is None else (200, listed[size * (page - 1) : size * page])
        if match := re.fullmatch(r"issues/(\d+)/comments", path):
            return 201, self.comment(int(match[1]), content["body"])
        if path == "issues" and method == "POST":
            return 201, self.issue(content["title"], content["body"])
        for pattern, entries, key in (
            (r"issues/comments/(\d+)", self.comments, "id"),
            (r"issues/(\d+)", self.issues, "number"),
        ):
            match = re.fullmatch(pattern, path)
            for entry in entries if match and method == "PATCH" else ():
                if entry[key] == int(match[1]):
                    entry.update(content)
                    return 200, entry
        return 404, {"message": "Not Found"}

    def _listed(self, path: str, query: dict[str, str]) -> list[dict[str, Any]] | None:
        if match := re.fullmatch(r"issues/(\d+)/comments", path):
            return [one for one in self.comments if one["number"] == int(match[1])]
        if path == "issues":
            return [one for one in self.issues if one["state"] == query.get("state", "open")]
        if path == "pulls":
            return [{"number": number} for number in self.open]
        return None


@contextmanager
def served() -> Iterator[FakeGitHub]:
    """A server on a free port of this machine."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def _serve(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            parts = urlsplit(self.path)
            prefix = f"/repos/{REPOSITORY}/"
            if self.headers.get("Authorization") != f"Bearer {TOKEN}" or not parts.path.startswith(prefix):
                status, answer = 401, {"message": "Bad credentials"}
            else:
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                status, answer = fake.answer(self.command, parts.path.removeprefix(prefix), query, content)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
