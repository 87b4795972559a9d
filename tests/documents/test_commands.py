"""Every command in README and docs exists as it is written, and each block of them is run, or says why not."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.documents.blocks import (
    REASONS,
    ROOT,
    Block,
    MarkError,
    blocks,
    documents,
    missing,
    read,
    script,
    spans,
)
from tests.documents.commands import simple_commands, trouble

DOCUMENTS = documents()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_exists(document: str) -> None:
    lines = [
        (block.line + index, line)
        for block in blocks(document)
        for index, line in enumerate(block.text.splitlines())
    ]
    lines += list(spans((ROOT / document).read_text(encoding="utf-8")))
    found = [
        f"{document}:{number}: {shlex.join(words)}: {why}"
        for number, line in lines
        for words in simple_commands(line)
        if (why := trouble(words)) is not None
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("make up", None),
        ("make plan DRIFT=1 EXPECT=<fingerprint> && make up", None),
        ('make repair ARGS="--done 5"', None),
        ("make upp", "there is no target upp"),
        ("make plan DRIFFT=1", "nothing reads the variable DRIFFT"),
        ('eval "$(make -s activaet)"', "there is no target activaet"),
        ("pulumi config set --path 'hasuraCorsDomains[0]' https://app.example.com", None),
        ("pulumi config set --secret databaseUrl    # typed", None),
        ("pulumi stack init prod && pulumi preview", None),
        ("pulumi stack innit prod", "pulumi stack has no subcommand innit"),
        ("pulumi preview --refres", "pulumi preview has no option --refres"),
        ("unset A && pulumi upp", "pulumi has no subcommand upp"),
        ("python -m components.plan --stack staging --drift", None),
        ("python -m components.plan --drifft", "components.plan has no option --drifft"),
        ("python -m components.schema exprot", "components.schema has no command exprot"),
        ("python -m components.backup make --folder x", None),
        ("python -m components.plans", "there is no module components.plans"),
        ("the plan of the stack", None),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, said: str | None) -> None:
    found = [why for words in simple_commands(line) if (why := trouble(words)) is not None]
    assert found == ([said] if said else [])


def test_each_reason_not_to_run_a_block_is_used() -> None:
    used = {block.not_run for document in DOCUMENTS for block in blocks(document)}
    assert used - {None} == REASONS


def sources(block: Block) -> Path:
    assert block.run_by is not None
    return ROOT / block.run_by.partition("::")[0]


SHOWN_ELSEWHERE = [block for document in DOCUMENTS for block in blocks(document) if block.run_by is not None]


@pytest.mark.parametrize("block", SHOWN_ELSEWHERE, ids=lambda block: block.place)
def test_what_another_test_runs_is_run_there(block: Block) -> None:
    """The test exists, and reads the document, or has the first two words of each command in one line of its text."""
    assert block.run_by is not None
    text = sources(block).read_text(encoding="utf-8")
    assert f"def {block.run_by.partition('::')[2].partition('[')[0]}(" in text, block.run_by
    if Path(block.document).name in text:
        return
    for line in block.text.splitlines():
        for words in simple_commands(line):
            told = [f'"{word}"' for word in words[:2]]
            assert any(all(word in code for word in told) for code in text.splitlines()), shlex.join(words)


MARKS = """\
<!-- not run: needs a Clerk application -->
```sh
a
```

```sh
b
c
```

<!-- prints -->
```text
one 12
...
```

<!-- ends with an error -->
```sh
d
```

```json
{}
```
"""


def test_blocks_are_read_with_what_is_said_of_them() -> None:
    first, second, third = read(MARKS, "page.md")
    assert (first.text, first.not_run, first.runs, first.line) == (
        "a\n",
        "needs a Clerk application",
        False,
        3,
    )
    assert (second.text, second.runs, second.fails, second.place) == ("b\nc\n", True, False, "page.md:7")
    assert [printed.text for printed in second.printed] == ["one 12\n...\n"]
    assert (third.fails, third.runs, third.line) == (True, True, 19)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- not run: too slow -->\n```sh\na\n```\n", "`too slow` is no reason"),
        ("<!-- not run: needs a Clerk application -->\n\nWords.\n", "no block after it"),
        ("<!-- prints -->\n```text\na\n```\n", "nothing that is run before it prints this"),
        ("<!-- ends with an error -->\n```yaml\na: 1\n```\n", "is for a block marked sh"),
        ("```bash\na\n```\n", "mark commands as sh"),
    ],
)
def test_a_mark_that_makes_no_sense_is_found(text: str, said: str) -> None:
    with pytest.raises(MarkError, match=re.escape(said)) as error:
        read(text, "page.md")
    assert str(error.value).startswith("page.md:")


@pytest.mark.parametrize(
    ("printed", "output", "gone"),
    [
        ("up in 24.5 s: ...\nok  A: all     own row\n", "x\nup in 7 s: nothing\ny\nok  A: all own row\n", []),
        ("a\nb\n", "b\na\n", ["b"]),
        ("a ... c\n", "a b d\n", ["a ... c"]),
        ("a\n...\nz\n", "a\nb\nz\n", []),
    ],
)  # fmt: skip
def test_what_is_not_printed_is_found(printed: str, output: str, gone: list[str]) -> None:
    assert missing(printed, output) == gone


def test_a_script_has_each_command_in_its_line_and_stops_at_the_first_that_fails(tmp_path: Path) -> None:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        for left in tmp_path.iterdir():
            left.unlink()
        file = tmp_path / "page.md"
        file.write_text(script(read(text, "page.md"), tmp_path))
        return subprocess.run(["bash", file], capture_output=True, text=True, check=False)

    good = run(
        "# Page\n\n```sh\nA=1\necho $A\n```\n\n<!-- ends with an error -->\n```sh\nfalse\n```\n\n"
        "```sh\necho $LINENO\n```\n"
    )
    assert good.returncode == 0
    assert (tmp_path / "4.txt").read_text() == "1\n"
    assert (tmp_path / "14.txt").read_text() == "14\n"
    bad = run("# Page\n\n```sh\ntrue\nfalse && true\n```\n\n```sh\necho never > never\n```\n")
    assert bad.returncode != 0
    assert "stopped in line 6" in (tmp_path / "4.txt").read_text()
    assert not (tmp_path / "10.txt").exists()
    tolerated = run("# Page\n\n<!-- ends with an error -->\n```sh\ntrue\n```\n")
    assert tolerated.returncode != 0
    assert "page.md:5 ended without an error" in (tmp_path / "5.txt").read_text()
