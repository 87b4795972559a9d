"""What a deployment's events become in its log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import events_pb2_grpc
from pulumi.runtime.proto.events_pb2 import EventRequest

from components.deployment_log.record import Heard, deployment
from components.deployment_log.stream import listening
from components.deployment_log.text import failures, lines, summary
from components.plan.redaction import redactor

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIGRATIONS = "pulumi-python:dynamic/hasura:Migrations"
HEALTH = "pulumi-python:dynamic/docker:ContainerHealth"
PROVIDER = "pulumi:providers:docker"


def heard(*events: dict[str, Any]) -> list[Heard]:
    """Events that came a quarter of a second apart."""
    return [Heard(at=START + timedelta(seconds=n / 4), event=event) for n, event in enumerate(events)]


def step(event: str, op: str, type_: str, name: str, *, planning: bool = False) -> dict[str, Any]:
    urn = f"urn:pulumi:prod::clerk-hasura::{type_}::{name}"
    return {event: {"metadata": {"op": op, "urn": urn, "type": type_}, "planning": planning}}


def said(message: str, severity: str = "info", **more: Any) -> dict[str, Any]:
    return {"diagnosticEvent": {"message": message, "severity": severity, **more}}


def end(result: str, *, preview: bool = False, **changes: int) -> dict[str, Any]:
    return {"summaryEvent": {"isPreview": preview, "result": result, "resourceChanges": changes}}


PREVIEW = heard(
    step("resourcePreEvent", "same", MIGRATIONS, "migrations", planning=True), end("succeeded", preview=True)
)


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        pytest.param(
            [
                PREVIEW,
                heard(
                    step("resourcePreEvent", "update", MIGRATIONS, "migrations"),
                    step("resourcePreEvent", "create", HEALTH, "hasura-healthy"),
                    said("applied default/1700000000001_notes\n\napplied default/1700000000002_tags\n"),
                    said("default: would run 1700000000001_notes"),
                    said("debugging", "debug"),
                    said("a progress line", ephemeral=True),
                    step("resOutputsEvent", "update", MIGRATIONS, "migrations"),
                    step("resOutputsEvent", "create", HEALTH, "hasura-healthy"),
                    step("resourcePreEvent", "same", MIGRATIONS, "others"),
                    step("resOutputsEvent", "same", MIGRATIONS, "others"),
                    end("succeeded", create=1, update=1, same=41),
                ),
            ],
            [
                "12:00:00.000Z up of prod at abc begins",
                "12:00:00.000Z      1.50 s  changed migrations",
                "12:00:00.250Z      1.50 s  waited for health hasura-healthy",
                "12:00:00.500Z   applied default/1700000000001_notes",
                "12:00:00.500Z   applied default/1700000000002_tags",
                "12:00:02.500Z up of prod at abc succeeded in 2.5 s: 1 created, 1 changed",
            ],
            id="steps and what was said",
        ),
        pytest.param(
            [PREVIEW, heard(step("resourcePreEvent", "same", PROVIDER, "docker"), end("succeeded", same=43))],
            [
                "12:00:00.000Z up of prod at abc begins",
                "12:00:00.250Z up of prod at abc succeeded in 0.2 s: nothing changed",
            ],
            id="nothing to do",
        ),
        pytest.param(
            [
                heard(
                    step("resourcePreEvent", "update", MIGRATIONS, "migrations"),
                    said("postgresql://hasura:canary@db/app refuses canary-2", "error"),
                    step("resOpFailedEvent", "update", MIGRATIONS, "migrations"),
                    end("failed"),
                )
            ],
            [
                "12:00:00.000Z up of prod at abc begins",
                "12:00:00.000Z      0.50 s  FAILED, was to be changed migrations",
                "12:00:00.250Z   error: postgresql://[secret]@db/app refuses [secret]",
                "12:00:00.750Z up of prod at abc failed in 0.8 s: nothing changed",
            ],
            id="a failure, without its secrets",
        ),
        pytest.param(
            [
                heard(
                    said("1 problem; nothing was touched.", "error"),
                    {"policyEvent": {"policyName": "no-ports", "message": "a\nport", "enforcementLevel": "mandatory"}},
                    end("failed", preview=True),
                )
            ],
            [
                "12:00:00.000Z up of prod at abc begins",
                "12:00:00.000Z   error: 1 problem; nothing was touched.",
                "12:00:00.250Z   error: policy no-ports: a port",
                "12:00:00.500Z up of prod at abc was refused after 0.5 s, nothing was touched",
            ],
            id="a refusal",
        ),
    ],
)  # fmt: skip
def test_a_log_tells_what_was_done(streams: Sequence[Sequence[Heard]], expected: list[str]) -> None:
    found = deployment(streams, redactor({"CLERK_SECRET_KEY": "canary-2"}))
    assert found is not None
    made = lines(found, operation="up", stack="prod", commit="abc")
    assert [line.removeprefix("2026-03-01T") for line in made] == expected


@pytest.mark.parametrize("streams", [[], [[]], [PREVIEW]])
def test_a_preview_alone_is_no_deployment(streams: Sequence[Sequence[Heard]]) -> None:
    assert deployment(streams, redactor({})) is None


def test_the_summary_names_what_took_long() -> None:
    events = heard(
        step("resourcePreEvent", "create", HEALTH, "hasura-healthy"),
        step("resourcePreEvent", "update", MIGRATIONS, "migrations"),
        step("resOutputsEvent", "update", MIGRATIONS, "migrations"),
        step("resOutputsEvent", "create", HEALTH, "hasura-healthy"),
        end("succeeded", create=1, update=1),
    )
    found = deployment([events], redactor({}))
    assert found is not None
    assert summary(found, operation="up") == (
        "up succeeded in 1.0 s: 1 created, 1 changed; the slowest steps: waited for health hasura-healthy 0.8 s"
    )


def test_each_stream_is_kept_without_debug_messages() -> None:
    with listening() as events:
        for sent in ([said("one"), said("canary", "debug")], [end("succeeded")]):
            with grpc.insecure_channel(events.address.removeprefix("tcp://")) as channel:
                stub = events_pb2_grpc.EventsStub(channel)
                stub.StreamEvents(iter([EventRequest(event=json.dumps(event)) for event in sent]))
    assert [[one.event for one in stream] for stream in events.streams] == [[said("one")], [end("succeeded")]]


@pytest.mark.parametrize(
    ("result", "told"),
    [("failed", ["migrations failed:", "  up.sql:1: syntax error", "port 80 is taken"]), ("succeeded", [])],
)
def test_what_failed_is_told_at_the_end_where_it_stood_far_above(result: str, told: list[str]) -> None:
    events = heard(
        step("resourcePreEvent", "update", MIGRATIONS, "migrations"),
        said("migrations failed:\n  up.sql:1: syntax error\n", "error"),
        said("a stand-in", "warning"),
        said("port 80 is taken", "error"),
        said("port 80 is taken", "error"),
        said("update failed", "error"),
        end(result),
    )
    found = deployment([PREVIEW, events], redactor({}))
    assert found is not None
    assert failures(found) == told


def test_what_was_refused_is_what_was_printed_last() -> None:
    events = heard(said("proof: is neither true nor false", "error"), end("failed", preview=True))
    found = deployment([events], redactor({}))
    assert found is not None and found.result == "refused"
    assert failures(found) == []
