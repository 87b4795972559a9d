"""A Postgres that speaks TLS only, and a PgBouncer before it, as somebody else would run them.

Both are published on the address of Docker's default bridge, by which this machine and every container reach them.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg
import yaml

from components.docker_command import Docker
from components.volume_files import write_files
from local import images
from tests.external_postgres.certificates import Pair
from tests.images.containers import container, docker, volume, wait_for
from tests.local_engine.engines import ROOT

_HBA = "local all all trust\n{kind} all all all scram-sha-256\n"


def bridge_address() -> str:
    """The address of this machine on Docker's default bridge."""
    [network] = json.loads(docker("network", "inspect", "bridge"))
    config = network["IPAM"]["Config"][0]
    return str(config.get("Gateway") or ipaddress.ip_network(config["Subnet"])[1])


def postgres_image() -> str:
    """The image of a stack's Postgres, or what stands in for it here."""
    manifest = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    return images.resolve(manifest["config"]["postgresImage"]["default"], "postgres").image


@dataclass(frozen=True, kw_only=True)
class External:
    """A running server: its container, where it is reached, and its superuser's password."""

    name: str
    host: str
    port: int
    password: str = field(repr=False)

    def run(self, sql: str, database: str = "postgres") -> str:
        """What psql answers inside the container, as the superuser."""
        return docker("exec", self.name, "psql", "-XAtqU", "postgres", "-d", database, "-c", sql)

    def url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@{self.host}:{self.port}/{database}"


@contextmanager
def tls_postgres(pair: Pair | None, *, host: str | None = None) -> Iterator[External]:
    """Postgres that takes nothing but TLS, or, without a certificate, speaks none.

    :param host: the name in the URLs, where it is not the address.
    """
    image, password, address = postgres_image(), secrets.token_hex(16), bridge_address()
    files = {"pg_hba.conf": _HBA.format(kind="hostssl" if pair else "host")}
    arguments = ["-c", "hba_file=/tls/pg_hba.conf", "-c", "fsync=off"]
    if pair:
        files |= {"server.crt": pair.certificate, "server.key": pair.key}
        arguments += [
            "-c",
            "ssl=on",
            "-c",
            "ssl_cert_file=/tls/server.crt",
            "-c",
            "ssl_key_file=/tls/server.key",
        ]
    with (
        _with_files(files, image) as mounted,
        container(
            image,
            f"--volume={mounted}:/tls:ro",
            f"--publish={address}:0:5432",
            "--tmpfs=/var/lib/postgresql/data",
            f"--env=POSTGRES_PASSWORD={password}",
            command=("postgres", *arguments),
        ) as started,
    ):
        wait_for(started.accepts_tcp, "Postgres answers")
        yield External(name=started.name, host=host or address, port=started.port(5432), password=password)


@contextmanager
def pgbouncer(behind: External, pair: Pair, logins: Mapping[str, str]) -> Iterator[External]:
    """PgBouncer in transaction mode, which takes nothing but TLS and knows no prepared statements.

    :param logins: user to password, of everybody who may come in; the same behind it.
    """
    address = bridge_address()
    settings = {
        "listen_addr": "0.0.0.0",
        "listen_port": "6432",
        "auth_type": "scram-sha-256",
        "auth_file": "/tls/users.txt",
        "pool_mode": "transaction",
        "max_prepared_statements": "0",
        "default_pool_size": "3",
        "client_tls_sslmode": "require",
        "client_tls_cert_file": "/tls/server.crt",
        "client_tls_key_file": "/tls/server.key",
        "server_tls_sslmode": "require",
        "unix_socket_dir": "",
    }
    ini = "\n".join(
        [
            "[databases]",
            f"* = host={behind.host} port={behind.port}",
            "[pgbouncer]",
            *(f"{k} = {v}" for k, v in settings.items()),
        ]
    )
    files = {
        "pgbouncer.ini": ini + "\n",
        "users.txt": "".join(f'"{user}" "{password}"\n' for user, password in logins.items()),
        "server.crt": pair.certificate,
        "server.key": pair.key,
    }
    image = _pgbouncer_image()
    with (
        _with_files(files, image) as mounted,
        container(
            image,
            "--user=999",
            f"--volume={mounted}:/tls:ro",
            f"--publish={address}:0:6432",
            command=("pgbouncer", "/tls/pgbouncer.ini"),
        ) as started,
    ):
        port = started.port(6432)
        user, password = next(iter(logins.items()))
        bouncer = External(name=started.name, host=address, port=port, password="")
        url = bouncer.url(user, password, "postgres")
        wait_for(lambda: _answers(f"{url}?sslmode=require"), "PgBouncer answers")
        yield bouncer


@contextmanager
def _with_files(files: Mapping[str, str], image: str) -> Iterator[str]:
    with ExitStack() as stack:
        name = stack.enter_context(volume())
        write_files(Docker(), name, files, image=image, owner="999")
        yield name


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _pgbouncer_image() -> str:
    base = postgres_image()
    tag = f"clerk-hasura.local/test-pgbouncer:{base.rpartition(':')[2][:40]}"
    recipe = (
        f"FROM {base}\n"
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        " pgbouncer && rm -rf /var/lib/apt/lists/*\nENTRYPOINT []\n"
    )
    subprocess.run(
        ["docker", "build", "--tag", tag, "-"], input=recipe, text=True, check=True, capture_output=True
    )
    return tag
