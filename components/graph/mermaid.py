"""The chain as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from components.graph.chain import Link
from components.graph.marks import Mark
from components.graph.matrix import Matrix, Role, RoleOnTable, Table
from components.graph.picture import Picture
from components.graph.spans import plain

MOST_TABLES: Final = 12
"""Tables that are drawn; a picture of more is read by nobody. Those that differ come first."""
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
_SPECIAL: Final = re.compile(r"[#\"<>&%`]")


def flowchart(picture: Picture) -> str:
    """The chain from the application to the rows, in the lines of a Mermaid block."""
    chain = picture.chain
    lines = [_WIDTH, "flowchart TB"]
    marks: dict[str, Mark] = {}
    for link in chain.links:
        lines.append(f"    {link.key}[{_box(_lines(link))}]")
        marks[link.key] = link.mark
    lines += [
        f"    application -->|{_label('has the')}| template",
        f"    template -->|{_label('signed in, getToken')}| token",
        f"    application -->|{_label('publishes')}| jwks",
        f"    token -->|{_label('with each request')}| engine",
        f"    jwks -->|{_label('checked with')}| engine",
    ]
    for line in _rows(picture.matrix, marks):
        lines.append(f"    {line}")
    used = {of for of in marks.values() if of}
    lines += [f"    {style}" for style in _STYLES if style.split()[1] in used]
    for of in ("added", "changed", "removed"):
        marked = [node for node, found in marks.items() if found == of]
        if marked:
            lines.append(f"    class {','.join(marked)} {of}")
    return "\n".join(lines)


def drawn(matrix: Matrix) -> tuple[Table, ...]:
    """The tables that are drawn: of those that a role with a token may use."""
    given = {role.name for role in given_roles(matrix)}
    reached = [table for table in matrix.tables if any(role.role in given for role in table.roles)]
    return tuple(sorted(reached, key=lambda table: not table.differs)[:MOST_TABLES])


def given_roles(matrix: Matrix) -> tuple[Role, ...]:
    """The roles that a token gives, or gave: the chain ends at the others."""
    return tuple(role for role in matrix.roles if role.given != "no" or role.was_given)


def _rows(matrix: Matrix, marks: dict[str, Mark]) -> Iterator[str]:
    roles = {role.name: f"role{number}" for number, role in enumerate(given_roles(matrix))}
    for role in given_roles(matrix):
        node = roles[role.name]
        marks[node] = role.mark
        says = _GIVEN[role.given]
        yield f"{node}({_box([f'role {_code(role.name)}', says])})"
        yield f"engine -->|{_label('as')}| {node}"
    shown = drawn(matrix)
    for number, table in enumerate(shown):
        node = f"table{number}"
        marks[node] = table.mark
        yield f"{node}[({_box([f'table {_code(table.name)}'])})]"
        for role_number, on_table in enumerate(role for role in table.roles if role.role in roles):
            rows = f"rows{number}_{role_number}"
            marks[rows] = on_table.mark
            operations = [
                cell.operation for cell in on_table.cells if cell.now or (cell.was and on_table.mark)
            ]
            yield f"{roles[on_table.role]} -->|{_label(', '.join(operations))}| {node}"
            yield f"{node} --> {rows}{{{{{_box(_row_lines(on_table))}}}}}"
    reached = sum(any(role.role in roles for role in table.roles) for table in matrix.tables)
    if reached > len(shown):
        yield f"more[{_box([f'and {reached - len(shown)} more tables, in the matrix below'])}]"
        for node in roles.values():
            yield f"{node} --> more"


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
    return '"' + "<br/>".join(lines) + '"'


def _label(text: str) -> str:
    return f'"{_escaped(text)}"'


def _code(name: str) -> str:
    return f"<b>{_escaped(name)}</b>"


def _escaped(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", shown)
