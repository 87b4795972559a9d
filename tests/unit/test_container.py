"""How limits and durations are written so that Docker gives them back as the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.container import configured_images, http_health_test
from components.hardening import docker_cpus, go_duration


class _Answers(BaseHTTPRequestHandler):
    """The status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("tools", [("bash",), ("bash", "curl")])
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, True), (404, False), (500, False)])
def test_health_of_what_answers(
    server: str, tmp_path: Path, tools: tuple[str, ...], status: int, healthy: bool
) -> None:
    for tool in tools:
        if (found := shutil.which(tool)) is None:
            pytest.skip(f"no {tool} on this machine")
        (tmp_path / tool).symlink_to(found)
    assert (_checked(f"{server}/{status}", tmp_path) == 0) == healthy


def test_what_does_not_answer_is_not_healthy(server: str, tmp_path: Path) -> None:
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    assert _checked("http://127.0.0.1:1/200", tmp_path) != 0


def _checked(url: str, path: Path) -> int:
    """The exit code of the check in a shell that finds the tools of one folder only."""
    form, text = http_health_test(url)
    assert form == "CMD-SHELL"
    return subprocess.run(
        ["/bin/sh", "-c", text], env={"PATH": str(path)}, capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize(
    ("cpus", "written"),
    [
        (0, None),
        (0.1, "0.1"),
        (0.5, "0.5"),
        (1, "1.0"),
        (1.5, "1.5"),
        (2, "2.0"),
        (10, "10."),
        (10.5, "10.5"),
        (64, "64.0"),
    ],
)
def test_processors(cpus: float, written: str | None) -> None:
    assert docker_cpus(cpus) == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(5, "5s"), (60, "1m0s"), (65, "1m5s"), (3600, "1h0m0s"), (3661, "1h1m1s")]
)
def test_durations(seconds: int, written: str) -> None:
    assert go_duration(seconds) == written


@pytest.mark.parametrize(
    ("image", "part", "user"),
    [
        ("postgres:17.12-trixie", "postgres", "999:999"),
        ("postgres:17.12-alpine3.22", "postgres", "70:70"),
        ("registry:5000/alpine/postgres:17.12", "postgres", "70:70"),
        ("hasura/graphql-engine:v2.48.10", "hasura", "1001:1001"),
    ],
)
def test_the_user_of_a_vendors_image(image: str, part: str, user: str) -> None:
    assert configured_images({part: image})[part].user == user
