"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import PurePosixPath

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.contract.clerk.summary", "tests.contract.hasura.summary"]

# A shell that runs the tests in the background has them ignore SIGINT, and with them every program that they
# start. What some tests interrupt must be interruptible all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine's speed is nobody's defect, and the same commit gives the same examples wherever it is tested.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


class FolderScheduling(LoadScopeScheduling):
    """Tests of one folder run in one process, because they share what their conftest.py brings up; the files of
    `e2e` have a stack each."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return str(file if file.parent.name == "e2e" else file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FolderScheduling:
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what --swarm leaves out."""
    wanted = config.getoption("--swarm")
    if wanted == "with":
        return
    chosen = [item for item in items if bool(item.get_closest_marker("swarm")) == (wanted == "only")]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine-image", help="run contract and attacks against this image of an engine")
    parser.addoption(
        "--requests",
        type=int,
        default=500,
        help="how many requests have to be answered in rolling updates of a swarm's service",
    )
    parser.addoption(
        "--swarm",
        choices=("with", "without", "only"),
        default="with",
        help="tests of a swarm with the others, none of them, or them alone; `make test` runs them after the others",
    )
