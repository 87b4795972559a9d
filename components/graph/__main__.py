"""`python -m components.graph`: how a signed-in user's identity gets to their rows, and who may do what, as a picture.

Previews the stack and draws it as the program wants it now: as Markdown with a Mermaid flowchart to standard output
(or --markdown FILE), and as one page to --html FILE. With --diff, what is not as it was deployed last is marked.
Nothing is changed.

Exit codes:

    0  drawn, whether or not something differs
    1  the preview failed (what it said is on standard error), or this command was called wrongly
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.graph import markdown, page
from components.graph.inputs import inputs
from components.graph.picture import Picture, picture
from components.plan import preview
from components.plan.command_line import FAILED, INTERRUPTED, Parser, write
from components.plan.document import make
from components.plan.events import EventError, parse, read
from components.plan.progress import progress
from components.plan.redaction import redactor


class GraphError(Exception):
    """There is nothing to draw. The text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        drawn = _picture(parsed)
        if parsed.markdown or parsed.html:
            if parsed.markdown:
                write(parsed.markdown, markdown.document(drawn))
            if parsed.html:
                write(parsed.html, page.page(drawn))
        else:
            print(markdown.document(drawn), end="")
    except (preview.PreviewError, EventError, GraphError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m components.graph",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", help="the stack; without it the selected one")
    parser.add_argument("--diff", action="store_true", help="mark what is not as it was deployed last")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--html", type=Path, metavar="FILE")
    parser.add_argument(
        "--events",
        type=argparse.FileType("r"),
        metavar="FILE",
        help="read the events of a preview that was made elsewhere (- for standard input); needs --stack",
    )
    return parser


def _picture(parsed: argparse.Namespace) -> Picture:
    root, environment = Path.cwd(), preview.environment()
    redact = redactor(environment)
    if parsed.events and not parsed.stack:
        raise GraphError("--events needs --stack: events do not tell the name of their stack.")
    stack = parsed.stack or preview.selected_stack(root, environment)
    if parsed.events:
        printed = preview.Printed(events=tuple(parsed.events), beside="")
    else:
        with progress(stack) as on_line:
            printed = preview.run(stack, root, environment, on_line=on_line)
    seen = read(parse(printed.events), redact)
    if not seen.succeeded:
        problems = make(seen, stack=stack, also_said=redact(printed.beside)).problems
        raise GraphError("\n\n".join(["Nothing is drawn, for this reason:", *problems]))
    # Its name with organisation and project means the same.
    return picture(inputs(seen, stack=stack.rsplit("/", 1)[-1]), diff=parsed.diff)


if __name__ == "__main__":
    sys.exit(main())
