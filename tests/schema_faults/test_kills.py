"""Deployers killed -9 at random moments, hundreds of times: then each migration has run exactly once."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.schema_faults.deployer import deployer
from tests.schema_faults.project import Project, assert_all_once
from tests.schema_faults.proxy import proxy
from tests.schema_faults.stage import ADMIN_SECRET, Stage

SEED = int(os.environ.get("KILL_SEED", "20261124"))
KILLS = int(os.environ.get("KILLS", "200"))
"""Deployers that really were alive when the signal came; those that had ended are not counted."""
AT_MOST = 3 * KILLS
REQUESTS = 12
"""As many as a deployment sends, about."""
FURTHER_SECONDS = 0.05


def test_kills(stage: Stage, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each deployer finds a few new migrations, and what the killed one before it has left.

    It is killed at a random time after a random one of its requests went out, so that every part of its
    way is met equally often. The engine does not notice that a deployer is gone: the next one often meets
    a bulk that is still running.
    """
    chance = random.Random(SEED)
    newest, kills, rounds = 1, 0, 0
    left: Counter[str] = Counter()
    project.first()
    with (
        proxy(stage.endpoint) as way,
        deployer(project.root, tmp_path / "logs", way.endpoint, ADMIN_SECRET) as one,
    ):
        ended = one.run()
        assert ended.code == 0, ended.log
        while kills < KILLS:
            rounds += 1
            assert rounds <= AT_MOST, f"only {kills} of {rounds} deployers were killed"
            fresh = range(newest + 1, newest + 1 + chance.randint(1, 4))
            for version in fresh:
                project.counted(version, sleep=chance.choice((0, 0, 0.01, 0.03)))
            newest = fresh[-1]
            goal = way.exchanges + chance.randint(0, REQUESTS)
            one.start()
            while way.exchanges < goal and one.alive():
                time.sleep(0.001)
            # The moment is what is random here: this is no wait for a condition.
            time.sleep(chance.uniform(0, FURTHER_SECONDS))
            ended = one.kill()
            assert "Traceback" not in ended.log, ended.log
            if ended.code == -9:
                kills += 1
                left[_left_behind(stage, fresh)] += 1
            else:
                assert ended.code == 0, ended.log
        ended = one.run()
        assert ended.code == 0, ended.log
    assert_all_once(stage, newest)
    with capsys.disabled():
        print(
            f"\n{kills} kills -9 (seed {SEED}) in {rounds} deployments of {newest - 1} migrations: each of "
            "these ran exactly once, ledger and catalog state agree.\n"
            "Of the killed deployer's migrations there were at that moment: "
            f"{', '.join(f'{name} {count}' for name, count in sorted(left.items()))}."
        )


def _left_behind(stage: Stage, versions: range) -> str:
    rows = stage.database.rows(
        "select count(*), count(*) filter (where in_catalog) from migration_ledger.migration "
        f"where version between {versions[0]} and {versions[-1]}"
    )
    recorded, told = (int(str(value)) for value in rows[0])
    if recorded == 0:
        return "none in the ledger"
    if recorded < len(versions):
        return "some in the ledger"
    return "all in the ledger" + (" and the catalog state" if told == len(versions) else " alone")
