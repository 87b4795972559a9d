"""Images are brought by Docker itself: from this machine, from a registry, or built."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from local.images import ConfiguredImages, ImageError, build, docker_cli, ensure, recipes, resolve, supply
from local.images.supply import resolve_all
from tests.images.containers import docker
from tests.images.registry import Registry, registry

pytestmark = pytest.mark.docker


@pytest.fixture
def architecture() -> str:
    named = docker_cli.daemon().architecture
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(named, named)


@pytest.fixture
def served(architecture: str) -> Iterator[Registry]:
    with registry(architecture) as running:
        yield running
        forget(running.image)


def forget(image: str) -> None:
    """Take away an image and the mark that a stand-in was chosen in its place."""
    for name in (image, recipes.chosen_tag("postgres", image), recipes.chosen_tag("hasura", image)):
        docker("image", "rm", "--force", name, check=False)


@pytest.fixture
def unreachable() -> Iterator[str]:
    """The name of an image whose registry refuses connections."""
    with socket.socket() as taken:
        # Bound and not listening: nobody else can take the port, and every connection is refused.
        taken.bind(("127.0.0.1", 0))
        image = f"127.0.0.1:{taken.getsockname()[1]}/team/postgres:17"
        yield image
    forget(image)


def images(postgres: str = "", hasura: str = "") -> ConfiguredImages:
    return ConfiguredImages(postgres=postgres, hasura=hasura)


def test_an_image_is_pulled_once_under_exactly_its_name(served: Registry) -> None:
    assert resolve(served.image, "postgres").why == "not on this machine; Docker pulls it"
    said: list[str] = []
    (row,) = ensure(images(postgres=served.image), parts=("postgres",), progress=said.append)
    assert (row.image, row.source, row.warning) == (served.image, "pulled", "")
    assert f"pulls {served.image}" in said
    assert f"{served.image}: 1 of 1 layers" in said
    asked = len(served.requests)
    (row,) = ensure(images(postgres=served.image), parts=("postgres",), progress=said.append)
    assert (row.image, row.source) == (served.image, "on this machine")
    assert len(served.requests) == asked
    found = resolve(served.image, "postgres")
    assert (found.image, found.stand_in) == (served.image, False)


def test_the_images_that_are_there_are_told_from_the_others() -> None:
    here = build("postgres", progress=print)
    repository, _, version = here.rpartition(":")
    longer, absent = f"{repository}:latest-{version}", "clerk-hasura.local/absent:1"
    docker("tag", here, longer)
    try:
        by_id = docker("image", "inspect", "--format", "{{.Id}}", here).strip()
        asked = [here, longer, by_id, absent, f"{here}0", here[:-1], repository, "Not/Allowed:1"]
        assert docker_cli.present(asked) == {here, longer, by_id}
    finally:
        docker("rmi", longer)
    assert docker_cli.present([absent]) == docker_cli.present([]) == frozenset()


def test_images_are_told_alike_together_and_one_by_one(unreachable: str) -> None:
    ensure(images(postgres=unreachable), parts=("postgres", "stand-ins"), progress=print)
    together = resolve_all({"postgres": unreachable, "hasura": "absent.invalid/engine:1", "stand-ins": ""})
    assert together == {
        "postgres": resolve(unreachable, "postgres"),
        "hasura": resolve("absent.invalid/engine:1", "hasura"),
        "stand-ins": resolve("", "stand-ins"),
    }
    assert [each.stand_in for each in together.values()] == [True, False, True]


def test_a_wrong_name_is_an_error_for_each_image_and_no_stand_in(served: Registry) -> None:
    wrong = images(postgres=f"{served.image}-typo", hasura=f"{served.address}/no/such:9")
    with pytest.raises(ImageError) as raised:
        ensure(wrong, parts=("postgres", "hasura"), progress=print)
    text = str(raised.value)
    assert f"clerk-hasura:postgresImage: {served.image}-typo cannot be pulled" in text
    assert f"clerk-hasura:hasuraImage: {served.address}/no/such:9 cannot be pulled" in text
    assert "no such image" in text


def test_an_unreachable_registry_leads_to_the_stand_in_and_is_remembered(
    unreachable: str, architecture: str
) -> None:
    said: list[str] = []
    (row,) = ensure(images(postgres=unreachable), parts=("postgres",), progress=said.append)
    assert row.image == recipes.postgres_recipe().tag
    assert unreachable in row.warning
    assert any(line.startswith(f"{unreachable} cannot be pulled") for line in said)
    found = resolve(unreachable, "postgres")
    assert (found.image, found.stand_in) == (row.image, True)
    assert found.why == row.warning
    # The second run asks no registry and builds nothing.
    said.clear()
    (again,) = ensure(images(postgres=unreachable), parts=("postgres",), progress=said.append)
    assert (again.image, again.source, said) == (row.image, "built here before", [])
    # Once the configured image is there, it is used.
    docker("tag", row.image, unreachable)
    found = resolve(unreachable, "postgres")
    assert (found.image, found.stand_in) == (unreachable, False)


def test_one_probe_decides_for_all_images_of_a_registry(unreachable: str) -> None:
    other = unreachable.replace("/team/postgres:17", "/hasura/graphql-engine:v1")
    said: list[str] = []
    rows = ensure(
        images(postgres=unreachable, hasura=other), parts=("postgres", "hasura"), progress=said.append
    )
    forget(other)
    assert [row.part for row in rows] == ["postgres", "hasura"]
    assert rows[1].warning.startswith("STAND-IN, NOT HASURA")
    assert rows[1].image == recipes.stand_ins_recipe().tag
    assert [line for line in said if line.startswith("pulls ")] == [f"pulls {unreachable}"]


def test_a_silent_registry_is_given_up(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_cli, "PROBE_SECONDS", 2)
    with registry(architecture, silent=True) as running:
        (row,) = ensure(images(postgres=running.image), parts=("postgres",), progress=print)
        assert running.requests, "the registry was never asked"
        assert row.image == recipes.postgres_recipe().tag
    forget(running.image)


def test_stand_ins_can_be_refused(unreachable: str) -> None:
    with pytest.raises(ImageError, match="Stand-ins are switched off"):
        ensure(images(postgres=unreachable), parts=("postgres",), allow_stand_ins=False, progress=print)
    assert not resolve(unreachable, "postgres", allow_stand_in=False).stand_in


def test_a_full_disk_is_found_before_anything_is_pulled(
    served: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(supply._PULL_MEGABYTES, "postgres", 10**9)
    with pytest.raises(ImageError, match=r"no disk space for images: .* needs about 1000000000 MB in /"):
        ensure(images(postgres=served.image), parts=("postgres",), progress=print)
    assert served.requests == []


def test_a_docker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    for attempt in (
        docker_cli.daemon,
        lambda: resolve("postgres:17", "postgres"),
        lambda: docker_cli.present(["postgres:17"]),
    ):
        with pytest.raises(ImageError, match=r"Docker does not answer: .*127\.0\.0\.1:1"):
            attempt()


def test_without_docker_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImageError, match="no `docker` command on PATH"):
        docker_cli.is_present("postgres:17")


def test_a_failed_build_shows_its_last_lines_and_leaves_no_container() -> None:
    ended = ("ps", "--all", "--quiet", "--filter", "exited=7")
    before = docker(*ended)
    broken = recipes.Recipe(
        part="test-broken",
        context={"Dockerfile": b"ARG BASE\nFROM ${BASE}\nRUN echo the-reason >&2 && exit 7\n"},
        build_args={},
    )
    with pytest.raises(ImageError, match="the-reason"):
        docker_cli.build(
            broken.tag,
            recipes.context_archive(broken, {}),
            build_args={"BASE": build("postgres", progress=print)},
            labels={},
            progress=print,
        )
    assert docker(*ended) == before


def test_a_stand_in_that_is_not_built_from_todays_sources_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipes.stand_ins_recipe()
    changed = recipes.Recipe(
        part="stand-ins", context={**recipe.context, "source/new.py": b""}, build_args=recipe.build_args
    )
    monkeypatch.setattr(recipes, "stand_ins_recipe", lambda: changed)
    monkeypatch.setattr(supply.recipes, "stand_ins_recipe", lambda: changed)
    with pytest.raises(ImageError, match="is not built: its recipe or sources have changed"):
        resolve("", "stand-ins")


def test_the_second_run_of_all_images_only_looks() -> None:
    said: list[str] = []
    wanted = ConfiguredImages(
        postgres=build("postgres", progress=print), hasura=build("stand-ins", progress=print)
    )
    rows = ensure(wanted, progress=said.append)
    assert [row.source for row in rows] == ["on this machine", "on this machine", "built here before"]
    assert said == []
