"""Links between Markdown files: that files and headings are there. Nothing is asked of the network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MENTIONED = re.compile(r"^(?:[\w.-]+/)+[\w.-]+\.(?:md|py|ya?ml|json|toml|sql|sh)$")
"""What a code span names as a file of this project."""


def broken(root: Path, files: Iterable[Path]) -> list[str]:
    """What leads nowhere, as `file:line: ...`: links, and code spans that name a file in a folder which is there."""
    found = []
    for file in files:
        for line, target in _targets(file.read_text(encoding="utf-8")):
            if (why := _trouble(root, file, target)) is not None:
                found.append(f"{file.relative_to(root)}:{line}: {why}")
    return found


def headings(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    anchors: set[str] = set()
    tokens = MarkdownIt().parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            plain = "".join(child.content for child in inline.children or ())
            anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            number = 0
            while (numbered := f"{anchor}-{number}" if number else anchor) in anchors:
                number += 1
            anchors.add(numbered)
    return anchors


def _targets(text: str) -> Iterator[tuple[int, str]]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 1
        for child in _within(token):
            if child.type == "link_open":
                yield line, str(child.attrs.get("href", ""))
            elif child.type == "image":
                yield line, str(child.attrs.get("src", ""))
            elif child.type == "code_inline" and _MENTIONED.match(child.content):
                yield line, f"`{child.content}"


def _within(token: Token) -> list[Token]:
    return token.children or []


def _trouble(root: Path, file: Path, target: str) -> str | None:
    if target.startswith("`"):
        named = target[1:]
        first = named.split("/", 1)[0]
        # Files of somebody else's, or ones that a reader makes, lie in folders that are not here.
        if not (root / first).is_dir() or (root / named).exists() or (file.parent / named).exists():
            return None
        return f"names {named}, which is not there"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not path.exists():
        return f"leads to {target}, which is not there"
    if (
        parts.fragment
        and path.suffix == ".md"
        and parts.fragment not in headings(path.read_text(encoding="utf-8"))
    ):
        return f"leads to {target}, where no heading has this name"
    return None
