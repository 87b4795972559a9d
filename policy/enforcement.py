"""How strictly a stack is held to the rules: the one place that decides it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Level = Literal["mandatory", "advisory"]


def level(project: str, config: Mapping[str, str]) -> Level:
    """What a violation does to a stack: `mandatory` stops it where it says that it is one of production.

    :param config: the stack's configuration by full key, as `clerk-hasura:production`.
    """
    return "mandatory" if config.get(f"{project}:production", "").strip().lower() == "true" else "advisory"
