"""Images pinned by digest, in the form of a stack's file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.image_digests import pin, pinned, with_setting
from local.images import ImageError, docker_cli
from tests.images.containers import docker
from tests.images.registry import Registry, registry

DIGEST = "sha256:" + "0" * 64
IMAGE = f"hasura/graphql-engine:v2.48.10@{DIGEST}"
LINE = f"  clerk-hasura:hasuraImage: {IMAGE}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"config:\n{LINE}"),
        ("encryptionsalt: v1:x\n", f"encryptionsalt: v1:x\nconfig:\n{LINE}"),
        (
            '# why\nconfig:\n  # a comment\n  clerk-hasura:production: "true"\nencryptionsalt: v1:x\n',
            f'# why\nconfig:\n{LINE}  # a comment\n  clerk-hasura:production: "true"\nencryptionsalt: v1:x\n',
        ),
        (
            "config:\n  clerk-hasura:hasuraImage: 'hasura/graphql-engine:v2.48.9'\n  clerk-hasura:a: b\n",
            f"config:\n{LINE}  clerk-hasura:a: b\n",
        ),
        ("config:\n  clerk-hasura:hasuraImage: x", f"config:\n{LINE}"),
    ],
    ids=["no file", "only a salt", "other keys", "another image", "no end of line"],
)
def test_a_key_is_set_and_every_other_line_stays(before: str, after: str) -> None:
    assert with_setting(before, "hasuraImage", IMAGE) == after
    assert with_setting(after, "hasuraImage", IMAGE) == after


@pytest.mark.parametrize("text", ["config: {clerk-hasura:a: b}\n", "config:\n  - x\n", "a: [\n"])
def test_another_form_is_left_alone(text: str) -> None:
    with pytest.raises(ImageError):
        with_setting(text, "hasuraImage", IMAGE)


def test_a_digest_is_kept() -> None:
    assert pinned(IMAGE, lambda _: pytest.fail("nothing is pulled")) == IMAGE


@pytest.fixture
def served() -> Iterator[Registry]:
    named = docker_cli.daemon().architecture
    with registry({"x86_64": "amd64", "aarch64": "arm64"}.get(named, named)) as running:
        yield running
        for kind in ("{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"):
            for name in docker("image", "ls", "--digests", "--format", kind).split():
                if name.startswith(running.address) and "<none>" not in name:
                    docker("image", "rm", "--force", name)


@pytest.fixture
def project(tmp_path: Path, served: Registry) -> Path:
    images = "".join(f"  {key}: {{default: '{served.image}'}}\n" for key in ("postgresImage", "hasuraImage"))
    images += "  caddyImage: {default: ''}\n"
    (tmp_path / "Pulumi.yaml").write_text(f"name: clerk-hasura\nconfig:\n{images}")
    return tmp_path


@pytest.mark.docker
def test_tags_are_resolved_at_their_registry(project: Path, served: Registry) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text('config:\n  clerk-hasura:production: "true"\n')
    lines = pin(project, "prod", lambda _: None)
    [name] = [each for each in docker_cli.digests(served.image) if each.startswith(served.address)]
    full = f"{served.image}@{name.partition('@')[2]}"
    assert lines == [f"postgresImage: {full}", f"hasuraImage: {full}"]
    assert 'clerk-hasura:production: "true"' in file.read_text()
    docker("image", "rm", "--force", served.image)
    docker("pull", full)
    assert pin(project, "prod", lambda _: None) == [f"{line} (as it was)" for line in lines]


@pytest.mark.docker
def test_a_database_of_somebody_else_needs_no_image(project: Path) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text("config:\n  clerk-hasura:databaseUrl:\n    secure: v1:x\n")
    [line] = pin(project, "prod", lambda _: None)
    assert line.startswith("hasuraImage: ")
    assert "secure: v1:x" in file.read_text()


@pytest.mark.docker
def test_an_image_that_no_registry_has_is_told_and_nothing_is_written(
    project: Path, served: Registry
) -> None:
    file = project / "Pulumi.prod.yaml"
    before = f"config:\n  clerk-hasura:hasuraImage: {served.address}/test-images/absent:1\n"
    file.write_text(before)
    with pytest.raises(ImageError, match="absent:1 cannot be pulled"):
        pin(project, "prod", lambda _: None)
    assert file.read_text() == before


def test_an_engine_of_somebody_else_leaves_no_image_to_pin(project: Path) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text(before := "config:\n  clerk-hasura:engineUrl: https://example.hasura.app\n")
    with pytest.raises(ImageError, match="has no images"):
        pin(project, "prod", lambda _: None)
    assert file.read_text() == before
