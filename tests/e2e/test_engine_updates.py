"""What a new engine does to those who use the API: nothing while it does not start, and next to nothing when it does.

One stack, first with one engine in a container, then with three as a service of a swarm of one node, then as before.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, cycle

import httpx
import psycopg
import pytest
from project_copy import ROOT, ProjectCopy, Run

from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY
from components.docker_command import Docker
from components.hasura.client import HasuraClient, HasuraError
from components.settings.ports import derived_port
from components.swarm.document import Labels
from components.swarm.manager import SwarmService
from local.images import resolve
from tests import swarm_host
from tests.documents.blocks import blocks
from tests.external_postgres.certificates import Authority, Pair
from tests.images.containers import docker, wait_for
from tests.load.generator import Load, load

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.swarm]

ENGINE = "exec python -m local.engine"
CRASHES = "echo the library is missing >&2; exit 3"
QUERY = "{ users { id } }"
DOMAIN = "api.example.test"
CONFIG: dict[str, str | None] = {
    "hasuraPort": None,
    "postgresPort": None,
    "localClerkPort": None,
    "jwtTemplateLifetime": "3600",
    "hasuraConnections": "20",
    # Three replicas and their checks are much for a small machine.
    "healthIntervalSeconds": "4",
    "startSeconds": "600",
    "ingressDomain": DOMAIN,
    "ingressAddress": "127.0.0.1",
    "ingressHttpPort": "0",
    "ingressHttpsPort": "0",
    "ingressBodyKb": "8",
    "ingressRequestsPerMinute": "0",
}
REPLICAS = 3
SHOP = "http://shop.example.test/a b"
"""A variable of the engine's environment, with a space that none of the ways there may lose."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack with a user who has signed in and has a row, and images that it may be given."""

    project: ProjectCopy
    token: str
    crashing_image: str
    other_image: str

    def name(self, part: str) -> str:
        return f"clerk-hasura-{self.project.stack}-{part}"

    @property
    def engine(self) -> str:
        """Id of the container that serves."""
        return docker("inspect", "--format", "{{.Id}}", self.name("hasura"))

    @property
    def user(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def service(self) -> SwarmService:
        labels = Labels(stack=f"clerk-hasura.stack={self.project.stack}")
        name = f"clerk-hasura-{self.project.stack}"
        return SwarmService(docker=Docker(), stack=name, service="hasura", labels=labels)

    @property
    def https(self) -> int:
        """Port of the ingress."""
        return derived_port(self.project.stack, "ingressHttpsPort")

    @property
    def serving(self) -> set[str]:
        """Ids of the tasks that serve."""
        return {task.id for task in self.service.tasks() if task.is_ready}

    def up(self, *settings: str) -> Run:
        """`pulumi up` with settings, KEY=VALUE, that stay."""
        words = [f"--config=clerk-hasura:{each}" for each in settings]
        return self.project.pulumi("up", "--yes", "--skip-preview", *words)

    def up_once(self, setting: str) -> Run:
        """`pulumi up` with one setting, KEY=VALUE, that does not stay."""
        try:
            return self.up(setting)
        finally:
            self.project.pulumi("config", "rm", setting.partition("=")[0]).ok()

    def unchanged(self) -> None:
        """Nothing is left to do, also after a look at what is there."""
        self.project.pulumi("preview", "--refresh", "--expect-no-changes").ok()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, up."""
    project = ProjectCopy(tmp_path_factory.mktemp("project"), f"e2e{uuid.uuid4().hex[:6]}", CONFIG)
    mark = uuid.uuid4().hex[:8]
    crashing, other = (f"clerk-hasura.test/{kind}:{mark}" for kind in ("crashing", "other"))
    try:
        build(crashing, CRASHES)
        build(other, ENGINE)
        begin(project)
        project.up().ok()
        yield Stack(project=project, token=signed_in(project), crashing_image=crashing, other_image=other)
    finally:
        project.remove()
        for image in (crashing, other):
            docker("image", "rm", "--force", image, check=False)


def begin(project: ProjectCopy) -> None:
    """Makes the stack, with a passphrase that is not public: it is given a private key."""
    own = project.folder / f"Pulumi.{project.stack}.yaml"
    lines = [line for line in own.read_text().splitlines() if "encryptionsalt" not in line]
    own.write_text("\n".join(lines) + "\n")
    project.environment["PULUMI_CONFIG_PASSPHRASE"] = uuid.uuid4().hex
    project.run("pulumi", "stack", "init", project.stack).ok()
    project.pulumi("config", "set", "--path", "--secret", "engineEnvironment.ACTION_BASE_URL", SHOP).ok()


def build(image: str, script: str) -> None:
    """An image in which the engine's own command is a script."""
    text = (
        f"FROM {resolve('', 'stand-ins').image}\nUSER 0\nLABEL test={image}\n"
        f"RUN echo '#!/bin/sh' > /usr/local/bin/graphql-engine && echo '{script}' >> /usr/local/bin/graphql-engine"
        ' && chmod 0755 /usr/local/bin/graphql-engine\nUSER 1001\nCMD ["graphql-engine", "serve"]\n'
    )
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        input=text,
        text=True,
        check=True,
        capture_output=True,
    )


def signed_in(project: ProjectCopy) -> str:
    """A token of a new user, whose row is there."""
    outputs = project.outputs()
    with ClerkClient(outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        user = clerk.create_user(email_address="load+clerk_test@example.com")
        session = clerk.create_session(user.id)
        token = clerk.session_token(session.id, outputs["jwtTemplate"])
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        hasura.run_sql(f"insert into users (id) values ('{user.id}')")
    return token


def rows(stack: Stack) -> int:
    """How many rows the user sees, who has one."""
    url = stack.project.outputs()["graphqlUrl"]
    answer = httpx.post(url, json={"query": QUERY}, headers=stack.user).json()
    return len(answer["data"]["users"])


def hold(seen: Load, *, at_least: int) -> None:
    """Every request was answered."""
    print(seen.report)
    assert seen.requests > at_least, seen.report
    assert (seen.failed, seen.errors) == (0, {}), seen.report


JWKS = "http://127.0.0.1:1/jwks.json"


def test_an_engine_that_does_not_start_leaves_the_one_that_serves(stack: Stack) -> None:
    """Told at once, with the reason and the last lines; not one request fails meanwhile."""
    cases = {
        f"hasuraImage={stack.crashing_image}": ("ended with exit code 3", "    the library is missing"),
        f"jwksUrl={JWKS}": (f"the JWKS at {JWKS} cannot be reached", "Error fetching JWK"),
        "hasuraMemoryMb=20": ("it used up the memory that its limit allows", ""),
    }
    before = stack.engine
    with load(stack.project.outputs()["graphqlUrl"], QUERY, headers=stack.user) as seen:
        for setting, expected in cases.items():
            said = stack.up_once(setting).failed()
            assert "the one that serves was left as it was" in said
            assert all(each in said for each in expected), said
    assert stack.engine == before
    hold(seen, at_least=100)
    assert not docker("ps", "--all", "--quiet", "--filter", "label=clerk-hasura.part=hasura-trial")
    stack.unchanged()


def test_a_new_engine_takes_the_place_of_the_old_one_and_a_trial_that_was_left_is_removed(
    stack: Stack,
) -> None:
    """A trial whose deployment was killed holds the name of the next one."""
    before, image = stack.engine, docker("inspect", "--format", "{{.Image}}", stack.engine)
    labels = [f"clerk-hasura.stack={stack.project.stack}", "clerk-hasura.part=hasura-trial"]
    left = [word for label in labels for word in ("--label", label)]
    docker("run", "--detach", "--name", stack.name("hasura-trial"), *left, image, "sleep", "600")
    said = stack.up(f"hasuraImage={stack.other_image}").ok()
    assert "hasura-trial updated" in said
    assert stack.engine != before
    assert stack.name("hasura-trial") not in stack.project.left()
    assert f"ACTION_BASE_URL={SHOP}" in variables(stack.engine)
    stack.unchanged()


def variables(container: str) -> list[str]:
    """The environment of a container's process, NAME=VALUE."""
    return docker("exec", container, "cat", "/proc/1/environ").split("\0")


def swarm(what: str) -> str:
    return docker("info", "--format", f"{{{{.Swarm.{what}}}}}")


@pytest.fixture(scope="module")
def service(stack: Stack) -> Iterator[Stack]:
    """The same stack with replicas: on a host of its own, or on one that is in a swarm already."""
    found = swarm("LocalNodeState")
    if found == "inactive":
        if not swarm_host.is_own():
            pytest.skip(
                "a Docker host that others use is not made a swarm: `docker swarm init` does it for good"
            )
        refused = stack.up_once(f"replicas={REPLICAS}").failed()
        assert "replicas: is 3, and the Docker host is no manager of a swarm" in refused
        assert "docker swarm init" in refused
    try:
        give_certificate(stack.project, AUTHORITY.server(DOMAIN))
        stack.project.pulumi("config", "set", "ingress", "true").ok()
        follow(stack, "docs/production.md", in_swarm=found != "inactive")
        assert swarm("ControlAvailable") == "true"
        yield stack
        stack.up("replicas=0", "ingress=false").ok()
        assert rows(stack) == 1
        stack.unchanged()
        assert stack.service.state() is None
        assert stack.service.secret_names() == set()
        assert stack.name("caddy") not in stack.project.left()
        assert stack.name("overlay") not in stack.project.left()
    finally:
        stack.service.remove()
        stack.service.remove_secrets()
        if found == "inactive":
            docker("swarm", "leave", "--force")


def follow(stack: Stack, document: str, *, in_swarm: bool) -> None:
    """The commands of a document that make replicas, as they are written, but that the host may have several addresses
    or be in a swarm already."""
    [block] = [block for block in blocks(document) if "swarm init" in block.text]
    own = "docker swarm init --advertise-addr 127.0.0.1"
    text = block.text.replace("docker swarm init", "true" if in_swarm else own)
    told = f"pulumi stack select {stack.project.stack}\n{text}"
    stack.project.run("bash", "-ec", told, PULUMI_SKIP_CONFIRMATIONS="true").ok()


AUTHORITY = Authority("test")


def give_certificate(project: ProjectCopy, pair: Pair) -> None:
    """Configures a certificate, as a person does it: by standard input."""
    for secret, key, value in (
        ("--plaintext", "ingressCertificate", pair.certificate),
        ("--secret", "ingressCertificateKey", pair.key),
    ):
        subprocess.run(
            ["pulumi", "config", "set", secret, key, "--stack", project.stack, "--non-interactive"],
            cwd=project.folder,
            env=project.environment,
            input=value,
            text=True,
            check=True,
            capture_output=True,
        )


def load_from_outside(stack: Stack) -> AbstractContextManager[Load]:
    return load(f"https://127.0.0.1:{stack.https}/v1/graphql", QUERY, headers=stack.user, host=DOMAIN)


def test_a_service_takes_the_containers_place_with_the_same_data(service: Stack) -> None:
    wait_for(lambda: len(service.serving) == REPLICAS, "all replicas")
    assert service.name("hasura") not in service.project.left()
    assert rows(service) == 1
    mine = f"label=com.docker.swarm.service.name={service.service.name}"
    replica, *_ = docker("ps", "--quiet", "--filter", mine).split()
    assert f"ACTION_BASE_URL={SHOP}" in variables(replica)
    service.unchanged()


def test_each_replica_is_asked_for_its_health_and_for_nothing_else(service: Stack) -> None:
    url = service.project.outputs()["hasuraUrl"]
    wait_for(lambda: len(service.serving) == REPLICAS, "all replicas")
    tasks = [task for task in service.service.tasks() if task.is_ready]
    assert all(len(task.addresses) == 1 for task in tasks)
    for [address] in (task.addresses for task in tasks):
        answer = httpx.get(f"{url}/replicas/{address}/healthz?strict=true")
        assert (answer.status_code, answer.text) == (200, "OK")
        for path in ("v1/version", "healthz/../v1/version", "v1/metadata"):
            assert httpx.get(f"{url}/replicas/{address}/{path}").status_code == 404


def test_replicas_are_replaced_one_by_one_without_a_request_that_fails(
    service: Stack, pytestconfig: pytest.Config
) -> None:
    """By a rotation of all secrets, and by other settings until as many requests as --requests says were answered."""
    wanted, answered = pytestconfig.getoption("--requests"), 0
    former = service.project.outputs()
    for setting in chain(["secretsRotation=second"], cycle(["hasuraLogLevel=warn", "hasuraLogLevel=info"])):
        before = service.serving
        with load_from_outside(service) as seen:
            service.up(setting).ok()
        hold(seen, at_least=500)
        answered += seen.requests
        print(f"{setting}: {seen.requests} requests, {answered} in all, none failed")
        assert not service.serving & before
        wait_for(lambda: len(service.serving) == REPLICAS, "all replicas")
        if answered >= wanted:
            break
    with HasuraClient(former["hasuraUrl"], former["adminSecret"]) as hasura, pytest.raises(HasuraError):
        hasura.export_metadata()
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(former["databaseUrl"], connect_timeout=10)


def test_replicas_that_do_not_start_leave_those_that_serve(service: Stack) -> None:
    """Told at once, with the new replica's last lines; Swarm rolls back, and nobody notices."""
    cases = {
        f"hasuraImage={service.crashing_image}": ("non-zero exit (3)", "    the library is missing"),
        f"jwksUrl={JWKS}": (f"the JWKS at {JWKS} cannot be reached", "Error fetching JWK"),
    }
    before, secrets = service.serving, service.service.secret_names()
    with load_from_outside(service) as seen:
        for setting, expected in cases.items():
            said = service.up_once(setting).failed()
            assert "was rolled back, and the replicas of before went on serving" in said
            assert all(each in said for each in expected), said
            service.project.pulumi("config", "set", "hasuraImage", service.other_image).ok()
    hold(seen, at_least=500)
    assert service.serving & before
    assert service.service.secret_names() == secrets
    service.up().ok()
    service.unchanged()


ROW = re.compile(
    r"^\| (?P<setting>[^|]+) \| `(?P<command>docker [^`]+)` \| `(?P<prints>[^`]+)` \|$", re.MULTILINE
)
OF_CONTAINERS_ONLY = ("RestartPolicy", "MemorySwap", "docker port", "clerk-hasura-dev")


def test_what_the_documentation_says_closes_the_stack_in_is_in_force(service: Stack) -> None:
    """Every line of the tables, on every container and on the service."""
    text = (ROOT / "docs/environments.md").read_text(encoding="utf-8")
    rows = list(ROW.finditer(text))
    assert len(rows) == 17
    by_service = f"label=com.docker.swarm.service.name={service.service.name}"
    replicas = docker("ps", "--quiet", "--filter", by_service).split()
    assert replicas
    wrong = []
    for row in rows:
        command = row["command"]
        if " C" not in command:
            targets = [""]
        else:
            containers = [service.name(part) for part in ("postgres", "clerk", "caddy")]
            targets = containers + ([] if any(each in command for each in OF_CONTAINERS_ONLY) else replicas)
        for target in targets:
            asked = re.sub(r"\bC\b", target, command).replace("clerk-hasura-dev", service.service.stack)
            done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=False)
            printed = (done.stdout + done.stderr).strip()
            if not re.search(row["prints"], printed):
                wrong.append(f"{row['setting']}: {asked} prints {printed}")
    assert wrong == []


def test_docker_shows_no_secret_of_the_service(service: Stack) -> None:
    outputs = service.project.outputs()
    shown = docker("service", "inspect", service.service.name)
    for task in service.serving:
        shown += docker("inspect", task)
        container = json.loads(docker("inspect", task))[0]["Status"]["ContainerStatus"]["ContainerID"]
        shown += docker("inspect", container)
    password = outputs["databaseUrl"].split(":")[2].split("@")[0]
    assert "HASURA_GRAPHQL_LOG_LEVEL" in shown
    for secret in (outputs["adminSecret"], password, "jwk_url", SHOP):
        assert secret not in shown


def test_the_number_of_replicas_is_an_update(service: Stack) -> None:
    service.up("replicas=2").ok()
    wait_for(lambda: len(service.serving) == 2, "two replicas")


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def ask(
    stack: Stack,
    path: str,
    *,
    method: str = "POST",
    body: str = "",
    host: str = DOMAIN,
    **headers: str,
) -> Answer:
    """Asks from outside. The path is sent as it is written, which no client of a higher level does."""
    trusting = ssl.create_default_context(cadata=AUTHORITY.certificate)
    connection = http.client.HTTPSConnection(DOMAIN, timeout=30)
    plain = socket.create_connection(("127.0.0.1", stack.https), timeout=30)
    connection.sock = trusting.wrap_socket(plain, server_hostname=DOMAIN)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    try:
        return Answer(status=answer.status, headers=dict(answer.getheaders()), text=answer.read().decode())
    finally:
        connection.close()


ASKED = json.dumps({"query": QUERY})


def test_everybody_reaches_the_api_and_its_health(service: Stack) -> None:
    answer = ask(service, "/v1/graphql", body=ASKED, **service.user)
    assert answer.status == 200
    assert len(json.loads(answer.text)["data"]["users"]) == 1
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert not {"Server", "Via"} & set(answer.headers)
    assert ask(service, "/healthz", method="GET").text == "OK"
    url = service.project.outputs()["publicGraphqlUrl"]
    assert url == f"https://{DOMAIN}:{service.https}/v1/graphql"
    plain = derived_port(service.project.stack, "ingressHttpPort")
    redirect = httpx.post(f"http://127.0.0.1:{plain}/v1/graphql?a=1", headers={"Host": DOMAIN})
    assert (redirect.status_code, redirect.headers["Location"]) == (308, f"{url}?a=1")


HIDDEN = (
    *("/v1/metadata", "/v2/query", "/v1/query", "/v1alpha1/graphql", "/v1alpha1/pg_dump", "/v1alpha1/config"),
    *("/v1/version", "/", "/console", "/apis/migrate", "/v1beta1/relay", "/api/rest/users", "/dev/rts_stats"),
    *("//v1/metadata", "/./v1/metadata", "/v1//metadata", "/v1/%6detadata", "/V1/METADATA", "/v1/metadata/"),
    *("/v1/metadata;a=b", "/v1/metadata?x", "/v1/graphql/../metadata", "/v1/graphql/%2e%2e/metadata"),
    *("/v1/graphql%2f..%2fmetadata", "/healthz/../v1/metadata", "/v1/graphql;/../metadata", "/v1/graphql/"),
    *("/replicas/127.0.0.1/healthz", "http://127.0.0.1:8080/v1/metadata", "/v1/graphql\\..\\metadata"),
)


def test_nothing_else_is_reachable_from_outside(service: Stack) -> None:
    body = json.dumps({"type": "export_metadata", "version": 2, "args": {}})
    admin = {"x-hasura-admin-secret": service.project.outputs()["adminSecret"]}
    url = service.project.outputs()["hasuraUrl"]
    assert httpx.post(f"{url}/v1/metadata", content=body, headers=admin).status_code == 200
    for path in HIDDEN:
        for method in ("POST", "GET"):
            assert ask(service, path, method=method, body=body, **admin).status == 404, (method, path)
    assert ask(service, "/v1/graphql", body=ASKED, host="other.example.test", **service.user).status == 404
    assert ask(service, "/v1/graphql", method="PUT", body=ASKED, **service.user).status == 404


def test_the_engines_own_headers_do_not_come_in(service: Stack) -> None:
    secret = service.project.outputs()["adminSecret"]
    for header in ("x-hasura-admin-secret", "X-Hasura-Access-Key"):
        answer = ask(service, "/v1/graphql", body=ASKED, **{header: secret})
        assert json.loads(answer.text)["errors"][0]["extensions"]["code"] == "invalid-headers"
    # Of those that a browser sends, the role comes in, and the engine holds it to the token's.
    role = ask(service, "/v1/graphql", body=ASKED, **service.user, x_hasura_role="user")
    assert len(json.loads(role.text)["data"]["users"]) == 1
    refused = ask(service, "/v1/graphql", body=ASKED, **service.user, x_hasura_role="admin")
    assert json.loads(refused.text)["errors"][0]["extensions"]["code"] == "access-denied"


def test_a_body_that_is_too_large_is_refused(service: Stack) -> None:
    padded = json.dumps({"query": QUERY, "operationName": None, "x": "y" * 9_000})
    assert ask(service, "/v1/graphql", body=padded, **service.user).status == 413


def test_another_certificate_and_a_limit_are_taken_over_while_caddy_serves(service: Stack) -> None:
    started = docker("inspect", "--format", "{{.State.StartedAt}}", service.name("caddy"))
    pair = AUTHORITY.server(DOMAIN)
    give_certificate(service.project, pair)
    service.up().ok()
    named = ssl.create_default_context(cadata=AUTHORITY.certificate)
    with (
        socket.create_connection(("127.0.0.1", service.https)) as plain,
        named.wrap_socket(plain, server_hostname=DOMAIN) as wrapped,
    ):
        found = wrapped.getpeercert(binary_form=True)
    assert found == ssl.PEM_cert_to_DER_cert(pair.certificate)
    service.up("ingressRequestsPerMinute=20").ok()
    seen_statuses = [ask(service, "/healthz", method="GET").status for _ in range(25)]
    assert seen_statuses[:20] == [200] * 20
    assert 429 in seen_statuses
    assert docker("inspect", "--format", "{{.State.StartedAt}}", service.name("caddy")) == started


def test_the_access_log_has_no_token_and_no_query(service: Stack) -> None:
    with_secret = f"/v1/graphql?token={service.token}"
    ask(service, with_secret, body=ASKED, **service.user)
    log = docker("logs", service.name("caddy"))
    assert '"uri":"/v1/graphql"' in log
    assert service.token not in log
