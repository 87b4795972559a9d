"""Where each statement of a SQL file begins and ends, and what may not stand in a migration. Pure.

A scanner for the lexical structure of PostgreSQL (https://www.postgresql.org/docs/current/sql-syntax-lexical.html)
and psql's rule for semicolons inside parentheses and SQL-standard function bodies. It is our own because a
general tokenizer keeps every token (a 50 MB file must not need gigabytes) and reads `a$b$` as the start
of a dollar-quoted text.

The scanner looks at ASCII characters only and takes every other one for a letter, as Postgres does. So
UTF-8 that was decoded byte by byte (as Latin-1, a third or a quarter of the memory) gives the same
statements and lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

HEAD_WORDS = 24
"""How many words of a statement are kept to tell what it is."""
WHOLE = ("alter", "with")
"""Statements whose further words matter as well; of these up to `WHOLE_WORDS` are kept."""
WHOLE_WORDS = 2_000
BRIEF = {"insert": 2, "values": 1}
"""Statements that their first words tell, so that their data, which may be megabytes, is passed over fast."""

NO_STATEMENT = "holds no statement"
"""The message of the finding that a text is nothing but comments."""

_BLANK = " \t\n\r\f\v"
_SPACE = re.compile(r"\s+", re.ASCII)
# Every character beyond ASCII is a letter: written as what is none, since `re` takes long over so wide a range.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
_IN_WORD = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_WORD = re.compile(rf"{_LETTER}{_IN_WORD}*")
_NUMBER = re.compile(r"\.?[0-9][0-9A-Za-z_.]*")
_QUOTED = re.compile(r"'[^']*'")
_IDENTIFIER = re.compile(r'"[^"]*"')
_ESCAPED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_CONTINUATION = re.compile(r"(?:[ \t\f\v]|--[^\n]*)*\n(?:\s|--[^\n]*\n)*(?=')", re.ASCII)
_DOLLAR = re.compile(rf"\$(?:{_LETTER}{_LETTER_OR_DIGIT}*)?\$")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# What neither ends a statement nor hides an end: plain text, whole strings and names, flat parentheses. The
# possessive and atomic forms keep the matcher from remembering where it could go back to.
_PLAIN = r"""[^'"$;()\\/\-Ee]++|'[^']*+'|"[^"]*+"|-(?!-)|/(?!\*)|[Ee](?!')"""
_RUN = re.compile(rf"(?>{_PLAIN}|\((?>{_PLAIN})*+\))++")
_WORD_CHARACTER = re.compile(_IN_WORD)


class Unterminated(Exception):
    """A string, identifier or comment is still open at the end of the text."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"the {what} that starts here is not closed")
        self.line = line


@dataclass(frozen=True, slots=True)
class Statement:
    """`start` and `end` are offsets in the text (without the semicolon), `line` counts from 1, `words` are
    the first words in lower case; quoted identifiers and punctuation are left out."""

    start: int
    end: int
    line: int
    words: tuple[str, ...]

    def begins(self, *words: str) -> bool:
        return self.words[: len(words)] == words


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something in a statement that must not be in a migration."""

    line: int
    message: str
    remedy: str


def statements(text: str) -> Iterator[Statement]:  # noqa: PLR0912, PLR0915  one loop over one state
    """Split `text` at its top-level semicolons, one statement at a time. Raises `Unterminated`."""
    position = 0
    line, counted = 1, 0
    length = len(text)
    start: int | None = None
    first_line = 1
    words: list[str] = []
    parentheses = 0
    blocks = 0
    routine = False

    def line_at(offset: int) -> int:
        nonlocal line, counted
        if offset >= counted:
            line += text.count("\n", counted, offset)
            counted = offset
            return line
        return line - text.count("\n", offset, counted)

    while position < length:
        limit = _kept_words(words)
        passable = start is not None and len(words) >= limit and not routine
        if passable and not _is_escaped(text, position) and (run := _RUN.match(text, position)):
            position = run.end()
            if position >= length:
                break
        character = text[position]
        if character in _BLANK:
            space = _SPACE.match(text, position)
            position = space.end() if space else position + 1
            continue
        if text.startswith("--", position):
            end = text.find("\n", position)
            position = length if end < 0 else end + 1
            continue
        if text.startswith("/*", position):
            position = _after_comment(text, position, line_at)
            continue
        if character == ";" and parentheses == 0 and blocks == 0:
            if start is not None:
                yield Statement(start, position, first_line, tuple(words))
            start, words, parentheses, blocks, routine = None, [], 0, 0, False
            position += 1
            continue
        if start is None and character != ";":
            start, first_line = position, line_at(position)
        if character == "'":
            escaped = _is_escape_prefix(text, position)
            position = _after_string(text, position, escaped, line_at)
        elif character == '"':
            closing = _IDENTIFIER.match(text, position)
            if closing is None:
                raise Unterminated("quoted identifier", line_at(position))
            position = closing.end()
        elif (
            character == "$"
            and (opening := _DOLLAR.match(text, position))
            and not (position and _WORD_CHARACTER.match(text[position - 1]))
        ):
            closed = text.find(opening.group(), opening.end())
            if closed < 0:
                raise Unterminated(_dollar_quoted(opening.group()), line_at(position))
            position = closed + len(opening.group())
        elif (word := _WORD.match(text, position)) is not None:
            position = word.end()
            lowered = word.group().lower()
            if len(words) < limit:
                words.append(lowered)
                routine = routine or _creates_routine(words)
            if routine and parentheses == 0:
                if lowered == "begin" or (lowered == "case" and blocks):
                    blocks += 1
                elif lowered == "end" and blocks:
                    blocks -= 1
        elif (number := _NUMBER.match(text, position)) is not None:
            position = number.end()
        else:
            if character == "(":
                parentheses += 1
            elif character == ")" and parentheses:
                parentheses -= 1
            position += 1
    if start is not None:
        yield Statement(start, length, first_line, tuple(words))


def _kept_words(words: list[str]) -> int:
    if not words:
        return HEAD_WORDS
    return WHOLE_WORDS if words[0] in WHOLE else BRIEF.get(words[0], HEAD_WORDS)


def statements_in(pieces: Iterable[str]) -> Iterator[tuple[str, Statement]]:
    """The same for a text that comes in pieces: each statement with the text that its offsets are of.

    Not more than a piece is held, or twice the longest statement. Raises `Unterminated`.
    """
    held, lines, enough = "", 0, 0
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) < enough:
            continue
        held = held + "".join(waiting)
        waiting = []
        done = 0
        try:
            for statement in statements(held):
                if statement.end == len(held):
                    break
                yield held, replace(statement, line=statement.line + lines)
                done = statement.end + 1
        except Unterminated:
            # It may be closed in the next piece.
            pass
        lines += held.count("\n", 0, done)
        held = held[done:]
        # A statement longer than all until now is looked at again only when there is twice as much of it.
        enough = len(held)
    held = held + "".join(waiting)
    try:
        for statement in statements(held):
            yield held, replace(statement, line=statement.line + lines)
    except Unterminated as error:
        error.line += lines
        raise


def _dollar_quoted(tag: str) -> str:
    # Decoded byte by byte, any other tag would read wrong.
    return f"text in dollar quotes ({tag})" if tag.isascii() else "text in dollar quotes"


def _after_comment(text: str, position: int, line_at: object) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise Unterminated("comment", line_at(position))  # type: ignore[operator]


def _after_string(text: str, position: int, escaped: bool, line_at: object) -> int:
    pattern = _ESCAPED if escaped else _QUOTED
    while True:
        closing = pattern.match(text, position)
        if closing is None:
            raise Unterminated("string", line_at(position))  # type: ignore[operator]
        end = closing.end()
        # A quote right behind is a doubled one; one on a further line continues the same string.
        following = end if text.startswith("'", end) else None
        if following is None and escaped and (gap := _CONTINUATION.match(text, end)):
            following = gap.end()
        if following is None:
            return end
        position = following


def _is_escaped(text: str, position: int) -> bool:
    return text[position] == "'" and _is_escape_prefix(text, position)


def _is_escape_prefix(text: str, position: int) -> bool:
    if position == 0 or text[position - 1] not in "eE":
        return False
    return position == 1 or not _WORD_CHARACTER.match(text[position - 2])


def _creates_routine(words: list[str]) -> bool:
    head = [word for word in words[:4] if word not in ("or", "replace")]
    return len(head) >= 2 and head[0] == "create" and head[1] in ("function", "procedure")


def is_without_transaction(text: str) -> bool:
    """Whether the first line is the marker `-- no-transaction`."""
    first = text.split("\n", 1)[0].strip()
    return first.startswith("--") and first[2:].strip().lower() == "no-transaction"


_CONTROL = {
    ("begin",),
    ("start", "transaction"),
    ("commit",),
    ("end",),
    ("abort",),
    ("prepare", "transaction"),
}
_ALONE: tuple[tuple[str, ...], ...] = (
    ("vacuum",),
    ("create", "database"),
    ("drop", "database"),
    ("create", "tablespace"),
    ("drop", "tablespace"),
    ("alter", "system"),
    ("discard", "all"),
    ("create", "subscription"),
    ("drop", "subscription"),
)
_REINDEXED_AS_A_WHOLE = ("schema", "database", "system")
_CONSTANTS = ("verbose", "concurrently", "tablespace", "true", "false", "on", "off")
_ALONE_IF_CONCURRENTLY: tuple[tuple[str, ...], ...] = (
    ("create", "index"),
    ("create", "unique", "index"),
    ("drop", "index"),
    ("reindex",),
    ("alter", "table"),
)


def transaction_control(statement: Statement) -> bool:
    """Whether the statement begins or ends a transaction (savepoints do neither)."""
    if any(statement.begins(*words) for words in _CONTROL):
        return True
    return statement.begins("rollback") and "to" not in statement.words[:4]


def needs_no_transaction(statement: Statement) -> bool:
    """Whether Postgres refuses the statement inside a transaction block."""
    if any(statement.begins(*words) for words in _ALONE):
        return True
    if statement.begins("alter", "database") and "tablespace" in statement.words:
        return True
    if statement.begins("reindex"):
        rest = [word for word in statement.words[1:] if word not in _CONSTANTS]
        if rest[:1] and rest[0] in _REINDEXED_AS_A_WHOLE:
            return True
    # Without a table: every table that was clustered before.
    if statement.begins("cluster") and all(word in _CONSTANTS for word in statement.words[1:]):
        return True
    return "concurrently" in statement.words and any(
        statement.begins(*words) for words in _ALONE_IF_CONCURRENTLY
    )


def adds_enum_value(text: str) -> bool:
    """Whether a statement of `text` adds a value to an enum type."""
    return any(
        statement.begins("alter", "type") and "add" in statement.words and "value" in statement.words
        for statement in statements(text)
    )


def findings(text: str) -> list[Finding]:
    """Everything in a migration's text that would break its transaction, in the order of lines."""
    return findings_in((text,), alone=is_without_transaction(text))


def findings_in(pieces: Iterable[str], *, alone: bool) -> list[Finding]:
    """The same for a text in pieces; `alone`: it is marked to run outside a transaction."""
    found: list[Finding] = []
    count = 0
    second: int | None = None
    try:
        for text, statement in statements_in(pieces):
            count += 1
            if count == 2:
                second = statement.line
            found += _statement_findings(text, statement, alone)
    except Unterminated as error:
        found.append(Finding(line=error.line, message=str(error), remedy="Close it."))
        count = count or 1
    if count == 0:
        found.append(
            Finding(
                line=1,
                message=NO_STATEMENT,
                remedy="Write one, or `select 1;` if nothing is to be done.",
            )
        )
    if alone and second is not None:
        found.append(
            Finding(
                line=second,
                message="a second statement in a file marked -- no-transaction",
                remedy="Such a file holds exactly one statement: put this one into a migration of its own.",
            )
        )
    return sorted(found, key=lambda finding: finding.line)


def _statement_findings(text: str, statement: Statement, alone: bool) -> Iterator[Finding]:
    name = " ".join(word for word in statement.words[:2] if word.isascii()).upper()
    if text.startswith("\\", statement.start):
        yield Finding(
            line=statement.line,
            message="a psql command: the engine takes SQL only",
            remedy="Take the line out, or say the same in SQL.",
        )
    elif transaction_control(statement):
        yield Finding(
            line=statement.line,
            message=f"transaction control ({statement.words[0].upper()}) inside a migration",
            remedy="Take it out: each migration already is one transaction together with its record.",
        )
    elif statement.begins("set", "transaction"):
        yield Finding(
            line=statement.line,
            message="SET TRANSACTION inside a migration, where the transaction has already begun",
            remedy="Take it out.",
        )
    elif statement.begins("copy") and "stdin" in statement.words:
        yield Finding(
            line=statement.line,
            message="COPY FROM STDIN: the engine cannot send the data",
            remedy="Write INSERT statements.",
        )
    elif statement.begins("copy") and "stdout" in statement.words:
        yield Finding(
            line=statement.line,
            message="COPY TO STDOUT: the engine cannot receive the data",
            remedy="Take it out.",
        )
    elif needs_no_transaction(statement) and not alone:
        yield Finding(
            line=statement.line,
            message=f"{name} cannot run inside a transaction",
            remedy="Put it alone into a migration whose first line is `-- no-transaction`.",
        )
    elif alone and (mark := _misread_alone(text[statement.start : statement.end])):
        yield Finding(
            line=statement.line,
            message=f"{mark} within quotes, where the engine would take it for its own outside a transaction",
            remedy="Write it otherwise, for example by `chr()` or `||`.",
        )


_QUOTED_OR_COMMENT = re.compile(
    r"""--[^\n]*|/\*.*?\*/|(?P<string>'(?:[^']|'')*')|(?P<name>"[^"]*")|(?P<tag>\$\w*\$).*?(?P=tag)""",
    re.DOTALL,
)


def _misread_alone(text: str) -> str:
    """What the engine misreads in a statement outside a transaction; nothing where it does not.

    It splits such a text itself, and takes comments out of strings and names as well (`splitSQLStatements` of
    `Hasura.Backends.Postgres.DDL.RunSQL`, v2.48.10); a semicolon in a name ends the statement for it.
    """
    for found in _QUOTED_OR_COMMENT.finditer(text):
        quoted = found.group("string") or found.group("name") or ""
        for mark in ("--", "/*", *((";",) if found.group("name") else ())):
            if mark in quoted:
                return str(mark)
        if (tag := found.group("tag")) and (mark := _misread_alone(found.group()[len(tag) : -len(tag)])):
            return mark
    return ""
