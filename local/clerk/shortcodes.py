"""Rendering of a template's claims: `{{user.id}}`, `{{a || 'b'}}`, `Hello {{user.first_name}}`.

Rules from Clerk's guide to JWT templates: a claim that is one shortcode alone keeps the value's own
type; an unknown shortcode is null; a shortcode inside a longer string always gives a string, with null
as "null"; `||` takes the first operand that is neither null nor false, else the last one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

# A quoted literal may hold `}}` and `||`, hence the alternatives with quotes first.
_SHORTCODE = re.compile(r"\{\{((?:'[^']*'|(?!\}\}).)*)\}\}", re.DOTALL)
_OPERAND = re.compile(r"\s*('[^']*'|[^'|]+?)\s*(\|\||$)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def render(claims: Json, context: Mapping[str, Json]) -> Json:
    """Return `claims` with every shortcode replaced by its value in `context`; keys stay as they are."""
    if isinstance(claims, str):
        return _text(claims, context)
    if isinstance(claims, list):
        return [render(item, context) for item in claims]
    if isinstance(claims, dict):
        return {key: render(value, context) for key, value in claims.items()}
    return claims


def _text(text: str, context: Mapping[str, Json]) -> Json:
    alone = _SHORTCODE.fullmatch(text)
    if alone:
        return _expression(alone.group(1), context)
    return _SHORTCODE.sub(lambda match: _as_string(_expression(match.group(1), context)), text)


def _expression(source: str, context: Mapping[str, Json]) -> Json:
    value: Json = None
    position = 0
    while position <= len(source):
        match = _OPERAND.match(source, position)
        if match is None:
            return None
        value = _operand(match.group(1), context)
        if (value is not None and value is not False) or not match.group(2):
            return value
        position = match.end()
    return value


def _operand(word: str, context: Mapping[str, Json]) -> Json:
    if word.startswith("'"):
        return word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    if _NUMBER.fullmatch(word):
        return float(word) if "." in word else int(word)
    value: Json = dict(context)
    for key in word.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _as_string(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
