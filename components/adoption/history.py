"""What becomes of the migrations folder, so that the first deployment runs nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.schema import baseline as first_migration
from components.schema.baseline import Baseline
from components.schema.migrations import Migration, MigrationSet
from components.schema.plan import Policy, SourcePlan, SourceState, make_plan
from components.schema.problems import Problem


@dataclass(frozen=True, kw_only=True)
class History:
    """What is written, and what the first deployment records.

    :param written: up.sql of a first migration, by source and folder's name.
    :param baseline: of each source the newest version that its database has without a record of it.
    :param replaced: sources whose other folders go, because the engine knows nothing of them.
    :param recorded: lines that say what the first deployment will record, and never run.
    """

    written: Mapping[tuple[str, str], str]
    baseline: Mapping[str, int]
    replaced: tuple[str, ...]
    recorded: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())


def unrecorded(
    states: Mapping[str, SourceState],
    local: MigrationSet,
    *,
    asked: Mapping[str, int],
    configured: Mapping[str, int],
) -> tuple[str, ...]:
    """The sources whose schema has to be written: nobody has a record of a migration, neither the ledger nor the Hasura
    CLI nor a person (``asked``, or ``configured`` at an earlier time)."""
    return tuple(
        source
        for source, state in sorted(states.items())
        if not (state.ledger or state.catalog)
        and source not in asked
        and (source not in configured or _own_folder(source, local, configured) is not None)
    )


def _own_folder(source: str, local: MigrationSet, configured: Mapping[str, int]) -> Migration | None:
    """The folder that an earlier adoption has written."""
    return next(
        (
            migration
            for migration in local.of(source)
            if migration.version == configured.get(source) and migration.name == first_migration.NAME
        ),
        None,
    )


def decide(
    states: Mapping[str, SourceState],
    local: MigrationSet,
    schemas: Mapping[str, Baseline],
    *,
    asked: Mapping[str, int],
    configured: Mapping[str, int],
    version: int,
    out_of_order: bool = False,
    pending: bool = False,
) -> History:
    """What to write.

    :param schemas: of each source that ``unrecorded`` names what its database holds.
    :param asked: of each source the version up to which a person says that the database has all migrations.
    :param configured: what the stack's configuration says of the same.
    :param version: for a new folder, milliseconds since 1970.
    :param out_of_order: as configured.
    :param pending: migrations that the engine has no record of are to run, and are no problem.
    """
    written: dict[tuple[str, str], str] = {}
    baselines = {source: number for source, number in {**configured, **asked}.items() if source in states}
    recorded: list[str] = []
    remarks: list[str] = []
    problems = [
        Problem(path=source, message="a baseline is named for it, and the engine has no such Postgres source")
        for source in sorted(set(asked) - set(states))
    ]
    for source, schema in schemas.items():
        if not schema.text:
            continue
        if "/" in source or source.startswith("."):
            problems.append(
                Problem(path=source, message="is the name of a source, and cannot be the name of a folder")
            )
            continue
        own = _own_folder(source, local, configured)
        key = own.key if own else f"{version}_{first_migration.NAME}"
        baselines[source] = own.version if own else version
        written[source, key] = schema.text
        recorded.append(f"{source}: take over unseen {key}, the schema as it is now")
        remarks += [f"migrations/{source}/{key}: {remark}" for remark in schema.remarks]
    replaced = {source for source, _ in written} | (set(local.sources) - set(states))
    kept = MigrationSet(
        sources={source: found for source, found in local.sources.items() if source not in replaced}
    )
    plan, found = make_plan(
        kept,
        {source: state for source, state in states.items() if source not in replaced},
        Policy(
            out_of_order=out_of_order,
            baseline={source: number for source, number in baselines.items() if source in kept.sources},
        ),
    )
    problems += found
    for each in plan.sources:
        if each.ups and not pending:
            problems += [_would_run(migration) for migration in each.ups]
        recorded += [str(each)] if _takes_over(each) else []
        if each.ups and pending:
            remarks.append(f"{each.source}: the first `up` runs {_keys(each.ups)}")
    return History(
        written=written,
        baseline={
            source: number
            for source, number in sorted(baselines.items())
            if source in kept.sources or any(source == other for other, _ in written)
        },
        replaced=tuple(sorted(replaced)),
        recorded=tuple(recorded),
        remarks=tuple(remarks),
        problems=tuple(problems),
    )


def _takes_over(plan: SourcePlan) -> bool:
    return bool(plan.adopt or plan.baseline)


def _keys(migrations: Sequence[Migration]) -> str:
    return ", ".join(migration.key for migration in migrations)


def _would_run(migration: Migration) -> Problem:
    folder = migration.up.shown.removesuffix("/up.sql")
    return Problem(
        path=folder,
        message="the engine has no record of it, so the first `up` would run it",
        remedy=f"If it is none of this database: git rm -r {folder}. If the database has its change: "
        f"BASELINE={migration.source}:{migration.version} (--baseline). If it is to run: PENDING=1 (--pending).",
    )
