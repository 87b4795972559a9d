"""Sentences with code spans, taken apart again for what is drawn without Markdown. Pure.

The inverse of `components.schema.words.code`, after CommonMark ("Code spans"): nothing else in them formats.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from markdown_it import MarkdownIt


class Span(NamedTuple):
    """A piece of a sentence."""

    text: str
    is_code: bool


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("zero").enable("backticks")


def spans(words: str) -> tuple[Span, ...]:
    """The pieces of a sentence, in order."""
    [inline] = _reader().parseInline(words)
    return tuple(
        Span(token.content, token.type == "code_inline") for token in inline.children or () if token.content
    )


def plain(words: str) -> str:
    """The sentence without marks."""
    return "".join(span.text for span in spans(words))
