"""The document holds its size, and nothing in it formats, links or addresses but what is meant to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from components.plan import json_shape, markdown
from components.plan.document import Plan, make
from components.plan.events import read
from components.plan.migrations import PlannedMigration, shown_sql
from components.schema.words import code
from tests.unit.plan.building import METADATA, MIGRATIONS, ended, metadata, migrations, said, step
from tests.unit.plan.test_redaction import everywhere

RENDERER = MarkdownIt("gfm-like", {"linkify": False})
OWN_TAGS = {
    "h1",
    "h2",
    "h3",
    "p",
    "strong",
    "code",
    "pre",
    "ul",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
OWN_HTML = {"<details>", "</details>", "<summary>", "</summary>", "<details><summary>"}


def rendered(text: str) -> str:
    return RENDERER.render(text)


def tags(text: str) -> set[str]:
    """The tags of a document, code left out."""
    html = re.sub(r"<pre>.*?</pre>|<code>.*?</code>", "", rendered(text), flags=re.DOTALL)
    return set(re.findall(r"</?([a-zA-Z0-9]+)", html))


NASTY = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "</details><script>alert(1)</script>",
            "`` ` ```",
            "a | b |",
            "line\nbreak\n# heading\n- list",
            "![x](https://evil.test/x.png)",
            "[x](https://evil.test)",
            "@everyone",
            "<!-- -->",
            "\u202etxt.exe",
            "~~~\ncode\n~~~",
            "&lt;b&gt;",
        ]
    ),
)


@settings(deadline=None)
@given(NASTY)
def test_no_name_and_no_sentence_formats(text: str) -> None:
    events = [*everywhere(text or "x"), ended()]
    plan = make(read(events), stack=text, drift=True)
    document = markdown.document(plan)
    assert tags(document) <= OWN_TAGS | {"details", "summary"}
    assert "\u202e" not in document
    # Outside of code nobody is addressed.
    outside = re.sub(r"<code[^>]*>.*?</code>", "", rendered(document), flags=re.DOTALL)
    assert "@" not in outside


@settings(deadline=None)
@given(NASTY)
def test_nor_does_a_problem(text: str) -> None:
    plan = make(read([said(text or "x", "error"), ended("failed")]), stack="dev")
    assert tags(markdown.document(plan)) <= {"h1", "p", "code", "pre"}


@settings(deadline=None)
@given(NASTY)
def test_sql_stays_in_its_block(text: str) -> None:
    sql = shown_sql(f"select 1; -- {text}")
    one = PlannedMigration(source="default", key="1_a", action="run", sql=sql)
    document = markdown.document(Plan(stack="dev", migrations=(one,)))
    assert tags(document) <= {"h1", "h2", "h3", "p", "code", "pre", "details", "summary"}


@settings(deadline=None)
@given(st.text())
def test_a_code_span_shows_what_it_holds(text: str) -> None:
    shown = rendered(code(text))
    assert shown.count("<code>") == shown.count("</code>") == 1
    assert shown.startswith("<p><code>")


def test_a_bar_in_a_cell_is_no_border() -> None:
    events = [*everywhere("a|b"), ended()]
    html = rendered(markdown.document(make(read(events), stack="dev")))
    for row in re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL):
        assert row.count("<td") + row.count("<th") in (3, 4)


def of_size(count: int) -> Plan:
    names = [f"{1700000000000 + index}_step" for index in range(count)]
    tables = {
        f"t{index}": {"select_permissions": {"user": {"columns": ["id"], "filter": {}}}}
        for index in range(count)
    }
    plan = make(
        read(
            [
                step("update", MIGRATIONS, "migrations", migrations(), migrations(*names)),
                step("update", METADATA, "metadata", metadata(), metadata(**tables)),
                ended(),
            ]
        ),
        stack="dev",
        sql={("default", name): shown_sql("select 1;\n" * 50) for name in names},
    )
    assert len(plan.migrations) == count
    return plan


@pytest.mark.parametrize(
    ("count", "says"), [(2, "select 1"), (60, "SQL, 50 lines"), (5000, "4,900 more migrations")]
)
def test_a_large_plan_fits_into_a_comment(count: int, says: str) -> None:
    plan = of_size(count)
    document = markdown.document(plan)
    assert len(document) <= markdown.LONGEST
    assert says in document
    assert f"Gives more access: {count}." in document
    assert f"Migrations: {count}." in document
    assert document.count("<details>") == document.count("</details>")
    # Nothing is left out of the JSON.
    shape: Any = json_shape.shaped(plan)
    assert len(shape["plan"]["migrations"]) == count


def test_a_large_file_is_cut_with_its_size() -> None:
    sql = shown_sql("".join(f"insert into a values ({n});\n" for n in range(100_000)))
    one = PlannedMigration(source="default", key="1_a", action="run", sql=sql)
    document = markdown.document(Plan(stack="dev", migrations=(one,)))
    assert f"SQL, 100,000 lines, {sql.size:,} bytes, cut here" in document
    assert len(document) < 10_000
    assert "insert into a values (199);" in document
    assert "insert into a values (200);" not in document


def test_the_fingerprint_is_of_what_is_done_alone() -> None:
    base = [step("update", METADATA, "metadata", metadata(), metadata(a={}))]
    plan = make(read([*base, ended()]), stack="dev")
    remarked = make(read([*base, said("the weather is bad", "warning"), ended()]), stack="dev")
    assert json_shape.fingerprint(plan) == json_shape.fingerprint(remarked)
    other = make(
        read([step("update", METADATA, "metadata", metadata(), metadata(b={})), ended()]), stack="dev"
    )
    assert json_shape.fingerprint(plan) != json_shape.fingerprint(other)
    assert json_shape.fingerprint(plan) != json_shape.fingerprint(make(read([*base, ended()]), stack="prod"))


def test_a_value_that_is_hidden_still_makes_another_fingerprint() -> None:
    def sends(value: str) -> dict[str, Any]:
        trigger = {"webhook": "https://x.test", "headers": [{"name": "key", "value": value}]}
        return metadata(a={"event_triggers": {"t": trigger}})

    plans = [
        make(read([step("update", METADATA, "metadata", sends("old"), sends(value)), ended()]), stack="dev")
        for value in ("new", "newer")
    ]
    assert markdown.document(plans[0]) != markdown.document(plans[1]), "by the fingerprint"
    assert plans[0].changes == plans[1].changes
    assert json_shape.fingerprint(plans[0]) != json_shape.fingerprint(plans[1])
