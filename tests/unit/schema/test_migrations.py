"""Reading a directory of migrations: the good ones, and every bad one named with its path."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.schema import migrations
from components.schema.migrations import read_migrations
from components.schema.problems import SchemaError

USERS = b"create table users (\n    id text primary key\n);\n"


def _write(root: Path, name: str, content: bytes = USERS) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _problems(root: Path) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        read_migrations(root, shown_as="migrations")
    return [str(problem).split("\n")[0] for problem in caught.value.problems]


def test_sources_versions_and_checksums(tmp_path: Path) -> None:
    _write(tmp_path, "default/10_b/up.sql", b"select 2;")
    _write(tmp_path, "default/9_a_b/up.sql")
    down = _write(tmp_path, "default/9_a_b/down.sql", b"drop table users;")
    _write(tmp_path, "other/1_x/up.sql", b"select 1;")
    _write(tmp_path, "default/.gitkeep", b"")
    found = read_migrations(tmp_path)
    assert [m.key for m in found.of("default")] == ["9_a_b", "10_b"]
    first = found.of("default")[0]
    assert (first.version, first.name, first.source) == (9, "a_b", "default")
    assert first.up.checksum == hashlib.sha256(USERS).hexdigest()
    assert first.down is not None
    assert first.down.path == down
    assert found.checksums()["other"] == {"1_x": hashlib.sha256(b"select 1;").hexdigest()}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
def test_crlf_is_the_same_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(migrations, "CHUNK", chunk)
    text = "select 'é';\n\nselect '\r';\nselect 2"
    unix = _write(tmp_path / "unix", "default/1_a/up.sql", text.encode())
    windows = _write(tmp_path / "windows", "default/1_a/up.sql", text.replace("\n", "\r\n").encode())
    assert unix.read_bytes() != windows.read_bytes()
    one, two = read_migrations(tmp_path / "unix"), read_migrations(tmp_path / "windows")
    assert one.checksums() == two.checksums()
    file = two.of("default")[0].up
    assert file.text() == text
    assert "".join(file.pieces()) == text


def test_other_text_is_another_migration(tmp_path: Path) -> None:
    _write(tmp_path / "one", "default/1_a/up.sql", b"select 1;\n")
    _write(tmp_path / "two", "default/1_a/up.sql", b"select 1;\n\n")
    assert read_migrations(tmp_path / "one").checksums() != read_migrations(tmp_path / "two").checksums()


def _missing_up(root: Path) -> None:
    _write(root, "default/2_b/down.sql")


def _empty_up(root: Path) -> None:
    _write(root, "default/2_b/up.sql", b" \n\t\r\n")


def _bad_name(root: Path) -> None:
    _write(root, "default/two_b/up.sql")


def _twice(root: Path) -> None:
    _write(root, "default/2_b/up.sql")
    _write(root, "default/02_c/up.sql")


def _file_for_folder(root: Path) -> None:
    _write(root, "default/2_b")


def _file_for_source(root: Path) -> None:
    _write(root, "2_b.sql")


def _leaving(root: Path) -> None:
    outside = root.parent / "outside.sql"
    outside.write_bytes(USERS)
    (root / "default/2_b").mkdir(parents=True)
    (root / "default/2_b/up.sql").symlink_to(outside)


def _leaving_folder(root: Path) -> None:
    outside = root.parent / "outside"
    _write(outside, "up.sql")
    (root / "default").mkdir(exist_ok=True)
    (root / "default/2_b").symlink_to(outside)


def _dangling(root: Path) -> None:
    (root / "default/2_b").mkdir(parents=True)
    (root / "default/2_b/up.sql").symlink_to(root / "nothing")


def _fifo(root: Path) -> None:
    (root / "default/2_b").mkdir(parents=True)
    os.mkfifo(root / "default/2_b/up.sql")


def _folder_for_file(root: Path) -> None:
    (root / "default/2_b/up.sql").mkdir(parents=True)


def _bom(root: Path) -> None:
    _write(root, "default/2_b/up.sql", b"\xef\xbb\xbf" + USERS)


def _not_utf8(root: Path) -> None:
    _write(root, "default/2_b/up.sql", b"select 1;\nselect '\xe9';\n")


def _cut_utf8(root: Path) -> None:
    _write(root, "default/2_b/up.sql", b"select 1;\n\n-- \xc3")


def _nul(root: Path) -> None:
    _write(root, "default/2_b/up.sql", b"select 1;\nselect '\0';\n")


def _metadata(root: Path) -> None:
    _write(root, "default/2_b/up.sql")
    _write(root, "default/2_b/up.yaml", b"- type: track_table\n")


def _huge_version(root: Path) -> None:
    _write(root, "default/9223372036854775808_b/up.sql")


def _bytes_for_a_name(root: Path) -> None:
    folder = os.fsencode(root) + b"/default/2_\xff"
    os.mkdir(folder)  # noqa: PTH102  bytes that are no text


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing up.sql": (_missing_up, "migrations/default/2_b/up.sql: missing"),
    "empty up.sql": (_empty_up, "migrations/default/2_b/up.sql: empty"),
    "bad name": (_bad_name, "migrations/default/two_b: not the name of a migration"),
    "version twice": (
        _twice,
        "migrations/default/2_b: version 2 is there twice: also migrations/default/02_c",
    ),
    "file for a folder": (_file_for_folder, "migrations/default/2_b: not a folder"),
    "file for a source": (_file_for_source, "migrations/2_b.sql: not a folder"),
    "link that leaves": (
        _leaving,
        "migrations/default/2_b/up.sql: a symbolic link that leaves the migrations folder",
    ),
    "folder link that leaves": (
        _leaving_folder,
        "migrations/default/2_b: a symbolic link that leaves the migrations folder",
    ),
    "link to nothing": (_dangling, "migrations/default/2_b/up.sql: a symbolic link to nothing"),
    "FIFO": (_fifo, "migrations/default/2_b/up.sql: not a regular file but a FIFO"),
    "folder for a file": (_folder_for_file, "migrations/default/2_b/up.sql: not a regular file but a folder"),
    "byte order mark": (_bom, "migrations/default/2_b/up.sql:1: begins with a byte order mark"),
    "not UTF-8": (_not_utf8, "migrations/default/2_b/up.sql:2: not UTF-8"),
    "cut UTF-8": (_cut_utf8, "migrations/default/2_b/up.sql:3: not UTF-8"),
    "NUL": (_nul, "migrations/default/2_b/up.sql:2: holds a NUL byte"),
    "metadata in a migration": (
        _metadata,
        "migrations/default/2_b/up.yaml: metadata in a migration is not run",
    ),
    "bytes for a name": (_bytes_for_a_name, "migrations/default/2_\\udcff: its name is not UTF-8"),
    "huge version": (
        _huge_version,
        "migrations/default/9223372036854775808_b: the version is larger than 9223372036854775807",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str, tmp_path: Path) -> None:
    make, expected = BAD[name]
    root = tmp_path / "migrations"
    _write(root, "default/1_a/up.sql")
    assert read_migrations(root).checksums() == {"default": {"1_a": hashlib.sha256(USERS).hexdigest()}}
    make(root)
    assert _problems(root) == [expected]


@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_lines_do_not_depend_on_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(migrations, "CHUNK", chunk)
    _write(tmp_path, "default/1_a/up.sql", b"select 1;\r\n\r\nselect '\xe9';\r\n")
    _write(tmp_path, "default/2_b/up.sql", b"select 1;\nselect '\0';\n")
    assert _problems(tmp_path) == [
        "migrations/default/1_a/up.sql:3: not UTF-8",
        "migrations/default/2_b/up.sql:2: holds a NUL byte",
    ]


def test_all_at_once(tmp_path: Path) -> None:
    for make in (_bad_name, _bom, _file_for_source):
        make(tmp_path)
    assert len(_problems(tmp_path)) == 3


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path, "default/1_a/up.sql")

    def denied(self: Path, *args: object, **kwargs: object) -> object:
        assert self == path
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert _problems(tmp_path) == ["migrations/default/1_a/up.sql: cannot be read: Permission denied"]


def test_no_such_folder(tmp_path: Path) -> None:
    assert _problems(tmp_path / "migrations") == ["migrations: cannot be read: No such file or directory"]


def test_link_inside_is_fine(tmp_path: Path) -> None:
    _write(tmp_path, "default/1_a/up.sql")
    (tmp_path / "second").mkdir()
    (tmp_path / "second/1_a").symlink_to(tmp_path / "default/1_a")
    found = read_migrations(tmp_path).checksums()
    assert found["second"] == found["default"]


NAMES = st.one_of(
    st.from_regex(r"[0-9]{1,20}_[a-zé]{1,5}", fullmatch=True),
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12),
).filter(lambda name: name not in (".", ".."))
FILES = st.dictionaries(
    st.one_of(st.sampled_from(["up.sql", "down.sql", "README.md"]), NAMES),
    st.one_of(st.binary(max_size=30), st.sampled_from([b"select 1;", b"-- no-transaction\nvacuum;"])),
    max_size=3,
)


@given(st.dictionaries(NAMES, FILES, max_size=4))
def test_any_directory_is_read_or_refused_with_places(folders: dict[str, dict[str, bytes]]) -> None:
    """No other error, whatever it holds; what is read has versions in order, and reads the same again."""
    with TemporaryDirectory() as made:
        root = Path(made) / "migrations"
        (root / "default").mkdir(parents=True)
        for folder, files in folders.items():
            (root / "default" / folder).mkdir(exist_ok=True)
            for name, content in files.items():
                (root / "default" / folder / name).write_bytes(content)
        try:
            found = read_migrations(root, shown_as="migrations")
        except SchemaError as error:
            assert error.problems
            assert all(problem.path.startswith("migrations/default/") for problem in error.problems)
            return
        versions = [migration.version for migration in found.of("default")]
        assert versions == sorted(set(versions))
        # What begins with a dot is version control's own.
        assert len(versions) == sum(not folder.startswith(".") for folder in folders)
        assert read_migrations(root, shown_as="migrations").checksums() == found.checksums()


def test_composed_and_decomposed_names_are_two_and_clash_by_their_version(tmp_path: Path) -> None:
    """A name is what its bytes are; version control or a file system that changes its form changes no checksum."""
    for form in ("NFC", "NFD"):
        _write(tmp_path / form, f"default/1_{unicodedata.normalize(form, 'é')}/up.sql")
        _write(tmp_path / "both", f"default/1_{unicodedata.normalize(form, 'é')}/up.sql")
    one, other = (read_migrations(tmp_path / form).of("default")[0] for form in ("NFC", "NFD"))
    assert (one.version, one.up.checksum) == (other.version, other.up.checksum)
    assert len(_problems(tmp_path / "both")) == 1
