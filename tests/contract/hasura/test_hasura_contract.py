"""Replays what hasura/graphql-engine v2.48.10 answered, against the stand-in or any engine image.

`known_differences.json` maps the id of a case to the reason why the stand-in answers otherwise; a case in it
that answers as recorded fails the suite, and no image but the stand-in's may use it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from tests.contract.hasura.conftest import Start
from tests.contract.hasura.key_server import KeyServer
from tests.contract.hasura.recording import Case, SigningKeys, cases, differences, load, token
from tests.local_engine.engines import Engine, Postgres, until

pytestmark = pytest.mark.docker

CASES = cases()
RECORDED_ENVIRONMENT = load("cases.json")["environment"]
KNOWN_DIFFERENCES = load("known_differences.json")
CLI_RUNS = load("cli.json")["runs"]
STARTS = {each["case"]: each for each in load("startup.json")["cases"]}
START_ENVIRONMENTS = load("startup_environments.json")
REFRESHES = {each["case"]: each for each in load("jwks_refresh.json")["cases"]}


class Replay:
    """Runs a group when the first of its cases is asked for, and keeps what was answered."""

    def __init__(self, engine: Engine, keys: SigningKeys) -> None:
        self.engine = engine
        self._keys = keys
        self._answers: dict[str, dict[str, dict]] = {}

    def answer(self, case: Case) -> dict:
        if case.group not in self._answers:
            self._answers[case.group] = self._run([each for each in CASES if each.group == case.group])
        return self._answers[case.group][case.id]

    def _run(self, group: list[Case]) -> dict[str, dict]:
        answers = {}
        for case in group:
            answer = self._send(case)
            if case.response is None:
                assert answer["status"] == 200, f"set-up step failed: {case.request} {answer}"
            else:
                answers[case.id] = answer
        return answers

    def _send(self, case: Case) -> dict:
        request = case.request
        headers = {"Content-Type": "application/json", **request.get("headers", {})}
        if "token" in request:
            headers["Authorization"] = f"Bearer {token(request['token'], self._keys)}"
        body = request.get("body")
        if isinstance(body, dict) and body.get("resource_version") == "<current>":
            body = {**body, "resource_version": self._resource_version(headers)}
        text = request["raw"] if "raw" in request else None if body is None else json.dumps(body)
        address = urlsplit(self.engine.endpoint)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        try:
            connection.request(request["method"], request["path"], text, headers)
            answer = connection.getresponse()
            content_type, data = answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()
        if content_type is not None and content_type.startswith("application/json"):
            data = json.loads(data)
        return {"status": answer.status, "content_type": content_type, "body": data}

    def _resource_version(self, headers: dict[str, str]) -> int:
        asked = {"type": "export_metadata", "version": 2, "args": {}}
        _, answer = self.engine.call("/v1/metadata", asked, headers)
        return answer["resource_version"]


@pytest.fixture(scope="module")
def replay(
    start_engine: Start,
    contract_postgres: Postgres,
    database_url_of: Callable[[str], str],
    keys_served: KeyServer,
    signing_keys: SigningKeys,
) -> Iterator[Replay]:
    with contract_postgres.database() as database:
        environment = {
            **RECORDED_ENVIRONMENT,
            "HASURA_GRAPHQL_JWT_SECRET": RECORDED_ENVIRONMENT["HASURA_GRAPHQL_JWT_SECRET"].replace(
                "<jwks url>", keys_served.url("maxage60")
            ),
            "HASURA_GRAPHQL_DATABASE_URL": database_url_of(database),
        }
        with start_engine(environment) as engine:
            until(engine.settled, "the engine is healthy")
            assert engine.exit_code() is None, engine.log()
            yield Replay(engine, signing_keys)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.response is not None], ids=lambda case: case.id
)
def test_case(case: Case, replay: Replay) -> None:
    answer = replay.answer(case)
    wanted = {key: each for key, each in case.response.items() if each is not None}
    found = differences(wanted, {key: answer[key] for key in wanted})
    _judge(case.id, found, stand_in=replay.engine.stand_in)


def _judge(name: str, found: list[str], *, stand_in: bool) -> None:
    reason = KNOWN_DIFFERENCES.get(name) if stand_in else None
    if reason is None:
        assert not found, "\n".join(found)
    elif found:
        pytest.xfail(reason)
    else:
        pytest.fail(f"answers as recorded now: take {name!r} out of known_differences.json")


CLI_IDS = [f"{index:02} {' '.join(run['command'])}" for index, run in enumerate(CLI_RUNS)]


@pytest.fixture(scope="module")
def cli_answers(
    start_engine: Start, contract_postgres: Postgres, database_url_of: Callable[[str], str]
) -> Iterator[tuple[Engine, list[list[str]]]]:
    """What the requests of each recorded CLI command were answered otherwise, all commands in order."""
    secret = "cli-admin-secret"
    with contract_postgres.database() as database:
        environment = {
            "HASURA_GRAPHQL_DATABASE_URL": database_url_of(database),
            "HASURA_GRAPHQL_ADMIN_SECRET": secret,
        }
        with start_engine(environment) as engine:
            until(engine.settled, "the engine is healthy")
            assert engine.exit_code() is None, engine.log()
            runs = []
            for run in CLI_RUNS:
                found = []
                for number, request in enumerate(run["requests"]):
                    asks_config = request["path"] == "/v1alpha1/config"
                    headers = {} if asks_config else {"X-Hasura-Admin-Secret": secret}
                    status, body = engine.call(request["path"], request["body"], headers, request["method"])
                    answer = {"status": status, "body": body}
                    found += differences(request["answer"], answer, f"request {number} {request['path']}")
                runs.append(found)
            yield engine, runs


@pytest.mark.parametrize("index", range(len(CLI_RUNS)), ids=CLI_IDS)
def test_cli(index: int, cli_answers: tuple[Engine, list[list[str]]]) -> None:
    engine, runs = cli_answers
    _judge(f"cli: {CLI_IDS[index]}", runs[index], stand_in=engine.stand_in)


def test_known_differences_name_cases() -> None:
    known = {case.id for case in CASES} | {f"start: {name}" for name in STARTS}
    known |= {f"cli: {name}" for name in CLI_IDS}
    assert set(KNOWN_DIFFERENCES) <= known


def test_every_start_has_an_environment() -> None:
    assert set(START_ENVIRONMENTS) == set(STARTS)


@pytest.fixture(scope="module")
def start_database(contract_postgres: Postgres) -> Iterator[str]:
    with contract_postgres.database() as database:
        yield database


@pytest.mark.parametrize("name", STARTS)
def test_start(
    name: str,
    start_engine: Start,
    start_database: str,
    database_url_of: Callable[[str], str],
    keys_served: KeyServer,
    signing_keys: SigningKeys,
) -> None:
    recorded, tag = STARTS[name], f"start-{list(STARTS).index(name)}"
    url = keys_served.url(recorded["jwks_answer"], tag)
    environment = {
        "HASURA_GRAPHQL_DATABASE_URL": database_url_of(start_database),
        "HASURA_GRAPHQL_ADMIN_SECRET": "start-admin-secret",
        "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
        "HASURA_GRAPHQL_JWT_SECRET": json.dumps({"jwk_url": url}),
    }
    for key, value in START_ENVIRONMENTS[name].items():
        environment[key] = value.replace("<jwks url>", url)
        if value == "<unset>":
            del environment[key]
    with start_engine(environment) as engine:
        until(engine.settled, f"{name}: healthy or ended")
        asked = keys_served.asked(recorded["jwks_answer"], tag)
        wanted = recorded["jwks_requests"]
        until(lambda: len(asked) >= wanted, f"{wanted} reads of the key set") if wanted else None
        found = differences(recorded["exit_code"], engine.exit_code(), "exit code")
        found += differences(
            wanted, len(keys_served.asked(recorded["jwks_answer"], tag)), "reads of the key set"
        )
        _log_complete(engine, recorded["log"], url)
        found += [f"not in the log: {line}" for line in _missing_lines(recorded["log"], engine.log(), url)]
        if recorded["jwks_answer"] == "empty":
            found += differences(
                "invalid-jwt", _code_for_a_good_token(engine, signing_keys), "code of a good token"
            )
    _judge(f"start: {name}", found, stand_in=engine.stand_in)


def _code_for_a_good_token(engine: Engine, keys: SigningKeys) -> object:
    described = next(case.request["token"] for case in CASES if case.id == "jwt: valid")
    headers = {"Authorization": f"Bearer {token(described, keys)}"}
    _, answer = engine.call("/v1/graphql", {"query": "{ __typename }"}, headers)
    return answer["errors"][0]["extensions"]["code"]


def _log_complete(engine: Engine, recorded: list[str], url: str) -> None:
    """Give the threads that log beside the start time to write; a line that never comes is reported later."""
    try:
        until(lambda: not _missing_lines(recorded, engine.log(), url), "the log", deadline=5)
    except AssertionError:
        return


def _missing_lines(recorded: list[str], log: str, url: str) -> list[str]:
    """The recorded lines that the log does not hold.

    JSON lines are held against JSON lines by type, level and message; others must be found within a line.
    Lines that the recording cut off, and what the operating system words by itself, are left out.
    """
    lines = [line for line in log.splitlines() if line]
    entries = [entry for line in lines if isinstance(entry := _decoded(line), dict)]
    missing = []
    for line in recorded:
        entry = _decoded(line)
        if isinstance(entry, dict):
            wanted = _essence(entry, url)
            if not any(_essence(other, url) == wanted for other in entries):
                missing.append(line)
        elif not line.startswith("{"):
            text = _with_url(line, url).split("ConnectionFailure")[0].replace("  ", " ")
            if not any(text in other.replace("  ", " ").replace('\\"', '"') for other in lines):
                missing.append(line)
    return missing


def _decoded(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _with_url(text: str, url: str) -> str:
    return text.replace("http://127.0.0.1:58095/.well-known/jwks.json", url)


def _essence(entry: dict, url: str) -> tuple[object, ...]:
    """Type, level and message of a log line; of a fatal error, its kind."""
    detail = entry.get("detail")
    message, kind = detail, None
    if isinstance(detail, dict):
        message, error, info = detail.get("message"), detail.get("error"), detail.get("info")
        kind = detail.get("kind")
        if isinstance(error, dict):
            message = error.get("message") or error.get("status_code") or sorted(error)
        elif isinstance(info, dict):
            message = info.get("code")
        elif isinstance(info, str):
            message = info
        if isinstance(message, dict):
            message = message.get("message")
    return entry.get("type"), entry.get("level"), kind, _with_url(str(message), url)


@pytest.fixture(scope="module")
def refreshes(
    start_engine: Start,
    start_database: str,
    database_url_of: Callable[[str], str],
    keys_served: KeyServer,
) -> dict[str, list[float]]:
    """When each key set was read, in units of the engine's own interval, all cases at once."""
    answers = {name: each["jwks_answer"] for name, each in REFRESHES.items()}
    with ExitStack() as stack:
        engines = []
        for name, answer in answers.items():
            environment = {
                "HASURA_GRAPHQL_DATABASE_URL": database_url_of(start_database),
                "HASURA_GRAPHQL_ADMIN_SECRET": "start-admin-secret",
                "HASURA_GRAPHQL_JWT_SECRET": json.dumps({"jwk_url": keys_served.url(answer, "refresh")}),
                # The stand-in alone knows this: the engine's minute is fixed.
                "LOCAL_ENGINE_JWKS_CHECK_SECONDS": "6",
            }
            engine = stack.enter_context(start_engine(environment))
            engines.append(engine)
            until(engine.settled, f"{name}: healthy")
        interval = 6.0 if engines[0].stand_in else 60.0
        repeated = [name for name, each in REFRESHES.items() if each["jwks_requests"] > 2]
        for name in repeated:
            wanted = REFRESHES[name]["jwks_requests"]
            asked = keys_served.asked(answers[name], "refresh")
            until(
                lambda asked=asked, wanted=wanted: len(asked) >= wanted,
                f"{name}: {wanted} reads",
                deadline=interval * wanted,
            )
        return {
            name: [moment / interval for moment in keys_served.asked(answer, "refresh")]
            for name, answer in answers.items()
        }


@pytest.mark.parametrize("name", REFRESHES)
def test_refresh(name: str, refreshes: dict[str, list[float]]) -> None:
    """Two reads at start; then none without cache headers, else again after an interval at the soonest."""
    moments, wanted = refreshes[name], REFRESHES[name]["jwks_requests"]
    if wanted == 2:
        assert len(moments) == 2
    else:
        assert len(moments) >= wanted
        assert min(later - sooner for sooner, later in pairwise(moments[1:])) > 0.9
