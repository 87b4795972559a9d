"""What the rest of a stack needs of its engine, however that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

PART: Final = "hasura"
"""Of the stack, which an engine is."""
PORT: Final = 8080
"""On which an engine listens inside its container."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """An engine, or the replicas of one.

    :param healthy: what needs the engine depends on this.
    :param home: what lives in the engine is deleted with this.
    :param identity: another text whenever another engine serves.
    :param host: name by which the stack's containers reach it; of a service, those of all its replicas.
    :param service: name of the swarm's service, or None for a plain container.
    """

    healthy: pulumi.Resource
    home: pulumi.Resource
    identity: pulumi.Output[str]
    host: str
    service: str | None = None
