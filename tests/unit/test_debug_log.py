"""The SDK's debug log, before it goes to the CLI."""

from __future__ import annotations

import grpc
import pulumi
import pytest

from components import debug_log
from components.debug_log import Gathered


def test_messages_are_said_together_in_their_order() -> None:
    said: list[str] = []
    gathered = Gathered(said.append)
    messages = [f"message {number}" for number in range(100)]
    for message in messages:
        gathered.add(message)
    gathered.send()
    assert "\n".join(said).split("\n") == messages
    assert len(said) < len(messages)
    count = len(said)
    gathered.send()
    assert len(said) == count


def test_a_cli_that_is_gone_is_told_nothing() -> None:
    def say(_text: str) -> None:
        raise grpc.RpcError

    gathered = Gathered(say)
    gathered.add("message")
    gathered.send()


def test_properties_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", lambda msg, *_: said.append(msg))
    monkeypatch.setattr(debug_log, "Gathered", _AtOnce)
    debug_log.take_over()
    taken_over = pulumi.log.debug
    debug_log.take_over()
    assert pulumi.log.debug is taken_over
    pulumi.log.debug("register resource outputs prepared: urn=u, props={'adminSecret': 'secret'}")
    pulumi.log.debug("of one of several streams, props={'adminSecret': 'secret'}", stream_id=1)
    pulumi.log.debug("plain")
    assert said == [
        "register resource outputs prepared: urn=u, props=(left out)",
        "of one of several streams, props=(left out)",
        "plain",
    ]


class _AtOnce(Gathered):
    def add(self, message: str) -> None:
        super().add(message)
        self.send()
