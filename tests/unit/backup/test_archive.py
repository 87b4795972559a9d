"""A backup's file: whole or not there, private, and refused when it is not what was written."""

from __future__ import annotations

import json
import stat
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.backup.archive import DumpedDatabase, Manifest, checksum_file, dump_of, read_manifest, write
from components.backup.contents import Contents, TableContent
from components.backup.databases import Setting
from components.backup.problem import BackupError

MADE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONTENTS = Contents(
    tables={"public.users": TableContent(rows=2, content="-17")},
    objects=frozenset({"table public.users", "schema public"}),
)


def manifest(stack: str = "prod", contents: Contents = CONTENTS) -> Manifest:
    settings = (Setting(role="", name="work_mem", value="9MB"), Setting(role="o", name="a.b", value="c=d"))
    database = DumpedDatabase(name="app", server=17, settings=settings, contents=contents)
    return Manifest(
        project="clerk-hasura", stack=stack, made=MADE, databases={"data": database, "metadata": database}
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup with the dumps `DATA` and `METADATA`."""
    written = tmp_path / "prod-20260301T120000Z.tar"
    for purpose in ("data", "metadata"):
        (tmp_path / f"{purpose}.dump").write_bytes(purpose.upper().encode())
    write(written, manifest(), {"data": tmp_path / "data.dump", "metadata": tmp_path / "metadata.dump"})
    return written


def test_what_is_written_is_read_back(file: Path, tmp_path: Path) -> None:
    assert read_manifest(file) == manifest()
    for purpose in ("data", "metadata"):
        with dump_of(file, purpose, tmp_path) as dump:  # type: ignore[arg-type]
            assert dump.read() == purpose.upper().encode()


def test_it_is_private_and_leaves_nothing_beside_it(file: Path) -> None:
    beside = {path.name for path in file.parent.iterdir() if path.suffix != ".dump"}
    assert beside == {file.name, f"{file.name}.sha256"}
    for path in (file, checksum_file(file)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    subprocess.run(["sha256sum", "--check", f"{file.name}.sha256"], cwd=file.parent, check=True)


def test_nothing_appears_when_a_dump_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "prod.tar"
    with pytest.raises(OSError):
        write(file, manifest(), {"data": tmp_path / "none"})
    assert list(tmp_path.iterdir()) == []


def _change_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-512])


def _another_form(file: Path) -> None:
    with tarfile.open(file) as archive:
        inside = archive.extractfile("manifest.json")
        assert inside is not None
        value = json.load(inside)
    changed = file.parent / "manifest.json"
    changed.write_text(json.dumps(value | {"format": 2}))
    with tarfile.open(file, "w") as archive:
        archive.add(changed, "manifest.json")
    _sum_anew(file)


def _no_archive(file: Path) -> None:
    file.write_bytes(b"select 1;" * 200)
    _sum_anew(file)


def _sum_anew(file: Path) -> None:
    said = subprocess.run(["sha256sum", file.name], cwd=file.parent, check=True, capture_output=True)
    checksum_file(file).write_bytes(said.stdout)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_change_a_byte, "is not what was written"),
        (_cut, "is not what was written"),
        (lambda file: checksum_file(file).unlink(), "No such file"),
        (lambda file: checksum_file(file).write_text(""), "is not what was written"),
        (lambda file: file.unlink(), "No such file"),
        (_another_form, "is no backup of this project, or of a newer version"),
        (_no_archive, "is no backup of this project"),
    ],
)
def test_what_is_not_what_was_written_is_refused(spoil, told: str, file: Path) -> None:
    read_manifest(file)
    spoil(file)
    with pytest.raises(BackupError, match=told) as refused:
        read_manifest(file)
    assert "Nothing was touched" in str(refused.value)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables=st.dictionaries(
        st.text(), st.builds(TableContent, rows=st.integers(0), content=st.integers().map(str))
    ),
    objects=st.frozensets(st.text()),
)
def test_any_names_come_back(
    tables: dict[str, TableContent], objects: frozenset[str], tmp_path: Path
) -> None:
    written = tmp_path / "any.tar"
    expected = manifest(contents=Contents(tables=tables, objects=objects))
    write(written, expected, {})
    assert read_manifest(written) == expected
