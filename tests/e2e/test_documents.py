"""README and docs, as a reader follows them: every block of commands that can run here, in order, as it is written.

One stack serves all documents; it is the reader's `dev`. A document begins with the files as they are in the project
and in a shell with the tools, but the README, which a reader starts with nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from project_copy import ProjectCopy

from local import toolchain
from tests.documents.blocks import Block, blocks, documents, missing, script

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

TOOLS = 'eval "$(make -s activate)" && pulumi stack select "$STACK"'
COMMITTER = ("-c", "user.name=reader", "-c", "user.email=reader@example.com")
TYPED = "what-somebody-types\n" * 8


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A document, and what is so before a reader opens it."""

    document: str
    given: str = TOOLS


READINGS = (
    Reading(document="README.md", given=""),
    Reading(document="docs/proof.md"),
    Reading(document="docs/graph.md"),
    Reading(document="docs/plan.md"),
    Reading(document="docs/tokens.md"),
    Reading(document="docs/policy.md"),
    Reading(document="docs/migrations.md"),
    Reading(document="docs/walkthrough.md"),
    Reading(document="docs/environments.md", given=f"{TOOLS}; pulumi login --local >/dev/null"),
    Reading(document="docs/runbooks/secret-rotation.md"),
    Reading(document="docs/runbooks/key-rotation.md"),
    Reading(
        document="docs/runbooks/containers.md", given=f"{TOOLS}; docker rm --force clerk-hasura-dev-postgres"
    ),
    Reading(document="docs/runbooks/updates.md"),
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectCopy]:
    """A clone, and a shell that knows nothing of the tools."""
    copy = ProjectCopy(tmp_path_factory.mktemp("project"), f"docs{uuid.uuid4().hex[:6]}")
    own = {
        key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CLERK_HASURA_"))
    }
    copy.environment = {
        **own,
        "PATH": os.pathsep.join(
            entry for entry in own["PATH"].split(os.pathsep) if not (Path(entry) / "pulumi").exists()
        ),
        "HOME": str(copy.home),
        "STACK": copy.stack,
        "NO_COLOR": "1",
        "CLERK_HASURA_CACHE": str(toolchain.cache_folder()),
        # What a person at a terminal answers with "yes".
        "PULUMI_SKIP_CONFIRMATIONS": "true",
    }
    yield copy
    copy.remove()


def test_every_document_with_commands_that_run_is_read_here() -> None:
    with_commands = {name for name in documents() if any(block.runs for block in blocks(name))}
    assert with_commands == {reading.document for reading in READINGS}, (
        "add it to READINGS, or say of its blocks why they are not run (tests/documents/blocks.py)"
    )


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.document)
def test_the_commands_of_a_document_do_what_it_says(reader: ProjectCopy, reading: Reading) -> None:
    begin_anew(reader)
    told = [block for block in blocks(reading.document, reader.folder) if block.runs]
    outputs = reader.folder / ".local" / "read" / re.sub(r"\W", "_", reading.document)
    outputs.mkdir(parents=True)
    file = outputs / Path(reading.document).name
    file.write_text(of_the_reader(script(told, outputs, reading.given), reader.stack))
    done = subprocess.run(
        ["bash", file],
        cwd=reader.folder,
        env=reader.environment,
        input=TYPED,
        text=True,
        timeout=900,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{last_output(told, outputs)}"
    for block in told:
        said = (outputs / f"{block.line}.txt").read_text()
        for printed in block.printed:
            gone = missing(of_the_reader(printed.text, reader.stack, words=True), said)
            assert not gone, f"{reading.document}:{printed.line}: not printed: {gone[0]}\n{said}"


def begin_anew(reader: ProjectCopy) -> None:
    """Takes back what a document has set and written, but for migrations and metadata, which are deployed."""
    for command in (
        ["add", "migrations", "hasura_metadata"],
        [*COMMITTER, "commit", "--quiet", "--allow-empty", "-m", "read"],
        ["checkout", "--quiet", "."],
        ["clean", "-dfq"],
    ):  # fmt: skip
        subprocess.run(["git", *command], cwd=reader.folder, check=True, stdout=subprocess.DEVNULL)


def of_the_reader(text: str, stack: str, *, words: bool = False) -> str:
    """A text about the stack `dev` as one about another stack: names of containers and files, or every word."""
    return re.sub(r"\bdev\b" if words else r"(?<=clerk-hasura-)dev\b|(?<=[\s/])dev(?=\.)", stack, text)


def last_output(told: list[Block], outputs: Path) -> str:
    """What the block printed that was reached last."""
    reached = [block for block in told if (outputs / f"{block.line}.txt").exists()]
    if not reached:
        return "no block was reached"
    return f"{reached[-1].place}:\n{(outputs / f'{reached[-1].line}.txt').read_text()}"
