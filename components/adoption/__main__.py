"""`python -m components.adoption URL`: take over a Hasura that was set up by hand.

    --baseline [SOURCE:]VERSION     the source's database has every migration of the folder up to VERSION, and there is
                                    no record of it; may be given several times
    --pending                       migrations that the engine has no record of are to run with the first `up`
    --overwrite                     also files that git does not have as they are

Into the checkout and the selected Pulumi stack: the metadata of the engine as files, its migrations (those that the
Hasura CLI has applied are recognized; where there is no record, a first one is written from the database's schema),
and the configuration with which the next preview changes nothing of the engine, its database and Clerk. These three
are read and not written. The admin secret comes from HASURA_GRAPHQL_ADMIN_SECRET, else from the stack's adminSecret,
else it is asked for on a terminal.

Exit codes: 0 taken over, or nothing to do; 1 refused or failed, with every reason; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components import access, preflight, selected_stack, settings
from components.adoption import checkout, engine, history, stack, template
from components.adoption.checkout import Files, Local
from components.adoption.engine import EngineFound
from components.adoption.history import History
from components.adoption.report import Adoption, told
from components.adoption.template import TemplateFound
from components.clerk import keys
from components.clerk.claims import template_claims
from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError
from components.clerk.retries import RetryPolicy
from components.hasura.client import HasuraClient
from components.schema.baseline import Baseline
from components.schema.metadata_export import Export, planned_export
from components.schema.migrations import MigrationSet, read_migrations
from components.schema.problems import SchemaError
from components.settings import SettingsError

T = TypeVar("T")

_BASELINE = re.compile(r"(?:(?P<source>[^:]+):)?(?P<version>[0-9]{1,18})")


class Refused(Exception):
    """Something stands in the way; nothing was written. Holds every problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {line}" for problem in problems for line in problem.split("\n"))
        super().__init__(f"{count}; nothing was written.\n{lines}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command was asked."""

    url: str
    baseline: Mapping[str, int]
    pending: bool
    overwrite: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    asked = _asked(arguments)
    try:
        _adopt(asked)
    except (Refused, SchemaError, selected_stack.StackError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"\nA file cannot be written: {error}. What was written before it stays; git has what it replaced. "
            "Mend it and run the command again.",
            file=sys.stderr,
        )
        return 1
    return 0


def _asked(arguments: Sequence[str] | None) -> Asked:
    parser = argparse.ArgumentParser(
        prog="python -m components.adoption",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the engine's root, such as https://example.hasura.app")
    parser.add_argument("--baseline", metavar="[SOURCE:]VERSION", type=_version, action="append", default=[])
    parser.add_argument("--pending", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parsed = parser.parse_args(arguments)
    return Asked(
        url=parsed.url.rstrip("/"),
        baseline=dict(parsed.baseline),
        pending=parsed.pending,
        overwrite=parsed.overwrite,
    )


def _version(text: str) -> tuple[str, int]:
    match = _BASELINE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is neither VERSION nor SOURCE:VERSION")
    return match["source"] or "default", int(match["version"])


def _adopt(asked: Asked) -> None:
    config = selected_stack.configuration(secrets=True)
    local = Local(
        name=selected_stack.name(),
        config=config,
        migrations=Path(config.values["migrationsDirectory"]),
        metadata=Path(config.values["metadataDirectory"]),
    )
    secret = _admin_secret(config)
    problems: list[str] = []
    given = {"engineUrl": asked.url, "adminSecret": secret}
    # A secret that is missing is told once, with how it is given to this command.
    parsed = _parsed(
        local, given, problems, passed_over=frozenset() if secret else frozenset({"adminSecret"})
    )
    if not secret:
        problems.append(
            "adminSecret: is not known\n    read -rs HASURA_GRAPHQL_ADMIN_SECRET && export HASURA_GRAPHQL_ADMIN_SECRET"
        )
    migrations = _local_migrations(local, problems)
    found: EngineFound | None = None
    decided: History | None = None
    export: Export | None = None
    if secret and not any(problem.startswith("engineUrl:") for problem in problems):
        print(f"Reading {asked.url} ...", flush=True)
        with HasuraClient(asked.url, secret) as client:
            found = _telling(problems, lambda: engine.look(client))
            if found is not None and migrations is not None:
                decided = _history(client, found, (asked, local, migrations), problems)
    if found is not None:
        export = _telling(problems, lambda: planned_export(found.metadata, local.metadata))
    clerks = TemplateFound()
    if parsed is not None:
        clerks = _template(local, parsed.clerk, problems)
        problems += clerks.problems
    changes = stack.wanted(
        url=asked.url,
        template=clerks,
        baseline=decided.baseline if decided else {},
        current=config.values,
    )
    if parsed is not None:
        _parsed(local, {**given, **stack.as_given(changes)}, problems)
    files = checkout.files_of(local, decided) if decided else Files()
    if not asked.overwrite:
        problems += checkout.in_the_way(local, export, files)
    if problems or found is None or decided is None or export is None or parsed is None:
        raise Refused(problems)
    keys_set = checkout.write(local, changes, secret, export, files)
    adoption = Adoption(
        found=found,
        history=decided,
        template=clerks,
        export=export,
        files=files,
        keys=keys_set,
        fits=tuple(_fits(clerks, parsed, export)),
    )
    print(told(local, adoption))


def _admin_secret(config: selected_stack.Configuration) -> str:
    given = os.environ.get("HASURA_GRAPHQL_ADMIN_SECRET") or config.values.get("adminSecret") or ""
    if not given and sys.stdin.isatty():
        given = getpass.getpass("Admin secret of the engine: ")
    return given


def _parsed(
    local: Local,
    changes: Mapping[str, str],
    problems: list[str],
    *,
    passed_over: frozenset[str] = frozenset(),
) -> settings.Settings | None:
    """The settings with these changes, and in ``problems`` what is wrong with them; None where that is about Clerk, or
    too much."""
    try:
        return settings.parse(
            local.values(changes),
            stack=local.name,
            environment=preflight.passphrase_of(local.name, os.environ),
            encrypted=local.config.encrypted | {"adminSecret"},
        )
    except SettingsError as error:
        problems += [str(problem) for problem in error.problems if problem.key not in passed_over]
        clerks = any(problem.key.startswith(("clerk", "jw", "localClerk")) for problem in error.problems)
        return None if clerks else error.provisional


def _local_migrations(local: Local, problems: list[str]) -> MigrationSet | None:
    if not local.migrations.exists():
        return MigrationSet(sources={})
    return _telling(problems, lambda: read_migrations(local.migrations, shown_as=str(local.migrations)))


def _telling(problems: list[str], act: Callable[[], T]) -> T | None:
    """What it gives; None, with the reasons in ``problems``, where it cannot."""
    try:
        return act()
    except SchemaError as error:
        problems += map(str, error.problems)
        return None


def _history(
    client: HasuraClient, found: EngineFound, seen: tuple[Asked, Local, MigrationSet], problems: list[str]
) -> History | None:
    asked, local, migrations = seen
    configured = {str(source): int(version) for source, version in _object(local, "baseline").items()}
    names = history.unrecorded(found.states, migrations, asked=asked.baseline, configured=configured)
    schemas: dict[str, Baseline] = {}
    for name in names:
        print(f"Reading the schema of {name} ...", flush=True)
        schema = _telling(problems, lambda name=name: engine.schema_of(client, found, name))  # type: ignore[misc]
        if schema is not None:
            schemas[name] = schema
    if len(schemas) < len(names):
        return None
    decided = history.decide(
        found.states,
        migrations,
        schemas,
        asked=asked.baseline,
        configured=configured,
        version=time.time_ns() // 1_000_000,
        out_of_order=local.config.values["outOfOrder"] == "true",
        pending=asked.pending,
    )
    problems += map(str, decided.problems)
    return decided


def _object(local: Local, key: str) -> dict[str, int]:
    try:
        value = json.loads(local.config.values.get(key) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _template(local: Local, clerk: settings.ClerkSettings, problems: list[str]) -> TemplateFound:
    secret_key = os.environ.get("CLERK_SECRET_KEY") or local.config.values.get("clerkSecretKey") or ""
    print(f"Reading the JWT templates at {clerk.api_url} ...", flush=True)
    try:
        with ClerkClient(clerk.api_url, secret_key, retry=RetryPolicy(attempts=2)) as client:
            return template.find(client.jwt_templates(), clerk)
    except (ClerkError, keys.KeyFormatError) as error:
        problems.append(f"clerkSecretKey: the JWT templates cannot be read: {error}")
        return TemplateFound()


def _fits(clerks: TemplateFound, parsed: settings.Settings, export: Export) -> Iterator[str]:
    """What the next preview says of claims and permissions."""
    wanted, found = parsed.clerk.template, clerks.configuration
    namespace, role, added = (
        (found.namespace, found.role, found.claims)
        if found
        else (wanted.claims_namespace, wanted.role, wanted.claims)
    )
    claims = template_claims(role, [role], added, namespace)
    for finding in access.findings(claims, export.metadata, namespace=namespace):
        yield f"a preview {'refuses' if finding.severity == 'error' else 'warns of'} {finding}"


if __name__ == "__main__":
    sys.exit(main())
