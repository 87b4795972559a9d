"""What the check of migrations says in a preview: lines that a person reads, and that are read back. Pure.

Only the engine's ledger tells what a deployment would really do, and only the provider that checks the migrations
reads it. Its one way to tell is a line of text, so each line is written and read here, and holds one thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from components.schema.plan import Plan
from components.schema.problems import Problem

Kind = Literal[
    "run", "adopt", "baseline", "roll back", "catalog state", "nothing", "dump", "lint", "rehearsal"
]

_RUN: Final = "would run"
_ADOPT: Final = "would take over without running, because the Hasura CLI applied it:"
_BASELINE: Final = "would take over without running, as a baseline:"
_ROLL_BACK: Final = "would roll back"
_BY: Final = "by the down SQL that the ledger keeps:"
_CATALOG: Final = "would bring Hasura's catalog state in line with the ledger"
_DUMP: Final = re.compile(r"a dump of .+ is due before ", re.DOTALL)
_NOTHING: Final = "no migration would run: the ledgers hold all of them already"
_REHEARSAL: Final = re.compile(r"(not )?rehearsed\b")
_PLAIN: Final = re.compile(r"[\w.-]+")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.-]+')
_LINT: Final = re.compile(r"warning: (?P<path>.+?):(?P<line>[0-9]+): (?P<message>.+)", re.DOTALL)
_LINT_WITHOUT_PLACE: Final = ("warning: squawk ", "warning: migrations were not linted: ")


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One line. `keys` are migrations (`version_name`), `sql` is what rolls one back, `where` a file and line
    of a finding, `text` the words that are not data."""

    kind: Kind
    source: str = ""
    keys: tuple[str, ...] = ()
    sql: str = ""
    where: str = ""
    text: str = ""

    def __str__(self) -> str:  # noqa: PLR0911 (one kind a line)
        source, keys = _written(self.source), ", ".join(map(_written, self.keys))
        match self.kind:
            case "run":
                return f"{source}: {_RUN} {keys}"
            case "adopt":
                return f"{source}: {_ADOPT} {keys}"
            case "baseline":
                return f"{source}: {_BASELINE} {keys}"
            case "roll back":
                return f"{source}: {_ROLL_BACK} {keys} {_BY} {json.dumps(self.sql, ensure_ascii=False)}"
            case "catalog state":
                return f"{source}: {_CATALOG}"
            case "nothing":
                return _NOTHING
            case "lint":
                return f"warning: {self.where}: {self.text}" if self.where else f"warning: {self.text}"
            case "dump" | "rehearsal":
                return self.text


def of_plan(plan: Plan, downs: Mapping[str, Mapping[int, str]]) -> Iterator[Remark]:
    """What a plan would do. `downs` holds the kept down SQL by source and version."""
    for steps in plan.sources:
        source, before = steps.source, (steps.adopt, steps.baseline, steps.downs, steps.ups)
        if steps.adopt:
            yield Remark(kind="adopt", source=source, keys=tuple(m.key for m in steps.adopt))
        if steps.baseline:
            yield Remark(kind="baseline", source=source, keys=tuple(m.key for m in steps.baseline))
        for row in steps.downs:
            sql = downs.get(source, {}).get(row.version, "")
            yield Remark(kind="roll back", source=source, keys=(row.key,), sql=sql)
        if steps.ups:
            yield Remark(kind="run", source=source, keys=tuple(m.key for m in steps.ups))
        if steps.write_catalog and not any(before):
            yield Remark(kind="catalog state", source=source)


NOTHING: Final = Remark(kind="nothing")
"""What the stack's state holds as new, the databases have."""


def of_dump(source: str, why: str) -> Remark:
    """A dump that is made before a migration: of which source, and before which statement."""
    return Remark(kind="dump", text=_one_line(f"a dump of {source} is due before {why}"))


def of_lint(finding: Problem) -> Remark:
    """A finding of a linter, which fails nothing."""
    where = finding.path if finding.line is None else f"{finding.path}:{finding.line}"
    return Remark(kind="lint", where=where, text=_one_line(f"{finding.message} {finding.remedy}"))


def of_rehearsal(said: str) -> Remark:
    """What a rehearsal said of migrations that may run."""
    return Remark(kind="rehearsal", text=_one_line(said))


def heard(line: str) -> Remark | None:
    """The remark that a line of a preview is, or None for anybody else's line."""
    text = line.strip()
    if lint := _LINT.fullmatch(text):
        return Remark(kind="lint", where=f"{lint['path']}:{lint['line']}", text=lint["message"])
    if text.startswith(_LINT_WITHOUT_PLACE):
        return Remark(kind="lint", text=text.removeprefix("warning: "))
    token = _TOKEN.match(text)
    said = text[token.end() + 2 :] if token and text[token.end() :].startswith(": ") else ""
    if _DUMP.match(text):
        return Remark(kind="dump", text=text)
    if _REHEARSAL.match(text) or _REHEARSAL.match(said):
        return Remark(kind="rehearsal", text=text)
    if text == _NOTHING:
        return NOTHING
    return _heard_plan(_read(token.group()), said) if token else None


def _heard_plan(source: str, said: str) -> Remark | None:
    if said == _CATALOG:
        return Remark(kind="catalog state", source=source)
    if said.startswith(f"{_ROLL_BACK} "):
        return _heard_roll_back(source, said.removeprefix(f"{_ROLL_BACK} "))
    kinds: tuple[tuple[str, Kind], ...] = ((_RUN, "run"), (_ADOPT, "adopt"), (_BASELINE, "baseline"))
    for start, kind in kinds:
        if said.startswith(f"{start} "):
            return Remark(kind=kind, source=source, keys=_keys(said.removeprefix(start)))
    return None


def _heard_roll_back(source: str, said: str) -> Remark | None:
    token = _TOKEN.match(said)
    if token is None or not said[token.end() :].startswith(f" {_BY} "):
        return None
    try:
        sql = json.loads(said[token.end() + len(_BY) + 2 :])
    except ValueError:
        return None
    return Remark(kind="roll back", source=source, keys=(_read(token.group()),), sql=str(sql))


def _written(name: str) -> str:
    """A name that needs no quotes without them."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _read(token: str) -> str:
    return str(json.loads(token)) if token.startswith('"') else token


def _keys(text: str) -> tuple[str, ...]:
    return tuple(map(_read, _TOKEN.findall(text)))


def _one_line(text: str) -> str:
    return " ".join(text.split())
