"""Pulumi's calls, translated: migrations and metadata as two resources.

Both providers are stateless, with empty constructors, because Pulumi stores a reference to this module
(its path is part of the state's format) and lets several threads share one instance. Inputs are the diff:
they hold checksums and the metadata tree; files are read again when something is to be done, and must
still be the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.hasura.json_types import JsonObject
from components.provider_error import UNSEEN, not_refreshed, telling_plainly, warn
from components.schema import remarks
from components.schema.backup import back_up, due
from components.schema.canonical import keyed, with_sets
from components.schema.changes import changes
from components.schema.deployment import (
    check_pending,
    deploy,
    ensure_sources,
    ledger_keys,
    read_states,
)
from components.schema.engine_forms import as_meant
from components.schema.evidence import with_evidence
from components.schema.inputs import CONSISTENT, IN_LINE, MigrationSettings
from components.schema.ledger import Timeouts
from components.schema.lint import lint
from components.schema.maintenance import kept_downs, rehearse_pending
from components.schema.metadata_deployment import apply_metadata, is_new, wait_until_consistent
from components.schema.metadata_directory import MetadataDirectory, read_metadata
from components.schema.migrations import MigrationSet, SqlFile, read_migrations
from components.schema.plan import (
    NOTHING,
    Plan,
    Policy,
    SourcePlan,
    SourceState,
    make_plan,
)
from components.schema.problems import Problem, SchemaError
from components.schema.seeds import applied as applied_seeds
from components.schema.seeds import check_seeds, checksums, read_seeds, sow
from components.schema.steps import Settings

PREVIEW_TIMEOUT = 10.0
REQUEST_TIMEOUT = 30.0
"""Seconds that a request may take which only looks, or writes metadata; previews have less."""
CONSISTENT_WITHIN = 60.0
ENGINE_WITHIN = 30.0
TOLD = 100
"""Lines of what was done that are told one by one."""
PROVIDER_KEY = "__provider"

Props = dict[str, object]

_told_plainly = telling_plainly(SchemaError, HasuraError, EngineUnreachable, AnswerLost)


class MigrationsProvider(ResourceProvider):
    """Inputs: `endpoint`, `admin_secret`, `directory` (relative to the project), `migrations` (`{source:
    {version_name: checksum}}`), `sources` (their configurations), `settings`, `catalog_state`; on stacks
    with seeds `seeds_directory` and `seeds` (`{source: {file: checksum}}`). Outputs are the inputs.

    `plan` is what a deployment would do, in words. The check fills it in from the ledger, so that a preview
    shows also what the folders do not tell: what is adopted, or was taken back by hand.

    A refresh that meets no engine adds the input `UNSEEN`, and the next update reads ledger and catalog state.

    `delete` leaves tables and ledger as they are: a database is not undone by taking a resource out of a
    program."""

    @_told_plainly
    def check(self, olds: Props, news: Props) -> CheckResult:
        """Refuse what cannot be done, in preview already where the engine answers."""
        failures = []
        try:
            local = _with_known_sources(_migrations_of(news), olds, news)
            plan, problems = _planned(local, _plain(olds), _plain(news))
            if plan is not None:
                news["plan"] = str(plan)
            problems += check_seeds(_seeds_of(news))
            if problems:
                raise SchemaError(problems)
        except SchemaError as error:
            failures.append(_refusal(error))
        return CheckResult(news, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """How to apply migrations is no property of the database: another time-out is no change."""
        compared = (olds.keys() | news.keys()) - {PROVIDER_KEY, "settings"}
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in compared))

    @_told_plainly
    def create(self, props: Props) -> CreateResult:
        self._deploy({}, props)
        return CreateResult("migrations", _done(props))

    @_told_plainly
    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        self._deploy(olds, news)
        return UpdateResult(_done(news))

    @_told_plainly
    def read(self, id_: str, props: Props) -> ReadResult:
        """What ledgers and catalog state hold. Nothing at all is absence, so that the next `up` creates
        it."""
        inputs = _plain(props)
        local = _local_or_empty(inputs)
        sources = sorted(set(local.sources) | set(cast("dict[str, object]", inputs.get("migrations") or {})))
        try:
            with _client(inputs) as client:
                states = read_states(client, sources)
        except (EngineUnreachable, AnswerLost) as error:
            inputs |= not_refreshed("migrations", error)
            return ReadResult(id_, inputs, inputs)
        if all(state.ledger is None and state.catalog is None for state in states.values()):
            return ReadResult("", {})
        inputs["migrations"] = {source: _found(states[source], local, source) for source in sources}
        inputs["catalog_state"] = _catalog_difference(states) or IN_LINE
        inputs["plan"] = NOTHING
        if inputs.get("seeds"):
            with _client(inputs) as client:
                known = cast("dict[str, dict[str, str]]", inputs["seeds"])
                # A seed that was taken out of its folder stays recorded, and is nobody's concern any more.
                inputs["seeds"] = {
                    source: {
                        name: checksum
                        for name, checksum in applied_seeds(client, source).items()
                        if name in files
                    }
                    for source, files in known.items()
                }
        return ReadResult(id_, inputs, inputs)

    def delete(self, _id: str, _props: Props) -> None:
        """Nothing: tables, rows and ledger stay."""

    def _deploy(self, olds: Props, props: Props) -> None:
        local = _with_known_sources(_migrations_of(props), olds, props)
        seeds, settings = _seeds_of(props), _settings(props)
        with _client(props) as client:
            _wait_for_engine(client)
            _back_up(client, local, settings, str(_given(props).get("backup", "")))
            _tell(deploy(client, local, settings, report=warn).done)
            _tell(sow(client, seeds, settings, report=warn).done)


class MetadataProvider(ResourceProvider):
    """Inputs: `endpoint`, `admin_secret`, `directory`, `metadata` (the keyed tree), `after` (what the
    migrations before it have come to, so that metadata is looked at again after each), `consistency`,
    `replicas` (further endpoints that must have taken the metadata over before `up` returns). Outputs are
    the inputs.

    A refresh that meets no engine adds the input `UNSEEN`. The next update compares with what the engine really holds,
    and tells what that replaced.

    `delete` does nothing: metadata goes when its engine's database goes, and an engine that is being
    deleted must not be called.
    """

    @_told_plainly
    def check(self, olds: Props, news: Props) -> CheckResult:
        """Refuse files that cannot be read; tell what an engine holds that this stack does not know yet."""
        failures = []
        try:
            directory = _metadata_of(news)
            # Else the state knows what is there, and the diff shows it.
            if olds.get("endpoint") != news.get("endpoint"):
                first = "endpoint" not in olds
                _tell(_replaced_unseen(directory, news, whose="metadata of its own", is_first=first))
            elif UNSEEN in olds:
                _tell(_replaced_unseen(directory, news, whose="metadata that the refresh could not see"))
        except SchemaError as error:
            failures.append(_refusal(error))
        return CheckResult(news, failures)

    @_told_plainly
    def create(self, props: Props) -> CreateResult:
        self._apply(props, seen=None)
        return CreateResult("metadata", _plain(props))

    @_told_plainly
    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        # A state that an earlier version of this project wrote has lists of names in it.
        seen = with_sets(cast(JsonObject, olds.get("metadata")))
        # At another address there is another engine, of which the preview knew nothing. Nor does the state know what an
        # engine holds that was away when a refresh came to it.
        known = olds.get("endpoint") == news.get("endpoint") and UNSEEN not in olds
        self._apply(news, seen=seen if known and isinstance(seen, dict) else None)
        return UpdateResult(_plain(news))

    @_told_plainly
    def read(self, id_: str, props: Props) -> ReadResult:
        """What the engine's export holds, in the shape of the inputs."""
        inputs = _plain(props)
        try:
            with _client(inputs) as client:
                _, live = client.export_metadata()
                objects = client.inconsistent()
        except (EngineUnreachable, AnswerLost) as error:
            inputs |= not_refreshed("metadata", error)
            return ReadResult(id_, inputs, inputs)
        inputs["metadata"] = keyed(as_meant(live))
        inputs["consistency"] = "; ".join(f"{o.name}: {o.reason}" for o in objects) or CONSISTENT
        return ReadResult(id_, inputs, inputs)

    def delete(self, _id: str, _props: Props) -> None:
        """Nothing: see the class."""

    def _apply(self, props: Props, *, seen: JsonObject | None) -> None:
        directory = _metadata_of(props)
        with _client(props) as client:
            _wait_for_engine(client)
            _tell([f"metadata: {line}" for line in apply_metadata(client, directory, seen=seen)])
            endpoints = [str(url) for url in cast("list[object]", props.get("replicas") or [])]
            replicas = [HasuraClient(url, str(props["admin_secret"])) for url in endpoints]
            try:
                wait_until_consistent([client, *replicas], within=CONSISTENT_WITHIN)
            finally:
                for replica in replicas:
                    replica.close()


def _replaced_unseen(
    directory: MetadataDirectory, props: Props, *, whose: str, is_first: bool = False
) -> list[str]:
    """What the metadata of an engine would lose or gain that the state does not know.

    :param is_first: whether the state has known no engine before; that one has it all already is told then.
    """
    if not (isinstance(props.get("endpoint"), str) and isinstance(props.get("admin_secret"), str)):
        return []
    try:
        with _client(props, timeout=PREVIEW_TIMEOUT) as client:
            _, live = client.export_metadata()
    except (EngineUnreachable, AnswerLost, HasuraError):
        # Not there yet; what is really wrong with it is told by the deployment.
        return []
    found = keyed(as_meant(live))
    if is_new(found):
        return []
    replaced = [
        f"warning: metadata: {props['endpoint']} has {whose}, which is replaced: {change}"
        for change in changes(found, directory.keyed())
    ]
    if is_first and not replaced:
        return [f"metadata: {props['endpoint']} has all of it already, so the API stays what it is"]
    return replaced


def _tell(lines: Sequence[str]) -> None:
    """What was done, as far as a person reads it: Pulumi prints each line twice."""
    for line in lines[:TOLD]:
        warn(line)
    if len(lines) > TOLD:
        warn(f"... and {len(lines) - TOLD} more, the last: {lines[-1]}")


def _refusal(error: SchemaError) -> CheckFailure:
    # Without a property: Pulumi would print its whole value, thousands of checksums, before the reason.
    return CheckFailure("", "\n" + error.text())


def _plain(props: Props) -> Props:
    """A copy without what Pulumi keeps of its own, and a refresh: props are mutated behind a provider's back."""
    return {key: value for key, value in props.items() if key not in (PROVIDER_KEY, UNSEEN)}


def _done(props: Props) -> Props:
    return {**_plain(props), "plan": NOTHING}


def _client(props: Props, *, timeout: float | None = None) -> HasuraClient:
    return HasuraClient(
        str(props["endpoint"]), str(props["admin_secret"]), timeout=timeout or REQUEST_TIMEOUT
    )


def _migrations_of(props: Props) -> MigrationSet:
    directory = str(props["directory"])
    local = read_migrations(Path(directory), shown_as=directory)
    if local.checksums() != props.get("migrations"):
        raise SchemaError([_changed_meanwhile(directory)])
    return local


def _with_known_sources(local: MigrationSet, olds: Props, news: Props) -> MigrationSet:
    """Also those sources whose whole folder is gone since the last deployment (an older commit may not have it yet).
    One that is gone from the metadata as well is none of this stack any more."""
    before = cast("dict[str, object]", olds.get("migrations") or {})
    sources = cast("dict[str, object]", news.get("sources") or {})
    gone = {source: () for source in before if source in sources and source not in local.sources}
    return MigrationSet(sources={**local.sources, **gone})


def _seeds_of(props: Props) -> dict[str, dict[str, SqlFile]]:
    if not props.get("seeds"):
        return {}
    directory = str(props["seeds_directory"])
    found = read_seeds(Path(directory), shown_as=directory)
    if checksums(found) != props["seeds"]:
        raise SchemaError([_changed_meanwhile(directory)])
    return found


def _changed_meanwhile(directory: str) -> Problem:
    return Problem(
        path=directory, message="changed while Pulumi was at work", remedy="Run the command again."
    )


def _wait_for_engine(client: HasuraClient) -> None:
    """A container that was just replaced may answer a moment later than it is called healthy."""
    deadline = time.monotonic() + ENGINE_WITHIN
    while not client.healthy() and time.monotonic() < deadline:
        time.sleep(0.25)


def _given(props: Mapping[str, object]) -> MigrationSettings:
    return cast(MigrationSettings, props.get("settings") or {})


def _back_up(client: HasuraClient, local: MigrationSet, settings: Settings, folder: str) -> None:
    """Where the stack asks for it: a dump before the first migration that destroys."""
    if not folder:
        return
    states = with_evidence(client, local, read_states(client, sorted(local.sources)))
    plan, problems = make_plan(local, states, settings.policy)
    if problems:
        # Told by the deployment itself, which makes the plan anew.
        return
    new = [source for source, _ in due(plan) if states[source].ledger is None]
    if new:
        ensure_sources(client, new, settings.configurations)
    for backup in back_up(client, plan, Path(folder), stack=settings.stack):
        warn(backup.told())


def _local_or_empty(props: Props) -> MigrationSet:
    try:
        return read_migrations(Path(str(props["directory"])), shown_as=str(props["directory"]))
    except SchemaError:
        return MigrationSet(sources={})


def _metadata_of(props: Props) -> MetadataDirectory:
    directory = str(props["directory"])
    found = read_metadata(Path(directory), shown_as=directory)
    if found.keyed() != props.get("metadata"):
        raise SchemaError([_changed_meanwhile(directory)])
    return found


def _settings(props: Mapping[str, object]) -> Settings:
    given = _given(props)
    defaults = Timeouts()
    return Settings(
        stack=given.get("stack", ""),
        timeouts=Timeouts(
            deployment=float(given.get("deployment_timeout", defaults.deployment)),
            lock=float(given.get("lock_timeout", defaults.lock)),
            statement=float(given.get("statement_timeout", defaults.statement)),
        ),
        policy=Policy(
            out_of_order=bool(given.get("out_of_order", False)),
            rollback="down" if given.get("rollback") == "down" else "refuse",
            baseline={source: int(version) for source, version in (given.get("baseline") or {}).items()},
        ),
        transaction="all" if given.get("transaction") == "all" else "each",
        configurations=cast("dict[str, JsonObject]", props.get("sources") or {}),
    )


def _planned(local: MigrationSet, olds: Props, news: Props) -> tuple[Plan | None, list[Problem]]:
    """What a deployment would do now, where the engine can be asked, and why it would not."""
    settings = _settings(news)
    states = _states_if_reachable(local, olds, news)
    if states is None:
        # Not there yet, or not now: then everything that this stack has not applied is pending.
        if olds:
            warn(
                f"warning: {news.get('endpoint')} does not answer, so the history of migrations was not checked; "
                "an update checks it before it runs anything"
            )
        return None, check_pending(_everything_new(local, olds), settings)
    for source, state in states.items():
        for version, who in state.at_work.items():
            warn(f"{source}/{version} is running outside a transaction ({who}); an update waits for its end")
    plan, found = make_plan(local, states, settings.policy)
    problems = list(found) or check_pending(plan, settings)
    if plan.empty and not problems and olds.get("migrations") != news.get("migrations"):
        warn(str(remarks.NOTHING))
    if problems or plan.empty:
        return plan, problems
    given = _given(news)
    for remark in _worth_telling(plan, news, given):
        warn(str(remark))
    found_in_files = lint(_pending(plan)) if given.get("lint") in ("warn", "error") else []
    if given.get("lint") == "error":
        problems += found_in_files
    else:
        _tell([str(remarks.of_lint(finding)) for finding in found_in_files])
    if given.get("rehearse") and not problems:
        try:
            with _client(news) as client:
                said, problems = rehearse_pending(client, plan, settings)
        except (HasuraError, EngineUnreachable, AnswerLost) as error:
            said = [f"not rehearsed: {error}"]
        for line in said:
            warn(str(remarks.of_rehearsal(line)))
    return plan, problems


def _worth_telling(plan: Plan, news: Props, given: MigrationSettings) -> Iterator[remarks.Remark]:
    yield from remarks.of_plan(plan, _kept_downs(plan, news))
    if given.get("backup"):
        yield from (remarks.of_dump(name, why) for name, why in due(plan))


def _kept_downs(plan: Plan, news: Props) -> dict[str, dict[int, str]]:
    """The down SQL of what would be rolled back, as far as the engine tells it."""
    sources = [source for source in plan.sources if source.downs]
    if not sources:
        return {}
    try:
        with _client(news) as client:
            return {
                source.source: {row.version: text for row, text in kept_downs(client, source)}
                for source in sources
            }
    except (HasuraError, EngineUnreachable, AnswerLost):
        return {}


def _pending(plan: Plan) -> list[SqlFile]:
    return [migration.up for source in plan.sources for migration in source.ups]


def _everything_new(local: MigrationSet, olds: Props) -> Plan:
    applied = cast("dict[str, dict[str, str]]", olds.get("migrations") or {})
    return Plan(
        sources=tuple(
            SourcePlan(source=source, ups=tuple(m for m in found if m.key not in applied.get(source, {})))
            for source, found in local.sources.items()
        )
    )


def _states_if_reachable(local: MigrationSet, olds: Props, news: Props) -> dict[str, SourceState] | None:
    """States, or None when the engine is not there. While its admin secret changes, the old one still
    holds."""
    for props in (news, olds):
        if not (isinstance(props.get("endpoint"), str) and isinstance(props.get("admin_secret"), str)):
            continue
        try:
            with _client(props, timeout=PREVIEW_TIMEOUT) as client:
                return with_evidence(client, local, read_states(client, sorted(local.sources)))
        except (EngineUnreachable, AnswerLost):
            continue
        except HasuraError as error:
            # Without its database, as when an update died while that was being replaced, it is as good as absent.
            if error.code not in ("access-denied", "invalid-headers") and not error.database_lost:
                raise SchemaError([Problem(path="", message=f"the ledger cannot be read: {error}")]) from None
    return None


def _found(state: SourceState, local: MigrationSet, source: str) -> dict[str, str]:
    files = local.of(source)
    rows = state.ledger or ()
    found = ledger_keys(rows, files)
    recorded = {row.version for row in rows}
    by_version = {migration.version: migration for migration in files}
    for version, dirty in sorted((state.catalog or {}).items()):
        if version in recorded or dirty:
            continue
        migration = by_version.get(version)
        key = migration.key if migration else f"{version}_"
        found[key] = migration.up.checksum if migration else "applied by the Hasura CLI"
    return found


def _catalog_difference(states: Mapping[str, SourceState]) -> str:
    texts = []
    for source, state in states.items():
        rows = {row.version for row in state.ledger or () if row.state == "done"}
        told = set(state.catalog or {})
        if rows - told:
            texts.append(f"{source} lacks {', '.join(map(str, sorted(rows - told)))}")
        dirty = sorted(version for version, mark in (state.catalog or {}).items() if mark)
        if dirty:
            texts.append(f"{source} has dirty {', '.join(map(str, dirty))}")
    return "; ".join(texts)
