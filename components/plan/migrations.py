"""What becomes of the migrations: which run, are taken over or rolled back, and what that destroys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from components.hasura.json_types import Json, JsonObject
from components.plan.changes import PlannedChange, Risk
from components.plan.events import Step
from components.schema.destructive import Destruction, destructions
from components.schema.remarks import Remark
from components.schema.sql import Unterminated
from components.schema.words import code, value

Action = Literal["run", "adopt", "baseline", "roll back"]

SHOWN_LINES: Final = 200
SHOWN_CHARACTERS: Final = 12_000
"""Where SQL is cut."""

Key = tuple[str, str]
"""Source and folder of a migration."""


@dataclass(frozen=True, kw_only=True)
class Sql:
    """SQL as it is shown: its beginning where it is long (`cut`). `lines` and `size` (bytes) are those of the
    whole."""

    text: str
    lines: int
    size: int
    cut: bool = False
    destroys: tuple[Destruction, ...] = ()
    without_transaction: bool = False


@dataclass(frozen=True, kw_only=True)
class PlannedMigration:
    """One migration and what becomes of it. `place` is its file, `sql` None where its text is not at hand."""

    source: str
    key: str
    action: Action
    place: str = ""
    checksum: str = ""
    sql: Sql | None = None

    @property
    def name(self) -> str:
        return f"{self.source}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class PlannedMigrations:
    """All of them, in the order in which they run, from `directory`. `ledger_read` tells whether the database was
    asked, or the stack's state only; `lint` whether the stack wants a linter's findings. `others` are changes beside
    them: seeds, settings, the catalog state."""

    migrations: tuple[PlannedMigration, ...] = ()
    directory: str = "migrations"
    ledger_read: bool = False
    lint: bool = False
    others: tuple[PlannedChange, ...] = ()


def planned(step: Step | None, remarks: Iterable[Remark]) -> PlannedMigrations:
    """What a step on the migrations does, without the SQL of files. `remarks` are what the ledger makes of them."""
    if step is None or step.operation not in ("create", "update", "replace") or step.after is None:
        return PlannedMigrations()
    before, after = step.before.inputs if step.before else {}, step.after.inputs
    told = list(remarks)
    directory = str(after.get("directory", "migrations"))
    chosen = _told(told) if told else _by_state(before, after)
    checksums = _object(after.get("migrations"))
    return PlannedMigrations(
        migrations=tuple(
            PlannedMigration(
                source=source,
                key=key,
                action=action,
                place=f"{directory}/{source}/{key}/up.sql" if action != "roll back" else "",
                checksum=str(_object(checksums.get(source)).get(key, "")),
                sql=shown_sql(sql) if sql else None,
            )
            for source, key, action, sql in chosen
        ),
        directory=directory,
        ledger_read=bool(told),
        lint=_object(after.get("settings")).get("lint") in ("warn", "error"),
        others=tuple(_others(before, after, told)),
    )


def _told(remarks: list[Remark]) -> Iterator[tuple[str, str, Action, str]]:
    order: tuple[Action, ...] = ("adopt", "baseline", "roll back", "run")
    for source in sorted({remark.source for remark in remarks}):
        for action in order:
            for remark in remarks:
                if remark.source == source and remark.kind == action:
                    yield from ((source, key, action, remark.sql) for key in remark.keys)


def _by_state(before: JsonObject, after: JsonObject) -> Iterator[tuple[str, str, Action, str]]:
    old, new = _object(before.get("migrations")), _object(after.get("migrations"))
    for source in sorted({*old, *new}):
        there, wanted = _object(old.get(source)), _object(new.get(source))
        for key in sorted(set(there) - set(wanted), key=_version, reverse=True):
            yield source, key, "roll back", ""
        for key in sorted(set(wanted) - set(there), key=_version):
            yield source, key, "run", ""


def _version(key: str) -> tuple[int, str]:
    number = key.split("_", 1)[0]
    return (int(number) if number.isdecimal() else 0, key)


def _others(before: JsonObject, after: JsonObject, told: list[Remark]) -> Iterator[PlannedChange]:
    for remark in told:
        if remark.kind == "catalog state":
            yield _change(
                f"Hasura's catalog state of {code(remark.source)} is brought in line with the ledger"
            )
    settings, now = _object(before.get("settings")), _object(after.get("settings"))
    for name in sorted({*settings, *now}) if before else ():
        if settings.get(name) != now.get(name):
            was = f"(was: {value(settings.get(name))})"
            yield _change(f"migrations: the setting {code(name)} is now {value(now.get(name))} {was}")
    old, new = _object(before.get("seeds")), _object(after.get("seeds"))
    for source in sorted(new):
        there, wanted = _object(old.get(source)), _object(new[source])
        for file in sorted(wanted):
            if wanted[file] != there.get(file):
                again = "again, because it changed" if file in there else "for the first time"
                yield _change(f"seed {code(f'{source}/{file}')} is applied {again}")


def _change(words: str) -> PlannedChange:
    return PlannedChange(risk=Risk.NONE, topic="migration", words=words)


def shown_sql(text: str) -> Sql:
    """SQL that is at hand as a whole."""
    return Sql(
        text=beginning(text),
        lines=_lines(text),
        size=len(text.encode()),
        cut=beginning(text) != text,
        destroys=tuple(destroyed((text,))),
    )


def destroyed(pieces: Iterable[str]) -> Iterator[Destruction]:
    """What a text destroys. One that cannot be read to its end is taken to destroy from there on."""
    try:
        yield from destructions(pieces)
    except Unterminated as error:
        yield Destruction(line=error.line, what=f"not read from here on: {error}")


def beginning(text: str) -> str:
    """As much of a text as is shown: whole lines."""
    if len(text) <= SHOWN_CHARACTERS and text.count("\n") <= SHOWN_LINES:
        return text
    lines = text[:SHOWN_CHARACTERS].split("\n")
    kept = (
        lines[:SHOWN_LINES]
        if len(text) <= SHOWN_CHARACTERS
        else lines[:SHOWN_LINES][: max(1, len(lines) - 1)]
    )
    return "\n".join(kept)


def _lines(text: str) -> int:
    return text.count("\n") + (0 if text.endswith("\n") or not text else 1)


def destroying(migrations: Iterable[PlannedMigration]) -> Iterator[PlannedChange]:
    """What running them destroys, statement by statement."""
    for migration in migrations:
        if migration.action == "roll back":
            said = f"migration {code(migration.name)} is rolled back by the down SQL that the ledger keeps"
            if migration.sql is None:
                yield _destroying(migration, f"{said}, which was not read")
            elif not migration.sql.destroys:
                yield PlannedChange(risk=Risk.NARROWS, topic="migration", words=said, about=migration.name)
        if migration.sql and migration.action in ("run", "roll back"):
            what = "rolling back " if migration.action == "roll back" else "migration "
            for one in migration.sql.destroys:
                yield _destroying(
                    migration, f"{what}{code(migration.name)}, line {one.line}: {code(one.what)}"
                )


def _destroying(migration: PlannedMigration, words: str) -> PlannedChange:
    return PlannedChange(risk=Risk.DESTROYS, topic="migration", words=words, about=migration.name)


def drift(before: JsonObject, found: JsonObject) -> Iterator[PlannedChange]:
    """What a refresh has found otherwise than it was deployed, from the inputs of the resource."""
    old, new = _object(before.get("migrations")), _object(found.get("migrations"))
    for source in sorted({*old, *new}):
        there, seen = _object(old.get(source)), _object(new.get(source))
        for key in sorted({*there, *seen}, key=_version):
            name = code(f"{source}/{key}")
            if key not in seen:
                words = f"migration {name} was deployed, and the database has no record of it"
            elif key not in there:
                words = f"migration {name} is recorded in the database, and this stack has not deployed it"
            elif there[key] != seen[key]:
                words = f"migration {name} is recorded in the database with another text than was deployed"
            else:
                continue
            yield PlannedChange(risk=Risk.NONE, topic="migration", words=words, about=f"{source}/{key}")
    if before.get("catalog_state") != found.get("catalog_state"):
        yield _change(f"Hasura's catalog state differs from the ledger: {_said(found.get('catalog_state'))}")
    for source in sorted(_object(before.get("seeds"))):
        if _object(before.get("seeds")).get(source) != _object(found.get("seeds")).get(source):
            yield _change(f"the seeds of {code(source)} are not recorded as they were applied")


def _said(value: Json) -> str:
    return code(str(value))


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def with_sql(planned: PlannedMigrations, texts: Mapping[Key, Sql]) -> PlannedMigrations:
    """The same with the SQL that is at hand."""
    return replace(
        planned,
        migrations=tuple(
            replace(one, sql=texts.get((one.source, one.key), one.sql)) for one in planned.migrations
        ),
    )
