"""`docs/README.md` leads to every page."""

from __future__ import annotations

import re

from tests.documents.blocks import ROOT

DOCS = ROOT / "docs"


def test_every_page_is_reached() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", (DOCS / "README.md").read_text(encoding="utf-8"))
    reached = {(DOCS / target).resolve() for target in targets}
    pages = {page for page in DOCS.rglob("*.md") if page.name != "README.md"}
    assert pages - reached == set()
