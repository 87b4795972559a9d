"""The engine as a service of Docker Swarm: what each replica may do, and how one takes the place of another. Pure.

In the form of a Compose file, of which a preview shows the lines that change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.container import Image
from components.hardening import (
    DROPPED_CAPABILITIES,
    HEALTH_RETRIES,
    HEALTH_TIMEOUT_SECONDS,
    go_duration,
)
from components.settings import Settings

VENDORS_COMMAND: Final = ("graphql-engine", "serve")
"""What the vendor's image runs by itself: packaging/graphql-engine/Dockerfile of hasura/graphql-engine."""

START: Final = """\
set -eu
for file in /run/secrets/*; do
  value=$(cat "$file")
  export "${file##*/}=$value"
done
if command -v setpriv >/dev/null; then exec setpriv --no-new-privs -- "$@"; fi
exec "$@"
"""
"""The engine reads its secrets from its environment only, and Swarm gives them as files.

Swarm before Docker 25 cannot ask for no-new-privileges; setpriv (util-linux) is in both images and can.
"""

TMPFS_BYTES: Final = 64 * 1024**2
MONITOR_SECONDS: Final = 5
"""How long Swarm watches the last replica before it takes an update for done."""


def definition(
    settings: Settings,
    *,
    image: Image,
    environment: Mapping[str, str],
    health_test: Sequence[str],
    log_options: Mapping[str, str],
) -> dict[str, Any]:
    """The service, without its secrets and its network.

    :param environment: variables that are no secrets.
    """
    hasura, shared = settings.hasura, settings.containers
    limits: dict[str, Any] = {}
    if hasura.limits.cpus:
        limits["cpus"] = f"{hasura.limits.cpus:g}"
    if hasura.limits.memory_mb:
        limits["memory"] = f"{hasura.limits.memory_mb}M"
    if hasura.limits.pids:
        limits["pids"] = hasura.limits.pids
    # Memory is what a node runs out of; processors are shared.
    reserved = {key: value for key, value in limits.items() if key == "memory"}
    one_by_one = {
        "parallelism": 1,
        "order": "start-first",
        "monitor": f"{MONITOR_SECONDS}s",
        "max_failure_ratio": 0,
    }
    return {
        "image": image.name,
        "entrypoint": ["/bin/sh", "-c", START, "sh"],
        "command": list(image.command or VENDORS_COMMAND),
        "environment": dict(sorted(environment.items())),
        "user": image.user,
        "read_only": True,
        "cap_drop": list(DROPPED_CAPABILITIES),
        "volumes": [{"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": TMPFS_BYTES}}],  # noqa: S108
        "healthcheck": {
            "test": list(health_test),
            "interval": go_duration(shared.health_interval_seconds),
            "timeout": go_duration(HEALTH_TIMEOUT_SECONDS),
            "retries": HEALTH_RETRIES,
            "start_period": go_duration(shared.start_seconds),
        },
        "stop_grace_period": go_duration(hasura.stop_seconds),
        "logging": {"driver": "json-file", "options": dict(log_options)},
        "deploy": {
            "mode": "replicated",
            "replicas": hasura.replicas,
            # Caddy spreads the requests: a virtual address needs IPVS in the kernel, and knows no retries.
            "endpoint_mode": "dnsrr",
            "placement": {"constraints": list(hasura.placement)},
            "resources": {"limits": limits, "reservations": reserved},
            "restart_policy": {"condition": "any", "delay": "5s"},
            "update_config": {**one_by_one, "failure_action": "rollback"},
            "rollback_config": {**one_by_one, "failure_action": "pause"},
        },
    }
