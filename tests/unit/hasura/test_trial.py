"""What Docker is told of an engine on trial: as closed in as the one that serves, and nothing secret by argument."""

from __future__ import annotations

from itertools import pairwise

import pytest

from components.hasura.trial import ENGINE, EngineTrialProvider, arguments, environment_file
from components.provider_error import ProviderError

PROPS: dict[str, object] = {
    "name": "clerk-hasura-dev-hasura-trial",
    "stack_label": "clerk-hasura.stack=dev",
    "part_label": "clerk-hasura.part=hasura-trial",
    "serving": "clerk-hasura.part=hasura",
    "image": "sha256:1",
    "command": ["graphql-engine", "serve"],
    "environment": {"HASURA_GRAPHQL_ADMIN_SECRET": "canary", "B": "two words"},
    "user": "1001:1001",
    "network": "clerk-hasura-dev",
    "files": "",
    "digests": {},
    "memory_mb": 512.0,
    "cpus": 1.5,
    "pids": 300.0,
    "health_test": ["CMD-SHELL", "curl http://127.0.0.1:8080/healthz"],
    "seconds": 120.0,
    "interval": 2.0,
    "stop_seconds": 30.0,
}


def options(said: list[str]) -> dict[str, list[str]]:
    """Option to its values, of those before the image that have one."""
    found: dict[str, list[str]] = {}
    words = said[1 : said.index(str(PROPS["image"]))]
    for name, value in pairwise(words):
        if name.startswith("--") and not value.startswith("--"):
            found.setdefault(name, []).append(value)
    return found


def test_it_is_closed_in_limited_and_published_nowhere() -> None:
    said = arguments(PROPS)
    assert said[-2:] == ["graphql-engine", "serve"]
    assert "--read-only" in said and "--publish" not in said
    given = options(said)
    assert given["--cap-drop"] == ["ALL"]
    assert given["--security-opt"] == ["no-new-privileges:true"]
    assert given["--user"] == ["1001:1001"]
    assert given["--memory"] == given["--memory-swap"] == ["512m"]
    assert given["--cpus"] == ["1.5"]
    assert given["--pids-limit"] == ["300"]
    assert given["--restart"] == ["no"]
    assert given["--network"] == ["clerk-hasura-dev"]
    assert given["--label"] == [PROPS["stack_label"], PROPS["part_label"]]
    assert "--volume" not in given


def test_no_limit_is_no_option_and_files_are_there_to_read() -> None:
    given = options(arguments(PROPS | {"memory_mb": 0.0, "cpus": 0.0, "pids": 0.0, "files": "some-files"}))
    assert "--memory" not in given and "--cpus" not in given
    assert given["--pids-limit"] == ["-1"]
    assert given["--volume"] == ["some-files:/etc/clerk-hasura:ro"]


def test_the_environment_is_no_argument() -> None:
    said = arguments(PROPS)
    assert "canary" not in " ".join(said)
    assert options(said)["--env-file"] == ["/dev/stdin"]
    assert environment_file({"B": "two words", "A": "x=y"}) == "A=x=y\nB=two words\n"


def test_a_value_of_two_lines_is_refused_without_being_shown() -> None:
    with pytest.raises(ProviderError, match="B holds more than one line") as error:
        environment_file({"A": "fine", "B": "canary\nmore"})
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("key", sorted(PROPS))
def test_it_is_held_again_for_another_engine_only(key: str) -> None:
    changed = EngineTrialProvider().diff("", PROPS, PROPS | {key: "another"}).changes
    assert changed is (key in ENGINE)
