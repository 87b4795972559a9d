"""`make reference`: writes tables of settings from `Pulumi.yaml`: all of them into `docs/reference/settings.md`, those
that are set first into `README.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from components.plan.markdown import prose, table
from components.schema.words import code
from components.settings import SECRET_KEYS

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "reference" / "settings.md"
README: Final = ROOT / "README.md"
MANIFEST: Final = ROOT / "Pulumi.yaml"

SET_FIRST: Final = (
    "clerkPublishableKey",
    "clerkSecretKey",
    "hasuraCorsDomains",
    "jwtTemplateClaims",
    "userRole",
    "production",
    "proof",
    "databaseUrl",
    "hasuraImage",
    "postgresImage",
    "replicas",
    "ingress",
    "rollback",
    "secretsRotation",
)
"""What nearly every stack of one's own decides, in the order in which it comes up."""

_HEADING: Final = re.compile(r"# --- (.+?) -{3,}$")
_INTRODUCTION: Final = """\
# Settings

Written by `make reference` from `Pulumi.yaml`, which declares them; a test compares the two. `pulumi config set KEY
VALUE` changes one for the selected stack, `pulumi config rm KEY` goes back to the default. An object or a list is set
part by part (`pulumi config set --path 'hasuraCorsDomains[0]' https://app.example.com`) or as YAML in the stack's file.
A secret is set with `--secret`, and refused without it."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading of `Pulumi.yaml`, and the rows beneath it: key, type, default, meaning, all as Markdown."""

    title: str
    rows: tuple[tuple[str, str, str, str], ...]


def sections(manifest: str) -> tuple[Section, ...]:
    """The settings that the text of a `Pulumi.yaml` declares, in its order."""
    declared = yaml.safe_load(manifest)["config"]
    titles: dict[str, list[tuple[str, str, str, str]]] = {}
    title = ""
    for line in manifest.splitlines():
        if heading := _HEADING.fullmatch(line.strip()):
            title = heading[1]
        elif (key := re.fullmatch(r"  (\w+):", line)) and key[1] in declared:
            titles.setdefault(title, []).append(_row(key[1], declared))
    return tuple(Section(title=name, rows=tuple(rows)) for name, rows in titles.items())


def _row(key: str, every: dict[str, dict[str, object]]) -> tuple[str, str, str, str]:
    declared = every[key]
    said = str(declared["description"]).removeprefix("Secret. ")
    return code(key), _type(key, declared), _default(declared["default"]), _text(said, every)


def _type(key: str, declared: dict[str, object]) -> str:
    items = declared.get("items")
    named = f"list of {items['type']}s" if isinstance(items, dict) else str(declared["type"])
    return f"{named}, secret" if key in SECRET_KEYS else named


def _default(of: object) -> str:
    if of in ("", [], {}):
        return "none"
    return code(of if isinstance(of, str) else json.dumps(of))


def _text(said: str, keys: Iterable[str]) -> str:
    """A description, which is plain text, with the keys that it names as code."""
    # A key of one word, `proof` or `lint`, is a word like any other.
    named = re.compile("|".join(rf"\b{key}\b" for key in keys if not key.islower()))
    pieces = re.split(f"({named.pattern})", said)
    return "".join(code(piece) if index % 2 else _plain(piece) for index, piece in enumerate(pieces))


def _plain(piece: str) -> str:
    inner = prose(piece)
    # The spaces around it, which a sentence has not.
    return f"{' ' if piece[:1] == ' ' else ''}{inner}{' ' if inner and piece[-1:] == ' ' else ''}"


def document(manifest: str) -> str:
    """The page for the text of a `Pulumi.yaml`."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: str) -> Iterator[str]:
    yield _INTRODUCTION
    for section in sections(manifest):
        yield ""
        yield f"## {section.title}"
        yield ""
        yield from table(("key", "type", "default", "meaning"), section.rows)


def with_table(text: str, manifest: str) -> str:
    """A page with the table of what is set first, between its two comments, for the text of a `Pulumi.yaml`."""
    before, begin, rest = text.partition("<!-- settings -->\n")
    _, end, after = rest.partition("<!-- end of settings -->\n")
    if not begin or not end:
        raise ValueError("the comments `settings` and `end of settings` are not in the page")
    rows = {row[0]: row for section in sections(manifest) for row in section.rows}
    shown = "\n".join(table(("key", "type", "default", "meaning"), [rows[code(key)] for key in SET_FIRST]))
    return f"{before}{begin}{shown}\n{end}{after}"


def main() -> None:
    """Writes both tables."""
    manifest = MANIFEST.read_text(encoding="utf-8")
    PAGE.write_text(document(manifest), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), manifest), encoding="utf-8")
    print(f"Written: {PAGE.relative_to(ROOT)}, and the table in {README.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
