"""Which Docker host the docker command asks, given the provider's configuration and the environment."""

from __future__ import annotations

import pytest

from components import docker_command
from components.docker_command import Docker

CASES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "nothing is configured": ({}, {"PATH": "x"}, {"PATH": "x"}),
    "the environment's host": ({}, {"DOCKER_HOST": "tcp://a"}, {"DOCKER_HOST": "tcp://a"}),
    "a host": ({"host": "ssh://b"}, {"DOCKER_HOST": "tcp://a"}, {"DOCKER_HOST": "ssh://b"}),
    "a context": ({"context": "c"}, {"DOCKER_HOST": "tcp://a"}, {"DOCKER_CONTEXT": "c"}),
    "a context before a host": ({"context": "c", "host": "ssh://b"}, {}, {"DOCKER_CONTEXT": "c"}),
    "the environment's context before a host": (
        {"host": "ssh://b"},
        {"DOCKER_CONTEXT": "c"},
        {"DOCKER_CONTEXT": "c"},
    ),
    "certificates": (
        {"host": "tcp://b:2376", "certPath": "/certs"},
        {},
        {"DOCKER_HOST": "tcp://b:2376", "DOCKER_CERT_PATH": "/certs", "DOCKER_TLS_VERIFY": "1"},
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_case(name: str) -> None:
    config, environment, expected = CASES[name]
    docker = docker_command.configured(config.get, environment)
    assert docker.environment(environment) == expected
    docker.direct(environment)
    assert environment == expected


@pytest.mark.parametrize(
    ("variables", "here"),
    [
        ({}, True),
        ({"DOCKER_HOST": "unix:///run/docker.sock"}, True),
        ({"DOCKER_HOST": "ssh://b"}, False),
        ({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, False),
        ({"DOCKER_CONTEXT": "default"}, True),
        ({"DOCKER_CONTEXT": "c"}, False),
    ],
)
def test_ports_of_this_machine_are_told_from_those_of_another(variables: dict[str, str], here: bool) -> None:
    assert docker_command.is_here(Docker(), variables) is here
    assert docker_command.is_here(Docker(variables=variables), {}) is here


def test_what_only_the_provider_reads_is_named() -> None:
    config = {"sshOpts": '["-p", "22"]', "host": "ssh://b", "keyMaterial": "canary"}
    found = docker_command.misfits(config.get)
    assert [key for key, _ in found] == ["docker:sshOpts", "docker:keyMaterial"]
    assert "canary" not in str(found)
    assert docker_command.misfits({"host": "ssh://b", "certPath": "/certs"}.get) == []
