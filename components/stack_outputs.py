"""What a stack tells of itself, without secrets: to its proof, to a front end, to people. Pure."""

from __future__ import annotations

import json

import pulumi

from components.proof.target import INSTANCE_KEY, OWN_KEY
from components.proof.user_table import table_outputs
from components.settings import Settings


def chain_outputs(
    settings: Settings, *, url: str, jwt_template: pulumi.Input[str]
) -> dict[str, pulumi.Input[str]]:
    """The identity chain, name to value, as `components.proof.target.read_target` reads it.

    :param url: root of the engine, as the deployment reaches it.
    :param jwt_template: name of the JWT template.
    """
    clerk, jwt = settings.clerk, settings.hasura.jwt
    outputs: dict[str, pulumi.Input[str]] = {
        "graphqlUrl": f"{url}/v1/graphql",
        "hasuraUrl": url,
        "jwksUrl": clerk.jwks_url,
        "issuer": clerk.issuer,
        "frontendApiUrl": clerk.frontend_api_url,
        "jwtTemplate": jwt_template,
        "claimsNamespace": clerk.template.claims_namespace,
        "tokensSignedBy": OWN_KEY if clerk.template.signing_key else INSTANCE_KEY,
        "publishableKey": clerk.publishable_key,
        "clerkApiUrl": clerk.api_url,
    }
    if settings.caddy and settings.caddy.ingress:
        outputs["publicGraphqlUrl"] = f"{settings.caddy.ingress.url}/v1/graphql"
    if jwt.header:
        outputs["jwtHeader"] = json.dumps(jwt.header)
    if jwt.audience:
        outputs["jwtAudience"] = json.dumps(list(jwt.audience))
    return outputs | table_outputs(settings.proof)


def front_end_outputs(settings: Settings, *, url: str) -> dict[str, pulumi.Input[str]]:
    """What a front end needs beside the chain, name to value; see `components.dotenv`."""
    outputs: dict[str, pulumi.Input[str]] = {"graphqlWsUrl": f"{url.replace('http', 'ws', 1)}/v1/graphql"}
    if settings.clerk.proxy_url:
        outputs["clerkProxyUrl"] = settings.clerk.proxy_url
    if settings.clerk.satellite_domain:
        outputs["clerkSatelliteDomain"] = settings.clerk.satellite_domain
    return outputs
