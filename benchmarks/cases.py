"""What is measured. Each function gives rows; it leaves the parts as it likes, since each begins anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import whole_stack
from benchmarks.bench import MEGABYTE, Bench, Failed
from benchmarks.case import OURS, Case, Told, row, row_of_missing
from benchmarks.report import Row
from benchmarks.rounds import Rival, Times, alternate
from components.schema.migrations import read_migrations
from tests.schema_faults.proxy import proxy

CLI = "hasura migrate apply"
ROUND_TRIP = 0.02
LARGE = 50 * MEGABYTE


@dataclass(frozen=True, kw_only=True)
class Applier:
    """Another way to apply 500 migrations, and how much `faster` ours is to be, or `at_most` how many times as long.
    `peer` is the name of its program where that comes from a registry."""

    name: str
    run: Callable[[Bench], object]
    goal: str
    peer: str | None = None
    faster: float = 0
    at_most: float = 0


def _psql(parts: Bench) -> None:
    parts.psql("-1", f"--file={parts.folder / 'all.sql'}")


DIRECT = (
    Applier(name=CLI, peer="hasura", run=Bench.hasura_migrate, goal="at least 3.5 times faster", faster=3.5),
    Applier(name="goose up", peer="goose", run=Bench.goose, goal="faster", faster=1),
    Applier(name="migrate up", peer="migrate", run=Bench.golang_migrate, goal="faster", faster=1),
    Applier(name="psql -1 -f", run=_psql, goal="at most 1.2 times", at_most=1.2),
)
SLOW = (Applier(name="sqitch deploy", peer="sqitch", run=Bench.sqitch, goal="faster", faster=1),)


TOGETHER = Applier(
    name="ours in one transaction", run=lambda parts: parts.ours("apply_migrations_together"), goal=""
)


def apply_500(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """500 small migrations (a table each) on an empty database, by every tool."""
    count = 500
    parts.project.write()
    parts.project.tables(count)
    parts.project.as_one_file(parts.folder / "all.sql")
    parts.project.for_others()

    ran: list[bool] = []

    def prepare() -> None:
        # What the one before has done is looked at here, outside of what is timed.
        if ran:
            parts.expect_tables(count)
        ran.append(True)
        parts.empty()

    ours = Rival(name=OURS, run=partial(parts.ours, "apply_migrations"), prepare=prepare)
    rows: list[Row] = []
    # sqitch starts psql for each change, which takes minutes.
    for some, of_them in ((DIRECT, rounds), (SLOW, min(rounds, 3))):
        here = [rival for rival in some if rival.peer is None or parts.peer(rival.peer).path]
        also = [TOGETHER] if some is DIRECT else []
        rivals = [
            Rival(name=rival.name, run=partial(rival.run, parts), prepare=prepare) for rival in (*here, *also)
        ]
        if not rivals:
            times = Times(by_rival={OURS: [rows[0].ours]})
        else:
            times = alternate([ours, *rivals], of_them, told, warm_up=some is DIRECT)
        for rival in some:
            goal = {"work": "apply 500 small migrations", "against": rival.name, "goal": rival.goal}
            if rival in here:
                rows.append(row(times, of_them, faster=rival.faster, at_most=rival.at_most, **goal))
            else:
                why = parts.peer(str(rival.peer)).told()
                rows.append(row_of_missing(times.median(OURS), why, rounds=of_them, **goal))
        if some is DIRECT:
            rows.append(
                Row(
                    work="the same, all in one transaction (transaction: all)",
                    ours=times.median(TOGETHER.name),
                    against="psql -1 -f",
                    theirs=times.median("psql -1 -f"),
                    goal="at most 1.2 times",
                    most=1.2,
                    rounds=of_them,
                    spread=times.spread(TOGETHER.name),
                )
            )
    return rows


def apply_300_far_away(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """300 small migrations with a round trip of 20 ms between deployer and engine."""
    work, goal = "apply 300 with 20 ms between deployer and engine", "at least 25 times faster"
    parts.project.write()
    parts.project.tables(300)
    rounds = min(rounds, 3)
    with proxy(parts.stage.endpoint, one_way=ROUND_TRIP / 2) as way:
        ours = partial(parts.ours, "apply_migrations", way.endpoint)
        if parts.peer("hasura").path is None:
            parts.empty()
            why = parts.peer("hasura").told()
            return [row_of_missing(ours().seconds, why, work=work, against=CLI, goal=goal, rounds=1)]
        times = alternate(
            [
                Rival(name=OURS, run=ours, prepare=parts.empty),
                Rival(name=CLI, run=partial(parts.hasura_migrate, way.endpoint), prepare=parts.empty),
            ],
            rounds,
            told,
            warm_up=False,
        )
    return [row(times, rounds, work=work, against=CLI, goal=goal, faster=25)]


def sizes(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """Nothing to do, one more, and 100 more, at 100, 1,000 and 10,000 migrations; what the state holds."""
    rows: list[Row] = []
    previews: dict[int, float] = {}
    hundred: dict[int, float] = {}
    for size in (100, 1000, 10_000):
        parts.empty()
        parts.project.write()
        parts.project.rows(size)
        told(f"apply {size:,}")
        parts.ours("apply_migrations")
        rivals = [Rival(name=OURS, run=partial(parts.ours, "preview_migrations"))]
        if parts.peer("hasura").path:
            rivals.append(Rival(name=CLI, run=parts.hasura_migrate))
        times = alternate(rivals, rounds, told)
        previews[size] = times.median(OURS)
        if parts.peer("hasura").path:
            rows.append(
                row(
                    times,
                    rounds,
                    work=f"nothing to do at {size:,}",
                    against=CLI,
                    goal="",
                )
            )
        taken = []
        for _ in range(rounds):
            newest = len(list(parts.project.migrations.iterdir()))
            parts.project.rows(100, first=newest)
            taken.append(parts.ours("apply_migrations").seconds)
        hundred[size] = sorted(taken)[len(taken) // 2]
    for small, large in ((100, 1000), (1000, 10_000)):
        rows.append(
            Row(
                work=f"nothing to do, per migration, at {large:,}",
                ours=previews[large] / large * 1000,
                against=f"at {small:,}",
                theirs=previews[small] / small * 1000,
                unit="ms",
                goal="at most 1.2 times",
                most=1.2,
                rounds=rounds,
            )
        )
    rows.append(
        Row(
            work="100 more on 10,000",
            ours=hundred[10_000],
            against="100 more on 1,000",
            theirs=hundred[1000],
            rounds=rounds,
            goal="at most 1.2 times",
            most=1.2,
        )
    )
    rows.append(
        Row(
            work="the same, per migration in the folder",
            ours=hundred[10_000] / 10_100 * 1000,
            against="100 more on 1,000",
            theirs=hundred[1000] / 1_100 * 1000,
            unit="ms",
            rounds=rounds,
            goal="at most 1.2 times",
            most=1.2,
        )
    )
    rows.append(state_size(parts))
    return rows


def state_size(parts: Bench) -> Row:
    """How much of Pulumi's state the resource takes: its inputs and its outputs, which are the same."""
    found = read_migrations(parts.project.root / "migrations")
    size = len(json.dumps(found.checksums())) * 2
    sql = sum(m.up.size + (m.down.size if m.down else 0) for m in found.of("default"))
    return Row(
        work=f"state of {len(found.of('default')):,} migrations",
        ours=size / MEGABYTE,
        against="their SQL",
        theirs=sql / MEGABYTE,
        unit="MB",
    )


def one_more(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """One new migration on 500, against a preview with nothing to do."""
    parts.empty()
    parts.project.write()
    parts.project.rows(500)
    parts.ours("apply_migrations")
    newest = [500]

    def write_one() -> None:
        parts.project.rows(1, first=newest[0])
        newest[0] += 1

    quiet = "nothing to do"
    times = alternate(
        [
            Rival(name=quiet, run=partial(parts.ours, "preview_migrations")),
            Rival(name=OURS, run=partial(parts.ours, "apply_migrations"), prepare=write_one),
        ],
        rounds,
        told,
    )
    work = "preview and apply one new migration on 500"
    return [row(times, rounds, work=work, against=quiet, goal="at most 1.5 times", at_most=1.5)]


def large_file(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """One migration of 50 MB: time against psql, peak memory against the file's size."""
    parts.project.write()
    script = parts.project.large(LARGE)
    rounds = min(rounds, 3)
    peaks: list[tuple[int, int]] = []

    def ours() -> None:
        done = parts.ours_in_a_new_process("apply_migrations")
        peaks.append((done.rss_before, done.rss_after))
        seconds.append(done.seconds)

    seconds: list[float] = []
    psql = "psql -1 -f"
    times = alternate(
        [
            Rival(name=OURS, run=ours, prepare=parts.empty),
            Rival(name=psql, run=partial(parts.psql, "-1", f"--file={script}"), prepare=parts.empty),
        ],
        rounds,
        told,
        warm_up=False,
    )
    # The start of the interpreter is not the deployment's.
    times.by_rival[OURS] = seconds
    size = script.stat().st_size
    before, after = max(peaks, key=lambda pair: pair[1])
    return [
        row(
            times,
            rounds,
            work=f"one migration of {size / MEGABYTE:.0f} MB",
            against=psql,
            goal="at most 1.3 times",
            at_most=1.3,
        ),
        Row(
            work="its peak memory, the whole process",
            ours=after / MEGABYTE,
            against="the file",
            theirs=size / MEGABYTE,
            unit="MB",
            goal="at most 3 times",
            most=3,
            rounds=rounds,
        ),
        Row(
            work="its peak memory above that of the imports",
            ours=(after - before) / MEGABYTE,
            against="the file",
            theirs=size / MEGABYTE,
            unit="MB",
            rounds=rounds,
        ),
    ]


def metadata_1000(parts: Bench, rounds: int, told: Told) -> list[Row]:
    """Metadata of 1,000 tables that is as it should be: a preview with refresh, against the CLI's diff."""
    count = 1000
    parts.empty()
    parts.project.write(tables=count)
    # In a few migrations, so that making the tables is not what takes the time.
    for start in range(0, count, 100):
        text = "".join(
            f"create table t{n} (id text primary key, name text);\n" for n in range(start, start + 100)
        )
        parts.project.migration(start, text)
    told("make 1,000 tables and track them")
    parts.ours("apply_migrations")
    parts.ours("apply_metadata")
    against = "hasura metadata diff"

    def diff() -> None:
        if found := parts.hasura("metadata", "diff"):
            raise Failed(f"the CLI sees a difference: {found[:300]}")

    ours = Rival(name=OURS, run=partial(parts.ours, "refresh_metadata"))
    work, goal = "metadata of 1,000 tables unchanged", "at least 3 times faster"
    if parts.peer("hasura").path is None:
        times = alternate([ours], rounds, told)
        why = parts.peer("hasura").told()
        return [row_of_missing(times.median(OURS), why, work=work, against=against, goal=goal, rounds=rounds)]
    times = alternate([ours, Rival(name=against, run=diff)], rounds, told)
    return [row(times, rounds, work=work, against=against, goal=goal, faster=3)]


CASES: dict[str, Case] = {
    "apply-500": apply_500,
    "apply-300-far-away": apply_300_far_away,
    "one-more": one_more,
    "one-more-up": whole_stack.one_more,
    "metadata-1000": metadata_1000,
    "preview": whole_stack.preview,
    "second-up": whole_stack.second_up,
    "first-up": whole_stack.first_up,
    "large-file": large_file,
    "sizes": sizes,
}


def _tell(told: Told, name: str, text: str) -> None:
    told(f"{name}: {text}")


def run(parts: Bench, names: Sequence[str], rounds: int, told: Told) -> tuple[list[Row], list[str]]:
    """The rows of these cases, and what went wrong with the others."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        told(f"{name} ...")
        try:
            rows += CASES[name](parts, rounds, partial(_tell, told, name))
        except Failed as error:
            failed.append(f"{name}: {error}")
        except KeyboardInterrupt:
            failed.append(f"{name}: interrupted; the rows before it are whole")
            break
    return rows, failed
