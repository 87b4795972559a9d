"""Stacks that the end-to-end tests bring up with the real CLI."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_copy import ProjectCopy


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectCopy]:
    """A copy of the project with a stack of its own, taken away afterwards."""
    copy = ProjectCopy(_folder(tmp_path_factory), f"e2e{uuid.uuid4().hex[:6]}")
    yield copy
    copy.remove()


def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")
