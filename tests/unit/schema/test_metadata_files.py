"""What is written as files is read back as the same, whatever it is called and whatever it holds."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.schema.canonical import keyed
from components.schema.metadata_directory import read_metadata
from components.schema.metadata_export import export, uncommitted
from components.schema.metadata_files import files
from components.schema.problems import SchemaError

ROOT = Path(__file__).resolve().parents[3]
DIRECTORIES = ("hasura_metadata", "tests/hasura_cli/project/hasura_metadata")

TEXTS = st.one_of(
    st.sampled_from(
        ["yes", "on", "null", "~", "", "0o7", "0x1F", "1e3", ".5", "-1", "1_000", "*", "2020-01-01", "a: b", "- a"]
    ),
    st.sampled_from([" a", "a ", "\ta\n\tb\n", "a\n\n b", "a\tb", "é\n", "{{URL}}/x", "#", "'\"", "@a", "=", "<<"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029\ufeff")),
).filter(lambda text: not text.strip().startswith("!include"))  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(["users", "Users", "a/b", "..", ".x", "tables", "a_b", "x" * 200, "ü ö"]), TEXTS
)
GRAPHQL_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
TYPES = st.sampled_from(["String", "[String!]!", "Money", "[Price]"])
DESCRIPTIONS = st.one_of(
    st.none(),
    st.sampled_from(['says """', '"', "\\\\", "two\n  lines", 'a\n"""\nb']),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x85"), min_size=1).map(
        str.strip
    ),
)


def described(entry: dict[str, Any], description: str | None) -> dict[str, Any]:
    return entry | {"description": description} if description else entry


FIELDS = st.lists(
    st.builds(
        lambda name, type_, text: described({"name": name, "type": type_}, text), GRAPHQL_NAMES, TYPES, DESCRIPTIONS
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda field: field["name"],
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    named = draw(
        st.lists(st.tuples(NAMES, NAMES), max_size=4, unique_by=lambda name: name[0] + "." + name[1])
    )
    return [
        {
            "table": {"name": name, "schema": schema},
            "select_permissions": [
                {"role": role, "permission": {"columns": ["id"], "filter": draw(st.dictionaries(TEXTS, VALUES))}}
                for role in draw(st.lists(NAMES, max_size=2, unique=True))
            ],
        }
        for schema, name in named
    ]  # fmt: skip


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "version": 3,
        "sources": [
            {
                "name": name,
                "kind": "postgres",
                "tables": draw(tables()),
                "configuration": {"connection_info": {"database_url": {"from_env": draw(TEXTS)}}},
            }
            for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
        ],
    }
    kinds = draw(st.lists(GRAPHQL_NAMES, max_size=4, unique=True))
    actions = draw(st.lists(GRAPHQL_NAMES, max_size=2, unique=True))
    tree["actions"] = [
        {
            "name": name,
            "definition": {
                "kind": "synchronous",
                "handler": draw(TEXTS),
                "type": draw(st.sampled_from(["mutation", "query"])),
                "arguments": draw(FIELDS),
                "output_type": draw(TYPES),
            },
            "comment": draw(TEXTS),
        }
        for name in actions
    ]
    types: dict[str, list[Any]] = {"scalars": [], "enums": [], "input_objects": [], "objects": []}
    for name in kinds:
        if name in ("Query", "Mutation"):
            continue
        kind, entry = draw(
            st.one_of(
                st.just(("scalars", {})),
                st.builds(lambda fields: ("input_objects", {"fields": fields}), FIELDS),
                st.builds(lambda fields: ("objects", {"fields": fields}), FIELDS),
                st.builds(
                    lambda names, text: ("enums", {"values": [described({"value": n}, text) for n in names]}),
                    st.lists(
                        GRAPHQL_NAMES.filter(lambda n: n not in ("true", "false", "null")), min_size=1, unique=True
                    ),
                    DESCRIPTIONS,
                ),
            )
        )  # fmt: skip
        types[kind].append(described({"name": name, **entry}, draw(DESCRIPTIONS)))
    tree["custom_types"] = types
    return tree


def written(folder: Path, tree: dict[str, Any]) -> Path:
    for name, text in files(tree).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    return folder


@settings(max_examples=120, deadline=None)
@given(tree=trees())
def test_what_is_written_is_read_back(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert read_metadata(written(Path(folder), tree)).keyed() == keyed(tree)


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_the_clis_own_files_stay_as_they_are(directory: str, tmp_path: Path) -> None:
    theirs = ROOT / directory
    made = files(read_metadata(theirs).tree)
    assert set(made) == {path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file()}
    for name in made:
        assert made[name] == (theirs / name).read_text(), name


def test_no_two_tables_share_a_file_on_any_file_system() -> None:
    tables = [
        {"table": {"schema": schema, "name": name}}
        for schema, name in (("a_b", "c"), ("a", "b_c"), ("A", "B_C"), ("a", "../c"), ("", "tables"), ("x", "y" * 300))
    ]  # fmt: skip
    made = files({"sources": [{"name": "default", "kind": "postgres", "tables": tables}]})
    folder = "databases/default/tables/"
    names = [name.removeprefix(folder) for name in made if name.startswith(folder)]
    assert len({name.lower() for name in names}) == len(tables) + 1
    assert all("/" not in name and len(name) < 150 for name in names)
    assert "a_b_c.yaml" in names, "the first one has the CLI's own name"


class Engine:
    """An engine with this metadata."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata

    def export_metadata(self) -> tuple[int, dict[str, Any]]:
        return 7, self._metadata


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The project's metadata, committed, and a file beside it that is none."""
    folder = tmp_path / "project" / "hasura_metadata"
    shutil.copytree(ROOT / "hasura_metadata", folder)
    (folder / "README.md").write_text("kept")
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "t"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_only_what_differs_is_written_and_what_is_gone_is_removed(directory: Path) -> None:
    tree = dict(read_metadata(directory).tree)
    assert export(Engine(tree), directory, overwrite=False).written == ()  # type: ignore[arg-type]
    [source] = tree["sources"]  # type: ignore[misc,union-attr]
    tree["sources"] = [source | {"tables": [{"table": {"schema": "public", "name": "notes"}}]}]  # type: ignore[operator]
    done = export(Engine(tree), directory, overwrite=False)  # type: ignore[arg-type]
    folder = "databases/default/tables/"
    assert done.written == (f"{folder}public_notes.yaml", f"{folder}tables.yaml")
    assert done.removed == (f"{folder}public_users.yaml",)
    assert (directory / "README.md").read_text() == "kept"
    assert read_metadata(directory).keyed() == keyed(tree)


@pytest.mark.parametrize(
    ("name", "staged"), [("network.yaml", False), ("network.yaml", True), ("new.yaml", False), ("new.yaml", True)]
)  # fmt: skip
def test_what_git_does_not_have_is_not_overwritten(directory: Path, name: str, staged: bool) -> None:
    (directory / name).write_text("{}\n# mine\n")
    if staged:
        subprocess.run(["git", "add", name], cwd=directory, check=True)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    with pytest.raises(SchemaError, match=name):
        export(Engine({"version": 3, "sources": []}), directory, overwrite=False)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before
    export(Engine({"version": 3, "sources": []}), directory, overwrite=True)  # type: ignore[arg-type]
    assert read_metadata(directory).keyed() == {"version": 3, "sources": {}}


def test_what_would_be_written_again_is_in_nobodys_way(tmp_path: Path) -> None:
    """Right after an export git has none of it, and there is nothing to lose."""
    folder, tree = tmp_path / "hasura_metadata", dict(read_metadata(ROOT / "hasura_metadata").tree)
    first = export(Engine(tree), folder, overwrite=False)  # type: ignore[arg-type]
    again = export(Engine(tree), folder, overwrite=False)  # type: ignore[arg-type]
    assert first.written and again.written == again.removed == ()
    assert again.unchanged == len(first.written)
    with pytest.raises(SchemaError, match="users"):
        export(Engine({"version": 3, "sources": []}), folder, overwrite=False)  # type: ignore[arg-type]


def test_outside_of_git_every_file_counts_and_an_empty_folder_does_not(tmp_path: Path) -> None:
    assert uncommitted(tmp_path / "none") == []
    (tmp_path / "version.yaml").write_text("version: 3\n")
    (tmp_path / "README.md").write_text("")
    assert uncommitted(tmp_path) == ["version.yaml"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            {"configuration": {"connection_info": {"database_url": "postgresql://u:canary@h/d"}}},
            "a password is written out",
        ),
        (
            {"tables": [{"table": {"schema": "public", "name": "a"}, "comment": "!include b"}]},
            "no such file",
        ),
    ],
)
def test_what_cannot_stand_in_files_is_refused_and_nothing_written(
    source: dict[str, Any], told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "hasura_metadata"
    metadata = {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": [], **source}]}
    with pytest.raises(SchemaError, match=told) as refused:
        export(Engine(metadata), folder, overwrite=False)  # type: ignore[arg-type]
    assert "canary" not in str(refused.value)
    assert not folder.exists()
