"""What is said about a Docker host before anything is created on it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest
from project import stack_config

from components import host, settings
from components.clerk import keys
from components.docker_command import Docker
from components.postgres.data_version import DataVersions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dev() -> settings.Settings:
    return settings.parse(stack_config("dev"), stack="dev", environment={})


def listing(name: str, ports: str, stack: str | None = None) -> dict[str, str]:
    return {"Names": name, "Ports": ports, "Labels": f"a=b,clerk-hasura.stack={stack}" if stack else "a=b"}


def test_a_free_host_has_no_problem(dev: settings.Settings) -> None:
    assert host.problems(dev, host.HostFacts(docker_error=None, busy_ports={})) == []


def test_every_problem_is_named_at_once(dev: settings.Settings) -> None:
    facts = host.HostFacts(
        docker_error="no answer in 20 s",
        busy_ports={8080: "other-hasura", 9500: ""},
        free_ports={"hasuraPort": 20010},
    )
    said = [f"{problem.key}: {problem.what} {problem.write}" for problem in host.problems(dev, facts)]
    assert len(said) == 3
    assert "no answer in 20 s" in said[0]
    assert "port 8080 on 127.0.0.1 is taken by the container other-hasura" in said[1]
    assert "pulumi config set hasuraPort 20010    # free now" in said[1]
    assert "port 9500 on 127.0.0.1 is taken " in said[2]
    assert "pulumi config set localClerkPort PORT" in said[2]


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


def limited(**change: str) -> settings.Settings:
    return settings.parse(stack_config("dev") | change, stack="dev", environment={})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hasuraCpus": "2"}, []),
        ({"caddyCpus": "3"}, []),
        (
            {"caddyCpus": "3", "ingress": "true", "ingressDomain": "a.example.com"},
            ["caddyCpus: is 3, and the Docker host has 2"],
        ),
        ({"hasuraCpus": "2.1"}, ["hasuraCpus: is 2.1, and the Docker host has 2"]),
        ({"postgresCpus": "3"}, ["postgresCpus: is 3, and the Docker host has 2"]),
        ({"hasuraMemoryMb": "4096"}, []),
        ({"hasuraMemoryMb": "4097"}, ["hasuraMemoryMb: is 4097, and the Docker host has 4096"]),
    ],
)
def test_limits_that_the_host_cannot_give(change: dict[str, str], said: list[str]) -> None:
    facts = host.HostFacts(docker_error=None, busy_ports={}, cpus=2, memory_mb=4096)
    found = host.problems(limited(**change), facts)
    assert [f"{problem.key}: {problem.what}" for problem in found] == said


class Elsewhere(Docker):
    """A Docker host on another machine, with these containers."""

    def __init__(self, *containers: dict[str, str]) -> None:
        super().__init__(variables={"DOCKER_HOST": "ssh://elsewhere"})
        object.__setattr__(self, "containers", containers)

    def run(self, *arguments: str, **_: object) -> subprocess.CompletedProcess[str]:
        lines = {"ps": "\n".join(map(json.dumps, self.containers)), "info": "4 8589934592 true"}
        known = arguments[0] in lines
        return subprocess.CompletedProcess(
            arguments, 0 if known else 1, stdout=lines.get(arguments[0], ""), stderr=""
        )


def test_ports_of_another_machine_are_those_that_its_containers_hold(dev: settings.Settings) -> None:
    other = listing("other", "127.0.0.1:8080->8080/tcp, 127.0.0.1:20310->1/tcp", "other")
    own = listing("clerk-hasura-dev-postgres", "127.0.0.1:15432->5432/tcp", "dev")
    facts = host.gather(dev, Elsewhere(other, own))
    assert facts == host.HostFacts(
        docker_error=None,
        busy_ports={8080: "other"},
        # 20310 would be the first one, and is taken there.
        free_ports={"hasuraPort": 20320},
        cpus=4,
        memory_mb=8192,
    )


@pytest.mark.parametrize(
    ("data", "image", "said"),
    [
        (0, 17, []),
        (17, 0, []),
        (17, 17, []),
        (
            15,
            17,
            ["postgresImage: is PostgreSQL 17, which cannot read the data of PostgreSQL 15 in the volume"],
        ),
        (
            18,
            17,
            ["postgresImage: is PostgreSQL 17, which cannot read the data of PostgreSQL 18 in the volume"],
        ),
    ],
)
def test_data_of_another_major_version_is_not_given_to_a_server(
    dev: settings.Settings, data: int, image: int, said: list[str]
) -> None:
    facts = host.HostFacts(docker_error=None, busy_ports={}, postgres=DataVersions(data=data, image=image))
    found = host.problems(dev, facts)
    assert [f"{problem.key}: {problem.what}".partition(" clerk-hasura")[0] for problem in found] == said
    assert all(
        (ROOT / host.UPGRADE_RUNBOOK).is_file() and host.UPGRADE_RUNBOOK in problem.write for problem in found
    )


@pytest.mark.parametrize(
    ("replicas", "manager", "said"),
    [
        ("0", False, ""),
        ("0", True, ""),
        ("3", True, ""),
        ("3", False, "replicas: is 3, and the Docker host is no"),
    ],
)
def test_replicas_need_a_manager_of_a_swarm(replicas: str, manager: bool, said: str) -> None:
    wanted = limited(replicas=replicas, hasuraConnections="20")
    facts = host.HostFacts(docker_error=None, busy_ports={}, swarm_manager=manager)
    found = [f"{problem.key}: {problem.what} {problem.write}" for problem in host.problems(wanted, facts)]
    assert [each.startswith(said) and "docker swarm init" in each for each in found] == (
        [True] if said else []
    )


def test_a_taken_port_comes_with_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        facts = host.gather(limited(hasuraPort=str(port)), Here())
    assert facts.busy_ports == {port: ""}
    free = facts.free_ports["hasuraPort"]
    assert host._taken("127.0.0.1", [free]) == frozenset()


class Here(Elsewhere):
    """A Docker host on this machine, without containers."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "variables", {"DOCKER_HOST": "unix:///var/run/docker.sock"})


class Restarting(Here):
    """One that holds a container of the stack which Docker keeps starting again."""

    def __init__(self, port: int) -> None:
        super().__init__()
        object.__setattr__(self, "port", port)

    def run(self, *arguments: str, **_: object) -> subprocess.CompletedProcess[str]:
        bindings = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.port)}], "9/tcp": None}
        says = {"info": "4 8589934592", "inspect": json.dumps(bindings)}
        if arguments[:2] == ("ps", "--all"):
            says["ps"] = "1f2e3d\n" if "label=clerk-hasura.stack=dev" in arguments else ""
        return subprocess.CompletedProcess(arguments, 0, stdout=says.get(arguments[0], ""), stderr="")


def test_a_port_that_a_crashing_container_of_the_stack_holds_now_and_then_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert host.gather(limited(hasuraPort=str(port)), Restarting(port)).busy_ports == {}
        assert host.gather(limited(hasuraPort=str(port)), Restarting(1)).busy_ports == {port: ""}


def test_a_stack_without_containers_needs_no_docker() -> None:
    own = {
        "engineUrl": "https://example.hasura.app",
        "adminSecret": "canary",
        "clerkPublishableKey": keys.publishable_key_for("clear-cat-1.clerk.accounts.dev"),
        "clerkSecretKey": "sk_test_" + "a" * 40,
    }
    parsed = settings.parse(stack_config("staging") | own, stack="own", environment={})
    nowhere = Docker(variables={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert host.problems(parsed, host.gather(parsed, nowhere)) == []
