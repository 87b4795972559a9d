"""Replays the cases of this folder against a Clerk: the local one, or a real development instance.

A case is a list of steps: a request, what must come back, and values to `keep` for later steps.
In requests and expectations `${name}` stands for a kept value, `${unique}` for a text of this case alone,
`${issuer}` for the front-end API's URL. In expectations:
- "<any>", "<string>", "<int>", "<list>", "<milliseconds>" (a time near now), "<id user>" (an id of that
  prefix);
- an object matches exactly, unless it has the key "...": then further keys are allowed;
- {"<some>": x} matches a list with an element that matches x.
`token` checks the answer's `jwt`: its signature by the JWKS (or by `key` and `algorithm`), its claims, and
`lifetime` and `skew` in seconds.
`basis` is `documented`, or `assumed` where Clerk's documentation leaves the answer open; `verified_on_real`
becomes true once a real instance has answered so. `not_on_real` is the reason why a case cannot run there.

CLERK_CONTRACT_SECRET_KEY names a real development instance (a live key is refused), CLERK_CONTRACT_API_URL
another address than https://api.clerk.com. What a case makes is removed after it, also when it fails.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest

from local.clerk.server import serving

HERE = Path(__file__).parent
REAL_KEY = "CLERK_CONTRACT_SECRET_KEY"

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['case']}")
    for path in sorted(HERE.glob("*.json"))
    for case in json.loads(path.read_text("utf-8"))
]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The Clerk that is asked. `variables` are those that every case may use."""

    backend_url: str
    secret_key: str = field(repr=False)
    real: bool
    variables: dict[str, str]


def real_secret_key(environment: dict[str, str]) -> str | None:
    """The key of a real development instance, if one is named; a live key is refused."""
    key = environment.get(REAL_KEY)
    if key is not None and not key.startswith("sk_test_"):
        pytest.exit(
            f"{REAL_KEY} is not a development key: only keys that start with sk_test_ are used, "
            "as the cases make and delete users and templates.",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )
    return key


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    key = real_secret_key(dict(os.environ))
    if key is None:
        with serving(tmp_path_factory.mktemp("clerk")) as local:
            variables = {
                "issuer": local.url,
                "session_template": local.instance.record.session_template_id,
            }
            yield Target(backend_url=local.url, secret_key=local.secret_key, real=False, variables=variables)
        return
    url = os.environ.get("CLERK_CONTRACT_API_URL", "https://api.clerk.com").rstrip("/")
    domains = httpx.get(f"{url}/v1/domains", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    domains.raise_for_status()
    primary = next(domain for domain in domains.json()["data"] if not domain["is_satellite"])
    variables = {"issuer": primary["frontend_api_url"]}
    yield Target(backend_url=url, secret_key=key, real=True, variables=variables)


class Replay:
    """One case in progress: its kept values, its browser cookies, and what it made."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.values = target.variables | {"unique": secrets.token_hex(6)}
        self.http = httpx.Client(timeout=30)
        self.made: list[str] = []

    def filled(self, pattern: object) -> object:
        """`pattern` with every `${name}` replaced."""
        if isinstance(pattern, str):
            return re.sub(r"\$\{(\w+)\}", lambda match: self.values[match.group(1)], pattern)
        if isinstance(pattern, list):
            return [self.filled(item) for item in pattern]
        if isinstance(pattern, dict):
            return {self.filled(key): self.filled(value) for key, value in pattern.items()}
        return pattern

    def send(self, request: dict) -> httpx.Response:
        """Send one request; a real instance's rate limit is waited for."""
        headers = dict(request.get("headers", {}))
        frontend = request.get("api") == "frontend"
        key = request.get("key", self.target.secret_key)
        if frontend:
            headers["Origin"] = "http://127.0.0.1:5173"
        elif key is not None:
            headers["Authorization"] = f"Bearer {key}"
        for _ in range(5):
            answer = self.http.request(
                request["method"],
                (self.values["issuer"] if frontend else self.target.backend_url) + request["path"],
                params=request.get("query"),
                headers=headers,
                json=request.get("json"),
                data=request.get("form"),
                content=request.get("text"),
            )
            if answer.status_code != 429:
                break
            time.sleep(int(answer.headers.get("Retry-After", "1")))
        if request["method"] == "POST" and answer.is_success and not frontend:
            kind = request["path"].removeprefix("/v1/")
            if kind in ("users", "jwt_templates"):
                self.made.append(f"/v1/{kind}/{answer.json()['id']}")
        return answer

    def run(self, step: dict) -> None:
        """Send the step's request, compare, keep."""
        request, expect = self.filled(step["request"]), self.filled(step["expect"])
        answer = self.send(request)
        problems = []
        if answer.status_code != expect["status"]:
            problems.append(f"status {answer.status_code}, expected {expect['status']}")
        for name, pattern in expect.get("headers", {}).items():
            problems += mismatches(answer.headers.get(name), pattern, f"header {name}")
        if "body" in expect:
            problems += mismatches(answer.json(), expect["body"], "body")
        if not problems and "token" in expect:
            problems += self.token_problems(answer.json()["jwt"], expect["token"])
        if problems:
            asked = f"{request['method']} {request['path']}"
            pytest.fail("\n".join([asked, *problems, f"answer: {answer.text}"]), pytrace=False)
        for name, path in step.get("keep", {}).items():
            value = answer.json()
            for part in path.split("."):
                value = value[part]
            self.values[name] = value

    def token_problems(self, token: str, expect: dict) -> list[str]:
        """What is wrong with a token, signature first."""
        if "key" in expect:
            key: object = expect["key"]
        else:
            jwks = self.send({"method": "GET", "path": "/v1/jwks"}).json()
            key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key, algorithms=[expect.get("algorithm", "RS256")], options={"verify_aud": False}, leeway=5
        )
        problems = mismatches(claims, expect["claims"], "token")
        if "lifetime" in expect:
            problems += mismatches(claims["exp"] - claims["iat"], expect["lifetime"], "exp - iat")
        if "skew" in expect:
            problems += mismatches(claims["iat"] - claims["nbf"], expect["skew"], "iat - nbf")
        return problems

    def clean_up(self) -> None:
        """Remove what the case made and what a step of it did not remove itself."""
        for path in reversed(self.made):
            self.send({"method": "DELETE", "path": path})
        self.http.close()


def mismatches(value: object, pattern: object, where: str) -> list[str]:
    """How `value` differs from `pattern`; empty if it matches."""
    if isinstance(pattern, dict) and set(pattern) == {"<some>"}:
        if isinstance(value, list) and any(not mismatches(item, pattern["<some>"], "") for item in value):
            return []
        return [f"{where}: no element matches {json.dumps(pattern['<some>'])}"]
    if isinstance(pattern, dict) and isinstance(value, dict):
        problems = [f"{where}.{key} is missing" for key in pattern if key != "..." and key not in value]
        if "..." not in pattern:
            problems += [f"{where}.{key} is not expected" for key in value if key not in pattern]
        for key in value:
            if key in pattern and key != "...":
                problems += mismatches(value[key], pattern[key], f"{where}.{key}")
        return problems
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return [
            problem
            for number, (item, expected) in enumerate(zip(value, pattern, strict=True))
            for problem in mismatches(item, expected, f"{where}[{number}]")
        ]
    return [] if _scalar_matches(value, pattern) else [f"{where} is {value!r}, expected {pattern!r}"]


def _scalar_matches(value: object, pattern: object) -> bool:
    number = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(pattern, str) and pattern.startswith("<id "):
        return isinstance(value, str) and value.startswith(f"{pattern[4:-1]}_")
    match pattern:
        case "<any>":
            return True
        case "<string>":
            return isinstance(value, str) and value != ""
        case "<int>":
            return number
        case "<list>":
            return isinstance(value, list)
        case "<milliseconds>":
            # Within ten years: tells milliseconds from seconds, expiry times included.
            return number and abs(value - time.time() * 1000) < 10 * 366 * 86_400_000
    return type(value) is type(pattern) and value == pattern


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict, target: Target) -> None:
    if target.real and "not_on_real" in case:
        pytest.skip(f"not applicable: {case['not_on_real']}")
    replay = Replay(target)
    try:
        for step in case["steps"]:
            replay.run(step)
    finally:
        replay.clean_up()


def test_nothing_is_left_behind(target: Target) -> None:
    """After the cases there is no template or user of theirs."""
    replay = Replay(target)
    query = {"limit": "500"}
    for path, names in (
        ("/v1/jwt_templates", lambda item: [item["name"]]),
        ("/v1/users", lambda item: [each["email_address"] for each in item["email_addresses"]]),
    ):
        left = replay.send({"method": "GET", "path": path, "query": query}).json()
        assert [name for item in left for name in names(item) if name.startswith("contract-")] == []
    replay.clean_up()


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {"a": 1, "b": "<any>"}),
        ({"a": 1}, {"b": 2, "...": "<any>"}),
        ({"a": True}, {"a": 1}),
        ([1, 2], [1]),
        ([1, 2], {"<some>": 3}),
        ("", "<string>"),
        (True, "<int>"),
        ("sess_1", "<id user>"),
        (1_700_000_000, "<milliseconds>"),
        (None, {}),
    ],
)
def test_the_comparison_can_fail(value: object, pattern: object) -> None:
    assert mismatches(value, pattern, "value")


def test_a_live_key_is_refused() -> None:
    with pytest.raises(pytest.exit.Exception) as refusal:
        real_secret_key({REAL_KEY: "sk_live_canary"})
    assert "canary" not in str(refusal.value)
