"""JSON decoding with the messages of the engine's own decoder (aeson), which clients see."""

from __future__ import annotations

import json

from local.engine.json_types import Json, kind

_EXPECTED = (
    ("Expecting property name", "record key literal or }"),
    ("Illegal trailing comma before end of object", "record key literal or }"),
    ("Expecting ':'", ":"),
    ("Expecting value", "JSON value"),
    ("Extra data", "end-of-input"),
)


def decode(text: str | bytes) -> Json:
    """Decode a JSON document. Raises ValueError whose text is the engine's message for it."""
    try:
        source = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise ValueError("Cannot decode input: Data.Text.Encoding: Invalid UTF-8 stream") from error
    try:
        decoded: Json = json.loads(source, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(_message(source, error)) from error
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error
    return decoded


def _refuse_constant(name: str) -> Json:
    # NaN and Infinity are Python's own, not JSON.
    raise ValueError(f'Unexpected "{name}", expecting JSON value')


def _message(source: str, error: json.JSONDecodeError) -> str:
    expected = next((words for start, words in _EXPECTED if error.msg.startswith(start)), None)
    if error.msg.startswith("Expecting ','"):
        expected = ", or }" if source.rfind("{", 0, error.pos) > source.rfind("[", 0, error.pos) else ", or ]"
    rest = source[error.pos :].lstrip(" \t\r\n")
    found = f'Unexpected "{rest[:40]}"' if rest else "Unexpected end-of-input"
    return f"{found}, expecting {expected}" if expected else f"{found}: {error.msg}"


def expected(what: str, wanted: str, found: Json) -> str:
    """The message for a value of the wrong JSON type: `what` names the type being parsed."""
    return f"parsing {what} failed, expected {wanted}, but encountered {kind(found)}"
