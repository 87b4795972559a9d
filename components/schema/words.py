"""How names and values stand in a sentence that a terminal prints and Markdown renders. Pure.

Whatever comes from a file or an engine stands in a code span: there it is shown as it is, whatever it holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from components.hasura.json_types import Json

LONGEST = 400
"""Characters of a value from which on it is cut."""


def code(text: str) -> str:
    """A code span (CommonMark, "Code spans") that shows `text` letter by letter.

    What does not print, line ends and marks of writing direction among it, is written as an escape.
    """
    shown = printable(text)
    longest, run = 0, 0
    for character in shown:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    # A span of spaces alone keeps them; else one space at both ends is taken for padding.
    padded = shown[:1] in ("`", " ") or shown[-1:] in ("`", " ") or not shown
    return f"{fence} {shown} {fence}" if padded else f"{fence}{shown}{fence}"


def printable(text: str, *, also: str = "") -> str:
    """`text` with escapes for what does not print; characters of `also` stay."""
    return "".join(c if c.isprintable() or c in also else c.encode("unicode_escape").decode() for c in text)


def names(texts: Iterable[str]) -> str:
    """Names in code spans, in their order, with commas."""
    return ", ".join(map(code, texts))


def value(of: Json) -> str:
    """A JSON value in a code span."""
    return code(shortened(json.dumps(of, ensure_ascii=False, sort_keys=True)))


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text`, or its beginning with its size and the start of its SHA-256, so that two cut texts differ."""
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[:longest]}... ({len(text)} characters, SHA-256 {digest}...)"
