"""Pictures of stacks in real Chromium: what is drawn, whether it can be read, and whether anything runs over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from components.graph import page
from tests.browser import mermaid
from tests.browser.chromium import Browser
from tests.unit.graph.test_cases import CASES, picture_of

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (1280, 760, 360)
BLOCK = re.compile(r"^```mermaid\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(case / "expected.md" for case in CASES),
]

RUNNING_OVER = """
const room = document.documentElement.clientWidth;
return [...document.body.querySelectorAll('*')].filter(e => {
  const box = e.getBoundingClientRect();
  if (!box.width || e.closest('.scroll')) return false;
  return box.left < -0.5 || box.right > room + 0.5
    || (e.matches('.card, .link, td, dd') && e.scrollWidth > e.clientWidth + 1);
}).map(e => e.tagName + '.' + e.className);
"""
"""Elements that reach beyond the page, or whose content reaches beyond them. A wide table scrolls in its frame."""

OVERLAPPING = """
const boxes = [...document.querySelectorAll('.link, .lane, .table')].map(e => e.getBoundingClientRect());
return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
  a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length;
"""
UNREADABLE = """
const parse = c => c.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => {
  for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; }
};
const bad = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !e.getClientRects().length || e.matches('script, .chip.none')) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < 4.5) bad.push([e.className || e.tagName, walk.currentNode.data.slice(0, 40), contrast]);
}
return bad;
"""
"""Text with less contrast than WCAG 2.2 asks for (section 1.4.3: 4.5 to 1). A chip of nothing is meant to be faint."""

OFF_THE_WIRE = """
const middle = e => { const b = e.getBoundingClientRect(); return (b.left + b.right) / 2; };
return [...document.querySelectorAll('.wire .head')].filter(head => head.getClientRects().length).map(head => {
  const at = head.getBoundingClientRect();
  return Math.min(...[...document.querySelectorAll('.link, .lanes')]
    .filter(card => Math.abs(card.getBoundingClientRect().top - at.bottom) < 3)
    .map(card => Math.abs(middle(card) - middle(head))));
}).filter(far => !(far <= 1.5));
"""
"""Arrow heads that do not end at the middle of a card."""


@pytest.fixture(scope="module")
def window(browser: Callable[[], Browser]) -> Browser:
    return browser()


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def drawn(request: pytest.FixtureRequest, window: Browser, tmp_path: Path) -> Browser:
    """The page of a case, opened from a folder."""
    file = tmp_path / f"{request.param.name}.html"
    file.write_text(page.page(picture_of(request.param)), encoding="utf-8")
    size(window, WIDTHS[0])
    errors(window)
    window.open(file.as_uri())
    return window


def errors(window: Browser) -> list[dict[str, Any]]:
    """What its console has said since it was asked last."""
    log = window.driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry for entry in log if entry["level"] == "SEVERE"]


def size(window: Browser, width: int, *, dark: bool = False) -> None:
    metrics = {"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    window.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    window.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def ask(window: Browser, script: str) -> Any:
    return window.driver.execute_script(script)


def test_nothing_runs_over_at_any_width(drawn: Browser) -> None:
    ask(drawn, "document.querySelectorAll('details').forEach(details => details.open = true)")
    for width in WIDTHS:
        size(drawn, width)
        assert ask(drawn, "return document.documentElement.scrollWidth") <= width
        assert ask(drawn, RUNNING_OVER) == [], width
        assert ask(drawn, OVERLAPPING) == 0, width
        assert ask(drawn, OFF_THE_WIRE) == [], width


def test_all_text_can_be_read_by_light_and_in_the_dark(drawn: Browser) -> None:
    papers = []
    for dark in (False, True):
        size(drawn, WIDTHS[0], dark=dark)
        assert ask(drawn, UNREADABLE) == []
        papers.append(ask(drawn, "return getComputedStyle(document.documentElement).backgroundColor"))
    assert papers[0] != papers[1]


def test_the_page_asks_nobody_and_breaks_nothing(drawn: Browser) -> None:
    assert [exchange.url for exchange in drawn.exchanges() if "html" not in exchange.url] == []
    assert errors(drawn) == []


def case_named(name: str) -> Path:
    return next(case for case in CASES if case.name == name)


@pytest.fixture(scope="module")
def differing(window: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page with every kind of difference."""
    file = tmp_path_factory.mktemp("graph") / "stack.html"
    file.write_text(page.page(picture_of(case_named("every-kind-of-difference"))), encoding="utf-8")
    size(window, WIDTHS[0])
    window.open(file.as_uri())
    yield window


def shown(window: Browser, selector: str) -> list[WebElement]:
    return [e for e in window.driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()]


def test_the_chain_is_drawn_from_the_application_to_the_rows(differing: Browser) -> None:
    links = shown(differing, ".link")
    assert [e.get_attribute("id") for e in links] == [
        f"link-{key}" for key in ("application", "template", "token", "jwks", "engine")
    ]
    application, template, token, jwks, engine = (e.rect for e in links)
    [_, lanes] = shown(differing, ".lane")[0].rect, shown(differing, ".lanes")[0].rect
    assert application["y"] < template["y"] < token["y"] < engine["y"] < lanes["y"]
    assert jwks["y"] == template["y"] and jwks["x"] > template["x"] + template["width"]
    assert "{{user.id}}" in links[2].text
    assert "jwks.json" in links[3].text
    lane = shown(differing, ".lane")[0].text
    assert "role user" in lane and "only rows where author = X-Hasura-User-Id" in lane
    differing.screenshot("graph-light")
    size(differing, WIDTHS[0], dark=True)
    differing.screenshot("graph-dark")
    size(differing, WIDTHS[0])


def test_differences_are_seen(differing: Browser) -> None:
    template = differing.text("link-template")
    assert "600 seconds" in template and "was: 60 seconds" in template
    for name, badge in (("drafts", "removed"), ("tags", "added")):
        [card] = shown(differing, f"[data-table={name}]")
        assert badge in card.find_element(By.TAG_NAME, "header").text
    users = differing.text("table-users")
    assert "more access may now also read email" in users
    chip, *_ = shown(differing, "#table-users .chip")
    unchanged, *_ = shown(differing, "#table-countries .chip")
    assert chip.value_of_css_property("outline-style") == "solid"
    assert unchanged.value_of_css_property("outline-style") == "none"
    assert chip.value_of_css_property("background-color") != unchanged.value_of_css_property(
        "background-color"
    )


def test_tables_are_found_by_words_and_by_difference(differing: Browser) -> None:
    names = lambda: [e.get_attribute("data-table") for e in shown(differing, "[data-table]")]  # noqa: E731
    everything = names()
    assert everything == ["countries", "drafts", "notes", "tags", "users"]
    search = differing.driver.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("EMAIL")
    assert names() == ["users"]
    search.send_keys(" nowhere")
    assert names() == [] and differing.text("nothing-found") == "No table is like this."
    search.clear()
    search.send_keys(" ")
    differing.driver.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    assert names() == ["drafts", "notes", "tags", "users"]
    differing.driver.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    assert names() == everything


@pytest.fixture(scope="module")
def renderer(window: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    try:
        script = mermaid.script()
    except mermaid.CannotBeHad as error:
        pytest.skip(f"Mermaid: {error}")
    file = tmp_path_factory.mktemp("mermaid") / "blank.html"
    file.write_text(
        f'<!doctype html><meta charset="utf-8"><div id="out"></div><script src="{script.as_uri()}"></script>'
    )
    window.open(file.as_uri())
    ask(window, "mermaid.initialize({startOnLoad: false, securityLevel: 'strict'})")
    return window


RENDER = """
const [text, done] = arguments;
mermaid.render('drawn', text).then(
  ({svg}) => { out.innerHTML = svg; done(out.innerText); }, error => done('ERROR ' + error));
"""


def test_mermaid_draws_every_picture_of_markdown(renderer: Browser) -> None:
    """As GitHub draws them: of the documents of this project, and of the cases above."""
    blocks = [(file, text) for file in DOCUMENTS for text in BLOCK.findall(file.read_text(encoding="utf-8"))]
    assert len(blocks) >= len(CASES)
    for file, text in blocks:
        said = renderer.driver.execute_async_script(RENDER, text)
        assert said.strip() and not said.startswith("ERROR"), (file, said)
        assert not re.search(r"ﬂ|¶|Syntax error", said), (file, said)
    assert "ERROR" in renderer.driver.execute_async_script(RENDER, "flowchart TB\n a[")


def test_mermaid_shows_names_letter_by_letter(renderer: Browser) -> None:
    case = case_named("names-that-would-format")
    [text, *_] = BLOCK.findall((case / "expected.md").read_text(encoding="utf-8"))
    said = renderer.driver.execute_async_script(RENDER, text)
    for name in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '`x` <b>"%%{init',
        r'"a.b"."style:\"#quot;\""',
    ):
        assert name in said, said
