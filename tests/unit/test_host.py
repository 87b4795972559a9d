"""What is said about a Docker host before anything is created on it."""

from __future__ import annotations

import socket

import pytest
from project import stack_config

from components import host, settings


@pytest.fixture
def dev() -> settings.Settings:
    return settings.parse(stack_config("dev"), stack="dev", environment={})


def listing(name: str, ports: str, stack: str | None = None) -> dict[str, str]:
    return {"Names": name, "Ports": ports, "Labels": f"a=b,clerk-hasura.stack={stack}" if stack else "a=b"}


def test_a_free_host_has_no_problem(dev: settings.Settings) -> None:
    assert host.problems(dev, host.HostFacts(docker_error=None, busy_ports={})) == []


def test_every_problem_is_named_at_once(dev: settings.Settings) -> None:
    facts = host.HostFacts(docker_error="no answer in 20 s", busy_ports={8080: "other-hasura", 9500: ""})
    said = [f"{problem.key}: {problem.what} {problem.write}" for problem in host.problems(dev, facts)]
    assert len(said) == 3
    assert "no answer in 20 s" in said[0]
    assert "port 8080 on 127.0.0.1 is taken by the container other-hasura" in said[1]
    assert "pulumi config set hasuraPort" in said[1]
    assert "port 9500 on 127.0.0.1 is taken " in said[2]


@pytest.mark.parametrize(
    ("container", "busy"),
    [
        (listing("clerk-hasura-dev-hasura", "127.0.0.1:8080->8080/tcp", "dev"), {}),
        (
            listing("clerk-hasura-dev2-hasura", "127.0.0.1:8080->8080/tcp", "dev2"),
            {8080: "clerk-hasura-dev2-hasura"},
        ),
        (listing("other", "0.0.0.0:8080->80/tcp, :::8080->80/tcp"), {8080: "other"}),
        (listing("other", "0.0.0.0:18080->80/tcp"), {8080: ""}),
        (listing("other", ""), {8080: ""}),
    ],
)
def test_a_port_of_this_very_stack_is_not_taken(
    dev: settings.Settings, container: dict[str, str], busy: dict[int, str]
) -> None:
    assert host._busy(dev, [container], tried=frozenset({8080})) == busy


def test_a_listening_port_is_seen_and_a_free_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert host._taken("127.0.0.1", [port]) == {port}
    assert host._taken("127.0.0.1", [port]) == frozenset()
