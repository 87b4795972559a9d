"""Postgres in a container, with the databases, the role and the extensions that the engine needs."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql

from components import container
from components.generated_secret import GeneratedSecret
from components.settings import Settings

SUPERUSER = "postgres"
PORT = 5432


class PostgresContainer(pulumi.ComponentResource):
    """The database of a stack.

    :param settings: the stack's settings.
    :param network: the stack's network.
    :param image: the image to run.

    ``engine_url(database)`` is the URL by which a container of the network reaches a database as its owner;
    ``published_url`` reaches the data database from the machine. Both are Pulumi secrets.
    """

    published_url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: docker.Network,
        image: container.Image,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("clerk-hasura:postgres:PostgresContainer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        postgres = settings.postgres
        superuser_password = GeneratedSecret("postgres-superuser-password", opts=child)
        self._owner_password = GeneratedSecret("postgres-owner-password", opts=child)
        self._settings = settings

        self.volume = docker.Volume(
            "postgres-data",
            name=settings.docker_name("postgres"),
            labels=[
                docker.VolumeLabelArgs(label=label.label, value=label.value)
                for label in container.labels(settings, "postgres")
            ],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=postgres.protect)),
        )
        service = container.run(
            "postgres",
            settings=settings,
            image=image,
            network=network,
            environment={
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD": superuser_password.value,
                "POSTGRES_INITDB_ARGS": "--data-checksums",
                "PGDATA": "/var/lib/postgresql/data",
            },
            arguments=[
                "postgres",
                "-c",
                f"max_connections={postgres.max_connections}",
                "-c",
                f"shared_buffers={postgres.shared_buffers_mb}MB",
            ],
            # Over TCP on purpose: while the image initialises the database, it listens on its socket only.
            health_test=["CMD-SHELL", f"pg_isready -h 127.0.0.1 -p {PORT} -U {SUPERUSER} -d postgres"],
            port=container.PublishedPort(internal=PORT, external=postgres.port),
            volumes={"/var/lib/postgresql/data": self.volume.name},
            stop_seconds=postgres.stop_seconds,
            # Parallel queries share memory here; Docker's 64 MB is too little for more than a few workers.
            shm_mb=max(64, postgres.shared_buffers_mb),
            opts=child,
        )
        provider = postgresql.Provider(
            "postgres",
            # From configuration, not from the container: else every preview has unknown provider inputs.
            host=reachable(settings.containers.bind_address),
            port=postgres.port,
            username=SUPERUSER,
            password=superuser_password.value,
            sslmode="disable",
            superuser=True,
            connect_timeout=15,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service.healthy]),
        )
        # What lives in the volume goes with it, so a destroy needs no statement that drops it.
        inside = pulumi.ResourceOptions(
            parent=self, provider=provider, depends_on=[service.healthy], deleted_with=self.volume
        )
        owner = postgresql.Role(
            "database-owner",
            name=postgres.owner,
            login=True,
            password=self._owner_password.value,
            opts=inside,
        )
        self.ready: list[pulumi.Resource] = [service.healthy]
        for resource_name, database_name in (
            ("database", postgres.database),
            ("metadata-database", postgres.metadata_database),
        ):
            database = postgresql.Database(
                resource_name,
                name=database_name,
                owner=owner.name,
                opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(protect=postgres.protect)),
            )
            self.ready.append(database)
            for extension in postgres.extensions:
                self.ready.append(
                    postgresql.Extension(
                        f"{resource_name}-{extension}", name=extension, database=database.name, opts=inside
                    )
                )
        self.published_url = self._url(
            f"{reachable(settings.containers.bind_address)}:{postgres.port}", postgres.database
        )
        # Nothing secret: Pulumi's SDK writes what is registered here into verbose logs as it is.
        self.register_outputs({})

    def engine_url(self, database: str) -> pulumi.Output[str]:
        """URL of ``database`` as its owner, from a container of the stack's network. A Pulumi secret."""
        return self._url(f"{self._settings.docker_name('postgres')}:{PORT}", database)

    def _url(self, authority: str, database: str) -> pulumi.Output[str]:
        owner = self._settings.postgres.owner
        build: Callable[[str], str] = lambda password: (  # noqa: E731 (typed for Output.apply)
            f"postgresql://{owner}:{password}@{authority}/{database}"
        )
        return self._owner_password.value.apply(build)


def reachable(bind_address: str) -> str:
    """The address to connect to for a port bound to ``bind_address``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind_address, bind_address)  # noqa: S104 (compared, not bound)
