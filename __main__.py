"""The whole deployment: settings -> Postgres -> Clerk -> Hasura -> ingress -> schema -> outputs."""

import pulumi

from components import preflight
from components.clerk.jwt_template import JwtTemplate
from components.container import configured_images
from components.hasura.endpoint import external_endpoint, own_endpoint
from components.hasura.engine import HasuraEngine
from components.ingress.caddy import Caddy
from components.network import stack_network
from components.postgres.container import PostgresContainer
from components.postgres.database import Database
from components.postgres.external import external_database
from components.proof.resource import RowIsolationProof
from components.schema.replicas import Replicas
from components.schema.resources import Metadata, Migrations
from components.settings import ExternalPostgresSettings
from components.stack_outputs import chain_outputs, front_end_outputs

checked = preflight.load()
settings, schema = checked.settings, checked.schema
clerk, template = settings.clerk, settings.clerk.template
if settings.containers.stand_ins:
    from local.images.stack import images as images_of
else:
    images_of = configured_images
images = images_of(settings.images)

if settings.images:
    network = stack_network(settings)
database: Database | None = None
if isinstance(settings.postgres, ExternalPostgresSettings):
    database = external_database(settings.postgres)
elif settings.postgres is not None:
    postgres = PostgresContainer(
        "postgres",
        settings=settings,
        postgres=settings.postgres,
        network=network,
        image=images["postgres"],
    )
    database = postgres.database

sign_in: list[pulumi.Resource] = []
local_clerk: pulumi.Resource | None = None
if clerk.local:
    from local.clerk.container import LocalClerk

    stand_in = LocalClerk("local-clerk", settings=settings, network=network, image=images["stand-ins"])
    sign_in = [stand_in.service.healthy, *stand_in.service.attached]
    local_clerk = stand_in.service.container
jwt_template = JwtTemplate(
    "jwt-template",
    name=template.name,
    claims=checked.claims,
    lifetime=template.lifetime,
    allowed_clock_skew=template.clock_skew,
    api_url=clerk.api_url,
    publishable_key=clerk.publishable_key,
    # What the local Clerk holds under that name is this stack's own, from before.
    adopt=template.adopt or clerk.local,
    claims_namespace=template.claims_namespace,
    signing_key=template.signing_key or None,
    signing_algorithm=template.signing_algorithm or None,
    opts=pulumi.ResourceOptions(
        depends_on=sign_in,
        deleted_with=local_clerk,
        # What was there before a stack took it over together with its engine stays as that does.
        retain_on_delete=template.adopt and settings.external_engine is not None,
    ),
)

if settings.external_engine is not None:
    engine = external_endpoint(settings.external_engine, settings)
elif database is not None:
    hasura = HasuraEngine(
        "hasura",
        settings=settings,
        network=network,
        image=images["hasura"],
        database=database,
        after=sign_in,
    )
    engine = own_endpoint(hasura)
    if settings.caddy:
        caddy = Caddy(
            "caddy",
            settings=settings,
            caddy=settings.caddy,
            network=network,
            image=images["caddy"],
            serving=hasura.serving,
        )
        engine = own_endpoint(hasura, caddy.ready)
migrations = Migrations(
    "migrations",
    schema=schema,
    settings=settings.schema,
    endpoint=engine.url,
    admin_secret=engine.admin_secret,
    opts=pulumi.ResourceOptions(depends_on=engine.ready, deleted_with=engine.home),
)
metadata: pulumi.Resource = Metadata(
    "metadata",
    schema=schema,
    endpoint=engine.url,
    admin_secret=engine.admin_secret,
    opts=pulumi.ResourceOptions(depends_on=[migrations], deleted_with=engine.home),
)
if settings.hasura.replicas:
    metadata = Replicas(
        "replicas",
        settings=settings,
        schema=schema,
        endpoint=engine.url,
        revision=engine.identity,
        opts=pulumi.ResourceOptions(depends_on=[metadata], deleted_with=engine.home),
    )

outputs = chain_outputs(settings, url=engine.url, jwt_template=jwt_template.name)
if settings.proof.enabled:
    proof = RowIsolationProof(
        "row-isolation",
        stack=outputs,
        admin_secret=engine.admin_secret,
        jwt_secret=engine.jwt_secret,
        chain={
            "claims": checked.claims,
            "lifetime": template.lifetime,
            "engine": engine.identity,
        },
        schema=schema,
        opts=pulumi.ResourceOptions(
            depends_on=[jwt_template, migrations, metadata], deleted_with=engine.home
        ),
    )
    outputs["provenAt"] = proof.proven_at
outputs |= front_end_outputs(settings, url=engine.url)
outputs["adminSecret"] = engine.admin_secret
if database is not None:
    outputs["databaseUrl"] = database.outside_url
if settings.external_engine is not None:
    outputs["jwtSecret"] = engine.jwt_secret
for name, value in outputs.items():
    pulumi.export(name, value)
