"""The whole deployment: settings -> Postgres -> Clerk -> Hasura -> schema -> outputs."""

import pulumi
import pulumi_docker as docker

from components import preflight
from components.clerk.claims import template_claims
from components.clerk.jwt_template import JwtTemplate
from components.hasura.container import HasuraContainer
from components.postgres.container import PostgresContainer
from components.schema.resources import Metadata, Migrations

settings, schema = preflight.load()
image = preflight.images(settings)
clerk, template = settings.clerk, settings.clerk.template

network = docker.Network("network", name=settings.docker_name(), driver="bridge")
database = PostgresContainer(
    "postgres", settings=settings, network=network, image=image(settings.postgres.image, "postgres")
)

sign_in: list[pulumi.Resource] = []
if clerk.local:
    from local.clerk.container import LocalClerk

    local_clerk = LocalClerk("local-clerk", settings=settings, network=network, image=image("", "stand-ins"))
    sign_in = [local_clerk.container]
jwt_template = JwtTemplate(
    "jwt-template",
    name=template.name,
    claims=template_claims(template.role, [template.role], template.claims),
    lifetime=template.lifetime,
    allowed_clock_skew=template.clock_skew,
    api_url=clerk.api_url,
    adopt=template.adopt,
    opts=pulumi.ResourceOptions(depends_on=sign_in),
)

engine = HasuraContainer(
    "hasura",
    settings=settings,
    network=network,
    image=image(settings.hasura.image, "hasura"),
    database=database,
    after=sign_in,
)
in_engine = pulumi.ResourceOptions(depends_on=[engine.container], deleted_with=engine.container)
migrations = Migrations(
    "migrations",
    endpoint=engine.url,
    admin_secret=engine.admin_secret,
    directory=schema.migrations,
    lock_timeout=settings.schema.lock_timeout,
    statement_timeout=settings.schema.statement_timeout,
    opts=in_engine,
)
Metadata(
    "metadata",
    endpoint=engine.url,
    admin_secret=engine.admin_secret,
    directory=schema.metadata,
    opts=pulumi.ResourceOptions.merge(in_engine, pulumi.ResourceOptions(depends_on=[migrations])),
)

pulumi.export("graphqlUrl", f"{engine.url}/v1/graphql")
pulumi.export("hasuraUrl", engine.url)
pulumi.export("jwksUrl", clerk.jwks_url)
pulumi.export("issuer", clerk.issuer)
pulumi.export("jwtTemplate", jwt_template.name)
pulumi.export("publishableKey", clerk.publishable_key)
pulumi.export("clerkApiUrl", clerk.api_url)
pulumi.export("adminSecret", engine.admin_secret)
pulumi.export("databaseUrl", database.published_url)
