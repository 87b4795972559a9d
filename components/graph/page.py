"""A picture as one HTML page that needs no network and no script: it can be mailed, archived, or opened from a folder.

Pure, but for its style sheet and its script, which lie beside it. Text becomes elements by `xml.etree`, which escapes
it; the page's own policy lets nothing be loaded, whatever the text is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final
from xml.etree import ElementTree

from components.graph.chain import Link
from components.graph.markdown import comparison, role_in_words, use_in_words
from components.graph.marks import EFFECTS, Item, Mark
from components.graph.matrix import REACHES, Beyond, Cell, Grant, Role, RoleOnTable, Table
from components.graph.mermaid import given_roles
from components.graph.picture import Picture
from components.graph.spans import spans
from components.graph.variables import Variable
from components.schema.words import code

Element = ElementTree.Element
Child = "Element | str | None"

SHOWN_AT_ONCE: Final = 8
"""Tables of a role in the chain; the others unfold."""

SHORT: Final = 32
"""Characters of a code span up to which it is kept on one line."""

_LETTERS: Final = {"select": "S", "insert": "I", "update": "U", "delete": "D"}


def page(picture: Picture) -> str:
    """The whole page."""
    style, script = _beside("page.css"), _beside("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    root = _e(
        "html",
        _e(
            "head",
            _e("meta", charset="utf-8"),
            _e("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
            _e("meta", name="viewport", content="width=device-width, initial-scale=1"),
            _e("title", f"Who sees what: {picture.stack}"),
            _e("style", style),
        ),
        body(picture),
        lang="en",
    )
    root[1].append(_e("script", script))
    return f"<!doctype html>\n{ElementTree.tostring(root, encoding='unicode', method='html')}\n"


def body(picture: Picture) -> Element:
    """What is drawn, without style and script."""
    return _e(
        "body",
        _e(
            "header",
            _e("h1", "Who sees what: ", _e("code", picture.stack)),
            _e("p", *_words(comparison(picture).replace(", in bold", "")), cls="lead"),
        ),
        _e("h2", "From signing in to a row"),
        _e(
            "p",
            "What Clerk knows of a user becomes a token, the token a role and session variables, and these decide "
            "on rows.",
            cls="hint",
        ),
        _chain(picture),
        *_variables(picture.variables),
        *_matrix(picture),
        *_beyond(picture.matrix.beyond),
        _e(
            "footer",
            "The role ",
            _e("code", "admin"),
            " may do everything, with the admin secret only. Made by ",
            _e("code", "make graph"),
            " from the program's own inputs.",
        ),
    )


# --- the chain ----------------------------------------------------------------------------------------------


def _chain(picture: Picture) -> Element:
    chain = picture.chain
    return _e(
        "div",
        _link(chain.application, "whole middle"),
        _wire("M50 0V20H25V40M50 20H75V40", heads=(25, 75), cls="whole fork"),
        _e(
            "div",
            _link(chain.template),
            _wire("M50 0V40", heads=(50,), labels=((50, "a user signs in, getToken"),)),
            _link(chain.token),
            _wire("M50 0V40", cls="tall"),
            cls="branch",
        ),
        _e("div", _link(chain.jwks), _wire("M50 0V40", cls="tall"), cls="branch"),
        _wire(
            "M25 0V20H50V40M75 0V20H50",
            heads=(50,),
            labels=((37, "with each request"), (63, "who signed it")),
            cls="whole join",
        ),
        _link(chain.engine, "whole middle"),
        _wire("M50 0V40", heads=(50,), labels=((50, "as a role"),), cls="whole"),
        _e(
            "div",
            *(_lane(role, picture) for role in given_roles(picture.matrix)),
            cls="whole lanes",
        ),
        cls="chain",
    )


def _link(link: Link, cls: str = "") -> Element:
    return _e(
        "section",
        _e("h3", link.title),
        _e("span", link.says, cls="says"),
        _e("dl", *map(_item, link.items)) if link.items else _e("p", "There is none.", cls="empty"),
        cls=f"link card {cls}{_marked(link.mark)}",
        id=f"link-{link.key}",
    )


def _item(item: Item) -> Element:
    label = _e("code", item.label) if item.label.startswith("x-hasura") else item.label
    if item.mark == "removed":
        said: list[Element | str] = [_e("del", *_words(item.was or "")), " ", _badge("removed")]
    else:
        said = _words(item.words or "")
        if item.mark:
            said += [" ", _badge(item.mark)]
        if item.mark == "changed":
            said.append(_e("span", "was: ", *_words(item.was or ""), cls="was"))
    return _e("div", _e("dt", label), _e("dd", *said), cls=_marked(item.mark))


def _wire(
    path: str, *, heads: Sequence[int] = (), labels: Sequence[tuple[int, str]] = (), cls: str = ""
) -> Element:
    """Lines in a field of 100 by 40 that is stretched, with arrow heads and labels at these hundredths of its width."""
    return _e(
        "div",
        _e("svg", _e("path", d=path), viewBox="0 0 100 40", preserveAspectRatio="none"),
        *(_at("head", at, number) for number, at in enumerate(heads)),
        *(_at("label", at, number, text) for number, (at, text) in enumerate(labels)),
        {"aria-hidden": "true"},
        cls=f"wire {cls}",
    )


def _at(cls: str, at: int, number: int, text: str = "") -> Element:
    return _e("span", text, cls=f"{cls} at-{at}{' second' if number else ''}")


def _lane(role: Role, picture: Picture) -> Element:
    reached = [
        (table, on_table)
        for table in picture.matrix.tables
        for on_table in table.roles
        if on_table.role == role.name
    ]
    # What differs is not folded away.
    rows = [_reached(table, on_table) for table, on_table in sorted(reached, key=lambda of: not of[1].mark)]
    more = len(rows) - SHOWN_AT_ONCE
    return _e(
        "section",
        _e(
            "div",
            _e("h3", "role ", _e("code", role.name), *_mark(role.mark)),
            _e("p", *_words(role_in_words(role)), cls="given"),
            cls="who",
        ),
        _e(
            "div",
            _e("ul", *rows[:SHOWN_AT_ONCE], cls="reached")
            if rows
            else _e("p", "No table.", cls="operation empty"),
            _e(
                "details",
                _e("summary", f"{more} more table{'' if more == 1 else 's'}"),
                _e("ul", *rows[SHOWN_AT_ONCE:]),
            )
            if more > 0
            else None,
            cls="reached",
        ),
        cls=f"lane card{_marked(role.mark)}",
    )


def _reached(table: Table, on_table: RoleOnTable) -> Element:
    return _e(
        "li",
        _e("a", _e("code", table.name), href=f"#{_anchor(table)}"),
        _chips(on_table),
        _e("span", *_words(_rows(on_table)), cls="rows"),
        cls=_marked(on_table.mark),
    )


def _rows(on_table: RoleOnTable) -> str:
    """The rows of what is read, or else of what is written."""
    for cell in on_table.cells:
        if cell.now:
            return "; or ".join(dict.fromkeys(grant.rows for grant in cell.now))
    return "no row any more"


# --- session variables --------------------------------------------------------------------------------------


def _variables(variables: Sequence[Variable]) -> Iterable[Element]:
    if not variables:
        return
    yield _e("h2", "Session variables")
    yield _e("p", "What a token says of its user, and the columns that it is held against.", cls="hint")
    yield _e(
        "div",
        _e(
            "table",
            _e("thead", _e("tr", _e("th", "variable"), _e("th", "given by"), _e("th", "decides on"))),
            _e("tbody", *map(_variable, variables)),
        ),
        cls="card scroll",
        id="variables",
    )


def _variable(variable: Variable) -> Element:
    given: list[Element | str] = _words(variable.claim or "")
    if variable.mark == "removed":
        given = [_e("del", *_words(variable.was or ""))]
    elif variable.mark == "changed":
        given.append(_e("span", "was: ", *_words(variable.was or ""), cls="was"))
    return _e(
        "tr",
        _e("td", _e("code", variable.name), *_mark(variable.mark)),
        _e("td", *given),
        _e("td", *_uses(variable))
        if variable.uses
        else _e("td", "nothing: no permission asks for it", cls="empty"),
        cls=_marked(variable.mark),
    )


def _uses(variable: Variable) -> Iterable[Element]:
    uses = sorted(variable.uses, key=lambda use: not use[1])
    listed = [_use(use_in_words(use), of) for use, of in uses]
    yield _e("ul", *listed[:SHOWN_AT_ONCE], cls="uses")
    if (more := len(listed) - SHOWN_AT_ONCE) > 0:
        yield _e("details", _e("summary", f"{more} more"), _e("ul", *listed[SHOWN_AT_ONCE:], cls="uses"))


def _use(words: str, of: Mark) -> Element:
    said = _words(words)
    return _e("li", *([_e("del", *said)] if of == "removed" else said), *_mark(of))


# --- the matrix ---------------------------------------------------------------------------------------------


def _matrix(picture: Picture) -> Iterable[Element]:
    matrix = picture.matrix
    yield _e("h2", "Who may do what")
    if not matrix.tables:
        yield _e("p", "No table is a part of the API.", cls="hint")
        return
    yield _e("p", "Select, insert, update and delete, by the rows that a permission chooses.", cls="hint")
    yield _legend(picture)
    yield _e("div", _grid(picture), cls="card scroll")
    yield _e("h2", "In words")
    yield _find(picture)
    yield _e("div", *map(_details, matrix.tables), cls="details")
    yield _e("p", "No table is like this.", {"hidden": "hidden"}, id="nothing-found", cls="empty")


def _legend(picture: Picture) -> Element:
    entries = [
        _e("span", _e("span", "S", cls=f"chip {reach}"), says, cls="entry") for reach, says in REACHES.items()
    ]
    every = [cell for table in picture.matrix.tables for role in table.roles for cell in role.cells]
    if any(cell.backend_only for cell in every):
        said = "only with the admin secret, from a back end"
        entries.append(_e("span", _e("span", "S", cls="chip none backend"), said, cls="entry"))
    if picture.comparison == "compared" and any(cell.mark for cell in every):
        said = "not as it was deployed"
        entries.append(_e("span", _e("span", "S", cls="chip none differs changed"), said, cls="entry"))
    return _e("div", *entries, cls="legend")


def _grid(picture: Picture) -> Element:
    roles = picture.matrix.roles
    return _e(
        "table",
        _e("thead", _e("tr", _e("th", "table"), *map(_role_head, roles))),
        _e("tbody", *(_grid_row(table, roles) for table in picture.matrix.tables)),
        cls="grid",
        id="grid",
    )


def _role_head(role: Role) -> Element:
    given = {"default": "default", "allowed": "by token", "perhaps": "by shortcode", "no": "no token"}[
        role.given
    ]
    return _e("th", _e("code", role.name), *_mark(role.mark), _e("span", given, cls="given"))


def _grid_row(table: Table, roles: Sequence[Role]) -> Element:
    by_role = {role.role: role for role in table.roles}
    return _e(
        "tr",
        _e(
            "th", _e("a", table.name, {"href": f"#{_anchor(table)}", "title": table.name}), *_mark(table.mark)
        ),
        *(
            _e("td", _chips(by_role[role.name])) if role.name in by_role else _e("td", "-", cls="nothing")
            for role in roles
        ),
        cls=_marked(table.mark),
    )


def _chips(role: RoleOnTable) -> Element:
    return _e("span", *map(_chip, role.cells), cls="chips")


def _chip(cell: Cell) -> Element:
    says = f"{cell.operation}: {REACHES[cell.reach]}"
    classes = ["chip", cell.reach]
    if cell.backend_only:
        classes.append("backend")
    if cell.mark:
        classes += ["differs", cell.mark]
        says = f"{says} ({cell.mark})"
    return _e("span", _LETTERS[cell.operation], title=says, cls=" ".join(classes))


def _find(picture: Picture) -> Element:
    differing: Element | None = None
    if picture.comparison == "compared":
        differing = _e("label", _e("input", type="checkbox"), " only what differs")
    return _e(
        "div",
        _e(
            "input",
            {"aria-label": "Find tables"},
            type="search",
            placeholder="Find a table, a role, a column",
        ),
        differing,
        {"hidden": "hidden"},
        cls="find",
    )


def _details(table: Table) -> Element:
    attributes = {"data-table": table.name} | ({"data-differs": ""} if table.differs else {})
    return _e(
        "section",
        _e("header", _e("h3", _e("code", table.name), *_mark(table.mark))),
        *(
            map(_role_details, table.roles)
            if table.roles
            else [_e("p", "No role may do anything with it.", cls="operation empty")]
        ),
        attributes,
        cls=f"table card{_marked(table.mark)}",
        id=_anchor(table),
    )


def _role_details(role: RoleOnTable) -> Element:
    shown = [cell for cell in role.cells if cell.now or cell.mark]
    return _e(
        "div",
        _e("h4", "role ", _e("code", role.role)),
        _e("div", *map(_operation, shown), cls="operations"),
        cls="role",
    )


def _operation(cell: Cell) -> Element:
    said: list[Element | str]
    if cell.mark == "removed":
        said = [
            _e("del", *_grants(cell.was)),
            " ",
            _badge("removed"),
            " ",
            _badge("narrows", EFFECTS["narrows"]),
        ]
    elif cell.mark == "added":
        said = [*_grants(cell.now), " ", _badge("added"), " ", _badge("widens", EFFECTS["widens"])]
    else:
        said = _grants(cell.now)
        for one in cell.differences if cell.mark else ():
            effect = _badge(one.effect, EFFECTS[one.effect])
            said.append(_e("span", effect, " ", *_words(one.words), cls="difference"))
        if cell.mark and not cell.differences:
            said.append(_e("span", _badge("changed"), " was: ", *_grants(cell.was), cls="difference"))
    return _e(
        "div", _e("div", _chip(cell), cell.operation, cls="name"), *said, cls=f"operation{_marked(cell.mark)}"
    )


def _grants(grants: Sequence[Grant]) -> list[Element | str]:
    said: list[Element | str] = []
    for number, grant in enumerate(grants):
        if number:
            said.append(_e("br"))
        through = f"as {code(grant.inherited_from)}: " if grant.inherited_from else ""
        said += _words(through + grant.words)
    return said


def _beyond(things: Sequence[Beyond]) -> Iterable[Element]:
    if not things:
        return
    yield _e("h2", "Beyond tables")
    rows = (
        _e(
            "tr",
            _e("td", thing.kind),
            _e("td", _e("code", thing.name)),
            _e("td", *(part for role, of in thing.roles for part in (_e("code", role), *_mark(of), " "))),
        )
        for thing in things
    )
    yield _e(
        "div",
        _e(
            "table",
            _e("thead", _e("tr", _e("th", "what"), _e("th", "name"), _e("th", "may be called by"))),
            _e("tbody", *rows),
        ),
        cls="card scroll",
        id="beyond",
    )


# --- elements -----------------------------------------------------------------------------------------------


def _anchor(table: Table) -> str:
    return "table-" + "".join(c if c.isalnum() else f"_{ord(c):x}" for c in table.name)


def _mark(of: Mark) -> list[Element | str]:
    return [" ", _badge(of)] if of else []


def _marked(of: Mark) -> str:
    return f" mark-{of}" if of else ""


def _badge(cls: str, text: str = "") -> Element:
    return _e("span", text or cls, cls=f"badge {cls}")


def _words(words: str) -> list[Element | str]:
    return [
        _e("code", span.text, cls="short" if len(span.text) <= SHORT else "") if span.is_code else span.text
        for span in spans(words)
    ]


def _e(
    tag: str, *children: Element | str | dict[str, str] | None, cls: str = "", **attributes: str
) -> Element:
    """An element; a dict among its children holds attributes whose names are no identifiers."""
    made = ElementTree.Element(tag)
    if cls := " ".join(cls.split()):
        made.set("class", cls)
    last: Element | None = None
    for child in children:
        if isinstance(child, dict):
            attributes |= child
        elif isinstance(child, str):
            if last is None:
                made.text = (made.text or "") + child
            else:
                last.tail = (last.tail or "") + child
        elif child is not None:
            made.append(child)
            last = child
    for name, of in attributes.items():
        made.set(name, of)
    return made


def _beside(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
