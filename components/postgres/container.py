"""Postgres in a container, with the databases, the roles and the extensions that the engine needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql

from components import container
from components.generated_secret import GeneratedSecret
from components.hardening import FILES
from components.network import StackNetwork
from components.postgres.data_version import DATA
from components.postgres.database import Database
from components.postgres.logins import EngineLogin, RetiredLogins
from components.postgres.roles import (
    DATABASE_PRIVILEGES,
    SCHEMA_PRIVILEGES,
    SUPERUSER,
    login_name,
    owner_name,
)
from components.postgres.superuser import SuperuserPassword
from components.postgres.tuning import server_arguments, shared_memory_mb, tuning
from components.settings import LOOPBACK, PostgresSettings, Settings

PORT: Final = 5432
_PASSWORD_FILE: Final = "superuser-password"  # noqa: S105 (a file's name)


class PostgresContainer(pulumi.ComponentResource):
    """The database of a stack.

    :param settings: the stack's settings.
    :param postgres: those of its Postgres.
    :param network: the stack's network.
    :param image: the image to run.

    ``database`` is what the rest of the stack needs of it.
    """

    database: Database

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        postgres: PostgresSettings,
        network: StackNetwork,
        image: container.Image,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("clerk-hasura:postgres:PostgresContainer", name, None, opts)
        self._settings, self._postgres = settings, postgres
        child = pulumi.ResourceOptions(parent=self)
        initial_password = GeneratedSecret(
            "postgres-initial-password", opts=_once_called(child, "postgres-superuser-password")
        )
        superuser_password = GeneratedSecret("superuser-password", rotation=settings.rotation, opts=child)
        login_password = GeneratedSecret(
            "engine-login-password",
            rotation=settings.rotation,
            opts=_once_called(child, "postgres-owner-password"),
        )
        self.volume = docker.Volume(
            "postgres-data",
            name=settings.docker_name("postgres"),
            labels=[
                docker.VolumeLabelArgs(label=label.label, value=label.value)
                for label in container.labels(settings, "postgres")
            ],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=postgres.protect)),
        )
        service = self._run(network, image, initial_password.value)
        superuser = SuperuserPassword(
            "superuser",
            host=postgres.address.host,
            port=postgres.address.port,
            container=settings.docker_name("postgres"),
            container_id=service.container.id,
            initial_file=f"{FILES}/{_PASSWORD_FILE}",
            initial=initial_password.value,
            password=superuser_password.value,
            opts=self._inside(service.healthy),
        )
        ready = self._databases(superuser, superuser_password.value)
        login = login_name(postgres.role, settings.rotation)
        engine_login = EngineLogin(
            "engine-login",
            host=postgres.address.host,
            port=postgres.address.port,
            superuser_password=superuser_password.value,
            role=postgres.role,
            login=login,
            password=login_password.value,
            opts=self._inside(superuser, *ready),
        )

        def retire_logins(engine: pulumi.Resource, engine_id: pulumi.Input[str]) -> None:
            RetiredLogins(
                "retired-logins",
                host=postgres.address.host,
                port=postgres.address.port,
                superuser_password=superuser_password.value,
                role=postgres.role,
                login=login,
                databases=[postgres.database, postgres.metadata_database],
                engine=engine_id,
                opts=self._inside(engine_login, engine),
            )

        def url(authority: str, database: str) -> pulumi.Output[str]:
            build: Callable[[str], str] = lambda password: (  # noqa: E731 (typed for Output.apply)
                f"postgresql://{login}:{password}@{authority}/{database}"
            )
            return login_password.value.apply(build)

        in_network = f"{settings.docker_name('postgres')}:{PORT}"
        host = f"[{postgres.address.host}]" if ":" in postgres.address.host else postgres.address.host
        self.database = Database(
            data_url=url(in_network, postgres.database),
            metadata_url=url(in_network, postgres.metadata_database),
            outside_url=url(f"{host}:{postgres.address.port}", postgres.database),
            ready=[service.healthy, *service.attached, *ready, engine_login],
            retire_logins=retire_logins,
        )
        # Nothing secret: Pulumi's SDK writes what is registered here into verbose logs as it is.
        self.register_outputs({})

    def _run(
        self, network: StackNetwork, image: container.Image, initial_password: pulumi.Output[str]
    ) -> container.Service:
        postgres = self._postgres
        user, _, group = image.user.partition(":")
        return container.run(
            "postgres",
            settings=self._settings,
            prepared=container.prepare(
                "postgres",
                settings=self._settings,
                image=image,
                files={_PASSWORD_FILE: initial_password},
                opts=pulumi.ResourceOptions(parent=self),
            ),
            network=network,
            environment={
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD_FILE": f"{FILES}/{_PASSWORD_FILE}",
                "POSTGRES_INITDB_ARGS": "--data-checksums",
                "PGDATA": DATA,
            },
            arguments=server_arguments(
                tuning(memory_mb=postgres.limits.memory_mb, max_connections=postgres.max_connections)
            ),
            # Over TCP on purpose: while the image initialises the database, it listens on its socket only.
            health_test=["CMD-SHELL", f"pg_isready -h 127.0.0.1 -p {PORT} -U {SUPERUSER} -d postgres"],
            limits=postgres.limits,
            ports=[container.PublishedPort(internal=PORT, external=postgres.port, address=LOOPBACK)],
            volumes={DATA: self.volume.name},
            tmpfs={"/var/run/postgresql": f"uid={user},gid={group or user},mode=0775"},
            stop_seconds=postgres.stop_seconds,
            shm_mb=shared_memory_mb(postgres.limits.memory_mb),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _databases(self, superuser: SuperuserPassword, password: pulumi.Output[str]) -> list[pulumi.Resource]:
        """Both databases with their owner, their extensions and what the engine's role may do in them."""
        postgres = self._postgres
        provider = postgresql.Provider(
            "postgres",
            # From configuration, not from the container: else every preview has unknown provider inputs.
            host=postgres.address.host,
            port=postgres.address.port,
            username=SUPERUSER,
            # The secret itself, which a preview knows, and not what comes out of setting it.
            password=password,
            sslmode="disable",
            superuser=True,
            connect_timeout=15,
            # Its password is kept no earlier than the server has it: a refresh after an update that died in between
            # still connects.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[superuser]),
        )
        inside = pulumi.ResourceOptions.merge(
            self._inside(superuser), pulumi.ResourceOptions(provider=provider)
        )
        known_password: list[str] = []
        password.apply(known_password.append)

        def freed(what: str, name: str) -> pulumi.ResourceOptions:
            """A name that an update which died may hold."""

            def free_the_name(_args: pulumi.ResourceHookArgs) -> None:
                # A preview has no use for the client of Postgres.
                from components.postgres.orphan import make_way_for_database, make_way_for_role
                from components.postgres.server import Server

                make_way = make_way_for_database if what == "database" else make_way_for_role
                server = Server(host=postgres.address.host, port=postgres.address.port)
                make_way(server, known_password[0], name, container=self._settings.docker_name("postgres"))

            hook = pulumi.ResourceHook(f"free-the-name-of-the-{what}-{name}", free_the_name)
            return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook]))

        role = postgresql.Role(
            "engine-role",
            name=postgres.role,
            login=False,
            opts=pulumi.ResourceOptions.merge(
                _once_called(inside, "database-owner"), freed("role", postgres.role)
            ),
        )
        owner = postgresql.Role(
            "databases-owner",
            name=owner_name(postgres.role),
            login=False,
            opts=pulumi.ResourceOptions.merge(inside, freed("role", owner_name(postgres.role))),
        )
        ready: list[pulumi.Resource] = []
        for resource_name, database_name in (
            ("database", postgres.database),
            ("metadata-database", postgres.metadata_database),
        ):
            database = postgresql.Database(
                resource_name,
                name=database_name,
                owner=owner_name(postgres.role),
                opts=pulumi.ResourceOptions.merge(
                    inside,
                    pulumi.ResourceOptions.merge(
                        freed("database", database_name),
                        pulumi.ResourceOptions(depends_on=[owner], protect=postgres.protect),
                    ),
                ),
            )
            ready.append(database)
            # Names as configured, not as the resources give them back: a preview then knows them.
            in_it = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[database, role]))
            for object_type, schema, privileges in (
                ("database", None, DATABASE_PRIVILEGES),
                ("schema", "public", SCHEMA_PRIVILEGES),
            ):
                ready.append(
                    postgresql.Grant(
                        f"{resource_name}-{object_type}",
                        database=database_name,
                        schema=schema,
                        object_type=object_type,
                        role=postgres.role,
                        privileges=list(privileges),
                        opts=in_it,
                    )
                )
            for extension in postgres.extensions:
                ready.append(
                    postgresql.Extension(
                        f"{resource_name}-{extension}", name=extension, database=database_name, opts=in_it
                    )
                )
        return ready

    def _inside(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """What lives in the volume goes with it, so a destroy needs no statement that drops it."""
        return pulumi.ResourceOptions(parent=self, depends_on=list(after), deleted_with=self.volume)


def _once_called(opts: pulumi.ResourceOptions, name: str) -> pulumi.ResourceOptions:
    """``opts`` for a resource that stacks of an earlier version have under another name."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(name=name)]))
