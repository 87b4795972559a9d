"""Ports that follow from a stack's name."""

from __future__ import annotations

import pytest

from components.settings import ports

KEYS = ("hasuraPort", "postgresPort", "localClerkPort")


@pytest.mark.parametrize(
    ("stack", "key", "port"),
    # Written down, because a change of these numbers would move the ports of running stacks.
    [
        ("dev", "hasuraPort", 20310),
        ("staging", "hasuraPort", 21960),
        ("prod", "hasuraPort", 21340),
        ("prod", "postgresPort", 21341),
        ("prod", "localClerkPort", 21342),
    ],
)
def test_a_name_always_has_the_same_ports(stack: str, key: str, port: int) -> None:
    assert ports.derived_port(stack, key) == port


def test_ports_lie_in_the_documented_range_and_differ_within_a_stack() -> None:
    for number in range(2000):
        own = {ports.derived_port(f"pr-{number}", key) for key in KEYS}
        assert len(own) == len(KEYS)
        assert all(ports.FIRST <= port <= ports.LAST for port in own)


def test_stacks_of_pull_requests_seldom_meet() -> None:
    first = [ports.derived_port(f"pr-{number}", "hasuraPort") for number in range(20)]
    assert len(set(first)) >= 19


def test_a_free_port_is_the_same_place_in_the_next_ten() -> None:
    first = ports.derived_port("prod", "postgresPort")
    assert ports.free_port("prod", "postgresPort", set()) == first
    assert ports.free_port("prod", "postgresPort", {first}) == first + 10
    assert ports.free_port("prod", "postgresPort", {first, first + 10}) == first + 20


def test_the_range_is_gone_through_to_its_end() -> None:
    every = set(range(ports.FIRST, ports.LAST + 1))
    first = ports.derived_port("prod", "hasuraPort")
    last_left = first - 10
    assert ports.free_port("prod", "hasuraPort", every - {last_left}) == last_left
    assert ports.free_port("prod", "hasuraPort", every) is None
