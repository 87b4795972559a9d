"""The image of the local Clerk and the local engine."""

from __future__ import annotations

import json

import pytest

from local import images
from local.images import recipes
from tests.images.containers import container, docker, volume, wait_for

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def image() -> str:
    return images.build("stand-ins", progress=print)


def test_both_programs_can_be_imported(image: str) -> None:
    for module in ("local.clerk.__main__", "local.engine.__main__"):
        docker("run", "--rm", image, "python", "-c", f"import importlib; importlib.import_module('{module}')")


def test_it_runs_as_nobody_in_particular_and_owns_its_data_folder_only(image: str) -> None:
    program = "import os; open('/data/x', 'w').close(); print(os.getuid(), os.access('/app', os.W_OK))"
    assert docker("run", "--rm", image, "python", "-c", program) == "10001 False"
    with volume() as data:
        mounted = ("--volume", f"{data}:/data")
        assert docker("run", "--rm", *mounted, image, "python", "-c", program) == "10001 False"
    assert docker("image", "inspect", "--format", "{{json .Config.Volumes}}", image) == "null"


def test_the_sources_are_the_last_thing_in_it(image: str) -> None:
    history = docker("history", "--no-trunc", "--format", "{{json .}}", image).splitlines()
    steps = [json.loads(line)["CreatedBy"] for line in history]
    content = [step for step in steps if "LABEL" not in step]
    assert "/app" in content[0], content[:3]
    assert "COPY" in content[0] or "ADD" in content[0] or "copy" in content[0].lower(), content[:3]


def test_the_local_clerk_starts_and_answers(image: str) -> None:
    probe = (
        "python", "-c",
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9500/healthz', timeout=5).status)",
    )  # fmt: skip
    environment = (
        "--env", "LOCAL_CLERK_PORT=9500", "--env", "LOCAL_CLERK_PUBLIC_URL=http://127.0.0.1:9500",
        "--env", "LOCAL_CLERK_SECRET_KEY=sk_test_local_stand_in_accepts_this_key_only",
        "--env", "LOCAL_CLERK_DATA=/data",
    )  # fmt: skip
    with container(image, *environment, command=("python", "-m", "local.clerk")) as started:

        def answers() -> bool:
            assert started.state("Running") == "true", started.logs()
            return started.run(*probe, check=False) == "200"

        wait_for(answers, "the local Clerk is healthy")


def test_it_is_found_under_its_tag(image: str) -> None:
    found = images.resolve("", "stand-ins")
    assert (found.image, found.stand_in) == (image, True)
    assert image == recipes.stand_ins_recipe().tag
