"""Claims held against permissions. One file a case in `access/`, each with a twin that fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components import access
from components.access import AccessFinding
from components.clerk.claims import HASURA_NAMESPACE, template_claims
from components.schema.metadata_directory import MetadataDirectory, read_metadata

CASES = sorted((Path(__file__).parent / "access").glob("*.json"))
PROJECT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def directory(root: Path, table: str, files: dict[str, str]) -> MetadataDirectory:
    """A metadata directory on disk with one table, and further files."""
    functions = "databases/default/functions/functions.yaml"
    content = {
        "version.yaml": "version: 3\n",
        "databases/databases.yaml": (
            "- name: default\n  kind: postgres\n"
            "  configuration: {connection_info: {database_url: x}}\n"
            '  tables: "!include default/tables/tables.yaml"\n'
            + ('  functions: "!include default/functions/functions.yaml"\n' if functions in files else "")
        ),
        "databases/default/tables/tables.yaml": '- "!include public_users.yaml"\n',
        "databases/default/tables/public_users.yaml": table,
        **files,
    }
    for name, text in content.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return read_metadata(root, shown_as="hasura_metadata")


def found(root: Path, case: dict[str, Any]) -> list[AccessFinding]:
    claims = template_claims("user", ["user"], {})
    namespace = claims[HASURA_NAMESPACE]
    assert isinstance(namespace, dict)
    claims[HASURA_NAMESPACE] = {**namespace, **case["claims"]}
    return access.findings(claims, directory(root, case["table"], case["files"]))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_does_not_fit_is_found_with_file_line_and_claim(path: Path, tmp_path: Path) -> None:
    case = load(path)
    findings = found(tmp_path, case)
    assert [(f.claim[1], f.severity, list(f.places)) for f in findings] == [
        (e["claim"], e["severity"], e["places"]) for e in case["findings"]
    ]
    for finding, expected in zip(findings, case["findings"], strict=True):
        assert expected["says"] in str(finding)
        assert HASURA_NAMESPACE in str(finding)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_twin_fits(path: Path, tmp_path: Path) -> None:
    case = load(path)
    assert found(tmp_path, {**case, **case["twin"]}) == []


def test_there_are_cases() -> None:
    assert len(CASES) >= 12


def test_the_project_as_it_is_fits() -> None:
    claims = template_claims("user", ["user"], {})
    assert access.findings(claims, read_metadata(PROJECT / "hasura_metadata")) == []


def test_the_project_with_another_role_does_not() -> None:
    claims = template_claims("member", ["member"], {})
    texts = [str(f) for f in access.findings(claims, read_metadata(PROJECT / "hasura_metadata"))]
    assert len(texts) == 2
    assert "public_users.yaml:" in texts[0]
    assert "the role user has permissions, and no token allows it" in texts[0]


def test_a_shortcode_may_give_any_role(tmp_path: Path) -> None:
    case = load(next(p for p in CASES if p.stem == "role-not-allowed"))
    dynamic = {"x-hasura-allowed-roles": ["user", "{{user.public_metadata.role || 'user'}}"]}
    assert found(tmp_path, {**case, "claims": dynamic}) == []


def test_claims_of_any_shape_are_survived() -> None:
    metadata = read_metadata(PROJECT / "hasura_metadata")
    for namespace in (
        None,
        "x",
        1,
        [],
        {},
        {"x-hasura-allowed-roles": None},
        {"x-hasura-allowed-roles": [1, None]},
    ):
        assert access.findings({HASURA_NAMESPACE: namespace}, metadata)
    assert access.findings({}, metadata)


def test_many_places_are_counted_not_listed() -> None:
    finding = AccessFinding(
        claim=(HASURA_NAMESPACE, "x-hasura-a"),
        problem="p",
        remedy="r",
        places=("a:1", "b:2", "c:3", "d:4", "e:5"),
    )
    assert (
        str(finding) == 'a:1, b:2, c:3 and 2 more: p (claim "https://hasura.io/jwt/claims" > x-hasura-a). r.'
    )
