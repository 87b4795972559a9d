"""An attack as a row of `attacks.yaml`, the request that it is, and what of its answer must hold."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import yaml

from components.clerk.claims import HASURA_NAMESPACE
from tests.contract.hasura.key_server import KeyServer
from tests.contract.hasura.recording import SigningKeys, token
from tests.local_engine.engines import Engine

ADMIN_SECRET = "attacks-admin-secret-7c1f"
ISSUER = "https://clerk.example.test"
AUDIENCE = "api"
SKEW = 60
"""Seconds, and far more than a slow machine takes between making a token and judging it."""
BOBS = ("Bob", "of bob", "2024-01-02")
"""What only rows of Bob hold. His id is not among it: an attack may name it, and an error may repeat what was sent."""
OWN_ROW = "{ users { id name } }"
HONEST = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "user_a",
    "iat": "<now>",
    "nbf": "<now-5>",
    "exp": "<now+600>",
    HASURA_NAMESPACE: {
        "x-hasura-default-role": "user",
        "x-hasura-allowed-roles": ["user"],
        "x-hasura-user-id": "user_a",
    },
}


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A request and what must come of it; the keys are explained in `attacks.yaml`."""

    row: int
    name: str
    token: Mapping[str, Any] | None = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/graphql"
    method: str = "POST"
    query: str = OWN_ROW
    variables: Mapping[str, Any] | None = None
    body: Any = None
    raw: str | None = None
    refused: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    data: Any = None
    administrator_sees_more: bool = False
    unchanged: bool = True

    @property
    def id(self) -> str:
        return f"{self.row:02} {self.name}"


def attacks() -> list[Attack]:
    """All rows of `attacks.yaml`."""
    listed = yaml.safe_load((Path(__file__).parent / "attacks.yaml").read_text())
    return [
        Attack(**{key: tuple(value) if key in ("refused", "status") else value for key, value in row.items()})
        for row in listed
    ]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status and text of an answer; `json` is None where it is none."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def codes(self) -> set[str]:
        """The codes of all errors, in the shape of either API."""
        body = self.json
        if not isinstance(body, dict):
            return set()
        if "code" in body:
            return {str(body["code"])}
        return {str(error["extensions"]["code"]) for error in body.get("errors", ())}


@dataclass(frozen=True, kw_only=True)
class Target:
    """The engine under attack, and what the attacker has."""

    engine: Engine
    database: psycopg.Connection[tuple[object, ...]]
    keys: SigningKeys = field(repr=False)
    listener: KeyServer
    variables: Mapping[str, str] = field(repr=False)

    def sql(self, text: str) -> list[tuple[object, ...]]:
        """Runs SQL past the engine."""
        cursor = self.database.execute(text)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def everything(self) -> list[tuple[object, ...]]:
        """All rows of all tables: table, owner, row."""
        return self.sql(
            "select 'users', id, u::text from users u union all select 'notes', owner, n::text from notes n "
            "union all select 'cards', owner, c::text from cards c order by 1, 2, 3"
        )

    def token(self, described: Mapping[str, Any]) -> str:
        """A token: an honest one of Ada's, but for what is described."""
        claims = json.loads(json.dumps(HONEST))
        claims |= described.get("claims", {})
        claims[HASURA_NAMESPACE] |= described.get("session", {})
        if "namespace" in described:
            claims[HASURA_NAMESPACE] = described["namespace"]
        for name in described.get("without", ()):
            holder = claims if name in claims else claims[HASURA_NAMESPACE]
            del holder[name]
        header = json.loads(
            json.dumps(described.get("header", {"kid": "ins_current"})).replace("<listener>", self.trap)
        )
        more = {key: described[key] for key in ("key", "alg", "tamper") if key in described}
        made = token({"claims": claims, "header": header, **more}, self.keys)
        return made.rpartition(".")[0] + "." if described.get("strip") else made

    @property
    def trap(self) -> str:
        """An address that no engine may ask."""
        return self.listener.url("maxage60", "trap")

    @property
    def trapped(self) -> Sequence[float]:
        """When it was asked all the same."""
        return self.listener.asked("maxage60", "trap")

    def send(self, attack: Attack, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends the attack, or its request with other headers."""
        sent = [("Content-Type", "application/json")]
        if headers is None:
            for name, value in attack.headers.items():
                # A name may stand in it twice, as "Authorization" and "Authorization 2".
                sent.append((name.split()[0], self._filled(value)))
            if attack.token is not None:
                sent.append(("Authorization", f"Bearer {self.token(attack.token)}"))
        else:
            sent += headers.items()
        body: str | None = attack.raw
        if body is None and attack.method != "GET":
            request = {"query": attack.query, "variables": attack.variables or {}}
            body = json.dumps(attack.body if attack.body is not None else request)
        return self.exchange(attack.method, attack.path, sent, body)

    def exchange(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: str | None
    ) -> Answer:
        """One request, headers as they are."""
        address = urlsplit(self.engine.endpoint)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        content = (body or "").encode()
        try:
            connection.putrequest(method, path)
            for name, value in (*headers, ("Content-Length", str(len(content)))):
                connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            return Answer(status=answer.status, text=answer.read().decode())
        finally:
            connection.close()

    def _filled(self, value: str) -> str:
        if value == "<honest>":
            return f"Bearer {self.token({})}"
        if value == "<bob>":
            return f"Bearer {self.token({'session': {'x-hasura-user-id': 'user_b'}, 'key': 'other'})}"
        return value
