"""The databases of the selected stack, and the programs that reach them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import certifi

from components import docker_command, selected_stack, settings
from components.backup.archive import Purpose
from components.backup.databases import Defaults
from components.backup.postgres_tools import Tools
from components.backup.problem import BackupError
from components.docker_command import Docker, DockerError
from components.postgres.roles import DATABASE_PRIVILEGES, SUPERUSER, owner_name
from components.postgres.tls import CA_FILE, SYSTEMS_AUTHORITIES, tls_parameters
from components.settings import (
    DatabaseUrl,
    ExternalPostgresSettings,
    PostgresSettings,
    Settings,
    SettingsError,
)

_SERVICE: Final = "clerk_hasura"
_SERVICE_FILE: Final = "service.conf"
_TMP: Final = "/tmp"  # noqa: S108 (a throwaway container's own)
_LAY_FILES: Final = (
    f'umask 77; printf %s "$SERVICE" > {_TMP}/{_SERVICE_FILE}; '
    f'printf %s "$AUTHORITY" > {_TMP}/{CA_FILE}; exec "$@"'
)
_CONNECT_SECONDS: Final = 15


@dataclass(frozen=True, kw_only=True)
class StackDatabase:
    """One of a stack's two databases.

    :param tools: by which its server is reached.
    :param maintenance: a database of the server in which another one may be made or renamed.
    :param server: the major version of its server.
    """

    purpose: Purpose
    name: str
    tools: Tools
    maintenance: str
    server: int
    defaults: Defaults


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The selected stack."""

    name: str
    project: str
    databases: tuple[StackDatabase, ...]


@contextmanager
def selected(*, image: str, address: str) -> Iterator[Stack]:
    """The selected stack's databases, for as long as the context lasts.

    :param image: whose programs are used for a database that somebody else runs, where this machine's are too old;
        empty for the stack's ``postgresImage``.
    :param address: host and port at which such a database is reached without its pooler, or empty.
    :raises BackupError: when they cannot be reached.
    :raises StackError: when the stack cannot be read.
    """
    stack = selected_stack.name()
    config = selected_stack.configuration(secrets=True)
    parsed = _parse(config, stack)
    docker = docker_command.configured(lambda key: config.others.get(f"docker:{key}"), os.environ)
    if isinstance(parsed.postgres, ExternalPostgresSettings):
        image = image or config.values.get("postgresImage", "")
        with _external(parsed.postgres, docker, image=image, address=address) as databases:
            yield Stack(name=stack, project=parsed.project, databases=databases)
    elif parsed.postgres is None:
        raise BackupError(
            "engineUrl names an engine that somebody else runs, on a database that this stack does not know: its "
            "backups are made where it runs. Nothing was touched."
        )
    else:
        databases = _in_container(parsed, parsed.postgres, docker)
        yield Stack(name=stack, project=parsed.project, databases=databases)


def _parse(config: selected_stack.Configuration, stack: str) -> Settings:
    try:
        return settings.parse(config.values, stack=stack, environment=os.environ, encrypted=config.encrypted)
    except SettingsError as error:
        about_databases = [
            problem for problem in error.problems if problem.key.lower().startswith("database")
        ]
        # What is wrong with anything else, a key that is not here for example, is no reason to have no backup.
        if error.provisional is None or about_databases:
            raise BackupError(str(error)) from None
        return error.provisional


def _in_container(parsed: Settings, postgres: PostgresSettings, docker: Docker) -> tuple[StackDatabase, ...]:
    name = parsed.docker_name("postgres")
    try:
        state = docker.run("inspect", "--format", "{{.State.Running}}", name)
    except DockerError as error:
        raise BackupError(f"Docker: {error}. Nothing was touched.") from None
    if state.stdout.strip() != "true":
        raise BackupError(f"The container {name} does not run; `pulumi up` starts it. Nothing was touched.")
    tools = Tools(
        prefix=("docker", "exec", "--interactive", name),
        # By the server's socket, which takes the superuser without a password from inside the container only.
        connection=f"user={SUPERUSER}",
        environment=docker.environment(os.environ),
        where=f"in {name}",
    )
    defaults = Defaults(owner=owner_name(postgres.role), rights={postgres.role: DATABASE_PRIVILEGES})
    server = _server_version(tools, "postgres")
    names: Mapping[Purpose, str] = {"data": postgres.database, "metadata": postgres.metadata_database}
    return tuple(
        StackDatabase(
            purpose=purpose,
            name=database,
            tools=tools,
            maintenance="postgres",
            server=server,
            defaults=defaults,
        )
        for purpose, database in names.items()
    )


@contextmanager
def _external(
    external: ExternalPostgresSettings, docker: Docker, *, image: str, address: str
) -> Iterator[tuple[StackDatabase, ...]]:
    if external.pooler and not address:
        raise BackupError(
            "databasePooler is true, and a dump needs a session of its own, which a pooler in transaction mode does "
            "not give. Name the server behind it: --address HOST:PORT (make: DATABASE_ADDRESS=HOST:PORT). Nothing was "
            "touched."
        )
    urls: Mapping[Purpose, DatabaseUrl] = {"data": external.data, "metadata": external.metadata}
    if address:
        urls = {
            purpose: replace(
                url, hosts=address, parameters={k: v for k, v in url.parameters.items() if k != "hostaddr"}
            )
            for purpose, url in urls.items()
        }
    with tempfile.TemporaryDirectory(prefix="clerk-hasura-") as folder:
        found = []
        made: dict[str, tuple[Tools, int]] = {}
        for purpose, url in urls.items():
            server = url.of("").text()
            if server not in made:
                made[server] = _reached(external, url, docker, image, Path(folder) / purpose)
            tools, version = made[server]
            found.append(
                StackDatabase(
                    purpose=purpose,
                    name=url.database,
                    tools=tools,
                    maintenance="postgres",
                    server=version,
                    defaults=Defaults(owner=url.user, rights={}),
                )
            )
        yield tuple(found)


def _reached(
    external: ExternalPostgresSettings, url: DatabaseUrl, docker: Docker, image: str, folder: Path
) -> tuple[Tools, int]:
    """Programs that are new enough for a server, and its major version."""
    here = _on_this_machine(external, url, folder)
    version = here.version()
    if version:
        server = _server_version(here, url.database)
        if version >= server:
            return here, server
    elsewhere = _in_throwaway_container(external, url, docker, image)
    version = elsewhere.version()
    if not version:
        raise BackupError(
            f"There is no pg_dump on this machine that is new enough, and the image {image} cannot be run here or has "
            "none. Install PostgreSQL's client programs, or pull that image. Nothing was touched."
        )
    server = _server_version(elsewhere, url.database)
    if version < server:
        raise BackupError(
            f"{url.hosts} is PostgreSQL {server}, and a dump needs programs that are not older: pg_dump of {image} is "
            f"{version}. Set postgresImage to an image of PostgreSQL {server}, or install that version's client "
            "programs here. Nothing was touched."
        )
    return elsewhere, server


def _on_this_machine(external: ExternalPostgresSettings, url: DatabaseUrl, folder: Path) -> Tools:
    folder.mkdir(mode=0o700)
    (folder / CA_FILE).write_text(external.ca_certificate, encoding="ascii")
    tls = tls_parameters(external, ca_file=str(folder / CA_FILE), authorities=certifi.where())
    service = folder / _SERVICE_FILE
    service.write_text(service_text(url, tls), encoding="utf-8")
    environment = {**os.environ, "PGSERVICEFILE": str(service), "PGPASSWORD": url.password}
    return Tools(
        prefix=(), connection=f"service={_SERVICE}", environment=environment, where="on this machine"
    )


def _in_throwaway_container(
    external: ExternalPostgresSettings, url: DatabaseUrl, docker: Docker, image: str
) -> Tools:
    tls = tls_parameters(external, ca_file=f"{_TMP}/{CA_FILE}", authorities=SYSTEMS_AUTHORITIES)
    environment = docker.environment(os.environ) | {
        "PGSERVICEFILE": f"{_TMP}/{_SERVICE_FILE}",
        "PGPASSWORD": url.password,
        "SERVICE": service_text(url, tls),
        "AUTHORITY": external.ca_certificate,
    }
    return Tools(
        prefix=(
            *("docker", "run", "--rm", "--interactive", "--network", "host"),
            *("--read-only", "--tmpfs", _TMP),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"),
            # By name alone, so that no value is an argument.
            *("--env", "PGSERVICEFILE", "--env", "PGPASSWORD", "--env", "SERVICE", "--env", "AUTHORITY"),
            *("--entrypoint", "/bin/sh", image, "-c", _LAY_FILES, "sh"),
        ),
        connection=f"service={_SERVICE}",
        environment=environment,
        where=f"in a container of {image}",
    )


def service_text(url: DatabaseUrl, tls: Mapping[str, str]) -> str:
    """A connection service file with everything but the database and the password. Pure.

    https://www.postgresql.org/docs/current/libpq-pgservice.html
    """
    hosts, ports = [], []
    for place in url.hosts.split(","):
        host, colon, port = place.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = place, "5432"
        hosts.append(host.strip("[]"))
        ports.append(port)
    parameters = {
        "host": ",".join(hosts),
        "port": ",".join(ports),
        "user": url.user,
        "connect_timeout": str(_CONNECT_SECONDS),
        **url.parameters,
        **tls,
    }
    lines = "".join(f"{key}={value}\n" for key, value in parameters.items())
    return f"[{_SERVICE}]\n{lines}"


def _server_version(tools: Tools, database: str) -> int:
    with tools.session(database) as session:
        [row] = session.rows("select current_setting('server_version_num')::int / 10000 as major")
    return int(str(row["major"]))
