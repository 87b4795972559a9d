"""The commands that README and docs show, and what is said of them: what runs, what cannot and why, what is printed.

A fenced block marked `sh` holds commands for a shell (bash). What is said of a block stands in a comment before it,
which a reader of the page does not see:

    <!-- not run: REASON -->            one of REASONS
    <!-- run by: tests/FILE.py::TEST --> another test runs the same commands
    <!-- ends with an error -->          it is run, and must end with another code than 0
    <!-- prints -->                      before a block `text`: lines that the last block which is run prints
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = (
    "*.md",
    "benchmarks/*.md",
    "docs/**/*.md",
    "examples/*/*.md",
    "local/**/*.md",
    "policy/*.md",
)
SHELL: Final = "sh"
REASONS: Final = frozenset(
    {
        "needs a Clerk application",
        "needs a Docker host elsewhere",
        "needs a name that resolves to it",
        "needs a Postgres that somebody else runs",
        "needs a passphrase that is not public",
        "needs an image registry",
        "is what runs this",
        "is a job of the workflow test",
    }
)
"""Why a block is not run. Each is something that a test cannot have."""

_MARK: Final = re.compile(r"<!--\s*(not run|run by|ends with an error|prints)\s*(?::\s*(.*?))?\s*-->")


class MarkError(Exception):
    """What is said of a block makes no sense. The message has file and line."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Lines that a block prints; `...` stands for anything, and a number for any number."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands as a document shows them."""

    document: str
    line: int
    """The first line of the commands, counted from 1."""
    text: str
    not_run: str | None = None
    run_by: str | None = None
    fails: bool = False
    printed: list[Printed] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.not_run is None and self.run_by is None

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def documents(root: Path = ROOT) -> list[str]:
    """README and docs, by their paths."""
    return sorted({str(path.relative_to(root)) for form in DOCUMENTS for path in root.glob(form)})


def blocks(document: str, root: Path = ROOT) -> list[Block]:
    """The blocks of commands of a document, in its order. Raises MarkError for a comment that makes no sense."""
    return read((root / document).read_text(encoding="utf-8"), document)


def read(text: str, document: str) -> list[Block]:
    found: list[Block] = []
    marks: list[tuple[str, str]] = []
    for token in MarkdownIt("commonmark").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            marks = [(kind, said) for kind, said in _MARK.findall(token.content)]
            continue
        if token.type == "fence":
            language = (token.info.split() or [""])[0]
            if language == SHELL:
                found.append(_block(document, line + 1, token.content, marks))
            elif any(kind == "prints" for kind, _ in marks):
                runs = [block for block in found if block.runs]
                if not runs:
                    raise MarkError(f"{document}:{line}: nothing that is run before it prints this")
                runs[-1].printed.append(Printed(line=line + 1, text=token.content))
            elif marks:
                raise MarkError(f"{document}:{line}: {marks[0][0]} is for a block marked {SHELL}")
            elif language in ("bash", "shell", "console", "zsh"):
                raise MarkError(f"{document}:{line}: mark commands as {SHELL}, not as {language}")
        elif marks and token.type not in ("paragraph_close",):
            raise MarkError(f"{document}:{line}: a comment about a block, and no block after it")
        marks = []
    return found


def _block(document: str, line: int, text: str, marks: list[tuple[str, str]]) -> Block:
    said = dict(marks)
    if len(said) > 1 or "prints" in said:
        raise MarkError(f"{document}:{line}: say one thing of a block of commands, not {', '.join(said)}")
    reason = said.get("not run")
    if reason is not None and reason not in REASONS:
        raise MarkError(
            f"{document}:{line}: `{reason}` is no reason; there are: {', '.join(sorted(REASONS))}"
        )
    return Block(
        document=document,
        line=line,
        text=text,
        not_run=reason,
        run_by=said.get("run by"),
        fails="ends with an error" in said,
    )


def spans(text: str) -> Iterator[tuple[int, str]]:
    """What stands in code within prose and tables, with its line."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 1
        for child in token.children or ():
            if child.type == "code_inline":
                yield line, child.content


def script(of: list[Block], outputs: Path, given: str = "") -> str:
    """A shell script that runs blocks of one document in order, each command in the line where the document has it.

    It stops at the first command that fails, by file and line. What a block prints goes to `outputs`/LINE.txt. `given`
    runs before.
    """
    lines: dict[int, str] = {}
    for block in of:
        body = block.text.splitlines()
        last = block.line + len(body)
        # In the lines of the fence, so that the commands keep theirs.
        opening = f"exec > '{outputs}/{block.line}.txt' 2>&1"
        if block.fails:
            lines[block.line - 1] = f"{opening}; set +eE; trap - ERR"
            lines[last] = (
                f'test $? -ne 0 || {{ echo "{block.place} ended without an error"; exit 1; }}; {_ON}'
            )
        else:
            lines[block.line - 1] = opening
            # A list that its first part has ended does not count as an error to `set -e`.
            lines[last] = "test $? -eq 0"
        lines |= {block.line + index: line for index, line in enumerate(body)}
    return (
        "\n".join([f"{_ON}; {given}", *(lines.get(number, "") for number in range(2, max(lines) + 1))]) + "\n"
    )


_ON: Final = "set -eE; trap 'echo \"stopped in line $LINENO\"' ERR"


def missing(printed: str, output: str) -> list[str]:
    """The lines of `printed` that `output` does not have in this order."""
    rest = iter([_folded(line) for line in output.splitlines()])
    gone = []
    for line in filter(None, map(_folded, printed.splitlines())):
        if line == "...":
            continue
        form = re.compile(".*".join(re.escape(piece) for piece in line.split("...")))
        if not any(form.fullmatch(seen) for seen in rest):
            gone.append(line)
            break
    return gone


def _folded(line: str) -> str:
    """A line without what differs from run to run: numbers, and how wide a table is."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)*", "0", line)).strip()
