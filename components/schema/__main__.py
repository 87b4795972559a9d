"""`python -m components.schema`: migrations beyond `pulumi up`.

    status [--json]                 every version: its folder, the ledger, what the Hasura CLI believes
    new NAME                        a new folder with up.sql and down.sql
    down [N]                        roll back the newest N (1), by the down SQL that the ledger keeps
    baseline VERSION                take over a database that has everything up to VERSION and no record of it
    repair --done|--forget|--accept VERSION [VERSION ...]
                                    say that a change is there; that it is not; that an edited file is the
                                    one that ran
    rehearse                        run what is pending in a transaction that always rolls back
    export [--overwrite]            write the engine's metadata into the metadata directory, as files
    seed                            apply those files of seeds/ that have changed since they were applied

The engine is that of the selected Pulumi stack (`engineUrl` and `adminSecret` of its configuration, else its outputs
`hasuraUrl` and `adminSecret`), and folders, time-outs and dumps are those of its configuration. Where
HASURA_GRAPHQL_ENDPOINT and HASURA_GRAPHQL_ADMIN_SECRET name an engine, no stack is asked, and the defaults hold.

Exit codes: 0 done, or nothing to do; 1 refused or failed, with the reason; 2 wrong usage; 3 (`status` only)
something is pending.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components import selected_stack
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.schema import maintenance
from components.schema.deployment import check_pending
from components.schema.directories import Schema, read_schema
from components.schema.ledger import Timeouts
from components.schema.metadata_export import export
from components.schema.plan import Policy
from components.schema.problems import Problem, SchemaError
from components.schema.seeds import Seeds, read_seeds, sow
from components.schema.steps import Settings

PENDING = 3
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        return _run(parsed)
    except (SchemaError, HasuraError, EngineUnreachable, AnswerLost) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.schema",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for folder in ("migrations", "metadata", "seeds"):
        parser.add_argument(
            f"--{folder}", metavar="FOLDER", help="instead of the one of the stack's configuration"
        )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, *, source: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name)
        if source:
            added.add_argument("--source", default="default")
        return added

    command("status", source=False).add_argument("--json", action="store_true")
    command("new").add_argument("name", help="lower-case letters, digits, underscores")
    command("down").add_argument("count", type=_at_least_one, nargs="?", default=1)
    command("baseline").add_argument("version", type=int)
    what = command("repair").add_mutually_exclusive_group(required=True)
    for choice in ("done", "forget", "accept"):
        what.add_argument(f"--{choice}", type=int, nargs="+", metavar="VERSION")
    command("rehearse", source=False)
    command("seed", source=False)
    command("export", source=False).add_argument(
        "--overwrite", action="store_true", help="also files that git does not have as they are"
    )
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of migrations")
    return int(text)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.command == "new":
        return _new(Path(parsed.migrations or _DEFAULTS["migrationsDirectory"]) / parsed.source, parsed.name)
    stack = _stack()
    if parsed.command == "export":
        return _export(
            stack, Path(parsed.metadata or stack.config["metadataDirectory"]), overwrite=parsed.overwrite
        )
    schema = read_schema(
        parsed.migrations or stack.config["migrationsDirectory"],
        parsed.metadata or stack.config["metadataDirectory"],
    )
    settings = Settings(
        stack=stack.name,
        configurations=schema.configurations(),
        timeouts=Timeouts(
            lock=float(stack.config["lockTimeout"]), statement=float(stack.config["statementTimeout"])
        ),
        # Looking at what would be rolled back needs no permission; doing it does, by the command itself.
        policy=Policy(
            rollback="refuse",
            out_of_order=stack.config["outOfOrder"] == "true",
            baseline=json.loads(stack.config["baseline"]),
        ),
        transaction="all" if stack.config["transaction"] == "all" else "each",
    )
    with HasuraClient(stack.endpoint, stack.admin_secret) as client:
        if parsed.command == "status":
            return _status(client, schema, settings, as_json=parsed.json)
        if parsed.command == "rehearse":
            return _rehearse(client, schema, settings)
        if parsed.command == "down":
            dumps = stack.config["backupDirectory"]
            done = maintenance.roll_back(
                client, parsed.source, parsed.count, settings, dumps=Path(dumps) if dumps else None
            ).done
        elif parsed.command == "baseline":
            done = maintenance.take_over(
                client, schema.migrations, parsed.source, parsed.version, settings
            ).done
        elif parsed.command == "seed":
            done = sow(client, _seeds(parsed.seeds or stack.config["seedsDirectory"]), settings, print).done
        else:
            done = list(_repair(client, schema, settings, parsed))
        print("\n".join(done) if done else "nothing to do")
        if done and parsed.command == "down":
            print(_AFTER_ROLLING_BACK)
    return 0


_AFTER_ROLLING_BACK = """
A folder of what was rolled back that is still here runs again with the next deployment: mend it, or remove it, together
with the metadata of what it made."""


def _export(stack: _Stack, folder: Path, *, overwrite: bool) -> int:
    with HasuraClient(stack.endpoint, stack.admin_secret) as client:
        done = export(client, folder, overwrite=overwrite)
    for what, names in (("wrote", done.written), ("removed", done.removed)):
        for name in names:
            print(f"{what} {folder}/{name}")
    print(f"{folder} says what the engine has; {done.unchanged} files did so before.")
    return 0


def _seeds(folder: str) -> Seeds:
    if not folder:
        raise SchemaError(
            [
                Problem(
                    path="seedsDirectory",
                    message="is not set: this stack has no seeds",
                    remedy="If it is to have them: `pulumi config set seedsDirectory seeds`.",
                )
            ]
        )
    return read_seeds(Path(folder), shown_as=folder)


def _status(client: HasuraClient, schema: Schema, settings: Settings, *, as_json: bool) -> int:
    found = maintenance.status(client, schema.migrations, settings)
    if as_json:
        print(
            json.dumps(
                {
                    "migrations": [asdict(row) for row in found.rows],
                    "pending": {plan.source: [m.key for m in plan.ups] for plan in found.plan.sources},
                    "problems": [str(problem) for problem in found.problems],
                },
                indent=2,
            )
        )
    else:
        table = Table("version", "name", "source", "file", "ledger", "engine")
        for row in found.rows:
            table.add_row(str(row.version), row.name, row.source, row.file, row.ledger, row.engine)
        Console().print(table)
        for problem in found.problems:
            print(problem, file=sys.stderr)
    if found.problems:
        return 1
    return 0 if found.plan.empty else PENDING


def _rehearse(client: HasuraClient, schema: Schema, settings: Settings) -> int:
    found = maintenance.status(client, schema.migrations, settings)
    problems = list(found.problems) or check_pending(found.plan, settings)
    if not problems:
        said, problems = maintenance.rehearse_pending(client, found.plan, settings)
        print("\n".join(said) if said else "nothing to rehearse")
    if problems:
        raise SchemaError(problems)
    return 0


def _repair(
    client: HasuraClient, schema: Schema, settings: Settings, parsed: argparse.Namespace
) -> Iterator[str]:
    source, limits = parsed.source, settings.timeouts
    for version in parsed.done or ():
        maintenance.mark_done(client, schema.migrations, source, version, settings)
        yield f"{source}/{version} is recorded as done"
    for version in parsed.forget or ():
        maintenance.forget(client, source, version, limits)
        yield f"{source}/{version} is forgotten"
    for version in parsed.accept or ():
        maintenance.accept(client, schema.migrations, source, version, limits)
        yield f"{source}/{version}: the folder as it is now counts as the one that ran"


def _new(folder: Path, name: str) -> int:
    if not _NAME.fullmatch(name):
        raise SchemaError(
            [
                Problem(
                    path=name,
                    message="not a name for a migration",
                    remedy="Use lower-case letters, digits and underscores.",
                )
            ]
        )
    made = folder / f"{time.time_ns() // 1_000_000}_{name}"
    made.mkdir(parents=True)
    (made / "up.sql").write_text("")
    (made / "down.sql").write_text("")
    print(f"{made}/up.sql")
    return 0


_DEFAULTS = {
    "migrationsDirectory": "migrations",
    "metadataDirectory": "hasura_metadata",
    "seedsDirectory": "seeds",
    "lockTimeout": "5",
    "statementTimeout": "0",
    "outOfOrder": "false",
    "baseline": "{}",
    "transaction": "each",
    "backupDirectory": "",
}
"""What holds where an engine is named and no stack is asked."""


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """The engine, and the stack's configuration as far as it matters here (key without namespace to text)."""

    endpoint: str
    admin_secret: str = field(repr=False)
    name: str
    config: Mapping[str, str]


def _stack() -> _Stack:
    endpoint = os.environ.get("HASURA_GRAPHQL_ENDPOINT")
    secret = os.environ.get("HASURA_GRAPHQL_ADMIN_SECRET")
    if endpoint and secret:
        return _Stack(
            endpoint=endpoint, admin_secret=secret, name=os.environ.get("STACK", ""), config=_DEFAULTS
        )
    try:
        config = selected_stack.configuration(secrets=True).values
        # An engine that somebody else runs is there before the stack's first deployment, and its outputs, are.
        outputs = (
            {"hasuraUrl": config["engineUrl"].rstrip("/"), "adminSecret": config["adminSecret"]}
            if config.get("engineUrl") and config.get("adminSecret")
            else selected_stack.outputs(secrets=True)
        )
        return _Stack(
            endpoint=outputs["hasuraUrl"],
            admin_secret=outputs["adminSecret"],
            name=selected_stack.name(),
            config={key: config[key] for key in _DEFAULTS},
        )
    except selected_stack.StackError as error:
        raise SchemaError([Problem(path="", message=str(error))]) from None
    except KeyError:
        raise SchemaError(
            [
                Problem(
                    path="",
                    message="the selected Pulumi stack has no outputs hasuraUrl and adminSecret",
                    remedy=(
                        "Run `pulumi up` first, or set HASURA_GRAPHQL_ENDPOINT and "
                        "HASURA_GRAPHQL_ADMIN_SECRET."
                    ),
                )
            ]
        ) from None


if __name__ == "__main__":
    sys.exit(main())
