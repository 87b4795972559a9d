"""`python3 -m local.toolchain setup|doctor|activate|pin`. Needs nothing but Python 3.11 or newer."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from local.toolchain import doctor, pinning, pins, vendor
from local.toolchain.environment import export_lines
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import PROJECT, cache_folder, this_machine
from local.toolchain.progress import Progress
from local.toolchain.setup import Request, Setup
from local.toolchain.store import Store


def main(arguments: Sequence[str]) -> int:
    """Run one command. Gives the exit code: 0 done, 1 something is missing or failed, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m local.toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    setting_up = commands.add_parser("setup", help="have every tool; does only what is missing")
    setting_up.add_argument("--dev", action="store_true", help="with what tests and checks need")
    setting_up.add_argument("--no-images", action="store_true", help="leave Docker and images out")
    setting_up.add_argument("--quiet", action="store_true", help="say nothing of what is there already")
    setting_up.add_argument(
        "--no-warnings", action="store_true", help="leave warnings to the deployment that follows"
    )
    examining = commands.add_parser("doctor", help="show which tools are used, and what is missing")
    for command in (setting_up, examining):
        command.add_argument("--stack", default=os.environ.get("STACK") or "dev", help="whose images (dev)")
    commands.add_parser("activate", help="print the lines that put the tools on PATH")
    commands.add_parser("pin", help="fetch the vendor's checksums and write them into pins.json")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    try:
        return _run(options)
    except ToolchainError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk, a folder of somebody else: the system's words name it, and no tool can mend it.
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"\nerror: {place}{error.strerror or error}. The cache is {cache_folder()}; "
            "CLERK_HASURA_CACHE names another one.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was finished stays, the rest was removed; the same command again goes on from there.",
            file=sys.stderr,
        )
        return 130


def _end(number: int, _frame: FrameType | None) -> None:
    # As an exception, so that unfinished work is removed on the way out.
    raise SystemExit(128 + number)


def _run(options: argparse.Namespace) -> int:
    if options.command == "activate":
        print(export_lines())
        return 0
    machine, store, settings, progress = this_machine(), Store(cache_folder()), pins.load(), Progress()
    if options.command == "setup":
        request = Request(
            project=PROJECT, stack=None if options.no_images else options.stack, development=options.dev
        )
        result = Setup(request, machine, store, progress, settings).run()
        if not options.quiet:
            print(doctor.summary(result.rows))
            for warning in () if options.no_warnings else result.warnings:
                print(f"\nWARNING: {warning}")
        return 0
    if options.command == "doctor":
        rows = doctor.examine(PROJECT, options.stack, machine, store, settings)
        print(doctor.table(rows))
        return 1 if any(row.remedy for row in rows) else 0
    pins.save(pinning.pin(settings, vendor.mirrors(os.environ), progress))
    print(f"{Path(pins.PINS_FILE).relative_to(PROJECT)} now holds the vendor's checksums. Commit it.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
