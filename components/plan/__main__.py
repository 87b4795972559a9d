"""`python -m components.plan`: what `pulumi up` would do, as a document for those who approve it.

Previews the stack and writes the plan as Markdown to standard output (or --markdown FILE), and as JSON to --json
FILE. Nothing is changed.

Exit codes:

    0  nothing changes; with --expect: the plan is the expected one
    1  the preview failed (the document says why), or this command was called wrongly
    2  something changes
    3  drift was found (--drift only), whether or not something else changes
    4  with --expect: the plan is another one than the expected
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from components.plan import json_shape, markdown, preview
from components.plan.command_line import FAILED, INTERRUPTED, Parser, write
from components.plan.document import EXIT_CODES, Plan, make, pending
from components.plan.events import EventError, parse, read
from components.plan.files import read_files
from components.plan.progress import progress
from components.plan.redaction import Redact, redactor

ANOTHER: Final = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        plan = _plan(parsed)
    except (preview.PreviewError, EventError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    text = markdown.document(plan)
    if parsed.markdown:
        write(parsed.markdown, text)
    else:
        print(text, end="")
    if parsed.json:
        write(parsed.json, json_shape.text(plan))
    return _code(plan, parsed.expect)


def _code(plan: Plan, expected: str | None) -> int:
    code = EXIT_CODES[plan.outcome]
    if expected is None or code == FAILED:
        return code
    found = json_shape.fingerprint(plan)
    if found == expected:
        return EXIT_CODES["no change"]
    print(
        f"This is another plan than the expected one: its fingerprint is {found}, expected was {expected}. "
        "Somebody has to look at it and approve it.",
        file=sys.stderr,
    )
    return ANOTHER


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m components.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", help="the stack; without it the selected one")
    parser.add_argument("--drift", action="store_true", help="look at what is really there as well")
    parser.add_argument(
        "--expect", metavar="FINGERPRINT", help="the fingerprint of the plan that was approved"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--policy-pack", action="append", default=[], metavar="FOLDER", help="may be repeated"
    )
    parser.add_argument(
        "--events",
        type=argparse.FileType("r"),
        metavar="FILE",
        help="read the events of a preview that was made elsewhere (- for standard input); needs --stack",
    )
    parser.add_argument(
        "further", nargs="*", metavar="-- ARGUMENT", help="further arguments of `pulumi preview`"
    )
    return parser


def _plan(parsed: argparse.Namespace) -> Plan:
    root, environment = Path.cwd(), preview.environment()
    redact = redactor(environment)
    if parsed.events:
        if not parsed.stack:
            raise preview.PreviewError("--events needs --stack: events do not tell the name of their stack.")
        return _of(
            preview.Printed(events=tuple(parsed.events), beside=""), parsed.stack, parsed.drift, root, redact
        )
    stack = parsed.stack or preview.selected_stack(root, environment)
    with progress(stack) as on_line:
        printed = preview.run(
            stack,
            root,
            environment,
            refresh=parsed.drift,
            policy_packs=parsed.policy_pack,
            further=parsed.further,
            on_line=on_line,
        )
    return _of(printed, stack, parsed.drift, root, redact)


def _of(printed: preview.Printed, stack: str, drift: bool, root: Path, redact: Redact) -> Plan:
    seen = read(parse(printed.events), redact)
    files = read_files(pending(seen), root, redact)
    return make(
        seen,
        # Its name with organisation and project means the same.
        stack=stack.rsplit("/", 1)[-1],
        sql=files.sql,
        findings=files.findings,
        drift=drift,
        also_said=redact(printed.beside),
    )


if __name__ == "__main__":
    sys.exit(main())
