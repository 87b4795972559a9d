"""Hasura's boolean expressions, by which permissions choose rows: in words, and held against each other. Pure.

Syntax: https://hasura.io/docs/2.0/api-reference/syntax-defs/#boolexp. An operator begins with ``_`` or, in its
old form, with ``$``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from components.hasura.json_types import Json
from components.schema.engine_forms import table_key
from components.schema.words import code, shortened, value

Rows = Literal["same", "wider", "narrower", "other"]
"""How the rows of one expression stand to those of another. `other` is said wherever nothing is certain."""

LONGEST: Final = 1200
"""Characters of an expression in words from which on it is cut."""

_COMPARED: Final = {
    "eq": "=",
    "ne": "is not",
    "neq": "is not",
    "gt": ">",
    "lt": "<",
    "gte": ">=",
    "lte": "<=",
    "in": "is one of",
    "nin": "is none of",
    "like": "is like",
    "nlike": "is not like",
    "ilike": "is like, in any case,",
    "nilike": "is not like, in any case,",
    "similar": "is similar to",
    "nsimilar": "is not similar to",
    "regex": "matches",
    "iregex": "matches, in any case,",
    "nregex": "does not match",
    "niregex": "does not match, in any case,",
    "contains": "contains",
    "contained_in": "is contained in",
    "has_key": "has the key",
    "has_keys_any": "has one of the keys",
    "has_keys_all": "has all of the keys",
}
_TO_COLUMN: Final = {
    "ceq": "=",
    "cne": "is not",
    "cneq": "is not",
    "cgt": ">",
    "clt": "<",
    "cgte": ">=",
    "clte": "<=",
}
_LOGICAL: Final = ("and", "or", "not", "exists")


@dataclass(frozen=True)
class All:
    """Every part holds; without parts, always."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Any:
    """One part holds; without parts, never."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Not:
    part: Formula


@dataclass(frozen=True)
class Compared:
    """A column by an operator (without its sign) with a value, kept as JSON text."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class Related:
    """A row behind a relationship, or a computed field's, for which a formula holds."""

    name: str
    part: Formula


@dataclass(frozen=True)
class Exists:
    """A row of any table for which a formula holds."""

    table: str
    part: Formula


@dataclass(frozen=True)
class Unread:
    """What is no expression that is known here, as JSON text."""

    text: str


Formula: TypeAlias = "All | Any | Not | Compared | Related | Exists | Unread"


def parse(expression: Json) -> Formula:
    """An expression as a formula."""
    if not isinstance(expression, dict):
        return Unread(_text(expression))
    return _all([_entry(key, inner) for key, inner in expression.items()])


def _entry(key: str, inner: Json) -> Formula:  # noqa: PLR0911 (one form a line)
    logical = key[1:] if key[:1] in ("_", "$") else ""
    if logical == "and" and isinstance(inner, list):
        return _all([parse(part) for part in inner])
    if logical == "or" and isinstance(inner, list):
        return _any([parse(part) for part in inner])
    if logical == "not":
        return Not(parse(inner))
    if logical == "exists" and isinstance(inner, dict):
        return Exists(table_key(inner.get("_table")), parse(inner.get("_where", {})))
    if logical in _LOGICAL:
        return Unread(_text({key: inner}))
    if not isinstance(inner, dict):
        return Compared(key, "eq", _comparable(inner))
    if inner and all(_is_operator(name) for name in inner):
        return _all([Compared(key, name[1:], _comparable(operand)) for name, operand in inner.items()])
    return Related(key, parse(inner))


def _is_operator(name: str) -> bool:
    return name[:1] in ("_", "$") and name[1:] not in _LOGICAL


def _all(parts: list[Formula]) -> Formula:
    flat = tuple(
        dict.fromkeys(p for part in parts for p in (part.parts if isinstance(part, All) else (part,)))
    )
    return flat[0] if len(flat) == 1 else All(flat)


def _any(parts: list[Formula]) -> Formula:
    flat = tuple(
        dict.fromkeys(p for part in parts for p in (part.parts if isinstance(part, Any) else (part,)))
    )
    return flat[0] if len(flat) == 1 else Any(flat)


def _text(of: Json) -> str:
    return json.dumps(of, ensure_ascii=False, sort_keys=True)


def _comparable(of: Json) -> str:
    """JSON text in which session variables, which Hasura reads in any case, are written in one."""
    return _text(_in_one_case(of))


def _in_one_case(of: Json) -> Json:
    if isinstance(of, str) and is_session_variable(of):
        return "-".join(part.capitalize() for part in of.split("-"))
    return [_in_one_case(entry) for entry in of] if isinstance(of, list) else of


def is_session_variable(text: str) -> bool:
    """Whether a text in a permission stands for a session variable (`isSessionVariable` in Hasura's source)."""
    return text.lower().startswith("x-hasura-")


def session_variables(expression: Json) -> tuple[tuple[str, str], ...]:
    """The session variables that an expression compares with, in its order: the column's path (`owner.team_id`, or
    `_exists(public.members).id` behind `_exists`) and the variable in lower case.

    A variable's name counts only where it is the whole operand, as in Hasura.
    """
    return tuple(dict.fromkeys(_variables(parse(expression), "")))


def _variables(formula: Formula, path: str) -> Iterator[tuple[str, str]]:
    match formula:
        case All(parts) | Any(parts):
            for part in parts:
                yield from _variables(part, path)
        case Not(part):
            yield from _variables(part, path)
        case Related(name, part):
            yield from _variables(part, f"{path}{name}.")
        case Exists(table, part):
            yield from _variables(part, f"{path}_exists({table}).")
        case Compared(column, _, of):
            operand = json.loads(of)
            if isinstance(operand, str) and is_session_variable(operand):
                yield f"{path}{column}", operand.lower()


def always(formula: Formula) -> bool:
    """Whether it holds for every row."""
    return formula == All(())


def compared(before: Json, after: Json) -> Rows:
    """How the rows of the expression `after` stand to those of `before`."""
    old, new = parse(before), parse(after)
    wider, narrower = implies(old, new), implies(new, old)
    if wider and narrower:
        return "same"
    return "wider" if wider else "narrower" if narrower else "other"


def implies(one: Formula, other: Formula) -> bool:  # noqa: PLR0911 (one rule a line)
    """Whether every row of `one` is certainly one of `other`. False where it is not certain."""
    if one == other or always(other) or one == Any(()):
        return True
    if isinstance(other, All):
        return all(implies(one, part) for part in other.parts)
    if isinstance(one, Any):
        return all(implies(part, other) for part in one.parts)
    if isinstance(one, All) and any(implies(part, other) for part in one.parts):
        return True
    if isinstance(other, Any):
        return any(implies(one, part) for part in other.parts)
    if isinstance(one, Related) and isinstance(other, Related):
        return one.name == other.name and implies(one.part, other.part)
    if isinstance(one, Exists) and isinstance(other, Exists):
        return one.table == other.table and implies(one.part, other.part)
    if isinstance(one, Compared) and isinstance(other, Compared) and one.column == other.column:
        return _value_implies(one, other)
    return False


def _value_implies(one: Compared, other: Compared) -> bool:
    this, that = json.loads(one.value), json.loads(other.value)
    ours = [this] if one.operator == "eq" else this if one.operator == "in" else None
    if isinstance(ours, list) and other.operator == "in" and isinstance(that, list):
        return all(entry in that for entry in ours)
    if isinstance(ours, list) and other.operator == "is_null" and that is False:
        return None not in ours
    if one.operator == other.operator == "nin" and isinstance(this, list) and isinstance(that, list):
        return all(entry in this for entry in that)
    return False


def rows(expression: Json) -> str:
    """The rows that an expression chooses: "every row", or "only rows where ..."."""
    formula = parse(expression)
    if always(formula):
        return "every row"
    return "no row" if formula == Any(()) else f"only rows where {condition(expression)}"


def condition(expression: Json) -> str:
    """An expression in words, as they follow "where"."""
    # Cut within a code span, a text could become something else: then the whole is shown as a value.
    words = _words(parse(expression))
    return words if len(words) <= LONGEST else code(shortened(_text(expression)))


def _words(formula: Formula) -> str:  # noqa: PLR0911 (one kind a line)
    match formula:
        case All(parts):
            return " and ".join(map(_grouped, parts)) if parts else "(always)"
        case Any(parts):
            return " or ".join(map(_grouped, parts)) if parts else "(never)"
        case Not(part):
            return f"not {_grouped(part)}" if isinstance(part, All | Any) else f"not ({_words(part)})"
        case Exists(table, part):
            where = "" if always(part) else f" where {_grouped(part)}"
            return f"there is a row in {code(table)}{where}"
        case Related():
            return _related(formula)
        case Compared(column, operator, of):
            return f"{code(column)} {_comparison(operator, json.loads(of))}"
        case Unread(text):
            return code(shortened(text))


def _grouped(formula: Formula) -> str:
    grouped = isinstance(formula, All | Any) and len(formula.parts) != 1
    return f"({_words(formula)})" if grouped else _words(formula)


def _related(formula: Related) -> str:
    path = [formula.name]
    part = formula.part
    while isinstance(part, Related):
        path.append(part.name)
        part = part.part
    if isinstance(part, Compared):
        return f"{code('.'.join([*path, part.column]))} {_comparison(part.operator, json.loads(part.value))}"
    behind = code(".".join(path))
    return f"{behind} has no condition" if always(part) else f"{behind} has a row where {_grouped(part)}"


def _comparison(operator: str, of: Json) -> str:
    if operator == "is_null" and isinstance(of, bool):
        return "is null" if of else "is not null"
    if operator in _TO_COLUMN:
        return f"{_TO_COLUMN[operator]} {_column(of)}"
    if operator in _COMPARED:
        return f"{_COMPARED[operator]} {operand(of)}"
    return f"{code('_' + operator)} {operand(of)}"


def _column(of: Json) -> str:
    if isinstance(of, str):
        return f"the column {code(of)}"
    if isinstance(of, list) and len(of) == 2 and of[0] == "$" and isinstance(of[1], str):
        return f"the column {code(of[1])} of the table itself"
    return value(of)


def operand(of: Json) -> str:
    """A value of an expression or a preset: a session variable by its name, a text in quotes."""
    if isinstance(of, str):
        return code(str(_in_one_case(of))) if is_session_variable(of) else code(f"'{shortened(of)}'")
    if isinstance(of, list) and of and not any(isinstance(entry, list | dict) for entry in of):
        return ", ".join(map(operand, of))
    return value(of)


def presets(columns: Mapping[str, Json]) -> str:
    """Columns and what the engine sets them to."""
    return ", ".join(f"{code(name)} set to {operand(of)}" for name, of in sorted(columns.items()))
