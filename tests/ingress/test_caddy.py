"""The real Caddy under the project's configuration, before an engine that tells what it was asked.

A whole stack with it is in `tests/e2e/test_engine_updates.py`; here is what the local engine has not: websockets, and a
certificate authority (Pebble, https://github.com/letsencrypt/pebble).
"""

from __future__ import annotations

import copy
import json
import platform
import secrets
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest

from components.docker_command import Docker
from components.hasura.serving import Serving
from components.ingress.caddy_config import HTTPS_PORT, caddy_config
from components.ingress.reload import reload
from components.provider_error import ProviderError
from components.settings import IngressSettings
from local import toolchain
from local.images import resolve
from local.images.supply import ConfiguredImages, ensure
from local.toolchain import go_program
from local.toolchain.progress import Progress
from tests.external_postgres.certificates import Authority
from tests.images.containers import docker, wait_for

pytestmark = pytest.mark.docker

DOMAIN = "api.example.test"
AUTHORITY = Authority("test")
SETTINGS = IngressSettings(
    domain=DOMAIN,
    email="",
    acme_directory="https://pebble:14000/dir",
    acme_ca_certificate="",
    certificate="",
    certificate_key="",
    address="127.0.0.1",
    http_port=80,
    https_port=443,
    body_kb=8,
    requests_per_minute=0,
    trusted_proxies=(),
)

ENGINE = """
import asyncio

async def answer(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if b"upgrade: websocket" in head.lower():
        writer.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n")
        while data := await reader.read(1024):
            writer.write(data.upper())
            await writer.drain()
    else:
        writer.write(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(head) + head)
        await writer.drain()
    writer.close()

async def main():
    async with await asyncio.start_server(answer, "0.0.0.0", 8080) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A network with an engine on it, and the image of Caddy."""

    name: str
    image: str

    @contextmanager
    def container(self, part: str, image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
        name = f"{self.name}-{part}"
        words = ("run", "--detach", "--name", name, "--network", self.name, "--network-alias", part)
        docker(*words, *options, image, *command)
        try:
            yield name
        finally:
            docker("rm", "--force", "--volumes", name)

    @contextmanager
    def caddy(self, files: Path, ingress: IngressSettings, config: dict[str, Any]) -> Iterator[str]:
        """Caddy, closed in as in a stack, with what is in the folder."""
        (files / "caddy.json").write_text(json.dumps(config))
        for path in (files, *files.iterdir()):
            path.chmod(0o755)
        options = (
            *("--user", "10002:10002", "--read-only", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges:true", "--tmpfs", "/tmp:size=64m,mode=1777"),
            *("--tmpfs", "/data:uid=10002,gid=10002,mode=0700", "--volume", f"{files}:/files:ro"),
            *("--publish", f"127.0.0.1::{HTTPS_PORT}", "--network-alias", ingress.domain),
        )
        command = ("caddy", "run", "--config", "/files/caddy.json")
        with self.container("caddy", self.image, *command, options=options) as name:
            yield name


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    [row] = ensure(ConfiguredImages(postgres="", hasura=""), parts=("caddy",), progress=print)
    made = Site(name=f"test-ingress-{uuid.uuid4().hex[:8]}", image=row.image)
    docker("network", "create", made.name)
    try:
        with made.container("engine", resolve("", "stand-ins").image, "python", "-c", ENGINE):
            yield made
    finally:
        docker("network", "rm", made.name)


def config_of(ingress: IngressSettings) -> dict[str, Any]:
    nobody, identity = cast(pulumi.Resource, None), cast("pulumi.Output[str]", None)
    serving = Serving(healthy=nobody, home=nobody, identity=identity, host="engine")
    return caddy_config(serving, ingress, files="/files")


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, IngressSettings]:
    """A folder with a certificate of one's own, and settings that name it."""
    pair = AUTHORITY.server(DOMAIN)
    (tmp_path / "certificate.pem").write_text(pair.certificate)
    (tmp_path / "certificate-key.pem").write_text(pair.key)
    return tmp_path, replace(SETTINGS, certificate=pair.certificate, certificate_key=pair.key)


def port_of(name: str) -> int:
    return int(docker("port", name, str(HTTPS_PORT)).splitlines()[0].rpartition(":")[2])


def connected(name: str, authority: str) -> ssl.SSLSocket:
    trusting = ssl.create_default_context(cadata=authority)
    plain = socket.create_connection(("127.0.0.1", port_of(name)), timeout=20)
    return trusting.wrap_socket(plain, server_hostname=DOMAIN)


def answers(name: str, authority: str) -> bool:
    try:
        with connected(name, authority) as wrapped:
            return wrapped.version() is not None
    except OSError:
        return False


def websocket(name: str) -> ssl.SSLSocket:
    """A connection that has been upgraded."""
    wrapped = connected(name, AUTHORITY.certificate)
    wrapped.sendall(
        f"GET /v1/graphql HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += wrapped.recv(1024)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return wrapped


def echoed(connection: ssl.SSLSocket) -> bool:
    word = secrets.token_hex(8)
    connection.sendall(word.encode())
    return connection.recv(1024) == word.upper().encode()


def test_a_subscription_outlives_time_outs_and_a_change_of_the_configuration(
    site: Site, own: tuple[Path, IngressSettings]
) -> None:
    files, ingress = own
    # As short as can be, so that it has passed when Caddy says so of a connection that sends nothing.
    config = config_of(ingress)
    config["apps"]["http"]["servers"]["https"] |= {"read_timeout": "1s", "idle_timeout": "1s"}
    with site.caddy(files, ingress, config) as name, ExitStack() as open_ones:
        wait_for(lambda: answers(name, AUTHORITY.certificate), "Caddy")
        subscription = open_ones.enter_context(websocket(name))
        assert echoed(subscription)
        silent = open_ones.enter_context(connected(name, AUTHORITY.certificate))
        assert silent.recv(1) == b"", "a connection on which nothing is asked is closed"
        assert echoed(subscription)
        changed = copy.deepcopy(config)
        changed["apps"]["http"]["servers"]["https"]["max_header_bytes"] = 16_384
        (files / "caddy.json").write_text(json.dumps(changed))
        reload(Docker(), name, "/files/caddy.json")
        assert echoed(subscription)
        (files / "caddy.json").write_text("{}}")
        with pytest.raises(ProviderError, match="goes on with the one that it had"):
            reload(Docker(), name, "/files/caddy.json")
        assert echoed(subscription)
        assert answers(name, AUTHORITY.certificate)


def test_what_the_engine_is_asked(site: Site, own: tuple[Path, IngressSettings]) -> None:
    """Its path and its headers, as they come out of Caddy."""
    files, ingress = own
    with site.caddy(files, ingress, config_of(ingress)) as name:
        wait_for(lambda: answers(name, AUTHORITY.certificate), "Caddy")
        with connected(name, AUTHORITY.certificate) as wrapped:
            wrapped.sendall(
                f"GET /v1/graphql?query=%7Busers%7D HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n"
                "Authorization: Bearer t\r\nCookie: a=b\r\nX-Hasura-Role: user\r\nX-HASURA-Admin-Secret: canary\r\n"
                "x-hasura-access-key: canary\r\nX-Hasura-Use-Backend-Only-Permissions: true\r\n"
                "X-Hasura-User-Id: canary\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n".encode()
            )
            answer = b""
            while piece := wrapped.recv(65_536):
                answer += piece
    _, _, seen = answer.decode().partition("\r\n\r\n")
    lines = seen.lower().splitlines()
    assert lines[0].split()[1].partition("?")[0] == "/v1/graphql"
    assert {"authorization: bearer t", "cookie: a=b", "x-hasura-role: user"} <= set(lines)
    assert [line for line in lines if line.startswith("x-hasura-")] == ["x-hasura-role: user"]
    assert "canary" not in seen
    assert not [line for line in lines if "203.0.113.9" in line], (
        "nobody says for himself where he comes from"
    )


def test_a_certificate_is_obtained_from_an_authority(site: Site, tmp_path: Path) -> None:
    folder = go_program.build(
        Path(__file__).resolve().parent / "pebble",
        "pebble",
        package="github.com/letsencrypt/pebble/v2/cmd/pebble",
        architecture=platform.machine(),
        cache=toolchain.cache_folder(),
        progress=Progress(live=False),
    )
    its_own = AUTHORITY.server("pebble")
    authority = tmp_path / "authority"
    authority.mkdir()
    (authority / "certificate.pem").write_text(its_own.certificate)
    (authority / "key.pem").write_text(its_own.key)
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/pebble/certificate.pem",
        "privateKey": "/pebble/key.pem",
        # Where it looks for Caddy: the ports that a stack publishes as 80 and 443.
        "httpPort": 8081,
        "tlsPort": HTTPS_PORT,
    }
    (authority / "pebble.json").write_text(json.dumps({"pebble": settings}))
    files = tmp_path / "files"
    files.mkdir()
    (files / "acme-ca.pem").write_text(AUTHORITY.certificate)
    ingress = replace(SETTINGS, acme_ca_certificate=AUTHORITY.certificate)
    options = (
        *("--env", "PEBBLE_VA_NOSLEEP=1", "--env", "PEBBLE_WFE_NONCEREJECT=0"),
        *("--volume", f"{authority}:/pebble:ro", "--volume", f"{folder}:/program:ro"),
        *("--user", "0", "--publish", "127.0.0.1::15000"),
    )
    command = ("/program/pebble", "-config", "/pebble/pebble.json")
    image = resolve("", "stand-ins").image
    with site.container("pebble", image, *command, options=options) as pebble:
        management = int(docker("port", pebble, "15000").splitlines()[0].rpartition(":")[2])
        wait_for(lambda: root_of(management) != "", "Pebble")
        with site.caddy(files, ingress, config_of(ingress)) as name:
            try:
                wait_for(lambda: answers(name, root_of(management)), "a certificate by Pebble")
            except AssertionError as error:
                logs = [docker("logs", "--tail", "20", each) for each in (name, pebble)]
                raise AssertionError("\n".join([str(error), *logs])) from None


def root_of(port: int) -> str:
    """The root by which Pebble signs; empty where it does not answer yet."""
    trusting = ssl.create_default_context(cadata=AUTHORITY.certificate)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            trusting.wrap_socket(plain, server_hostname="pebble") as wrapped,
        ):
            wrapped.sendall(b"GET /roots/0 HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := wrapped.recv(65_536):
                answer += piece
    except OSError:
        return ""
    return answer.decode().partition("\r\n\r\n")[2]
