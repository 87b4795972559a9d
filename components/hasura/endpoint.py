"""What the rest of a stack needs of its Hasura engine, whoever runs that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.hasura.engine import HasuraEngine
from components.hasura.jwt_secret import configured_jwt_secret, jwt_secret_text
from components.settings import ExternalEngineSettings, Settings


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The engine as the deployment reaches it.

    :param url: its root.
    :param admin_secret: a Pulumi secret, as ``jwt_secret``.
    :param jwt_secret: what it is given, or has to be given, as HASURA_GRAPHQL_JWT_SECRET.
    :param identity: another text when it is another engine.
    :param ready: what must be there before it is spoken to.
    :param home: what it goes away with; None where it stays.
    """

    url: str
    admin_secret: pulumi.Output[str]
    jwt_secret: pulumi.Output[str]
    identity: pulumi.Input[str]
    ready: Sequence[pulumi.Resource] = ()
    home: pulumi.Resource | None = None


def own_endpoint(engine: HasuraEngine, *reached: pulumi.Resource) -> Endpoint:
    """That of the stack's own engine; ``reached`` is what stands on the way to it."""
    return Endpoint(
        url=engine.url,
        admin_secret=engine.admin_secret,
        jwt_secret=engine.jwt_secret,
        identity=engine.serving.identity,
        ready=[engine.serving.healthy, *reached],
        home=engine.serving.home,
    )


def external_endpoint(external: ExternalEngineSettings, settings: Settings) -> Endpoint:
    """That of an engine that somebody else runs. What it is started with is theirs."""
    return Endpoint(
        url=external.url,
        admin_secret=pulumi.Output.secret(external.admin_secret),
        jwt_secret=pulumi.Output.secret(jwt_secret_text(configured_jwt_secret(settings))),
        identity=external.url,
    )
