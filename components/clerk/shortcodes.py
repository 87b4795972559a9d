"""Shortcodes in the claims of a JWT template: ``{{user.public_metadata.role || 'user'}}``.

Pure: no I/O. From Clerk's guide ``guides/sessions/jwt-templates``: a claim
that is one shortcode and nothing else keeps the native type of its value, and
an unknown reference gives null; among other text it always gives a string,
null as ``null``. ``||`` takes the first operand that is neither null nor
false, else the last one. Literals are single-quoted strings, numbers and
booleans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

OperandKind = Literal["reference", "string", "number", "boolean"]

_NATIVE: Final[dict[str, Literal["string", "number", "boolean", "object"]]] = {
    "user.id": "string",
    "user.first_name": "string",
    "user.last_name": "string",
    "user.full_name": "string",
    "user.username": "string",
    "user.image_url": "string",
    "user.created_at": "number",
    "user.updated_at": "number",
    "user.last_sign_in_at": "number",
    "user.external_id": "string",
    "user.primary_email_address": "string",
    "user.primary_phone_address": "string",
    "user.primary_phone_number": "string",
    "user.email_verified": "boolean",
    "user.phone_number_verified": "boolean",
    "user.public_metadata": "object",
    "user.unsafe_metadata": "object",
    "org.id": "string",
    "org.name": "string",
    "org.role": "string",
    "org.slug": "string",
    "org.image_url": "string",
    "org.public_metadata": "object",
    "org_membership.public_metadata": "object",
    "session.actor": "object",
}
_METADATA: Final = (
    "user.public_metadata",
    "user.unsafe_metadata",
    "org.public_metadata",
    "org_membership.public_metadata",
)
_NEVER_EMPTY: Final = frozenset({"user.id", "user.created_at", "user.updated_at", "user.image_url"})
_CHOSEN_BY_USERS: Final = frozenset(
    {
        *("user.first_name", "user.last_name", "user.full_name", "user.username", "user.image_url"),
        # Whoever may make an organization names it.
        *("org.name", "org.slug", "org.image_url"),
    }
)

_CODE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_OPERAND: Final = re.compile(
    r"""\s*(?:
        (?P<string>'[^']*')
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
      | (?P<boolean>true|false)
      | (?P<reference>[A-Za-z_][A-Za-z0-9_]*(?:\.[^\s.'"|{}]+)*)
    )\s*(?P<end>\|\||$)""",
    re.VERBOSE,
)


class ShortcodeError(ValueError):
    """A shortcode that Clerk cannot read. ``problem`` and ``remedy`` lack their full stop."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}.")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One alternative of a shortcode: a reference to a value, or a literal with its ``value`` as text."""

    kind: OperandKind
    text: str
    value: str = ""

    @property
    def is_known(self) -> bool:
        """Whether Clerk's guide names it, or it lies within metadata or the actor."""
        within = _prefixes((*_METADATA, "session.actor"))
        return self.kind != "reference" or self.text in _NATIVE or self.text.startswith(within)

    @property
    def may_be_empty(self) -> bool:
        """Whether a user without it gives null."""
        return self.kind == "reference" and self.text not in _NEVER_EMPTY

    @property
    def native_kind(self) -> Literal["string", "number", "boolean", "object", "unknown"]:
        """The type that a lone shortcode keeps; within metadata nobody can know it."""
        if self.kind == "reference":
            return _NATIVE.get(self.text, "unknown")
        return self.kind

    @property
    def is_whole_metadata(self) -> bool:
        """Whether it inserts a whole metadata object."""
        return self.text in _METADATA

    @property
    def reads_unsafe_metadata(self) -> bool:
        """Whether it is written by the user, through the browser."""
        return self.kind == "reference" and "unsafe_metadata" in self.text.split(".")

    @property
    def is_chosen_by_users(self) -> bool:
        """Whether users choose it for themselves, as their names: nobody vouches for it."""
        return self.kind == "reference" and self.text in _CHOSEN_BY_USERS


@dataclass(frozen=True, kw_only=True)
class Shortcode:
    """What stands between double braces: the ``text`` as written, stripped, and its alternatives."""

    text: str
    operands: tuple[Operand, ...]

    @property
    def may_be_empty(self) -> bool:
        """Whether no alternative is sure to give a value."""
        return all(operand.may_be_empty for operand in self.operands)

    @property
    def reads_unsafe_metadata(self) -> bool:
        """Whether any alternative is written by the user."""
        return any(operand.reads_unsafe_metadata for operand in self.operands)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text with its shortcodes. ``is_lone`` says that it is one shortcode and nothing else."""

    shortcodes: tuple[Shortcode, ...]
    is_lone: bool


def parse(text: str) -> Template:
    """Find the shortcodes of a text. Raises ShortcodeError for one that Clerk cannot read."""
    rest = _CODE.sub("", text)
    if "{{{" in text:
        raise ShortcodeError(
            f"{_short(text)} has three braces in a row, of which one is text",
            "Part it from the shortcode by a space, as { {{user.id}} }; a Postgres array may have it",
        )
    if "{{" in rest or "}}" in rest:
        raise ShortcodeError(
            f"{_short(text)} opens or closes double braces without their counterpart",
            "Write {{name}}, as {{user.id}}",
        )
    codes = tuple(_shortcode(match[1]) for match in _CODE.finditer(text))
    return Template(shortcodes=codes, is_lone=len(codes) == 1 and not rest.strip())


def _shortcode(body: str) -> Shortcode:
    text = body.strip()
    if not text:
        raise ShortcodeError("{{}} names no value", "Name one, as {{user.id}}")
    operands: list[Operand] = []
    position = 0
    while True:
        match = _OPERAND.match(text, position)
        if match is None:
            raise _unreadable(text, text[position:].strip())
        operands.append(_operand(match))
        position = match.end()
        if not match["end"]:
            return Shortcode(text=text, operands=tuple(operands))


def _operand(match: re.Match[str]) -> Operand:
    if match["string"] is not None:
        return Operand(kind="string", text=match["string"], value=match["string"][1:-1])
    if match["number"] is not None:
        return Operand(kind="number", text=match["number"], value=match["number"])
    if match["boolean"] is not None:
        return Operand(kind="boolean", text=match["boolean"], value=match["boolean"])
    return Operand(kind="reference", text=match["reference"])


def _unreadable(text: str, rest: str) -> ShortcodeError:
    if not rest:
        return ShortcodeError(
            f"{{{{{_short(text)}}}}} ends with || and no default", "Write one in single quotes"
        )
    if rest.startswith('"'):
        return ShortcodeError(
            f"{{{{{_short(text)}}}}} has a default in double quotes", "Clerk takes single quotes only: 'user'"
        )
    return ShortcodeError(
        f"{{{{{_short(text)}}}}} cannot be read at {_short(rest)!r}",
        "Write references and single-quoted defaults, separated by ||",
    )


def _prefixes(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}." for name in names)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
