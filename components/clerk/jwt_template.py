"""Clerk's JWT template as a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from .claims import HASURA_NAMESPACE, Json
from .provider import JwtTemplateProvider


class JwtTemplate(Resource, module="clerk", name="JwtTemplate"):
    """A JWT template of a Clerk instance: what Clerk puts into the tokens that Hasura reads.

    Outputs are the inputs as Clerk keeps them, and the template's ``id``.
    """

    name: pulumi.Output[str]
    # Pulumi reads these annotations to convert what arrives, and knows no recursive type.
    claims: pulumi.Output[dict[str, Any]]
    lifetime: pulumi.Output[int]
    allowed_clock_skew: pulumi.Output[int]
    api_url: pulumi.Output[str]
    publishable_key: pulumi.Output[str]
    adopt: pulumi.Output[bool]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str],
        claims: pulumi.Input[Mapping[str, Json]],
        lifetime: pulumi.Input[int],
        allowed_clock_skew: pulumi.Input[int],
        api_url: pulumi.Input[str],
        publishable_key: pulumi.Input[str],
        adopt: bool = False,
        claims_namespace: str = HASURA_NAMESPACE,
        signing_key: pulumi.Input[str] | None = None,
        signing_algorithm: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the template ``name`` with these claims.

        ``lifetime`` (30 to 315360000) and ``allowed_clock_skew`` (0 to 300) are in seconds. ``api_url`` is
        Clerk's Backend API without ``/v1``, ``publishable_key`` names the instance there. ``adopt`` takes over
        a template of that name; without it an existing one is an error. ``claims_namespace`` is the claim in
        which Hasura looks. ``signing_key``, a secret, replaces the instance's key and needs its
        ``signing_algorithm``.
        Clerk's secret key is configuration, see ``JwtTemplateProvider``.
        """
        props: dict[str, object] = {
            "name": name,
            "claims": claims,
            "lifetime": lifetime,
            "allowed_clock_skew": allowed_clock_skew,
            "api_url": api_url,
            "publishable_key": publishable_key,
            "adopt": adopt,
            "claims_namespace": None if claims_namespace == HASURA_NAMESPACE else claims_namespace,
            "signing_key": None if signing_key is None else pulumi.Output.secret(signing_key),
            "signing_algorithm": signing_algorithm,
        }
        super().__init__(
            JwtTemplateProvider(),
            resource_name,
            props,
            pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(additional_secret_outputs=["signing_key"]), opts
            ),
        )
