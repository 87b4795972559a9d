"""The drill as a person calls it: what the runbook says of rotations holds for the engine that is here."""

from __future__ import annotations

import pytest
from project_copy import ProjectCopy

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


def test_the_runbook_holds(project: ProjectCopy) -> None:
    said = project.run("make", "rotate-drill").ok()
    assert "Engine: " in said
    assert project.left() == []
