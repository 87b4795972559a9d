"""What a production stack must not be, as a list of rules in one place.

`Pulumi.yaml` has the safe defaults, and a stack's file loosens them where it has reason to. `production: true`
refuses what is loosened. Pure, over the settings. The policy pack (`policy/`) holds the resources themselves to
the same, also those that other code adds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from components.settings import (
    CaddySettings,
    ExternalPostgresSettings,
    PostgresSettings,
    Problem,
    Settings,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    :param key: the configuration key that the rule is about.
    :param reason: what is wrong with a stack that breaks it, as the rest of a sentence that begins with the key.
    :param remedy: what to do; ``{stack}`` stands for the stack's name.
    :param broken: whether a stack's settings break it.
    """

    key: str
    reason: str
    remedy: str
    broken: Callable[[Settings], bool]


def has_digest(image: str) -> bool:
    """Whether an image is named by its digest, so that a registry gives this one or none."""
    return "@sha256:" in image


def is_every_origin(domain: str) -> bool:
    """Whether an entry of Hasura's CORS domains lets every web site call the API."""
    return domain.strip() in ("*", "http://*", "https://*")


def _postgres(broken: Callable[[PostgresSettings], bool]) -> Callable[[Settings], bool]:
    """A rule about the container, which a stack with an external database has not."""
    return lambda settings: isinstance(settings.postgres, PostgresSettings) and broken(settings.postgres)


def _caddy(broken: Callable[[CaddySettings], bool]) -> Callable[[Settings], bool]:
    """A rule about Caddy, which a stack without ingress and replicas has not."""
    return lambda settings: settings.caddy is not None and broken(settings.caddy)


def _development_keys(settings: Settings) -> bool:
    return not settings.clerk.local and settings.clerk.publishable_key.startswith("pk_test_")


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        key="localClerk",
        reason="is true: the local Clerk signs in anybody as anybody",
        remedy="pulumi config rm localClerk    # or, if nobody real signs in: pulumi config rm production",
        broken=lambda settings: settings.clerk.local,
    ),
    Rule(
        key="standIns",
        reason="is true: a stand-in has none of the real thing's security",
        remedy="pulumi config rm standIns    # or, if nobody real signs in: pulumi config rm production",
        broken=lambda settings: settings.containers.stand_ins,
    ),
    Rule(
        key="clerkPublishableKey",
        reason="is that of a development instance, which has no limits to who signs up",
        remedy="pulumi config set clerkPublishableKey pk_live_...    # or, to be warned only: "
        "pulumi config set allowDevelopmentKeys true",
        broken=lambda settings: _development_keys(settings) and not settings.clerk.development_keys_allowed,
    ),
    Rule(
        key="secretsprovider",
        reason="is the public passphrase of the local stack, so anybody could read this stack's secrets",
        remedy="pulumi stack change-secrets-provider passphrase    # or a key service; see `pulumi stack init -h`",
        broken=lambda settings: settings.public_passphrase,
    ),
    Rule(
        key="engineUrl",
        reason="is http and not on this machine: the admin secret would cross the network in the clear",
        remedy="pulumi config set engineUrl https://...    # or the end of a tunnel on 127.0.0.1 (ssh -L, kubectl "
        "port-forward)",
        broken=lambda settings: (
            settings.external_engine is not None and settings.external_engine.in_the_clear
        ),
    ),
    Rule(
        key="postgresImage",
        reason="has no digest, so a registry may give another image under the same tag",
        remedy="make pin-images STACK={stack}",
        broken=_postgres(lambda postgres: not has_digest(postgres.image)),
    ),
    Rule(
        key="hasuraImage",
        reason="has no digest, so a registry may give another image under the same tag",
        remedy="make pin-images STACK={stack}",
        broken=lambda settings: settings.external_engine is None and not has_digest(settings.hasura.image),
    ),
    Rule(
        key="caddyImage",
        reason="has no digest, so a registry may give another image under the same tag",
        remedy="make pin-images STACK={stack}",
        broken=_caddy(lambda caddy: not has_digest(caddy.image)),
    ),
    Rule(
        key="protectData",
        reason="is false: a destroy would remove the data without a question",
        remedy="pulumi config rm protectData",
        broken=_postgres(lambda postgres: not postgres.protect),
    ),
    Rule(
        key="databaseTls",
        reason="is disable: passwords and rows would cross the network in the clear",
        remedy="pulumi config rm databaseTls",
        broken=lambda settings: (
            isinstance(settings.postgres, ExternalPostgresSettings) and settings.postgres.tls == "disable"
        ),
    ),
    Rule(
        key="bindAddress",
        reason="is not a loopback address: Hasura's admin API would be open to the network, without TLS",
        remedy="pulumi config rm bindAddress    # or, if a firewall or proxy stands before it: "
        "pulumi config set allowPublicPorts true",
        broken=lambda settings: (
            not ipaddress.ip_address(settings.containers.bind_address).is_loopback
            and not settings.containers.public_ports_allowed
        ),
    ),
    Rule(
        key="hasuraConsole",
        reason="is true: changes by hand would be one click away",
        remedy="pulumi config rm hasuraConsole",
        broken=lambda settings: settings.hasura.console,
    ),
    Rule(
        key="hasuraDevMode",
        reason="is true: errors would show internal details to users",
        remedy="pulumi config rm hasuraDevMode",
        broken=lambda settings: settings.hasura.dev_mode,
    ),
    Rule(
        key="hasuraCorsDomains",
        reason="lets every web site call the API with a user's token",
        remedy="pulumi config set --path 'hasuraCorsDomains[0]' https://app.example.com",
        broken=lambda settings: any(map(is_every_origin, settings.hasura.cors_domains)),
    ),
    Rule(
        key="pidsLimit",
        reason="is 0: one container could use up the machine's processes",
        remedy="pulumi config rm pidsLimit",
        broken=lambda settings: settings.hasura.limits.pids == 0,
    ),
    Rule(
        key="hasuraMemoryMb",
        reason="is 0: the engine could use up the machine's memory",
        remedy="pulumi config rm hasuraMemoryMb",
        broken=lambda settings: settings.hasura.limits.memory_mb == 0,
    ),
    Rule(
        key="hasuraCpus",
        reason="is 0: the engine could use up the machine's processors",
        remedy="pulumi config rm hasuraCpus",
        broken=lambda settings: settings.hasura.limits.cpus == 0,
    ),
    Rule(
        key="postgresCpus",
        reason="is 0: Postgres could use up the machine's processors",
        remedy="pulumi config rm postgresCpus",
        broken=_postgres(lambda postgres: postgres.limits.cpus == 0),
    ),
    Rule(
        key="caddyMemoryMb",
        reason="is 0: Caddy could use up the machine's memory",
        remedy="pulumi config rm caddyMemoryMb",
        broken=_caddy(lambda caddy: caddy.limits.memory_mb == 0),
    ),
    Rule(
        key="caddyCpus",
        reason="is 0: Caddy could use up the machine's processors",
        remedy="pulumi config rm caddyCpus",
        broken=_caddy(lambda caddy: caddy.limits.cpus == 0),
    ),
)
"""Every rule, in the order in which they are told."""


def problems(settings: Settings) -> list[Problem]:
    """The rules that a stack breaks; none where it does not say that it is one of production."""
    if not settings.production:
        return []
    return [
        Problem(
            key=rule.key,
            what=f"{rule.reason}; this is a production stack",
            write=rule.remedy.format(stack=settings.stack),
        )
        for rule in RULES
        if rule.broken(settings)
    ]


def warnings(settings: Settings) -> list[str]:
    """What a stack is allowed, and is told all the same."""
    if settings.external_engine and settings.external_engine.in_the_clear:
        return ["engineUrl: the admin secret crosses the network in the clear; use https, or a tunnel."]
    if settings.production and _development_keys(settings) and settings.clerk.development_keys_allowed:
        return [
            "clerkPublishableKey: this is a production stack with the keys of a development instance "
            "(allowDevelopmentKeys)."
        ]
    return []
