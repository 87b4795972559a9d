"""The page as `make web` serves it, for a stack of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from project_copy import ROOT, ProjectCopy

TEMPLATE = "rows-of-one-user"
LIFETIME = 30
"""Seconds that a token lives: the least that Clerk allows."""

_FOLDER = "examples/web"


class WebPage:
    """A stack that is up, and its page. `said` is what `make web` printed, `let_in` another port of which the engine
    lets pages in."""

    def __init__(self, project: ProjectCopy, port: int, let_in: int) -> None:
        self.project, self.url, self.let_in = project, f"http://127.0.0.1:{port}", let_in
        self.outputs = project.outputs()
        self.folder = project.folder / _FOLDER
        self.said = ""

    @property
    def engine_origin(self) -> str:
        return self.outputs["hasuraUrl"]

    def configuration(self) -> dict[str, object]:
        return dict(json.loads(self._file.read_text()))

    @property
    def _file(self) -> Path:
        return self.folder / "public" / "stack.json"

    @contextmanager
    def configured(self, change: dict[str, object] | None) -> Iterator[None]:
        """With another configuration for a while; with None, without any."""
        before = self._file.read_text()
        try:
            if change is None:
                self._file.unlink()
            else:
                self._file.write_text(json.dumps({**json.loads(before), **change}))
            yield
        finally:
            self._file.write_text(before)


def configure(project: ProjectCopy, *ports: int) -> None:
    """Let pages on these ports in, and have a template whose name no page could guess, with short-lived tokens."""
    file = project.folder / f"Pulumi.{project.stack}.yaml"
    stack = yaml.safe_load(file.read_text())
    stack["config"] |= {
        "clerk-hasura:hasuraCorsDomains": [f"http://127.0.0.1:{port}" for port in ports],
        "clerk-hasura:jwtTemplateName": TEMPLATE,
        "clerk-hasura:jwtTemplateLifetime": str(LIFETIME),
    }
    file.write_text(yaml.safe_dump(stack, sort_keys=False))


def share_packages(project: ProjectCopy) -> None:
    """Give the copy the packages that are installed beside the original, without Vite's own cache."""
    shutil.copytree(
        ROOT / _FOLDER / "node_modules", project.folder / _FOLDER / "node_modules",
        symlinks=True, ignore=shutil.ignore_patterns(".vite"), copy_function=_link,
    )  # fmt: skip


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def serving(page: WebPage, log: Path) -> Iterator[None]:
    """`make web` in the foreground of another process, stopped as by Ctrl-C."""
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "web"], cwd=page.project.folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**page.project.environment, "WEB_PORT": page.url.rsplit(":", 1)[1]},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not _answers(page.url):
            assert process.poll() is None, f"`make web` ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"`make web` does not serve:\n{log.read_text()}"
            time.sleep(0.2)
        page.said = log.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
