"""The chain as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.graph.chain import Link
from components.graph.marks import Mark
from components.graph.matrix import Matrix, Role, RoleOnTable, Table
from components.graph.picture import Picture
from components.graph.spans import plain

MOST_IN_ONE: Final = 6
"""Pairs of a role and a table up to which everything is one picture."""
MOST_TABLES: Final = 12
"""Tables of a role that are drawn; a picture of more is read by nobody. Those that differ come first."""
LONGEST: Final = 90
"""Characters of a line in a box from which on it is cut; the tables of the document have all."""

_STYLES: Final = (
    "classDef added fill:#d9f2e3,stroke:#14724a,color:#0b3d27,stroke-width:2px",
    "classDef changed fill:#fdefcf,stroke:#96650a,color:#4a3204,stroke-width:2px",
    "classDef removed fill:#fbdedb,stroke:#a3261c,color:#5c140e,stroke-width:2px,stroke-dasharray:5 4",
)
_WIDTH: Final = '%%{init: {"flowchart": {"wrappingWidth": 440}}}%%'
"""Addresses fit a line; the usual 200 pixels break them."""
# A percent sign begins a comment, a backtick Markdown, an angle bracket a tag.
_BEFORE_ESCAPE: Final = re.compile(r":(?=\S*#)")
"""A colon that would have Mermaid take what follows for a colour, were the word `style` before it."""
_SPECIAL: Final = re.compile(r"[#\"<>&%`]")


@dataclass(frozen=True, kw_only=True)
class Flowchart:
    """One picture: the lines of a Mermaid block. `role` is empty for the chain itself."""

    role: str
    text: str


def flowcharts(picture: Picture) -> tuple[Flowchart, ...]:
    """The chain from the application to the rows in one picture, or where that would be too wide, to the roles, and
    one picture from each role to its rows."""
    roles = given_roles(picture.matrix)
    reached = {role.name: _reached(picture.matrix, role) for role in roles}
    whole = sum(map(len, reached.values())) <= MOST_IN_ONE
    lines: list[str] = []
    marks: dict[str, Mark] = {}
    for link in picture.chain.links:
        lines.append(f"{link.key}[{_box(_lines(link))}]")
        marks[link.key] = link.mark
    lines += [
        f"application -->|{_label('has the')}| template",
        f"template -->|{_label('signed in, getToken')}| token",
        f"application -->|{_label('publishes')}| jwks",
        f"token -->|{_label('with each request')}| engine",
        f"jwks -->|{_label('checked with')}| engine",
    ]
    tables: dict[str, str] = {}
    for number, role in enumerate(roles):
        lines += [_role(role, number, marks), f"engine -->|{_label('as')}| role{number}"]
        if whole:
            lines += _tables(reached[role.name], number, tables, marks)
    found = [Flowchart(role="", text=_drawn("TB", lines, marks))]
    for number, role in enumerate(roles) if not whole else ():
        if reached[role.name]:
            own: dict[str, Mark] = {}
            beneath = [_role(role, number, own), *_tables(reached[role.name], number, {}, own)]
            found.append(Flowchart(role=role.name, text=_drawn("LR", beneath, own)))
    return tuple(found)


def given_roles(matrix: Matrix) -> tuple[Role, ...]:
    """The roles that a token gives, or gave: the chain ends at the others."""
    return tuple(role for role in matrix.roles if role.given != "no" or role.was_given)


def _drawn(direction: str, lines: Sequence[str], marks: Mapping[str, Mark]) -> str:
    used = {of for of in marks.values() if of}
    classes = [style for style in _STYLES if style.split()[1] in used]
    for of in ("added", "changed", "removed"):
        if marked := [node for node, found in marks.items() if found == of]:
            classes.append(f"class {','.join(marked)} {of}")
    return "\n".join([_WIDTH, f"flowchart {direction}", *(f"    {line}" for line in [*lines, *classes])])


def _reached(matrix: Matrix, role: Role) -> tuple[tuple[Table, RoleOnTable], ...]:
    """The tables of a role, those that differ first."""
    found = [(table, on) for table in matrix.tables for on in table.roles if on.role == role.name]
    return tuple(sorted(found, key=lambda of: not (of[0].mark or of[1].mark)))


def _role(role: Role, number: int, marks: dict[str, Mark]) -> str:
    marks[f"role{number}"] = role.mark
    return f"role{number}({_box([f'role {_code(role.name)}', _GIVEN[role.given]])})"


def _tables(
    reached: Sequence[tuple[Table, RoleOnTable]],
    number: int,
    drawn: dict[str, str],
    marks: dict[str, Mark],
) -> Iterator[str]:
    """A role's tables and its rows in them. `drawn` are the nodes of tables that stand in the picture already."""
    for table, on_table in reached[:MOST_TABLES]:
        if table.name not in drawn:
            node = drawn[table.name] = f"table{len(drawn)}"
            marks[node] = table.mark
            yield f"{node}[({_box([f'table {_code(table.name)}'])})]"
        node = drawn[table.name]
        rows = f"rows{number}_{node.removeprefix('table')}"
        marks[rows] = on_table.mark
        gone = on_table.mark == "removed"
        operations = [cell.operation for cell in on_table.cells if (cell.was if gone else cell.now)]
        yield f"role{number} -->|{_label(', '.join(operations))}| {node}"
        yield f"{node} --> {rows}{{{{{_box(_row_lines(on_table))}}}}}"
    if (more := len(reached) - MOST_TABLES) > 0:
        yield f"more{number}[{_box([f'and {more} more tables, in the table below'])}]"
        yield f"role{number} --> more{number}"


_GIVEN: Final = {
    "default": "the default role",
    "allowed": "allowed",
    "perhaps": "if a shortcode gives it",
    "no": "not given any more",
}


def _row_lines(on_table: RoleOnTable) -> list[str]:
    """Whose rows, and which: one line where all operations choose the same."""
    found: dict[str, list[str]] = {}
    for cell in on_table.cells:
        grants = cell.now or (cell.was if on_table.mark == "removed" else ())
        for grant in grants:
            found.setdefault(plain(grant.rows), []).append(cell.operation)
    if len(found) == 1:
        return [f"for {_code(on_table.role)}: {_escaped(next(iter(found)))}"]
    return [f"for {_code(on_table.role)}"] + [
        f"{', '.join(dict.fromkeys(operations))}: {_escaped(rows)}" for rows, operations in found.items()
    ]


def _lines(link: Link) -> list[str]:
    lines = [f"<b>{_escaped(link.title)}</b>"]
    for item in link.items:
        said = f"{plain(item.label)}: {plain(item.words or item.was or '')}"
        gone = item.mark == "removed"
        line = _escaped(said)
        lines.append(f"<s>{line}</s>" if gone else f"<b>{line}</b>" if item.mark else line)
    return lines


def _box(lines: Iterable[str]) -> str:
    text = "<br/>".join(lines)
    return f'"{_BEFORE_ESCAPE.sub("#58;", text)}"'


def _label(text: str) -> str:
    return f'"{_escaped(text)}"'


def _code(name: str) -> str:
    return f"<b>{_escaped(name)}</b>"


def _escaped(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", shown)
