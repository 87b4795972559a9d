"""The scanner: where statements end, and what is found in them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

from components.schema.sql import Unterminated, findings, is_without_transaction, statements, statements_in

SPLITS = {
    "two": ("select 1; select 2", ["select 1", "select 2"]),
    "last semicolon": ("select 1;\n", ["select 1"]),
    "empty statements": (";; select 1 ;;", ["select 1 "]),
    "semicolon in a string": ("select ';'; select 2", ["select ';'", "select 2"]),
    "doubled quote": ("select 'a'';'; select 2", ["select 'a'';'", "select 2"]),
    "backslash ends nothing": (r"select 'a\'; select 2", [r"select 'a\'", "select 2"]),
    "escape string": (r"select E'a\';'; select 2", [r"select E'a\';'", "select 2"]),
    "escape string continued": ("select e'a'\n  '\\';'; select 2", ["select e'a'\n  '\\';'", "select 2"]),
    "identifier that ends in e": (r"select like_e'\'; select 2", [r"select like_e'\'", "select 2"]),
    "quoted identifier": ('select ";" from t; select 2', ['select ";" from t', "select 2"]),
    "dollar quotes": ("select $$;$$; select 2", ["select $$;$$", "select 2"]),
    "tagged dollar quotes": ("select $a$ $$;$b$ $a$; select 2", ["select $a$ $$;$b$ $a$", "select 2"]),
    "dollar within a name": ("select a$b$ ; select c$b$", ["select a$b$ ", "select c$b$"]),
    "parameter is no quote": ("select $1; select $2", ["select $1", "select $2"]),
    "line comment": ("select 1 -- ;\n; select 2", ["select 1 -- ;\n", "select 2"]),
    "nested comment": ("/* ; /* ; */ ; */ select 1; select 2", ["select 1", "select 2"]),
    "comment after the last": ("select 1; -- the end", ["select 1"]),
    "parentheses": (
        "create rule r as on insert to t do (select 1; select 2); select 3",
        ["create rule r as on insert to t do (select 1; select 2)", "select 3"],
    ),
    "function body in dollar quotes": (
        "create function f() returns int as $$ begin return 1; end $$ language plpgsql; select 2",
        ["create function f() returns int as $$ begin return 1; end $$ language plpgsql", "select 2"],
    ),
    "function body of standard SQL": (
        "create or replace procedure p() begin atomic select case when true then 1 end; select 2; "
        "end; select 3",
        [
            "create or replace procedure p() begin atomic select case when true then 1 end; select 2; end",
            "select 3",
        ],
    ),
    "carriage return": ("select 1;\r\nselect 2;\r\n", ["select 1", "select 2"]),
    "beyond the head": (
        "insert into t values " + ", ".join(["(true, null, x)"] * 40) + "; select 2",
        ["insert into t values " + ", ".join(["(true, null, x)"] * 40), "select 2"],
    ),
    "strings beyond the head": (
        "select " + "a, " * 40 + "';', E'\\';', $x$;$x$ /* ; */ ; select 2",
        ["select " + "a, " * 40 + "';', E'\\';', $x$;$x$ /* ; */ ", "select 2"],
    ),
}


@pytest.mark.parametrize("name", SPLITS)
def test_split(name: str) -> None:
    text, expected = SPLITS[name]
    assert [text[s.start : s.end] for s in statements(text)] == expected


def test_lines() -> None:
    text = "-- one\nselect 1;\n\n/* two\nlines */\nselect\n 2; select 3;\n$$\n\n$$;select 5"
    assert [s.line for s in statements(text)] == [2, 6, 7, 8, 10]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("select 1;\nselect 'a", 2, "string"),
        ("select E'a\\'", 1, "string"),
        ('\n\nselect "a', 3, "quoted identifier"),
        ("select 1;\n\n $x$ a $y$", 3, "text in dollar quotes ($x$)"),
        ("select 1\n/* a /* b */", 2, "comment"),
    ],
)
def test_unterminated(text: str, line: int, what: str) -> None:
    with pytest.raises(Unterminated) as caught:
        list(statements(text))
    assert caught.value.line == line
    assert str(caught.value) == f"the {what} that starts here is not closed"


FOUND = {
    "begin": ("select 1;\nbegin;", 2, "transaction control (BEGIN)"),
    "start": ("start transaction", 1, "transaction control (START)"),
    "commit": ("select 1; -- x\n/* y */ CoMMit", 2, "transaction control (COMMIT)"),
    "end": ("end", 1, "transaction control (END)"),
    "rollback": ("rollback", 1, "transaction control (ROLLBACK)"),
    "abort": ("abort", 1, "transaction control (ABORT)"),
    "prepare": ("prepare transaction 'x'", 1, "transaction control (PREPARE)"),
    "isolation": ("set transaction isolation level serializable", 1, "SET TRANSACTION"),
    "copy": ("copy t from stdin;", 1, "COPY FROM STDIN"),
    "copy to": ("copy t to stdout;", 1, "COPY TO STDOUT"),
    "reindex schema": ("reindex schema s", 1, "REINDEX SCHEMA cannot run inside a transaction"),
    "reindex database": (
        "reindex (verbose) database concurrently d",
        1,
        "REINDEX VERBOSE cannot run inside a transaction",
    ),
    "cluster": ("cluster", 1, "CLUSTER cannot run inside a transaction"),
    "psql": ("\\set x 1", 1, "a psql command"),
    "concurrent index": (
        "create index concurrently i on t (a)",
        1,
        "CREATE INDEX cannot run inside a transaction",
    ),
    "concurrent unique index": (
        "create unique index concurrently if not exists i on t (a)",
        1,
        "CREATE UNIQUE cannot run inside a transaction",
    ),
    "drop index": ("drop index concurrently i", 1, "DROP INDEX cannot run inside a transaction"),
    "reindex": (
        "reindex (verbose) table concurrently t",
        1,
        "REINDEX VERBOSE cannot run inside a transaction",
    ),
    "vacuum": ("vacuum t", 1, "cannot run inside a transaction"),
    "database": ("create database x", 1, "CREATE DATABASE cannot run inside a transaction"),
    "detach": ("alter table only a.b detach partition c concurrently", 1, "ALTER TABLE cannot run"),
    "nothing": ("-- only a comment\n;", 1, "holds no statement"),
    "open string": ("select 1;\nselect 'x", 2, "the string that starts here is not closed"),
    "two without a transaction": (
        "-- no-transaction\nvacuum a;\nvacuum b;",
        3,
        "a second statement in a file marked -- no-transaction",
    ),
    "comment within a string, alone": (
        "-- no-transaction\ncreate index concurrently i on t ((a || '--'))",
        2,
        "-- within quotes",
    ),
    "comment within a string of a block, alone": (
        "-- no-transaction\ndo $b$ begin perform '/*'; commit; end $b$",
        2,
        "/* within quotes",
    ),
    "semicolon in a name, alone": ('-- no-transaction\nvacuum "a;b"', 2, "; within quotes"),
    "commit without a transaction": ("-- no-transaction\ncommit", 2, "transaction control (COMMIT)"),
}
FINE = {
    "twin of begin": "select 'begin';",
    "savepoint": "savepoint a; select 1; rollback to savepoint a; release savepoint a",
    "rollback to": "rollback work to a",
    "begin in a function": "create function f() returns void as $$ begin perform 1; end $$ language plpgsql",
    "begin atomic": "create function f() returns int begin atomic; select 1; end",
    "do": "do $$ begin perform 1; end $$",
    "copy to a file": "copy t to '/tmp/t'",
    "cluster of a table": "cluster verbose t using i",
    "reindex of a table": "reindex (verbose) table schema",
    "plain index": "create index concurrently_named on t (a)",
    "marked index": "-- no-transaction\ncreate index concurrently i on t (a);",
    "marked with other case and spaces": "--  No-Transaction \r\nvacuum t",
    "refresh concurrently": "refresh materialized view concurrently v",
    "comments in a block, alone": "-- no-transaction\ndo $$ begin -- don't stop; \n commit; /* it's */ end $$",
    "semicolon in a string, alone": "-- no-transaction\ncall p('a;b') -- it's done",
    "comment within a string": "insert into t values ('--')",
    "enum": "alter type e add value 'x'",
    "set local": "set local work_mem = '1MB'",
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    text, line, message = FOUND[name]
    found = findings(text)
    assert len(found) == 1
    assert found[0].line == line
    assert message in found[0].message
    assert found[0].remedy


@pytest.mark.parametrize("name", FINE)
def test_fine(name: str) -> None:
    assert findings(FINE[name]) == []


def test_marker_counts_in_the_first_line_only() -> None:
    assert is_without_transaction("-- no-transaction\nvacuum")
    assert not is_without_transaction("\n-- no-transaction\nvacuum")
    assert not is_without_transaction("select 1 -- no-transaction")


PIECES = st.sampled_from(
    [
        "select 1",
        "'a;b'",
        "'it''s'",
        '"q;q"',
        "$$ ; $$",
        "$t$ ' ; $t$",
        "-- c ;\n",
        "/* ; /* ; */ */",
        "(a, b)",
        "name",
        "\n",
        " ",
        ",",
        "::text",
        "1.5",
        "E'\\';'",
    ]
)


@given(st.lists(st.lists(PIECES, min_size=1, max_size=6), min_size=1, max_size=5))
def test_agrees_with_another_tokenizer(groups: list[list[str]]) -> None:
    """Where sqlglot can read the text, it sees the same semicolons."""
    text = " ; ".join(" ".join(group) for group in groups)
    try:
        tokens = Postgres.Tokenizer().tokenize(text)
    except TokenError:
        return
    theirs, count = 0, 0
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            theirs += bool(count)
            count = 0
        else:
            count += 1
    theirs += bool(count)
    assert len(list(statements(text))) == theirs


@given(st.text(alphabet="aà\xa0ß中😀';\"$-/*\\\n eE()1", max_size=60))
def test_byte_by_byte_gives_the_same(text: str) -> None:
    assert findings(text.encode().decode("latin-1")) == findings(text)


def test_a_space_that_is_none() -> None:
    assert [s.words for s in statements("select\xa0begin; \u3000begin")] == [
        ("select\xa0begin",),
        ("\u3000begin",),
    ]


@given(st.text(alphabet="ab';\"$-/*\\\n eE()1", max_size=60))
def test_never_loops_and_never_overlaps(text: str) -> None:
    try:
        found = list(statements(text))
    except Unterminated:
        return
    ends = [0, *(s.end for s in found)]
    for before, statement in zip(ends, found, strict=False):
        assert before <= statement.start < statement.end <= len(text)
        assert statement.line == text.count("\n", 0, statement.start) + 1


SQL_LIKE = "abE';\"$()-/*\\\n e1,"
"""Characters that mean something to the scanner, and some that do not."""


def _all(found: object) -> object:
    """What a scan gives, or the error that ends it."""
    seen = []
    try:
        for text, statement in found:
            seen.append((text[statement.start : statement.end], statement.line, statement.words))
    except Unterminated as error:
        return [*seen, (str(error), error.line)]
    return seen


@given(st.text(alphabet=SQL_LIKE, max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_cut_anywhere_gives_the_same(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert _all(statements_in(pieces)) == _all((text, each) for each in statements(text))


@given(st.text(alphabet=SQL_LIKE, max_size=60))
def test_passing_over_data_gives_the_same(text: str) -> None:
    """Behind `insert into` the scanner runs over data in one go; behind other words it looks at each."""

    def ends(first: str) -> object:
        try:
            return [(s.end, s.line) for s in statements(first + text)]
        except Unterminated as error:
            return str(error), error.line

    assert ends("insert into t ") == ends("explain for t ")


def test_much_data_in_small_pieces() -> None:
    row = "('it''s; (not) an end', E'\\'; ', $$;$$, \"a;b\")"
    text = f"insert into t values\n{(row + ',') * 500}{row};\nselect 1"
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    assert [(s.line, s.words[:2]) for _, s in statements_in(pieces)] == [
        (1, ("insert", "into")),
        (3, ("select",)),
    ]
