"""The proof of row isolation as a part of a stack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pulumi
from pulumi.dynamic import Resource

from components.clerk.claims import Json
from components.schema.directories import Schema

from .provider import AS_PROVEN, RowIsolationProvider


class RowIsolationProof(Resource, module="proof", name="RowIsolation"):
    """The fact that two users of this stack see their own row and nothing of each other.

    Proven again whenever a link of the chain has changed, from the template's claims to the engine's
    container; a line that does not hold fails the deployment. ``proven_at`` is when it was proven last.
    """

    proven_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        stack: Mapping[str, pulumi.Input[str]],
        admin_secret: pulumi.Input[str],
        jwt_secret: pulumi.Input[str],
        chain: Mapping[str, pulumi.Input[Json]],
        schema: Schema,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the proof.

        ``stack`` are the stack's outputs as ``read_target`` takes them, without secret ones. ``chain`` is
        whatever decides on who sees what beside ``jwt_secret`` and the files of ``schema``.
        """
        files = {
            "migrations": _digest(schema.migrations.checksums()),
            "metadata": _digest(schema.metadata.keyed()),
        }
        super().__init__(
            RowIsolationProvider(),
            resource_name,
            {
                "stack": dict(stack),
                "admin_secret": pulumi.Output.secret(admin_secret),
                "jwt_secret": pulumi.Output.secret(jwt_secret),
                "chain": {**chain, **files},
                "live": AS_PROVEN,
                "proven_at": None,
            },
            pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(additional_secret_outputs=["admin_secret", "jwt_secret"]), opts
            ),
        )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
