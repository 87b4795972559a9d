"""A plan as Markdown, as a pull request or an issue shows it (GitHub Flavored Markdown). Pure.

Whatever comes from files or an engine stands in code: a name can neither format nor address anybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from components.hasura.json_types import Json
from components.plan.changes import PlannedChange, Risk
from components.plan.document import Plan
from components.plan.json_shape import fingerprint
from components.plan.migrations import PlannedMigration, Sql
from components.plan.resources import ResourceChange
from components.plan.tokens import Template, written
from components.schema.remarks import Remark
from components.schema.words import code, printable, value

LONGEST: Final = 60_000
"""Characters of a document. GitHub takes 65,536 in a comment, and a workflow adds words of its own."""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """How much is written out: lines of SQL a migration, and entries a list."""

    sql_lines: int
    entries: int


DETAILS: Final = (
    Detail(sql_lines=200, entries=1000),
    Detail(sql_lines=20, entries=1000),
    Detail(sql_lines=0, entries=1000),
    Detail(sql_lines=0, entries=100),
    Detail(sql_lines=0, entries=20),
)


def document(plan: Plan, *, longest: int = LONGEST) -> str:
    """The plan, of at most about `longest` characters: SQL is left out first, then ends of lists are."""
    text = ""
    for detail in DETAILS:
        text = "\n".join(_lines(plan, detail)).rstrip() + "\n"
        if len(text) <= longest:
            break
    return text


def _lines(plan: Plan, detail: Detail) -> Iterator[str]:
    match plan.outcome:
        case "failed":
            yield from _failed(plan, detail)
        case "no change":
            yield _nothing(plan)
        case _:
            yield from _changing(plan, detail)


def _nothing(plan: Plan) -> str:
    drift = " It is as it was deployed." if plan.drift is not None else ""
    counts = [_count(len(plan.warnings), "warning"), _count(len(plan.policies), "policy finding")]
    said = ", ".join(count for count in counts if not count.startswith("0 "))
    return f"Plan of {code(plan.stack)}: nothing changes.{drift}" + (
        f" ({said}, in the JSON)" if said else ""
    )


def _failed(plan: Plan, detail: Detail) -> Iterator[str]:
    yield f"# Plan of {code(plan.stack)}: none"
    yield ""
    yield "There is no plan, for this reason:"
    for problem in plan.problems:
        yield ""
        yield from _fenced(problem, "text")
    yield from _findings("Lint", plan.findings, detail)
    yield from _policies(plan, detail)
    yield from _warnings(plan, detail)


def _changing(plan: Plan, detail: Detail) -> Iterator[str]:
    yield f"# Plan of {code(plan.stack)}"
    yield ""
    yield _summary(plan)
    if plan.drift is not None:
        yield from _drift(plan, plan.drift, detail)
    for risk in Risk:
        chosen = [change for change in plan.changes if change.risk is risk]
        yield from _section(risk.title, (f"- {change.words}" for change in chosen), detail)
    yield from _migrations(plan, detail)
    for template in plan.templates:
        yield from _template(template)
    yield from _resources(plan.resources, detail)
    yield from _policies(plan, detail)
    yield from _warnings(plan, detail)
    yield ""
    yield f"Fingerprint: {code(fingerprint(plan) or '')}"


def _summary(plan: Plan) -> str:
    """What is in it, counted: what should be looked at first in bold."""
    counted = [(risk, sum(change.risk is risk for change in plan.changes)) for risk in Risk]
    parts = [
        f"**{risk.title}: {count}.**" if risk <= Risk.UNGUARDS else f"{risk.title}: {count}."
        for risk, count in counted
        if count and risk is not Risk.NONE
    ]
    if plan.drift:
        parts.insert(0, f"**Drift: {len(plan.drift)}.**")
    if plan.migrations:
        parts.append(f"Migrations: {len(plan.migrations)}.")
    if plan.resources:
        parts.append(f"Resources that change: {len(plan.resources)}.")
    return " ".join(parts) or "Nothing would change."


def _drift(plan: Plan, drift: Sequence[PlannedChange], detail: Detail) -> Iterator[str]:
    yield ""
    yield "## Drift: what is not as it was deployed"
    yield ""
    if not drift:
        yield "Nothing."
    lines = [
        f"- {'' if change.risk is Risk.NONE else f'**{change.risk.title}:** '}{change.words}"
        for change in drift
    ]
    lines += [f"- Not looked at: {prose(text)}" for text in plan.not_seen]
    yield from _cut(lines, detail)
    if drift:
        yield ""
        yield "What follows is what a deployment would do, the repair of the drift included."


def _migrations(plan: Plan, detail: Detail) -> Iterator[str]:
    if not plan.migrations and not plan.rehearsals and not plan.findings:
        return
    yield ""
    yield "## Migrations"
    if plan.migrations and not plan.ledger_read:
        yield ""
        yield "The database was not asked: these are the ones that the stack's state does not hold."
    left = list(plan.findings)
    for migration in plan.migrations[: detail.entries]:
        own = [finding for finding in left if _is_about(finding, migration)]
        left = [finding for finding in left if finding not in own]
        yield ""
        yield f"### {code(migration.name)} {_ACTIONS[migration.action]}"
        if own:
            yield ""
            yield from _cut([f"- {_finding(finding)}" for finding in own], detail)
        if migration.action in ("run", "roll back"):
            yield ""
            yield from _sql(migration, detail)
    if len(plan.migrations) > detail.entries:
        yield ""
        yield f"... and {_count(len(plan.migrations) - detail.entries, 'more migration')}; the JSON has all."
    if plan.dumps or plan.rehearsals:
        yield ""
        yield from _cut([f"- {prose(said)}" for said in (*plan.dumps, *plan.rehearsals)], detail)
    yield from _findings("Lint of other files", left, detail, level=3)


_ACTIONS: Final = {
    "run": "runs",
    "adopt": "is taken over: the Hasura CLI applied it, it does not run again",
    "baseline": "is taken over as a baseline: it does not run",
    "roll back": "is rolled back by the down SQL that the ledger keeps",
}


def _is_about(finding: Remark, migration: PlannedMigration) -> bool:
    return bool(migration.place) and finding.where.rsplit(":", 1)[0] == migration.place


def _sql(migration: PlannedMigration, detail: Detail) -> Iterator[str]:
    if migration.sql is None:
        yield "Its SQL is not at hand."
        return
    sql = migration.sql
    size = f"{_count(sql.lines, 'line')}, {_count(sql.size, 'byte')}"
    if sql.without_transaction:
        size += ", outside a transaction"
    shown = _beginning(sql, detail.sql_lines)
    if not shown:
        yield f"{size} of SQL."
        return
    cut = sql.cut or shown.rstrip("\n") != sql.text.rstrip("\n")
    yield f"<details><summary>SQL, {size}{', cut here' if cut else ''}</summary>"
    yield ""
    yield from _fenced(shown, "sql")
    yield ""
    yield "</details>"


def _beginning(sql: Sql, lines: int) -> str:
    return "\n".join(sql.text.split("\n")[:lines])


def _template(template: Template) -> Iterator[str]:
    yield ""
    yield f"## JWT template {code(template.name)}"
    rows: list[tuple[str, Json, Json]] = [
        *((code(written(claim.path)), claim.before, claim.after) for claim in template.claims),
        *template.settings,
    ]
    # What changes stands first.
    rows.sort(key=lambda row: row[1] == row[2])
    yield ""
    yield from table(
        ("claim or setting", "before", "after"),
        (
            (name, _cell(before), "the same" if before == after else f"**{_cell(after)}**")
            for name, before, after in rows
        ),
    )


def _cell(of: Json) -> str:
    return "none" if of is None else value(of)


def _resources(resources: Sequence[ResourceChange], detail: Detail) -> Iterator[str]:
    if not resources:
        return
    order = ("delete", "replace", "update", "create")
    chosen = sorted(resources, key=lambda r: (r.meaning.risk, order.index(r.operation), r.noun, r.name))
    yield ""
    yield "## Resources"
    yield ""
    yield from table(
        ("", "resource", "what it means", "properties that change"),
        (
            (r.operation, f"{r.noun} {code(r.name)}", r.meaning.says, ", ".join(r.changed))
            for r in chosen[: detail.entries]
        ),
    )
    if len(chosen) > detail.entries:
        yield ""
        yield f"... and {_count(len(chosen) - detail.entries, 'more resource')}; the JSON has all."


def _policies(plan: Plan, detail: Detail) -> Iterator[str]:
    lines = (
        f"- **{prose(p.level)}** {code(p.policy)}{f' on {code(p.resource)}' if p.resource else ''}: {prose(p.text)}"
        for p in plan.policies
    )
    yield from _section("Policies", lines, detail)


def _findings(title: str, findings: Sequence[Remark], detail: Detail, *, level: int = 2) -> Iterator[str]:
    yield from _section(title, (f"- {_finding(finding)}" for finding in findings), detail, level=level)


def _finding(finding: Remark) -> str:
    return f"{code(finding.where)}: {prose(finding.text)}" if finding.where else prose(finding.text)


def _warnings(plan: Plan, detail: Detail) -> Iterator[str]:
    if not plan.warnings:
        return
    yield ""
    yield f"<details><summary>{_count(len(plan.warnings), 'remark')} of the preview</summary>"
    yield ""
    yield from _cut([f"- {prose(warning)}" for warning in plan.warnings], detail)
    yield ""
    yield "</details>"


def _section(title: str, lines: Iterable[str], detail: Detail, *, level: int = 2) -> Iterator[str]:
    listed = list(lines)
    if listed:
        yield ""
        yield f"{'#' * level} {title}"
        yield ""
        yield from _cut(listed, detail)


def _cut(lines: Sequence[str], detail: Detail) -> Iterator[str]:
    yield from lines[: detail.entries]
    if len(lines) > detail.entries:
        yield f"- ... and {len(lines) - detail.entries} more; the JSON has all."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; cells are Markdown of one line."""
    row: Callable[[Sequence[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731 (typed)
    yield row(head)
    yield row(["---"] * len(head))
    # Also within code spans, a table takes a bar for its own unless it is escaped (GFM, "Tables").
    yield from (row([cell.replace("|", "\\|") for cell in cells]) for cells in rows)


def _fenced(text: str, language: str) -> Iterator[str]:
    """A block that shows `text` letter by letter, whatever it holds."""
    shown = printable(text, also="\n\t")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield shown.rstrip("\n")
    yield fence


# An underscore within a word formats nothing (GFM, "Emphasis").
_FORMATTING: Final = re.compile(r"([\\`*\[\]<>#|~@!]|(?<![^\W_])_|_(?![^\W_]))")


def prose(said: str) -> str:
    """Somebody's sentence, in which nothing formats and nobody is addressed."""
    line = printable(" ".join(said.split()))
    spans = re.split(r"(`+[^`]+`+)", line)
    return "".join(span if index % 2 else _FORMATTING.sub(_escaped, span) for index, span in enumerate(spans))


def _escaped(match: re.Match[str]) -> str:
    # GitHub looks for names behind this sign after all escapes are undone, but not in code.
    return "`@`" if match[1] == "@" else "&lt;" if match[1] == "<" else f"\\{match[1]}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
