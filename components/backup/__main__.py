"""`python -m components.backup make|restore`: a backup of both databases of the selected stack, and its restoration.

    python -m components.backup make [--folder .local/backups]
    python -m components.backup restore .local/backups/prod-20260301T120000Z.tar --yes

A backup is kept only after it was restored into scratch databases beside the stack's own and compared: objects, rows,
content. A restoration goes into fresh databases too, is compared with what the backup says it holds, and then takes
the place of the stack's databases by a rename; the former ones stay under another name.

Exit codes: 0 done; 1 not, with the reason; 130 interrupted, with nothing changed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import tenacity

from components import selected_stack
from components.backup import archive, restoring
from components.backup.archive import Manifest
from components.backup.making import back_up
from components.backup.postgres_tools import identifier
from components.backup.problem import BackupError
from components.backup.restoring import Kept
from components.backup.stack_servers import Stack, selected
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from components.selected_stack import StackError

FOLDER: Final = ".local/backups"
INTERRUPTED: Final = 130
_ENGINE_SECONDS: Final = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parsed = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        manifest = archive.read_manifest(parsed.file) if parsed.command == "restore" else None
        with selected(image=parsed.image, address=parsed.address) as stack:
            return _make(stack, parsed) if manifest is None else _restore(stack, manifest, parsed)
    except (BackupError, StackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What had been made for it is removed.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.backup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="make a backup")
    make.add_argument("--folder", type=Path, default=Path(FOLDER), help=f"where it goes ({FOLDER})")
    restore = commands.add_parser("restore", help="put a backup in the place of the stack's databases")
    restore.add_argument("file", type=Path)
    restore.add_argument("--yes", action="store_true", help="do it; without it nothing is touched")
    restore.add_argument("--of-another-stack", action="store_true", help="a backup of another stack is meant")
    for command in (make, restore):
        command.add_argument(
            "--address", default="", metavar="HOST:PORT", help="the server behind a pooler (databasePooler)"
        )
        command.add_argument(
            "--image",
            default="",
            help="whose pg_dump is used for a database that somebody else runs, where this machine's is too old "
            "(postgresImage)",
        )
    return parser


def _make(stack: Stack, parsed: argparse.Namespace) -> int:
    file = back_up(stack, parsed.folder, now=datetime.now(UTC), tell=_tell)
    print(f"{file}\nIt was restored into scratch databases and compared: objects, rows, content.")
    print(f"Its SHA-256 sum: {archive.checksum_file(file)}")
    return 0


def _restore(stack: Stack, manifest: Manifest, parsed: argparse.Namespace) -> int:
    if found := restoring.problems(manifest, stack, of_another_stack=parsed.of_another_stack):
        raise BackupError("\n".join([*found, "Nothing was touched."]))
    names = " and ".join(database.name for database in stack.databases)
    if not parsed.yes:
        raise BackupError(
            f"{_of(manifest)} would take the place of {names} of the stack {stack.name}; what was written since would "
            "be in the former databases only, which stay under another name. If that is meant: --yes (make: YES=1). "
            "Nothing was touched."
        )
    kept = restoring.restore(parsed.file, manifest, stack, now=datetime.now(UTC), tell=_tell)
    print(f"{_of(manifest)} is in the place of {names}.")
    try:
        _reload()
    except KeyboardInterrupt:
        print(
            "warning: interrupted before the engine has read its metadata anew. Restart it.", file=sys.stderr
        )
    for each in kept:
        print(_about(each))
    return 0


def _of(manifest: Manifest) -> str:
    rows = sum(database.contents.rows for database in manifest.databases.values())
    return f"The backup of {manifest.stack} from {manifest.made:%Y-%m-%d %H:%M:%S} UTC ({rows} rows)"


def _about(kept: Kept) -> str:
    drop = f"drop database {identifier(kept.name)}"
    if kept.database.tools.prefix[:2] == ("docker", "exec"):
        container = kept.database.tools.prefix[-1]
        drop = f"docker exec {container} psql -U postgres -c '{drop}'"
    return (
        f"The former {kept.database.purpose} database is kept as {kept.name}. When it is not needed any more:\n"
        f"  {drop}"
    )


def _reload() -> None:
    """Lets the engine read its metadata anew; what went wrong is told, for the databases are in place."""
    try:
        outputs = selected_stack.outputs(secrets=True)
        with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as engine:
            # Its sessions were ended, and the first requests may still be given one of them.
            attempts = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type((HasuraError, EngineUnreachable, AnswerLost)),
                stop=tenacity.stop_after_delay(_ENGINE_SECONDS),
                wait=tenacity.wait_fixed(1),
                reraise=True,
            )
            inconsistent = attempts(engine.reload_metadata)
    except (StackError, KeyError, HasuraError, EngineUnreachable, AnswerLost) as error:
        print(f"warning: the engine has not read its metadata anew ({error}). Restart it.", file=sys.stderr)
        return
    for each in inconsistent:
        print(f"warning: the metadata is not consistent: {each}", file=sys.stderr)
    print("The engine has read its metadata anew. `pulumi preview` shows what the backup lacks.")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
