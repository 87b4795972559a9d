"""What was found and written, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from components.adoption.checkout import Files, Local
from components.adoption.engine import EngineFound
from components.adoption.history import History
from components.adoption.template import TemplateFound
from components.schema.environment_variables import variables
from components.schema.metadata_export import Export
from components.schema.plan import SourceState
from components.settings.engine_keys import ENGINES_OWN


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What was found, decided and written: `keys` are those of the configuration that were set, `fits` is what does
    not fit between claims and permissions."""

    found: EngineFound
    history: History
    template: TemplateFound
    export: Export
    files: Files
    keys: tuple[str, ...]
    fits: tuple[str, ...]


def _about_engine(found: EngineFound) -> list[str]:
    """What is carried as it is and will not do, or is not carried."""
    named = [name for name in variables(found.metadata) if not name.startswith(ENGINES_OWN)]
    return [
        *(
            f"inconsistent now, and the first `up` refuses it: {o.name}: {o.reason}"
            for o in found.inconsistent
        ),
        *(
            f"source {name} is of kind {kind}: its metadata is here, its schema is not, since migrations are for "
            "Postgres only"
            for name, kind in found.others.items()
        ),
        *(
            [
                f"the metadata reads {', '.join(named)} of the engine's environment; an engine in a container of this "
                "project's own is given them by engineEnvironment"
            ]
            if named
            else []
        ),
    ]


def told(local: Local, adoption: Adoption) -> str:
    """The whole report."""
    found, decided, clerks = adoption.found, adoption.history, adoption.template
    export, files = adoption.export, adoption.files
    remarks = [
        *_about_engine(found),
        *decided.remarks,
        *(f"JWT template: the first `up` changes {change}" for change in clerks.changes),
        *clerks.remarks,
        *adoption.fits,
    ]
    sources = ", ".join([*found.states, *found.others]) or "none"
    lines = [
        f"\nFound: Hasura {found.version}; sources: {sources}",
        *(f"  source {source}: {_recorded(state)}" for source, state in found.states.items()),
    ]
    if clerks.record is not None:
        lines.append(f"  JWT template {clerks.record.name} ({clerks.record.id})")
    written = [
        *(f"{local.metadata}/{name}" for name in export.written),
        *(f"{local.migrations}/{name}" for name in files.written),
    ]
    removed = [
        *(f"{local.metadata}/{name}" for name in export.removed),
        *(f"{local.migrations}/{name}" for name in files.removed),
    ]
    if adoption.keys:
        written.append(f"Pulumi.{local.name}.yaml: {', '.join(adoption.keys)}")
    lines += ["", *(f"wrote {name}" for name in written), *(f"removed {name}" for name in removed)]
    if not written and not removed:
        lines.append("Nothing to write: files and configuration say it already.")
    if decided.recorded:
        lines += ["", "The first `up` records in the ledger, and runs nothing of it:"]
        lines += [f"  {line}" for line in decided.recorded]
    if remarks:
        lines += ["", "To know:", *(f"  {remark}" for remark in remarks)]
    lines += [
        "",
        "The engine, its database and Clerk are as they were. Look at the files (git diff), then:",
        f"  make preview STACK={local.name}",
    ]
    return "\n".join(lines)


def _recorded(state: SourceState) -> str:
    if state.ledger:
        return f"{len(state.ledger)} migrations in the ledger"
    if state.catalog:
        return f"{len(state.catalog)} migrations applied by the Hasura CLI"
    return "no record of a migration"
