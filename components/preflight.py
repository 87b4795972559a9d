"""Everything that can be known to be wrong before anything is touched, said at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pulumi

from components import access, host, settings
from components.clerk import claims
from components.schema.directories import Schema, read_schema
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


def load() -> Checked:
    """Checks the running Pulumi program's configuration, its files and the Docker host.

    Warnings go to the CLI.

    :raises pulumi.RunError: with every problem, which the CLI prints without a traceback.
    """
    config, encrypted = settings.configured()
    try:
        checked = check(
            config,
            encrypted=encrypted,
            stack=pulumi.get_stack(),
            environment=os.environ,
            look_at_host=host.gather,
        )
    except PreflightError as error:
        raise pulumi.RunError(str(error)) from None
    for warning in checked.warnings:
        pulumi.log.warn(warning)
    return checked


def check(
    config: Mapping[str, object],
    *,
    encrypted: frozenset[str],
    stack: str,
    environment: Mapping[str, str],
    look_at_host: Callable[[settings.Settings], host.HostFacts],
) -> Checked:
    """Checks everything that `load` names.

    :param config: key without namespace to value, with the defaults filled in.
    :param encrypted: keys whose value is encrypted in the stack's file.
    :param look_at_host: gathers what is to be known of the Docker host.
    :raises PreflightError: with every problem.
    """
    problems: list[str] = []
    warnings: list[str] = []
    parsed: settings.Settings | None = None
    try:
        parsed = settings.parse(config, stack=stack, environment=environment, encrypted=encrypted)
    except settings.SettingsError as error:
        problems += map(str, error.problems)
    wanted: claims.Claims = {}
    if parsed is not None:
        template = parsed.clerk.template
        wanted = claims.template_claims(template.role, [template.role], template.claims)
        for finding in claims.review(template.role, [template.role], template.claims):
            (problems if finding.severity == "error" else warnings).append(f"jwtTemplateClaims: {finding}")

    schema: Schema | None = None
    try:
        schema = read_schema(
            str(config.get("migrationsDirectory") or "migrations"),
            str(config.get("metadataDirectory") or "hasura_metadata"),
        )
    except SchemaError as error:
        problems += map(str, error.problems)
    if parsed is not None and schema is not None:
        for misfit in access.findings(wanted, schema.metadata):
            (problems if misfit.severity == "error" else warnings).append(str(misfit))
    if parsed is not None:
        problems += map(str, host.problems(parsed, look_at_host(parsed)))
    if problems or parsed is None or schema is None:
        raise PreflightError(problems)
    return Checked(settings=parsed, schema=schema, claims=wanted, warnings=tuple(warnings))
