"""The project manifest as tests read it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def manifest() -> dict[str, dict[str, object]]:
    """Configuration key to its declaration in `Pulumi.yaml`."""
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def stack_config(stack: str) -> dict[str, object]:
    """The configuration of a stack as the program gets it: text and JSON text, defaults filled in."""
    own = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()).get("config") or {}
    values = {key: declared["default"] for key, declared in manifest().items()}
    values |= {key.removeprefix("clerk-hasura:"): value for key, value in own.items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
