"""A stack with its page, and a browser for each user. What a Debian machine lacks is installed first."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project_copy import ProjectCopy

from examples.web import npm_packages
from local.toolchain import ToolchainError, cache_folder
from local.toolchain.debian_packages import install
from local.toolchain.machine import this_machine
from local.toolchain.progress import Progress
from tests.browser.chromium import CHROMEDRIVER, CHROMIUM, Browser
from tests.browser.web_page import WebPage, configure, serving, share_packages
from tests.free_ports import free_port


@contextmanager
def _progress(config: pytest.Config) -> Iterator[Progress]:
    """Progress on the terminal: the first set-up takes a minute, and pytest would keep it to itself."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        yield Progress()


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> None:
    if Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists():
        return
    machine = this_machine()
    if not (machine.debian and machine.root):
        pytest.skip("no Chromium here: install Debian's packages chromium and chromium-driver")
    with _progress(pytestconfig) as progress:
        try:
            install(
                ["chromium", "chromium-driver"],
                log=cache_folder() / "logs" / "apt-chromium.log",
                progress=progress,
            )
        except ToolchainError as error:
            pytest.skip(f"Chromium cannot be had: {error}")


@pytest.fixture(scope="session")
def page_packages(pytestconfig: pytest.Config) -> None:
    with _progress(pytestconfig) as progress:
        try:
            npm_packages.ensure(progress)
        except ToolchainError as error:
            pytest.skip(f"the page's npm packages cannot be had: {error}")


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    folder = tmp_path_factory.mktemp("screenshots")
    with _progress(pytestconfig) as progress:
        progress.say(f"\nscreenshots: {folder}")
    return folder


@pytest.fixture(scope="module")
def page(
    chromium: None, page_packages: None, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[WebPage]:
    """A stack of its own with tokens of 30 seconds, and its page served by `make web`."""
    project = ProjectCopy(tmp_path_factory.mktemp("project"), f"web{uuid.uuid4().hex[:6]}")
    port, let_in = free_port(), free_port()
    configure(project, port, let_in)
    share_packages(project)
    try:
        with _progress(pytestconfig) as progress, progress.step("bringing up a stack for the page"):
            project.run("make", "images", timeout=1800).ok()
            project.run("pulumi", "stack", "init", project.stack).ok()
            project.up().ok()
        page = WebPage(project, port, let_in)
        with serving(page, tmp_path_factory.mktemp("web") / "web.log"):
            yield page
    finally:
        project.remove()


@pytest.fixture(scope="module")
def browser(
    chromium: None, tmp_path_factory: pytest.TempPathFactory, screenshots: Path
) -> Iterator[Callable[[], Browser]]:
    """Starts browsers, each with a profile of its own."""
    started: list[Browser] = []

    def start() -> Browser:
        started.append(Browser(tmp_path_factory.mktemp("profile"), screenshots))
        return started[-1]

    yield start
    for each in started:
        each.quit()
