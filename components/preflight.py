"""Everything that can be known to be wrong before anything is touched, said at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi.runtime.config as runtime_config

from components import access, debug_log, docker_command, host, production, settings
from components.clerk import claims, instance_check, keys
from components.clerk.errors import ClerkError
from components.docker_command import Docker
from components.hasura import environment as engine_environment
from components.postgres import check as database_check
from components.schema.directories import Schema, read_schema
from components.schema.environment_variables import not_given
from components.schema.prepared_statements import prepared_statements
from components.schema.problems import SchemaError


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a deployment may go by: settings, files and the template's claims, in which nothing wrong was found."""

    settings: settings.Settings
    schema: Schema
    claims: claims.Claims
    warnings: tuple[str, ...]


class PreflightError(Exception):
    """Something is wrong; nothing was touched. The text holds every problem with what to do about it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        text = "\n".join(f"  {line}" for problem in self.problems for line in problem.split("\n"))
        super().__init__(f"{count}; nothing was touched.\n{text}")


LookAtClerk = Callable[[settings.ClerkSettings, str], instance_check.InstanceFacts]
"""Asks Clerk about the instance of a secret key. Raises ClerkError, or KeyFormatError for a bad address."""


def load() -> Checked:
    """Checks the running Pulumi program's configuration, its files, the Docker host, a real Clerk's keys and a
    database that somebody else runs.

    From here on this process's docker command speaks to the Docker host that the configuration names.

    Warnings go to the CLI.

    :raises pulumi.RunError: with every problem, which the CLI prints without a traceback.
    """
    debug_log.take_over()
    config, encrypted = _configured()
    docker = docker_command.configured(pulumi.Config("docker").get, os.environ)
    docker.direct(os.environ)
    try:
        checked = check(
            config,
            encrypted=encrypted,
            stack=pulumi.get_stack(),
            environment=passphrase_of(pulumi.get_stack(), os.environ),
            docker=docker,
            misfits=docker_command.misfits(pulumi.Config("docker").get),
            look_at_host=host.gather,
            look_at_clerk=ask_clerk,
            look_at_databases=database_check.gather,
        )
    except PreflightError as error:
        raise pulumi.RunError(str(error)) from None
    for warning in checked.warnings:
        pulumi.log.warn(warning)
    return checked


def _configured() -> tuple[dict[str, object], frozenset[str]]:
    """The running program's configuration by key without namespace, and its encrypted keys."""
    prefix = f"{pulumi.get_project()}:"
    config: dict[str, object] = {
        key.removeprefix(prefix): value
        # The SDK lists no keys; without the list a misspelt one would pass unseen.
        for key, value in runtime_config.CONFIG.get().items()
        if key.startswith(prefix)
    }
    return config, frozenset(
        key
        for key in settings.SECRET_KEYS | settings.MAYBE_SECRET_KEYS | settings.SHOWN_KEYS
        if runtime_config.is_config_secret(prefix + key)
    )


def passphrase_of(stack: str, environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without the passphrase where the stack's secrets are encrypted in another way."""
    try:
        own = Path(f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        own = ""
    used = re.search(r"^encryptionsalt:", own, re.MULTILINE) is not None
    return {key: value for key, value in environment.items() if used or key != "PULUMI_CONFIG_PASSPHRASE"}


def check(
    config: Mapping[str, object],
    *,
    encrypted: frozenset[str],
    stack: str,
    environment: Mapping[str, str],
    docker: Docker,
    misfits: Iterable[tuple[str, str]] = (),
    look_at_host: Callable[[settings.Settings, Docker], host.HostFacts],
    look_at_clerk: LookAtClerk,
    look_at_databases: database_check.LookAtDatabases,
) -> Checked:
    """Checks everything that `load` names.

    :param config: key without namespace to value, with the defaults filled in.
    :param encrypted: keys whose value is encrypted in the stack's file.
    :param docker: the docker command for the Docker host that the configuration names.
    :param misfits: keys of the Docker provider's that this command cannot follow, with what to do instead.
    :param look_at_host: gathers what is to be known of the Docker host.
    :param look_at_clerk: asks a real Clerk about its instance; the local one is never asked.
    :param look_at_databases: asks a database that somebody else runs; a container of the stack's own is never asked.
    :raises PreflightError: with every problem.
    """
    problems = [
        f"{key}: is a setting of the Docker provider that the docker command has not\n    {remedy}"
        for key, remedy in misfits
    ]
    warnings: list[str] = []
    parsed: settings.Settings | None = None
    try:
        parsed = settings.parse(config, stack=stack, environment=environment, encrypted=encrypted)
    except settings.SettingsError as error:
        problems += map(str, error.problems)
        if error.provisional is not None:
            problems += map(str, production.problems(error.provisional))
    wanted: claims.Claims = {}
    if parsed is not None:
        template = parsed.clerk.template
        namespace = template.claims_namespace
        wanted = claims.template_claims(template.role, [template.role], template.claims, namespace)
        for finding in (
            *claims.review(template.role, [template.role], template.claims, namespace),
            *claims.audience_findings(wanted, parsed.hasura.jwt.audience),
        ):
            (problems if finding.severity == "error" else warnings).append(f"jwtTemplateClaims: {finding}")

    schema: Schema | None = None
    try:
        schema = read_schema(
            str(config.get("migrationsDirectory") or "migrations"),
            str(config.get("metadataDirectory") or "hasura_metadata"),
            str(config.get("seedsDirectory") or ""),
        )
    except SchemaError as error:
        problems += map(str, error.problems)
    if parsed is not None and schema is not None:
        errors, remarks = _about_metadata(parsed, schema, wanted)
        problems += errors
        warnings += remarks
    if parsed is not None:
        problems += map(str, production.problems(parsed))
        warnings += production.warnings(parsed)
        problems += map(str, host.problems(parsed, look_at_host(parsed, docker)))
        if isinstance(parsed.postgres, settings.ExternalPostgresSettings):
            found, notices = database_check.findings(parsed.postgres, look_at_databases(parsed.postgres))
            problems += map(str, found)
            warnings += notices
            if parsed.postgres.pooler and schema is not None:
                problems += [
                    f"{place}: use_prepared_statements is true, yet databasePooler says that a pooler in "
                    "transaction mode stands before this database\n    use_prepared_statements: false"
                    for place in prepared_statements(schema.metadata)
                ]
        if not parsed.clerk.local:
            secret_key = _secret_key(config, environment)
            errors, remarks = _instance_problems(parsed.clerk, look_at_clerk, secret_key)
            problems += errors
            warnings += remarks
    if problems or parsed is None or schema is None:
        raise PreflightError(problems)
    return Checked(settings=parsed, schema=schema, claims=wanted, warnings=tuple(warnings))


def _about_metadata(
    parsed: settings.Settings, schema: Schema, wanted: claims.Claims
) -> tuple[list[str], list[str]]:
    """What does not fit between the metadata, the tokens and the engine's environment: errors, and what is only told.

    Of the environment of an engine that somebody else runs nothing is known.
    """
    found = access.findings(wanted, schema.metadata, namespace=parsed.clerk.template.claims_namespace)
    lacking = (
        [] if parsed.external_engine else not_given(schema.metadata, engine_environment.names(parsed.hasura))
    )
    return (
        [str(misfit) for misfit in found if misfit.severity == "error"],
        [*(str(misfit) for misfit in found if misfit.severity != "error"), *map(str, lacking)],
    )


def ask_clerk(clerk: settings.ClerkSettings, secret_key: str) -> instance_check.InstanceFacts:
    """Asks the real Clerk, twice at the most: a preview without network must not wait long.

    :raises ClerkError: when Clerk does not answer, or refuses.
    :raises KeyFormatError: when the address of its API cannot be right.
    """
    from components.clerk.client import ClerkClient
    from components.clerk.retries import RetryPolicy

    with ClerkClient(clerk.api_url, secret_key, retry=RetryPolicy(attempts=2)) as client:
        return instance_check.gather(client, clerk.jwks_url)


def _secret_key(config: Mapping[str, object], environment: Mapping[str, str]) -> str:
    return environment.get("CLERK_SECRET_KEY") or str(config.get("clerkSecretKey") or "")


def _instance_problems(
    clerk: settings.ClerkSettings, look_at_clerk: LookAtClerk, secret_key: str
) -> tuple[list[str], list[str]]:
    """What Clerk's own answers say against the configured keys: errors, and what is only told."""
    try:
        facts = look_at_clerk(clerk, secret_key)
    except keys.KeyFormatError as error:
        return [f"clerkApiUrl: {error}"], []
    except ClerkError as error:
        notice = instance_check.unreachable_notice(error)
        return ([f"clerkSecretKey: {error}"], []) if notice is None else ([], [notice])
    found = instance_check.findings(
        facts,
        publishable_key=keys.parse_publishable_key(clerk.publishable_key),
        issuer=clerk.issuer,
        jwks_url=clerk.jwks_url,
        issuer_key=clerk.issuer_key,
        jwks_key=clerk.jwks_key,
        keys_from_jwks=not clerk.template.signing_key,
    )
    return (
        [str(finding) for finding in found if finding.severity == "error"],
        [str(finding) for finding in found if finding.severity == "warning"],
    )
