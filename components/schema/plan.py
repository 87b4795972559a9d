"""What a deployment would do to migrations, as a value: files, ledgers and catalog state in, plan out.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.schema.ledger import LedgerRow
from components.schema.migrations import Migration, MigrationSet
from components.schema.problems import Problem

Rollback = Literal["refuse", "down"]
NOTHING = "nothing to do"
"""The plan of a deployment that finds all as it should be, in words."""
SHOWN = 20
"""How many migrations of a kind are named."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a stack allows. `out_of_order`: a version older than the newest applied one may still run.
    `rollback`: applied versions without a local folder are an error, or are rolled back by the down SQL that
    the ledger keeps. `baseline`: per source, versions up to this one are taken over without running."""

    out_of_order: bool = False
    rollback: Rollback = "refuse"
    baseline: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """What a database and the engine know: `ledger` is None where there is no ledger yet; `catalog` is
    what the Hasura CLI recorded ({version: dirty}), None where it has no entry for the source.
    `invalid_indexes` are looked up only where a migration outside a transaction was not seen to end.
    `rolled_back` are versions that the catalog state may not have forgotten yet; they are not in `ledger`.
    `still_there` are versions that the catalog state has lost although the database shows their change.
    `at_work` are versions that run outside a transaction at this moment, each with who runs it."""

    ledger: tuple[LedgerRow, ...] | None = None
    catalog: Mapping[int, bool] | None = None
    invalid_indexes: tuple[str, ...] = ()
    still_there: frozenset[int] = frozenset()
    rolled_back: frozenset[int] = frozenset()
    at_work: Mapping[int, str] = field(default_factory=dict)

    @property
    def unfinished(self) -> tuple[LedgerRow, ...]:
        """Rows of what ran outside a transaction, or still does."""
        return tuple(row for row in self.ledger or () if not row.ended)


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """Steps for one source, in this order: `adopt` rows (also with `baseline`), run `downs` (newest
    first), run `ups` (oldest first), write the catalog state if `write_catalog`. `after` is the newest version that
    has run and stays: the ups were planned on top of it."""

    source: str
    adopt: tuple[Migration, ...] = ()
    baseline: tuple[Migration, ...] = ()
    downs: tuple[LedgerRow, ...] = ()
    ups: tuple[Migration, ...] = ()
    write_catalog: bool = False
    after: int | None = None

    @property
    def empty(self) -> bool:
        return not (self.adopt or self.baseline or self.downs or self.ups or self.write_catalog)

    def __str__(self) -> str:
        """Such as `default: adopt 1_a; roll back 4_d, 3_c; apply 5_e`."""
        steps = [
            f"{what} {_listed(keys)}"
            for what, keys in (
                ("adopt", [m.key for m in self.adopt]),
                ("take over unseen", [m.key for m in self.baseline]),
                ("roll back", [row.key for row in self.downs]),
                ("apply", [m.key for m in self.ups]),
            )
            if keys
        ]
        return f"{self.source}: {'; '.join(steps) or 'write the catalog state'}"


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:SHOWN])
    return f"{shown} and {len(keys) - SHOWN} more" if len(keys) > SHOWN else shown


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Plans by source; sources with nothing to do are left out."""

    sources: tuple[SourcePlan, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.sources

    def __str__(self) -> str:
        return "; ".join(map(str, self.sources)) or NOTHING


def make_plan(
    migrations: MigrationSet,
    states: Mapping[str, SourceState],
    policy: Policy | None = None,
) -> tuple[Plan, tuple[Problem, ...]]:
    """The plan, or an empty one and every reason why there is none."""
    allowed = policy or Policy()
    plans: list[SourcePlan] = []
    problems = [
        Problem(
            path=f"migrations/{source}",
            message="the setting baseline names this source, which has no migrations",
            remedy="Correct it: `pulumi config get baseline` shows it.",
        )
        for source in sorted(allowed.baseline or {})
        if source not in migrations.sources
    ]
    for source in sorted(set(migrations.sources) | set(states)):
        plan, found = _plan_source(source, migrations.of(source), states.get(source, SourceState()), allowed)
        problems += found
        if not plan.empty:
            plans.append(plan)
    return (Plan(), tuple(problems)) if problems else (Plan(sources=tuple(plans)), ())


def _plan_source(
    source: str, files: Sequence[Migration], state: SourceState, policy: Policy
) -> tuple[SourcePlan, list[Problem]]:
    recorded = {row.version: row for row in state.ledger or ()}
    local = {migration.version: migration for migration in files}
    catalog = {v: dirty for v, dirty in (state.catalog or {}).items() if v not in state.rolled_back}
    lost = {row.version for row in lost_in_catalog(state)} - state.still_there
    gone = [row for version, row in sorted(recorded.items()) if version not in local and version not in lost]
    problems = [*_unfinished(source, state, local), *_edited(recorded, local)]

    adopt = tuple(m for m in files if m.version not in recorded and catalog.get(m.version) is False)
    adopted = {m.version for m in adopt}
    for version in sorted(catalog):
        if version not in recorded and version not in adopted:
            problems.append(_unknown_in_catalog(source, version, local.get(version)))
    problems += _rolled_back_elsewhere(source, [row for v, row in recorded.items() if v in lost], local)

    base = (policy.baseline or {}).get(source)
    baseline: tuple[Migration, ...] = ()
    if base is not None and not recorded and not adopted:
        baseline = tuple(m for m in files if m.version <= base)
        if base not in local:
            problems.append(
                Problem(
                    path=_place(source, files),
                    message=f"baseline {base} is not among the migrations",
                    remedy="Name the newest version whose changes the database already has.",
                )
            )
    taken = {**recorded, **{m.version: None for m in adopt}, **{m.version: None for m in baseline}}

    stays = max((version for version in taken if version in local), default=0)
    downs, found = _roll_back(source, gone, stays, policy)
    problems += found
    remaining = set(taken) - {row.version for row in downs}

    ups = tuple(m for m in files if m.version not in taken)
    newest = max(remaining, default=None)
    if newest is not None and not policy.out_of_order:
        problems += [_late(m, newest) for m in ups if m.version < newest]

    wanted = dict.fromkeys(remaining, False) | {m.version: False for m in ups}
    write = (
        catalog != wanted or bool(state.rolled_back) or any(not row.in_catalog for row in recorded.values())
    )
    return SourcePlan(
        source=source,
        adopt=adopt,
        baseline=baseline,
        downs=downs,
        ups=ups,
        write_catalog=write and bool(wanted or catalog or state.rolled_back),
        after=newest,
    ), problems


def _unfinished(source: str, state: SourceState, local: Mapping[int, Migration]) -> Iterable[Problem]:
    invalid = f" INVALID now: {', '.join(state.invalid_indexes)}." if state.invalid_indexes else ""
    for row in state.unfinished:
        if row.version in state.at_work:
            continue
        migration = local.get(row.version)
        repair = f"python -m components.schema repair --source {source}"
        if row.state == "rolling back":
            message = "was being rolled back outside a transaction and was not seen to end"
            ways = (
                f"`{repair} --forget {row.version}` if its change is gone, or `... --done {row.version}` if it is "
                "still there, whole."
            )
        else:
            message = (
                f"ran outside a transaction, began {row.recorded_at or 'earlier'} by stack "
                f"{row.stack or '?'} and was not seen to end"
            )
            ways = (
                f"`{repair} --done {row.version}` if its change is there, "
                f"or `... --forget {row.version}` to run it again."
            )
        yield Problem(
            path=migration.up.shown if migration else f"migrations/{source}/{row.key}",
            message=message,
            remedy=(
                "Look at the database (an index built concurrently is INVALID when it failed: "
                f"drop it).{invalid} Then either {ways}"
            ),
        )


def _edited(recorded: Mapping[int, LedgerRow], local: Mapping[int, Migration]) -> Iterable[Problem]:
    for version, row in sorted(recorded.items()):
        migration = local.get(version)
        if migration is None or migration.up.checksum == row.checksum:
            continue
        accept = f"`python -m components.schema repair --source {migration.source} --accept {version}`"
        before = _missing_before(version, recorded, local)
        squashed = (
            f" If it was made of those before it (`hasura migrate squash`): the same, then `... --forget "
            f"{' '.join(map(str, before))}`."
            if before
            else ""
        )
        yield Problem(
            path=migration.up.shown,
            message=(
                f"was changed after it ran ({row.recorded_at or 'time unknown'}): ledger {row.checksum}, "
                f"file {migration.up.checksum}"
            ),
            remedy=(
                "Put the old text back and write a new migration for the change. If only a "
                f"comment changed: {accept}.{squashed}"
            ),
        )


def _missing_before(
    version: int, recorded: Mapping[int, LedgerRow], local: Mapping[int, Migration]
) -> list[int]:
    """Versions that ran right before this one and have no folder any more, oldest first."""
    missing: list[int] = []
    for other in sorted((v for v in recorded if v < version), reverse=True):
        if other in local:
            break
        missing.insert(0, other)
    return missing


def _unknown_in_catalog(source: str, version: int, migration: Migration | None) -> Problem:
    if migration is not None:
        return Problem(
            path=migration.up.shown,
            message="Hasura's catalog state marks it as dirty: the Hasura CLI began it and did not finish",
            remedy=(
                f"Look at the database, then `python -m components.schema repair --source {source} "
                f"--done {version}` "
                f"or `--forget {version}`."
            ),
        )
    return Problem(
        path=f"migrations/{source}/{version}_*",
        message="was applied by the Hasura CLI and is missing here",
        remedy=(
            "Bring its folder back from version control, or "
            f"`python -m components.schema repair --source {source} --forget {version}` if it is to "
            f"be forgotten."
        ),
    )


def lost_in_catalog(state: SourceState) -> tuple[LedgerRow, ...]:
    """Rows that the catalog state was told of and does not hold any more.

    No entry at all for the source is a new or emptied metadata database: nothing is lost then, the ledger is
    simply written to it again. One version that was there and is not any more is somebody's doing.
    """
    catalog = state.catalog
    if catalog is None:
        return ()
    return tuple(
        row
        for row in state.ledger or ()
        if row.in_catalog and row.state == "done" and row.version not in catalog
    )


def _rolled_back_elsewhere(
    source: str, lost: Sequence[LedgerRow], local: Mapping[int, Migration]
) -> Iterable[Problem]:
    repair = f"python -m components.schema repair --source {source}"
    for row in lost:
        if row.version in local:
            message = (
                "is in the ledger, but Hasura's catalog state has lost it: either `hasura migrate apply --down` "
                "rolled it back, or the state was edited"
            )
            remedy = (
                f"If it was rolled back: `{repair} --forget {row.version}` (the next `pulumi up` runs it again). "
                f"If its change is still there: `... --done {row.version}`."
            )
        else:
            message = (
                "is in the ledger, but missing here, and Hasura's catalog state has lost it as well: the Hasura CLI "
                "deleted it, squashed it, or rolled it back"
            )
            remedy = (
                f"If that was meant: `{repair} --forget {row.version}`. Else bring its folder back from version "
                f"control, and `... --done {row.version}` if its change is still there."
            )
        yield Problem(path=f"migrations/{source}/{row.key}", message=message, remedy=remedy)


def _roll_back(
    source: str, gone: Sequence[LedgerRow], stays: int, policy: Policy
) -> tuple[tuple[LedgerRow, ...], list[Problem]]:
    """The rows to be rolled back, newest first; `stays` is the newest version that has run and is here."""
    if not gone:
        return (), []
    if policy.rollback != "down":
        return (), [
            Problem(
                path=f"migrations/{source}/{row.key}",
                message=(
                    f"ran ({row.recorded_at or 'time unknown'}, stack {row.stack or '?'}) and is missing here"
                ),
                remedy=(
                    "Bring its folder back from version control. To go back to an older commit on purpose: "
                    "`pulumi config set rollback down`; the down SQL that the ledger keeps is then run."
                ),
            )
            for row in gone
        ]
    problems = [
        Problem(
            path=f"migrations/{source}/{row.key}",
            message="is to be rolled back and has no down SQL in the ledger",
            remedy="Bring its folder back, or write a new migration that undoes it.",
        )
        for row in gone
        if not row.has_down
    ] + [
        Problem(
            path=f"migrations/{source}/{row.key}",
            message=(
                f"is missing here but older than {stays}, which has run: only the newest versions can be rolled back"
            ),
            remedy="Bring its folder back from version control.",
        )
        for row in gone
        if row.version < stays
    ]
    return tuple(sorted(gone, key=lambda row: -row.version)), problems


def _late(migration: Migration, newest: int) -> Problem:
    return Problem(
        path=migration.up.shown,
        message=f"is older than {newest}, which has run already",
        remedy=(
            "Give its folder a newer version. If the order does not matter: `pulumi config set "
            "outOfOrder true`."
        ),
    )


def _place(source: str, files: Sequence[Migration]) -> str:
    return files[0].up.shown.rsplit("/", 2)[0] if files else f"migrations/{source}"
