"""The reference says what is so: each page against that which it describes."""

from __future__ import annotations

import ast
import re
from itertools import chain, pairwise
from pathlib import Path
from typing import get_args

import pytest
from project import ROOT, manifest

from components.backup import __main__ as backup_command
from components.graph import __main__ as graph_command
from components.plan import __main__ as plan_command
from components.plan.document import EXIT_CODES
from components.proof import exit_codes as proof_codes
from components.proof.user_table import table_outputs
from components.schema import __main__ as schema_command
from components.schema import ledger
from components.settings import KEYS, SECRET_KEYS, ProofSettings
from local.settings_reference import MANIFEST, PAGE, README, document, with_table

REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def rows(page: str) -> list[list[str]]:
    """The rows of all tables of a page, without their heads."""
    lines = [*(REFERENCE / page).read_text(encoding="utf-8").splitlines(), ""]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line, next_line in pairwise(lines)
        if line.startswith("| ") and not line.startswith("| ---") and not next_line.startswith("| ---")
    ]


def first_column(page: str) -> list[str]:
    """What stands in code in the first column of the tables of a page."""
    return [found[1] for row in rows(page) if (found := re.match(r"`([^`]+)`", row[0]))]


def test_settings_are_those_of_the_manifest() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(MANIFEST.read_text(encoding="utf-8")), (
        "make reference"
    )
    assert first_column("settings.md") == list(manifest())
    assert set(manifest()) == set(KEYS)
    secret = [row[0].strip("`") for row in rows("settings.md") if row[1].endswith(", secret")]
    assert set(secret) == SECRET_KEYS


def test_the_table_in_the_readme_is_that_of_the_manifest() -> None:
    manifest, readme = MANIFEST.read_text(encoding="utf-8"), README.read_text(encoding="utf-8")
    assert readme == with_table(readme, manifest), "make reference"
    assert "| `hasuraCorsDomains` |" in readme
    assert with_table(readme, manifest.replace("default: user\n", "default: member\n", 1)) != readme
    with pytest.raises(ValueError, match="settings"):
        with_table("no table", manifest)


def test_another_default_is_another_page() -> None:
    text = MANIFEST.read_text(encoding="utf-8")
    assert document(text.replace("default: hasura\n", "default: other\n", 1)) != document(text)
    assert document(f"# a comment\n{text}") == document(text)


def test_outputs_are_those_of_the_program() -> None:
    named: set[str] = set()
    programs = [ROOT / "__main__.py", ROOT / "components" / "stack_outputs.py"]
    for node in chain.from_iterable(
        ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for path in programs
    ):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "outputs":
                named.add(ast.literal_eval(target.slice))
            elif ast.unparse(target) == "outputs" and isinstance(node.value, ast.Dict):
                named |= {ast.literal_eval(key) for key in node.value.keys if key}
    named |= set(
        table_outputs(
            ProofSettings(enabled=True, table="members", user_column="id", text_column="name", row={})
        )
    )
    assert {"graphqlUrl", "provenAt", "proofTable", "adminSecret"} <= named
    listed = first_column("outputs.md")
    assert len(listed) == len(set(listed))
    assert set(listed) == named


def test_commands_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    listed = [name.split()[1] for name in first_column("commands.md") if name.startswith("make ")]
    assert sorted(listed) == sorted(targets)


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("components.plan", {*EXIT_CODES.values(), plan_command.ANOTHER, plan_command.INTERRUPTED}),
        ("components.graph", {0, graph_command.FAILED, graph_command.INTERRUPTED}),
        (
            "components.proof",
            {proof_codes.PROVEN, proof_codes.FAILED, proof_codes.NOT_MADE, proof_codes.INTERRUPTED},
        ),
        ("components.backup", {0, 1, 2, backup_command.INTERRUPTED}),
        ("components.adoption", {0, 1, 2}),
        ("components.dotenv", {0, 1, 2}),
        ("components.schema", {0, 1, 2, schema_command.PENDING}),
        ("local.stack", {0, 1, 2, 130}),
    ],
)
def test_exit_codes_are_those_of_the_commands(command: str, codes: set[int]) -> None:
    [row] = [row for row in rows("commands.md") if row[0] == f"`python -m {command}`" and len(row) == 7]
    said = {code for code, words in zip((0, 1, 2, 3, 4, 130), row[1:], strict=True) if words}
    assert said == codes


def test_the_ledger_is_as_it_is_made() -> None:
    text = (REFERENCE / "ledger.md").read_text(encoding="utf-8")
    made = ledger.create(ledger.Timeouts())
    columns = re.findall(r"^    (\w+) (text|bigint|timestamptz|boolean)", made, re.MULTILINE)
    kinds = set(dict(columns).values())
    assert [(row[0].strip("`"), row[1]) for row in rows("ledger.md") if row[1] in kinds] == columns
    for word in (*get_args(ledger.Origin), *get_args(ledger.State), ledger.TABLE, ledger.SEED_TABLE):
        assert f"`{word}`" in text
    signature = re.search(r"create function (\S+\(.*?\))", made)
    assert signature
    assert f"`{signature[1]}`" in text
    assert str(ledger.LOCK_KEYS) in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text):
        if target and "://" not in target:
            assert (page.parent / target).exists(), target
