"""Attacks on the deployed API: refused, or Ada's own rows; nothing of Bob's anywhere in an answer.

`/v1/graphql` answers 200 also when it refuses, so the status says nothing there. The rows are those of
docs/attacks.md, which also names the rows that other tests show.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import websocket

from components.settings import KEYS
from tests.attacks.attack import ADMIN_SECRET, BOBS, OWN_ROW, Answer, Attack, Target, attacks

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("rows")]

ATTACKS = attacks()
OWN = {"users": [{"id": "user_a", "name": "Ada"}]}
ADMINISTRATOR = {"X-Hasura-Admin-Secret": ADMIN_SECRET}
WAYS = 1_000
DEPTH = 100
DEPTH_OF_THE_LOCAL_ENGINE = 30
"""It is slow at this, and its speed says nothing of Hasura's."""


def leaked(answer: Answer) -> list[str]:
    return [text for text in BOBS if text in answer.text]


def of_bob(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [row for row in rows if row[1] == "user_b"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_attack(target: Target, attack: Attack) -> None:
    before = target.everything()
    answer = target.send(attack)
    assert leaked(answer) == []
    assert answer.status in (attack.status or (200,)), answer.text
    if attack.refused:
        assert answer.codes, answer.text
        assert answer.codes <= set(attack.refused), answer.text
        assert "data" not in answer.json
    else:
        assert answer.json == {"data": attack.data}
    after = target.everything()
    assert of_bob(after) == of_bob(before) != []
    if attack.unchanged:
        assert after == before
    assert target.trapped == [], "the engine followed an address out of a token"


@pytest.mark.parametrize(
    "attack", [each for each in ATTACKS if each.administrator_sees_more], ids=lambda attack: attack.id
)
def test_there_is_something_to_see(target: Target, attack: Attack) -> None:
    """The twin: the same request by one who may see it shows what is Bob's, so that the search can fail."""
    answer = target.send(attack, headers=ADMINISTRATOR)
    assert "errors" not in answer.json, answer.text
    assert leaked(answer) != []


def test_the_honest_token_opens(target: Target) -> None:
    """The twin of every token: what they are all alterations of gives the own row."""
    assert target.send(Attack(row=0, name="honest")).json == {"data": OWN}


def test_no_role_for_those_without_a_token_can_be_configured(target: Target) -> None:
    """So there are no permissions of an anonymous role in which session variables could stand."""
    assert [name for name in target.variables if "UNAUTHORIZED" in name] == []
    assert [key for key in KEYS if "unauthorized" in key.lower() or "anonymous" in key.lower()] == []


@pytest.mark.parametrize("size", [30_000, 100_000, 1_000_000])
@pytest.mark.parametrize("key", ["current", "other"])
def test_a_large_token(target: Target, size: int, key: str) -> None:
    """Whether the engine takes the header or not: no more than the own row, and it answers afterwards."""
    token = target.token({"key": key, "claims": {"padding": "x" * size}})
    try:
        answer = target.send(Attack(row=19, name=""), headers={"Authorization": f"Bearer {token}"})
    except ConnectionError:
        # The connection was closed on the sender, who was not done yet.
        assert size > 30_000
    else:
        refused = 400 <= answer.status < 500 or answer.codes == {"invalid-jwt"}
        assert refused or (key == "current" and answer.json == {"data": OWN}), answer.text
        assert leaked(answer) == []
    assert target.engine.healthy()


@pytest.mark.parametrize(
    "opening", ["[", '{"query":', '{"query":"{users{id}}","variables":', '{"variables":{"a":[']
)
def test_deeply_nested_json(target: Target, opening: str) -> None:
    text = opening * 100_000
    honest = {"Authorization": f"Bearer {target.token({})}"}
    answer = target.send(Attack(row=19, name="", raw=text), headers=honest)
    assert 400 <= answer.status < 500 or answer.codes <= {"invalid-json", "bad-request"} != set(), answer.text
    assert leaked(answer) == []
    assert target.engine.healthy()


def test_deeply_nested_claims(target: Target) -> None:
    """Signed by the instance's key; a template of ours has no such claim, but nothing stops the engine reading it."""
    nested: Any = "x"
    for _ in range(400):
        nested = [{"a": nested}]
    answer = target.send(Attack(row=19, name="", token={"claims": {"nested": nested}}))
    assert answer.codes == {"invalid-jwt"} or answer.json == {"data": OWN}, answer.text
    assert target.engine.healthy()


def test_a_batch_of_a_thousand(target: Target) -> None:
    """Nothing limits it but the ingress; each answer is the own row all the same."""
    answer = target.send(Attack(row=27, name="", body=[{"query": OWN_ROW}] * WAYS))
    assert answer.json == [{"data": OWN}] * WAYS
    assert leaked(answer) == []


def test_a_thousand_aliases(target: Target) -> None:
    query = " ".join(f"a{n}: users {{ name }}" for n in range(WAYS))
    answer = target.send(Attack(row=27, name="", query=f"{{ {query} }}"))
    assert answer.json == {"data": {f"a{n}": [{"name": "Ada"}] for n in range(WAYS)}}


def test_a_deep_query(target: Target) -> None:
    pairs = (DEPTH_OF_THE_LOCAL_ENGINE if target.engine.stand_in else DEPTH) // 2
    query = "users { name " + "notes { body user { name " * pairs + "} } " * pairs + "}"
    answer = target.send(Attack(row=27, name="", query=f"{{ {query} }}"))
    assert leaked(answer) == []
    assert target.engine.healthy()
    depth, found = 0, answer.json["data"]["users"]
    while found:
        depth += 1
        [one] = found if isinstance(found, list) else [found]
        found = one.get("notes") or one.get("user")
    assert depth == 2 * pairs + 1


def test_a_subscription(target: Target) -> None:
    """Own rows, also when another's change; and an end when the token expires."""
    if target.engine.stand_in:
        pytest.skip("the local engine has no subscriptions; --engine-image runs this against a real one")
    token = target.token({"claims": {"exp": "<now+10>"}})
    address = target.engine.endpoint.replace("http://", "ws://") + "/v1/graphql"
    socket = websocket.create_connection(address, subprotocols=["graphql-transport-ws"], timeout=60)
    said = []
    try:
        init = {"type": "connection_init", "payload": {"headers": {"Authorization": f"Bearer {token}"}}}
        socket.send(json.dumps(init))
        assert json.loads(socket.recv())["type"] == "connection_ack"
        query = "subscription { notes { body } }"
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        while True:
            message = json.loads(text) if (text := socket.recv()) else {"type": "closed"}
            said.append(text)
            if message["type"] == "closed":
                break
            if message["type"] == "next":
                target.sql("update notes set body = 'note of bob' || random() where owner = 'user_b'")
                assert message["payload"] == {"data": {"notes": [{"body": "note of ada"}]}}
    except websocket.WebSocketConnectionClosedException:
        said.append("closed")
    finally:
        socket.close()
    assert any('"next"' in text for text in said), said
    assert [text for text in said for mark in BOBS if mark in text] == []


def test_every_code_is_of_a_refusal_and_every_row_says_one_thing() -> None:
    assert [each.id for each in ATTACKS if bool(each.refused) is (each.data is not None)] == []
    assert len({each.id for each in ATTACKS}) == len(ATTACKS)
