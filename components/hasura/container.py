"""The Hasura engine in a container."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components import container
from components.generated_secret import GeneratedSecret
from components.hasura.environment import environment
from components.hasura.jwt_secret import configured_jwt_secret, jwt_secret_text
from components.postgres.database import Database
from components.settings import Settings

PORT = 8080


class HasuraContainer(pulumi.ComponentResource):
    """The engine of a stack.

    :param settings: the stack's settings.
    :param network: the stack's network.
    :param image: the image to run.
    :param database: the stack's databases.
    :param after: what must be there before the engine starts. The engine ends at once when it cannot read the
        JWKS, so whatever serves that belongs here.

    ``url`` is the engine as the deployment reaches it; ``admin_secret`` and ``jwt_secret`` are Pulumi secrets.
    """

    admin_secret: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: docker.Network,
        image: container.Image,
        database: Database,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("clerk-hasura:hasura:HasuraContainer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        admin_secret = GeneratedSecret("hasura-admin-secret", rotation=settings.rotation, opts=child)
        jwt_secret: pulumi.Input[str] = jwt_secret_text(configured_jwt_secret(settings))
        # With a key of one's own it holds what may sign tokens.
        self.jwt_secret = pulumi.Output.secret(jwt_secret)
        self.admin_secret = admin_secret.value
        self.url = settings.hasura.admin_url
        self.service = container.run(
            "hasura",
            settings=settings,
            image=image,
            network=network,
            environment=environment(
                settings.hasura,
                database_url=database.data_url,
                metadata_database_url=database.metadata_url,
                admin_secret=self.admin_secret,
                jwt_secret=self.jwt_secret,
                pooled=database.pooled,
            ),
            health_test=container.http_health_test(f"http://127.0.0.1:{PORT}/healthz"),
            limits=settings.hasura.limits,
            port=container.PublishedPort(
                internal=PORT, external=settings.hasura.port, address=settings.containers.bind_address
            ),
            files=database.files,
            stop_seconds=settings.hasura.stop_seconds,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*database.ready, *after]),
        )
        database.retire_logins(self.service.healthy, self.service.container.id)
        self.register_outputs({"url": self.url})
