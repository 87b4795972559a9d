"""What people write and what the engine gives back of it: `forms/*.yaml`, one kind of metadata a file.

`written` and `exported` mean the same, `other` means something else. The exports are what the vendor's engine v2.48
writes by its own source.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from components.hasura.json_types import JsonObject
from components.schema.canonical import canonical, keyed, with_sets
from components.schema.engine_forms import as_meant

CASES = sorted((Path(__file__).parent / "forms").glob("*.yaml"))


def whole(case: JsonObject, part: str) -> JsonObject:
    """The fragment of a case as metadata."""
    fragment = copy.deepcopy(case[part])
    assert isinstance(fragment, dict)
    source: JsonObject = {"name": "default", "kind": "postgres", "tables": []}
    match case["within"]:
        case "table":
            source["tables"] = [{"table": {"name": "users", "schema": "public"}, **fragment}]
        case "source":
            source |= fragment
        case "root":
            return {"version": 3, "sources": [source], **fragment}
    return {"version": 3, "sources": [source]}


def load(path: Path) -> JsonObject:
    case = yaml.safe_load(path.read_text())
    assert set(case) == {"about", "within", "written", "exported", "other"}
    return case  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_an_export_means_what_was_written(path: Path) -> None:
    case = load(path)
    written, exported = whole(case, "written"), as_meant(whole(case, "exported"))
    assert canonical(written) == canonical(exported)
    assert keyed(written) == keyed(exported)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_what_means_something_else_is_told_apart(path: Path) -> None:
    case = load(path)
    written, other = whole(case, "written"), whole(case, "other")
    assert canonical(written) != canonical(other)
    assert keyed(written) != keyed(other)


@pytest.mark.parametrize("part", ["written", "exported", "other"])
@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_twice_is_once_and_the_input_stays(path: Path, part: str) -> None:
    metadata = whole(load(path), part)
    before = copy.deepcopy(metadata)
    once = canonical(metadata)
    assert canonical(once) == once
    shown = keyed(metadata)
    assert with_sets(shown) == shown
    assert metadata == before


def test_there_are_cases() -> None:
    assert len(CASES) >= 30
