"""A picture as Markdown with a Mermaid flowchart, as GitHub and GitLab show it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from components.graph.marks import EFFECTS, Item
from components.graph.matrix import OPERATIONS, Cell, Grant, Role, Table
from components.graph.mermaid import flowcharts
from components.graph.picture import Picture
from components.graph.variables import Use, Variable
from components.plan.markdown import table
from components.schema.permissions import Difference
from components.schema.words import code, names

NOTHING: Final = "-"
MOST_USES: Final = 10
"""Uses of one session variable that are listed."""


def document(picture: Picture) -> str:
    """The whole document."""
    return "\n".join(_lines(picture)).rstrip() + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"# Who sees what: {code(picture.stack)}"
    yield ""
    yield comparison(picture)
    yield ""
    yield "## From signing in to a row"
    yield ""
    for drawn in flowcharts(picture):
        if drawn.role:
            yield ""
            yield f"### As role {code(drawn.role)}"
            yield ""
        yield "```mermaid"
        yield drawn.text
        yield "```"
    if picture.comparison == "compared":
        yield from _chain_differences(picture)
    yield ""
    yield "## Session variables"
    yield ""
    yield from _variables(picture)
    yield ""
    yield "## Who may do what"
    yield ""
    yield from _roles(picture)
    yield ""
    yield from _matrix(picture)
    if picture.matrix.beyond:
        yield ""
        yield "## Beyond tables"
        yield ""
        yield from table(
            ("", "name", "may be called by"),
            (
                (thing.kind, code(thing.name), ", ".join(_marked(code(role), of) for role, of in thing.roles))
                for thing in picture.matrix.beyond
            ),
        )


def comparison(picture: Picture) -> str:
    """What the picture shows, and of how many differences, as a sentence."""
    if picture.comparison == "none":
        return "As the program wants it now."
    if picture.comparison == "first deployment":
        return "As the program wants it now. The stack was never deployed: there is nothing to compare with."
    count = picture.differences
    if not count:
        return "As the program wants it now, which is as it was deployed last."
    said = "1 difference" if count == 1 else f"{count} differences"
    return f"As the program wants it now: {said} from the last deployment, in bold."


def _chain_differences(picture: Picture) -> Iterator[str]:
    changed = [(link, item) for link in picture.chain.links for item in link.items if item.mark]
    if not changed:
        return
    yield ""
    yield from table(
        ("of", "what", "was", "is"),
        ((link.title, _label(item), item.was or NOTHING, _now(item)) for link, item in changed),
    )


def _label(item: Item) -> str:
    return code(item.label) if item.label.startswith("x-hasura") else item.label


def _now(item: Item) -> str:
    return NOTHING if item.words is None else f"**{item.words}**"


def _variables(picture: Picture) -> Iterator[str]:
    if not picture.variables:
        yield "None."
        return
    yield from table(
        ("variable", "given by", "decides on"),
        (
            (_marked(code(variable.name), variable.mark), _given(variable), _uses(variable))
            for variable in picture.variables
        ),
    )


def _given(variable: Variable) -> str:
    if variable.mark == "changed":
        return f"**{variable.claim}** (was: {variable.was})"
    return variable.claim or f"{variable.was}"


def _uses(variable: Variable) -> str:
    if not variable.uses:
        return "nothing: no permission asks for it"
    # What differs is never left out.
    uses = sorted(variable.uses, key=lambda use: not use[1])
    shown = [_marked(use_in_words(use), of) for use, of in uses[:MOST_USES]]
    more = len(uses) - len(shown)
    return "<br>".join([*shown, f"and {more} more, which the matrix tells"] if more else shown)


def use_in_words(use: Use) -> str:
    """A use of a session variable, as a line."""
    column = code(f"{use.table}.{use.column}")
    return f"{use.purpose} {column} ({code(use.role)}: {', '.join(use.operations)})"


def _roles(picture: Picture) -> Iterator[str]:
    for role in picture.matrix.roles:
        yield f"- {_marked(f'role {code(role.name)}', role.mark)}: {role_in_words(role)}"
    yield f"- role {code('admin')}: everything, with the admin secret only"


def role_in_words(role: Role) -> str:
    """How a role comes about."""
    given = {
        "default": "what a request is made as that names no role",
        "allowed": "a token allows it to a request that names it",
        "perhaps": "a token allows it if a shortcode gives it",
        "no": "no token gives it any more" if role.was_given else "no token gives it",
    }[role.given]
    return f"{given}; may do what {names(role.inherits)} may" if role.inherits else given


def _matrix(picture: Picture) -> Iterator[str]:
    rows = [row for of in picture.matrix.tables for row in _table_rows(of)]
    if not rows:
        yield "No table is a part of the API."
        return
    yield from table(("table", "role", *OPERATIONS), rows)


def _table_rows(of: Table) -> Iterator[list[str]]:
    name = _marked(code(of.name), of.mark)
    if not of.roles:
        yield [name, "no role", *[NOTHING for _ in OPERATIONS]]
    for role in of.roles:
        yield [name, code(role.role), *map(_cell, role.cells)]


def _cell(cell: Cell) -> str:
    if not cell.mark:
        return _grants(cell.now) or NOTHING
    if not cell.now:
        return f"~~{_grants(cell.was)}~~ **removed: less access**"
    if not cell.was:
        return f"{_grants(cell.now)} **added: more access**"
    told = [f"**{_difference(one)}**" for one in cell.differences] or [f"**was: {_grants(cell.was)}**"]
    return "<br>".join([_grants(cell.now), *told])


def _difference(one: Difference) -> str:
    return f"{EFFECTS[one.effect]}: {one.words}"


def _grants(grants: tuple[Grant, ...]) -> str:
    return "<br>".join(grant_in_words(grant) for grant in grants)


def grant_in_words(grant: Grant) -> str:
    """A permission as it follows "may", with where it comes from."""
    return f"as {code(grant.inherited_from)}: {grant.words}" if grant.inherited_from else grant.words


def _marked(words: str, of: str) -> str:
    return f"{words} **{of}**" if of else words
