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

CLERK_CONTRACT_SECRET_KEY names a real development instance (a live key and a production instance are refused),
CLERK_CONTRACT_API_URL another address than https://api.clerk.com. What a case makes is removed after it, also
when it fails; what a killed run has left there is removed by the next, once it is an hour old. Nothing else of
the instance is touched: templates and users are known by their names, `contract-` and twelve hexadecimal digits.
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

from components.clerk import keys
from local.clerk.server import serving

HERE = Path(__file__).parent
REAL_KEY = "CLERK_CONTRACT_SECRET_KEY"
REAL_URL = "CLERK_CONTRACT_API_URL"
OURS = re.compile(r"contract-[0-9a-f]{12}(?![0-9a-f])")
LEFT_BEHIND_AFTER = 3600
PAGE = "http://127.0.0.1:5173"

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
    testing_token: str = field(default="", repr=False)


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
    with httpx.Client(
        base_url=real_address(dict(os.environ)), headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as http:
        yield real_target(http, key)


def real_address(environment: dict[str, str]) -> str:
    """Where the key is sent: encrypted, or to this machine."""
    try:
        return keys.checked_url(environment.get(REAL_URL, "https://api.clerk.com"), name=REAL_URL)
    except keys.KeyFormatError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def real_target(http: httpx.Client, key: str) -> Target:
    """A real development instance, without what killed runs have left there."""
    instance = http.get("/v1/instance").raise_for_status().json()
    if instance["environment_type"] == "production":
        pytest.exit(
            f"{REAL_KEY} is the key of a production instance.", returncode=pytest.ExitCode.USAGE_ERROR
        )
    domains = http.get("/v1/domains").raise_for_status().json()["data"]
    primary = next(domain for domain in domains if not domain["is_satellite"])
    for path in left_behind(http, before=time.time() - LEFT_BEHIND_AFTER):
        http.delete(path).raise_for_status()
    token = http.post("/v1/testing_tokens").raise_for_status().json()["token"]
    return Target(
        backend_url=str(http.base_url).rstrip("/"),
        secret_key=key,
        real=True,
        variables={"issuer": primary["frontend_api_url"]},
        testing_token=token,
    )


def left_behind(http: httpx.Client, *, before: float) -> list[str]:
    """Paths of the templates and users of these cases that were made before a time."""
    templates = http.get("/v1/jwt_templates", params={"limit": "500"}).raise_for_status().json()
    users = http.get("/v1/users", params={"limit": "500", "query": "contract-"}).raise_for_status().json()
    named = [(f"/v1/jwt_templates/{each['id']}", each["name"], each["created_at"]) for each in templates]
    named += [
        (f"/v1/users/{each['id']}", address["email_address"], each["created_at"])
        for each in users
        for address in each["email_addresses"]
    ]
    return [path for path, name, made in named if OURS.match(name) and made < before * 1000]


class Replay:
    """One case in progress: its kept values, its browser cookies, and what it made."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.values = target.variables | {"unique": secrets.token_hex(6)}
        self.http = httpx.Client(timeout=30)
        self.made: list[str] = []
        self.dev_browser: dict[str, str] = {}

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
        query = dict(request.get("query") or {})
        if frontend:
            headers["Origin"] = PAGE
            query |= self.of_a_browser()
        elif key is not None:
            headers["Authorization"] = f"Bearer {key}"
        for _ in range(5):
            answer = self.http.request(
                request["method"],
                (self.values["issuer"] if frontend else self.target.backend_url) + request["path"],
                params=query,
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

    def of_a_browser(self) -> dict[str, str]:
        """What a real development instance wants of a browser before anything else, and of one without a window."""
        if self.target.real and not self.dev_browser:
            made = self.http.post(f"{self.values['issuer']}/v1/dev_browser", headers={"Origin": PAGE})
            self.dev_browser = {
                "__clerk_db_jwt": made.raise_for_status().json()["id"],
                "__clerk_testing_token": self.target.testing_token,
            }
        return self.dev_browser

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
    with httpx.Client(
        base_url=target.backend_url, headers={"Authorization": f"Bearer {target.secret_key}"}, timeout=30
    ) as http:
        assert left_behind(http, before=time.time()) == []


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


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """The way to a real instance, walked against the local one."""
    with serving(tmp_path) as local, httpx.Client(base_url=local.url) as http:
        http.headers["Authorization"] = f"Bearer {local.secret_key}"
        for name in ("contract-0123456789ab", "contract-0123456789ab-2", "contract-of-ours", "hasura"):
            http.post("/v1/jwt_templates", json={"name": name, "claims": {}}).raise_for_status()
        for name in ("contract-0123456789ab+clerk_test", "contract-0123456789abc", "x-contract-0123456789ab"):
            http.post("/v1/users", json={"email_address": [f"{name}@example.com"]}).raise_for_status()
        assert real_target(http, local.secret_key).variables == {"issuer": local.url}
        assert len(left_behind(http, before=time.time() + 1)) == 3, "a run that goes on is left alone"
        for path in left_behind(http, before=time.time() + 1):
            http.delete(path).raise_for_status()
        assert [each["name"] for each in http.get("/v1/jwt_templates").json()] == [
            "contract-of-ours",
            "hasura",
        ]
        assert len(http.get("/v1/users").json()) == 2
        target = real_target(http, local.secret_key)
        replay = Replay(target)
        case = next(case.values[0] for case in CASES if "getToken's call" in str(case.id))
        for step in case["steps"]:
            replay.run(step)
        replay.clean_up()
        assert replay.dev_browser["__clerk_db_jwt"].startswith("dvb_")
        assert left_behind(http, before=time.time() + 1) == []


def test_the_key_is_not_sent_unencrypted() -> None:
    with pytest.raises(pytest.exit.Exception):
        real_address({REAL_URL: "http://api.example.com"})
    assert real_address({}) == "https://api.clerk.com"


def test_a_live_key_is_refused() -> None:
    with pytest.raises(pytest.exit.Exception) as refusal:
        real_secret_key({REAL_KEY: "sk_live_canary"})
    assert "canary" not in str(refusal.value)
