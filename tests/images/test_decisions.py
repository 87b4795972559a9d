"""Which image serves a part: decisions as data."""

from __future__ import annotations

import pytest

from local.images.decisions import (
    Availability,
    PullFailure,
    PullProgress,
    Step,
    build_step,
    engine_warning,
    next_step,
    postgres_warning,
    pull_failure,
    registry_of,
    space_problem,
)
from local.images.wheels import download_options


@pytest.mark.parametrize(
    ("configured", "chosen", "built", "allowed", "failure", "step"),
    [
        # The configured image wins over everything else, a stand-in of an earlier run included.
        (True, False, False, True, None, Step.USE_CONFIGURED),
        (True, True, True, True, None, Step.USE_CONFIGURED),
        (True, False, False, False, None, Step.USE_CONFIGURED),
        # The first run tries the registry, even where the stand-in's image is there for another reason.
        (False, False, False, True, None, Step.PULL),
        (False, False, True, True, None, Step.PULL),
        # Once chosen, the stand-in is used or built anew without asking the registry again.
        (False, True, True, True, None, Step.USE_STAND_IN),
        (False, True, False, True, None, Step.BUILD),
        # A pull that fails for the network's sake leads to the stand-in.
        (False, False, False, True, PullFailure.UNREACHABLE, Step.BUILD),
        (False, False, True, True, PullFailure.UNREACHABLE, Step.USE_STAND_IN),
        (False, False, False, True, PullFailure.LIMITED, Step.BUILD),
        (False, False, False, True, PullFailure.DENIED, Step.BUILD),
        # A registry that answers that there is no such image found a mistake, not a network.
        (False, False, True, True, PullFailure.ABSENT, Step.FAIL),
        (False, False, True, True, PullFailure.NO_SPACE, Step.FAIL),
        # Where stand-ins are not allowed one is never used.
        (False, True, True, False, None, Step.PULL),
        (False, True, True, False, PullFailure.UNREACHABLE, Step.FAIL),
    ],
)
def test_next_step(configured, chosen, built, allowed, failure, step) -> None:
    known = Availability(
        configured_present=configured,
        stand_in_chosen=chosen,
        stand_in_present=built,
        stand_in_allowed=allowed,
        pull_failure=failure,
    )
    assert next_step(known) is step


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("postgres:17.12", ""),
        ("hasura/graphql-engine:v2.48.10", ""),
        ("localhost/x:1", "localhost"),
        ("127.0.0.1:5000/x/y:1", "127.0.0.1:5000"),
        ("registry.example.com/team/x@sha256:ab", "registry.example.com"),
    ],
)
def test_registry_of(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("output", "failure"),
    [
        ("dial tcp: lookup registry on 10.0.0.1:53: no such host", PullFailure.UNREACHABLE),
        ("net/http: TLS handshake timeout", PullFailure.UNREACHABLE),
        ("x509: certificate signed by unknown authority", PullFailure.UNREACHABLE),
        ("manifest for postgres:99 not found: manifest unknown: manifest unknown", PullFailure.ABSENT),
        (
            "pull access denied for nobody/nothing, repository does not exist or may require 'docker login'",
            PullFailure.ABSENT,
        ),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", PullFailure.ABSENT),
        (
            'failed to resolve reference "docker.io/library/x:9": docker.io/library/x:9: not found',
            PullFailure.ABSENT,
        ),
        ("unexpected status from GET request: 404 page not found", PullFailure.UNREACHABLE),
        ("unauthorized: authentication required", PullFailure.DENIED),
        ("toomanyrequests: You have reached your unauthenticated pull rate limit", PullFailure.LIMITED),
        ("write /var/lib/docker/tmp/x: no space left on device", PullFailure.NO_SPACE),
    ],
)
def test_the_cause_of_a_failed_pull(output: str, failure: PullFailure) -> None:
    assert pull_failure(f"Error response from daemon: {output}") is failure


def test_a_full_disk_is_told_with_folder_and_numbers() -> None:
    problem = space_problem(folder="/data", free_bytes=99 * 2**20, needed_megabytes=100, purpose="x:1")
    assert problem is not None
    assert problem.startswith("no disk space for images: x:1 needs about 100 MB in /data, and 99 MB are free")
    assert space_problem(folder="/", free_bytes=100 * 2**20, needed_megabytes=100, purpose="x") is None


def test_both_builders_steps_are_understood() -> None:
    assert build_step("Step 4/13 : RUN  apt-get   update") == "step 4 of 13: RUN apt-get update"
    assert build_step("#7 [packages 2/4] RUN python3 -m venv /x") == "step 2 of 4: RUN python3 -m venv /x"
    assert build_step("#5 [2/6] COPY a b") == "step 2 of 6: COPY a b"
    assert build_step("Step 1/2 : ENV A=1") is None
    assert build_step("Get:1 something") is None
    assert len(build_step(f"Step 1/2 : RUN {'x' * 200}") or "") < 90


def test_layers_are_counted_once() -> None:
    progress = PullProgress()
    assert progress.read("aaaaaaaaaaaa: Pulling fs layer") is None
    assert progress.read("bbbbbbbbbbbb: Pulling fs layer") is None
    assert progress.read("aaaaaaaaaaaa: Pull complete") == "1 of 2 layers"
    assert progress.read("aaaaaaaaaaaa: Pull complete") is None
    assert progress.read("17: Pulling from library/postgres") is None
    assert progress.read("bbbbbbbbbbbb: Already exists") == "2 of 2 layers"


def test_the_warnings_say_what_runs_and_how_to_get_the_real_thing() -> None:
    text = engine_warning("hasura/graphql-engine:v9")
    assert text.startswith("STAND-IN, NOT HASURA")
    assert "docker pull hasura/graphql-engine:v9" in text
    assert "\n" not in text
    assert "major version" not in postgres_warning("postgres:17.1", version="17")
    assert "not the configured one (16)" in postgres_warning("postgres:16.4-trixie", version="17")


def test_wheels_are_asked_for_by_the_images_platform() -> None:
    options = download_options("arm64", "3.13")
    assert "--platform=manylinux_2_28_aarch64" in options
    assert "--python-version=3.13" in options
    assert "--abi=cp313" in options
    assert not any("x86_64" in option for option in options)
    assert "--require-hashes" in options
