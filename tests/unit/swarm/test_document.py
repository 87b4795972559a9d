"""The service as the document that Docker reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from project import stack_config

from components import settings
from components.container import Image
from components.hasura.service_definition import START, definition
from components.swarm.document import Labels, differences, document, revision, text

LABELS = Labels(stack="clerk-hasura.stack=dev")
NAMES = {"HASURA_GRAPHQL_ADMIN_SECRET": "s-1", "/etc/clerk-hasura/database-ca.pem": "s-2"}


def defined(**change: str) -> dict[str, Any]:
    parsed = settings.parse(
        stack_config("dev") | {"replicas": "3", "hasuraConnections": "20"} | change,
        stack="dev",
        environment={},
    )
    return definition(
        parsed,
        image=Image(name="hasura/graphql-engine:v2.48.10", user="1001:1001"),
        environment={"B": "2", "A": "1"},
        health_test=["CMD-SHELL", "true"],
        log_options={"max-size": "10m"},
    )


def test_each_replica_is_closed_in_and_takes_anothers_place_before_that_stops() -> None:
    made = defined(hasuraCpus="1.5", pidsLimit="300")
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["user"] == "1001:1001"
    assert "--no-new-privs" in START
    assert made["volumes"] == [{"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 64 * 1024**2}}]
    deploy = made["deploy"]
    assert deploy["replicas"] == 3
    assert deploy["endpoint_mode"] == "dnsrr"
    assert deploy["resources"] == {
        "limits": {"cpus": "1.5", "memory": "1024M", "pids": 300},
        "reservations": {"memory": "1024M"},
    }
    assert deploy["update_config"] == {
        "parallelism": 1,
        "order": "start-first",
        "monitor": "5s",
        "max_failure_ratio": 0,
        "failure_action": "rollback",
    }
    assert made["command"] == ["graphql-engine", "serve"]


def test_placement_and_no_limits() -> None:
    made = defined(
        hasuraPlacement='["node.labels.api==true"]', hasuraCpus="0", hasuraMemoryMb="0", pidsLimit="0"
    )
    assert made["deploy"]["placement"] == {"constraints": ["node.labels.api==true"]}
    assert made["deploy"]["resources"] == {"limits": {}, "reservations": {}}


def whole(**change: str) -> dict[str, Any]:
    return document(
        "hasura",
        defined(**change),
        labels=LABELS,
        network="clerk-hasura-dev-overlay",
        secret_names=NAMES,
        owner="1001:1001",
    )


def test_secrets_are_files_that_only_the_engine_reads() -> None:
    made = whole()
    service = made["services"]["hasura"]
    assert [(each["target"], each["uid"], each["gid"], each["mode"]) for each in service["secrets"]] == [
        ("/etc/clerk-hasura/database-ca.pem", "1001", "1001", 0o400),
        ("HASURA_GRAPHQL_ADMIN_SECRET", "1001", "1001", 0o400),
    ]
    assert {each["name"] for each in made["secrets"].values()} == {"s-1", "s-2"}
    assert made["networks"] == {"stack": {"external": True, "name": "clerk-hasura-dev-overlay"}}
    assert (
        service["labels"]["clerk-hasura.stack"] == service["deploy"]["labels"]["clerk-hasura.stack"] == "dev"
    )


def test_a_dollar_begins_no_variable() -> None:
    assert json.loads(text(whole()))["services"]["hasura"]["entrypoint"][2].count("$$") == START.count("$")


@pytest.mark.parametrize(
    ("change", "is_another"),
    [({}, False), ({"replicas": "5", "hasuraConnections": "10"}, False), ({"hasuraCpus": "1.5"}, True)],
)
def test_another_number_of_replicas_is_no_other_revision(change: dict[str, str], is_another: bool) -> None:
    first, second = (revision(made, "net", NAMES) for made in (defined(), defined(**change)))
    assert (first != second) is is_another


def test_other_secrets_are_another_revision() -> None:
    assert revision(defined(), "net", NAMES) != revision(defined(), "net", NAMES | {"A": "s-3"})


def test_differences_are_told_by_path() -> None:
    deployed = {"A": {"B": 1, "C": [1]}, "ForceUpdate": 1}
    assert list(differences(deployed, deployed | {"ForceUpdate": 2})) == []
    assert list(differences(deployed, {"A": {"B": 2, "C": [1], "D": "x"}})) == [
        "A.B is 2, not 1",
        'A.D is "x", not null',
    ]
