"""The Hasura engine: one in a container, or several as a service of a swarm."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components import container
from components.generated_secret import GeneratedSecret
from components.hasura.container import in_container
from components.hasura.environment import environment
from components.hasura.jwt_secret import configured_jwt_secret, jwt_secret_text
from components.hasura.service import as_service
from components.hasura.serving import Serving
from components.network import StackNetwork
from components.postgres.database import Database
from components.settings import Settings


class HasuraEngine(pulumi.ComponentResource):
    """The engine of a stack.

    :param settings: the stack's settings.
    :param network: the stack's networks.
    :param image: the image to run.
    :param database: the stack's databases.
    :param after: what must be there before the engine starts. The engine ends at once when it cannot read the
        JWKS, so whatever serves that belongs here.

    ``serving`` is what the rest of the stack needs of it; ``url`` is where the deployment reaches it, which in a
    service is Caddy's port; ``admin_secret`` and ``jwt_secret`` are Pulumi secrets.
    """

    admin_secret: pulumi.Output[str]
    serving: Serving

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: StackNetwork,
        image: container.Image,
        database: Database,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # Stacks of an earlier version have it under this type.
        before = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="clerk-hasura:hasura:HasuraContainer")])
        super().__init__(
            "clerk-hasura:hasura:HasuraEngine", name, None, pulumi.ResourceOptions.merge(before, opts)
        )
        child = pulumi.ResourceOptions(parent=self)
        admin_secret = GeneratedSecret("hasura-admin-secret", rotation=settings.rotation, opts=child)
        jwt_secret: pulumi.Input[str] = jwt_secret_text(configured_jwt_secret(settings))
        # With a key of one's own it holds what may sign tokens.
        self.jwt_secret = pulumi.Output.secret(jwt_secret)
        self.admin_secret = admin_secret.value
        self.url = settings.hasura.admin_url
        serve = as_service if settings.hasura.replicas else in_container
        self.serving = serve(
            settings=settings,
            network=network,
            image=image,
            database=database,
            variables=environment(
                settings.hasura,
                database_url=database.data_url,
                metadata_database_url=database.metadata_url,
                admin_secret=self.admin_secret,
                jwt_secret=self.jwt_secret,
                pooled=database.pooled,
            )
            | {name: pulumi.Output.secret(text) for name, text in settings.hasura.environment.items()},
            after=[*database.ready, *after],
            parent=self,
        )
        database.retire_logins(self.serving.healthy, self.serving.identity)
        self.register_outputs({"url": self.url})
