"""A stack on a bad day, with the real CLI: killed, interrupted, locked, its state lost; and a life of random steps."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator

import pytest
from long_run import LongRun
from project_copy import ProjectCopy

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

STEPS = int(os.environ.get("SOAK_STEPS", "10"))
SEED = int(os.environ.get("SOAK_SEED", "20261126"))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectCopy]:
    """A stack with a proof, up. Its ports follow from its name: they are out of the range from which this machine
    takes ports for connections, so that nobody has one of them while a container is away."""
    ports = dict.fromkeys(("hasuraPort", "postgresPort", "localClerkPort"))
    project = ProjectCopy(tmp_path_factory.mktemp("project"), f"e2e{uuid.uuid4().hex[:6]}", ports)
    try:
        project.run("pulumi", "stack", "init", project.stack).ok()
        project.up().ok()
        yield project
    finally:
        project.remove()


def test_a_long_run(up: ProjectCopy, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happens to it, the next `up` brings the stack to what its files say."""

    def tell(text: str) -> None:
        if STEPS > 20:
            with capsys.disabled():
                print(text, flush=True)

    life = LongRun(project=up, chance=random.Random(SEED), tell=tell)
    life.run(STEPS)
    with capsys.disabled():
        print(f"\n{STEPS} steps (seed {SEED}): {dict(sorted(life.counts.items()))}")
