"""A plan as a value: everything that a preview means, in the order of its risk. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from components.hasura.json_types import Json, JsonObject
from components.plan import migrations as migration_plan
from components.plan import resources, tokens
from components.plan.changes import PlannedChange, Risk, by_risk, of_metadata
from components.plan.events import UNKNOWN, Diagnostic, Found, PolicyFinding, Preview, State, Step
from components.plan.migrations import Key, PlannedMigration, PlannedMigrations, Sql
from components.plan.resources import METADATA, MIGRATIONS, ResourceChange
from components.plan.tokens import TEMPLATE, Template
from components.provider_error import NOT_REFRESHED, UNSEEN
from components.schema.changes import changes as metadata_changes
from components.schema.remarks import Remark, heard
from components.schema.words import code, value

Outcome = Literal["no change", "failed", "change", "drift"]

EXIT_CODES: Final[Mapping[Outcome, int]] = {"no change": 0, "failed": 1, "change": 2, "drift": 3}
"""As Terraform's `plan -detailed-exitcode` has them (0 nothing, 1 error, 2 changes), and one for drift."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a deployment of `stack` would do.

    `changes` are those that somebody could feel, the worst first; `migrations`, `templates` and `resources` are
    what they come from, whole. `metadata_digest` is the SHA-256 of the metadata that the engine gets, empty where
    it keeps what it has. `drift` is None where nobody looked for it; `not_seen` is what could not be looked at.
    `dumps` are made before migrations that destroy, `findings` are a linter's, `rehearsals` what running the
    migrations without keeping them has shown. `problems` is why there is no plan: then `changes` and what belongs
    to them is empty.
    """

    stack: str
    problems: tuple[str, ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    migrations: tuple[PlannedMigration, ...] = ()
    ledger_read: bool = False
    templates: tuple[Template, ...] = ()
    resources: tuple[ResourceChange, ...] = ()
    metadata_digest: str = ""
    drift: tuple[PlannedChange, ...] | None = None
    not_seen: tuple[str, ...] = ()
    dumps: tuple[str, ...] = ()
    findings: tuple[Remark, ...] = ()
    rehearsals: tuple[str, ...] = ()
    policies: tuple[PolicyFinding, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What it comes to, as the exit code tells it."""
        if self.problems:
            return "failed"
        if self.drift:
            return "drift"
        return "change" if self.changes or self.resources or self.migrations else "no change"


@dataclass(kw_only=True)
class _Said:
    """What was said in a preview, sorted by what it is about."""

    plan: list[Remark] = field(default_factory=list)
    dumps: list[str] = field(default_factory=list)
    lint: list[Remark] = field(default_factory=list)
    rehearsals: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    not_seen: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def pending(preview: Preview) -> PlannedMigrations:
    """The migrations of a preview, without the SQL that is in files."""
    step = next((step for step in preview.steps if step.type == MIGRATIONS), None)
    return migration_plan.planned(step, _sorted(preview.said).plan)


def make(
    preview: Preview,
    *,
    stack: str,
    sql: Mapping[Key, Sql] | None = None,
    findings: Iterable[Remark] = (),
    drift: bool = False,
    also_said: str = "",
) -> Plan:
    """The plan that a preview means.

    `sql` holds the text of pending migrations, as far as it is at hand; `findings` are a linter's beside those
    that the preview tells; `drift` says whether the preview has refreshed; `also_said` is what the CLI printed
    beside its events, which tells why there are none.
    """
    said = _sorted(preview.said)
    told = Plan(
        stack=stack,
        findings=tuple(sorted({*said.lint, *findings}, key=_line)),
        dumps=tuple(dict.fromkeys(said.dumps)),
        rehearsals=tuple(dict.fromkeys(said.rehearsals)),
        policies=preview.policies,
        not_seen=tuple(said.not_seen),
        warnings=tuple(said.others),
    )
    found_drift = by_risk(_drift(preview.found)) if drift else None
    if not preview.succeeded:
        problems = list(said.errors)
        if stopping := sum(_stops(finding) for finding in preview.policies):
            # The CLI says no more of them beside the findings.
            problems = [text for text in problems if text.strip() != "preview failed"]
            problems.append(f"it breaks mandatory policies ({stopping}), which stand under Policies")
        problems = problems or [also_said.strip() or "the preview ended without a word"]
        return replace(told, problems=tuple(problems))
    if said.not_seen and not found_drift:
        # Nothing found is no news of what was not looked at.
        return replace(told, problems=tuple(f"not looked at for drift: {text}" for text in said.not_seen))
    planned = migration_plan.with_sql(pending(preview), sql or {})
    acting = [step for step in preview.steps if step.operation not in ("same", "read")]
    found = [change for step in acting if (change := resources.change(step))]
    metadata = [step.after for step in acting if step.type == METADATA and step.after]
    return replace(
        told,
        changes=by_risk(_changes(preview, acting, planned, found)),
        migrations=planned.migrations,
        ledger_read=planned.ledger_read,
        templates=tuple(_template(step) for step in acting if step.type == TEMPLATE),
        resources=tuple(found),
        metadata_digest=_digest(_tree(metadata[0])) if metadata else "",
        drift=found_drift,
    )


def _sorted(said: Sequence[Diagnostic]) -> _Said:
    result = _Said()
    for one in said:
        if one.severity == "error":
            result.errors.append(one.text)
            continue
        # What a provider says comes line by line; what is joined begins with its own.
        remark = heard(one.text) if one.severity == "info" else None
        if one.text.startswith(NOT_REFRESHED):
            result.not_seen.append(one.text.removeprefix(NOT_REFRESHED))
        elif remark is None:
            result.others.append(one.text.removeprefix("warning: "))
        elif remark.kind == "dump":
            result.dumps.append(remark.text)
        elif remark.kind == "lint":
            result.lint.append(remark)
        elif remark.kind == "rehearsal":
            result.rehearsals.append(remark.text)
        else:
            result.plan.append(remark)
    return result


def _line(finding: Remark) -> tuple[str, int, str]:
    path, _, line = finding.where.rpartition(":")
    return (path, int(line) if line.isdecimal() else 0, finding.text)


def _stops(finding: PolicyFinding) -> bool:
    return finding.level == "mandatory"


def _changes(
    preview: Preview, acting: Sequence[Step], planned: PlannedMigrations, found: Sequence[ResourceChange]
) -> Iterator[PlannedChange]:
    yield from migration_plan.destroying(planned.migrations)
    yield from planned.others
    for step in acting:
        if step.type == METADATA and step.after:
            yield from map(of_metadata, metadata_changes(_tree(step.before), _tree(step.after)))
        elif step.type == TEMPLATE:
            yield from tokens.changes(_inputs(step.before), _inputs(step.after))
    yield from (change for one in found if (change := resources.risky(one)))
    yield from (change for step in preview.steps if (change := resources.unprotected(step)))
    yield from _outputs(preview.outputs_before, preview.outputs_after)


def _outputs(before: JsonObject, after: JsonObject) -> Iterator[PlannedChange]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if new in (old, UNKNOWN) or not before:
            continue
        if name not in after:
            words = f"the stack's output {code(name)} is gone"
            yield PlannedChange(risk=Risk.NARROWS, topic="output", words=words, about=name)
            continue
        was = f" (was: {value(old)})" if name in before else ""
        words = f"the stack's output {code(name)} is {value(new)}{was}"
        yield PlannedChange(risk=Risk.NONE, topic="output", words=words, about=name, before=old, after=new)


def _template(step: Step) -> Template:
    return tokens.template(_inputs(step.before), _inputs(step.after))


def _drift(found: Sequence[Found]) -> Iterator[PlannedChange]:
    """What a refresh has found otherwise than it was deployed, in the words of a change."""
    for one in found:
        if not resources.is_shown(one.type):
            continue
        before, after = one.before.inputs, one.after.inputs if one.after else None
        kind = resources.kind_of(one.type, one.name)
        if after is None:
            if one.type == TEMPLATE:
                yield from tokens.changes(before, None)
            else:
                risk = kind.delete.risk
                words = f"{kind.noun} {code(one.name)} is gone"
                yield PlannedChange(risk=risk, topic="resource", words=words, about=one.name)
            continue
        told: tuple[str, ...] = ()
        if one.type == TEMPLATE:
            yield from tokens.changes(before, after) if before != after else ()
            told = kind.told_elsewhere
        elif one.type == METADATA:
            yield from map(of_metadata, metadata_changes(_tree(one.before), _tree(one.after)))
            told = ("metadata", "after")
        elif one.type == MIGRATIONS:
            yield from migration_plan.drift(before, after)
            # What was to be done is in the state until the next refresh.
            told = ("migrations", "seeds", "catalog_state", "plan")
        # That something could not be looked at is told in other words, and is no drift.
        if rest := [name for name in one.changed if name not in (*told, UNSEEN)]:
            shown = ", ".join(resources.properties(one.before, one.after, rest))
            words = f"{kind.noun} {code(one.name)} is not as it was deployed: {shown}"
            yield PlannedChange(risk=Risk.NONE, topic="resource", words=words, about=one.name)


def _digest(tree: Json) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _tree(state: State | None) -> JsonObject:
    """The metadata of a resource; of one that is not there yet, none."""
    tree = state.inputs.get("metadata") if state else None
    return tree if isinstance(tree, dict) else {"version": 3}


def _inputs(state: State | None) -> JsonObject | None:
    return state.inputs if state else None
