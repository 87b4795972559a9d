"""No secret goes into a plan, whatever the inputs hold. Pure.

Pulumi marks what it knows to be secret, and that is never shown. This is for what nobody has marked: a key in an
error message, a password in a migration, a token that was pasted into metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

SECRET: Final = "[secret]"  # noqa: S105 (what stands for one)
"""What stands in a secret's place, as in Pulumi's own output."""

Redact = Callable[[str], str]

_NAMES: Final = re.compile(r"(SECRET|PASSWORD|PASSPHRASE|TOKEN|API_KEY|SECRET_KEY|ACCESS_KEY)(_|$)")
"""Environment variables that hold secrets, by their names' ends."""

SHORTEST: Final = 8
"""Characters from which on a value of the environment is looked for: shorter ones are parts of words."""

_PATTERNS: Final = (
    # Clerk's keys and webhook secrets, Pulumi's access tokens, in the vendors' own forms.
    (re.compile(r"\bsk_(?:test|live)_[A-Za-z0-9_-]+"), SECRET),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), SECRET),
    (re.compile(r"\bpul-[0-9a-f]{40}\b"), SECRET),
    # A token in compact form (RFC 7519 section 3, whose header always begins so).
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), SECRET),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        SECRET,
    ),
    # The userinfo of an address (RFC 3986 section 3.2.1).
    (re.compile(r"(?<=://)[^/?#\s@'\"`]*:[^/?#\s'\"`]*@"), f"{SECRET}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {SECRET}"),
    (re.compile(r"(?i)(x-hasura-admin-secret['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+"), rf"\1{SECRET}"),
    # `create role ... password '...'`, `alter role ... encrypted password e'...'`.
    (re.compile(r"(?i)(\bpassword\s*[:=]?\s*)(?:[eun]&?)?'(?:[^']|'')*'"), rf"\1'{SECRET}'"),
)


def redactor(environment: Mapping[str, str]) -> Redact:
    """A function that takes secrets out of a text: those of the environment, and whatever has a secret's form."""
    found = {value for name, value in environment.items() if _NAMES.search(name) and len(value) >= SHORTEST}
    # The longest first: one may be a part of another.
    known = sorted(found, key=lambda value: (-len(value), value))

    def redact(text: str) -> str:
        for value in known:
            text = text.replace(value, SECRET)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text

    return redact
