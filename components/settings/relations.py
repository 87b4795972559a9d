"""Rules between keys that are valid by themselves."""

from __future__ import annotations

from components.settings.clerk_keys import (
    issuer_problems,
    proxy_problems,
    satellite_problems,
    signing_problems,
)
from components.settings.database_keys import container_problems, external_problems, is_external
from components.settings.engine_keys import external_engine_problems, own_engine_problems
from components.settings.ingress_keys import ingress_problems
from components.settings.ports import derived_port
from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig


def ports(parsed: StackConfig, stack: str) -> dict[str, int]:
    """Configuration key to published port, with what is derived where a key is 0."""
    configured = {} if parsed.engine_url else {"hasuraPort": parsed.hasura_port}
    if not parsed.engine_url and not is_external(parsed):
        configured["postgresPort"] = parsed.postgres_port
    if parsed.local_clerk:
        configured["localClerkPort"] = parsed.local_clerk_port
    if parsed.ingress:
        configured |= {
            "ingressHttpPort": parsed.ingress_http_port,
            "ingressHttpsPort": parsed.ingress_https_port,
        }
    return {key: port or derived_port(stack, key) for key, port in configured.items()}


def relation_problems(parsed: StackConfig, stack: str) -> list[Problem]:
    """What is wrong between keys, all of it."""
    problems = [
        *signing_problems(parsed),
        *issuer_problems(parsed),
        *proxy_problems(parsed),
        *satellite_problems(parsed),
        *_proof_row_problems(parsed),
        *_place_problems(parsed),
    ]
    taken: dict[int, str] = {}
    for key, port in ports(parsed, stack).items():
        if port in taken:
            problems.append(
                Problem(
                    key=key,
                    what=f"is {port}, which {taken[port]} uses as well",
                    write=set_command(key, "PORT"),
                )
            )
        taken.setdefault(port, key)
    if parsed.local_clerk and not parsed.stand_ins:
        problems.append(
            Problem(
                key="localClerk",
                what="is true, yet standIns is false, and the local Clerk is a stand-in",
                write="pulumi config set localClerk false    # or, for development: pulumi config set standIns true",
            )
        )
    live_key = not parsed.local_clerk and parsed.clerk_publishable_key.startswith("pk_live_")
    if parsed.proof and live_key and not parsed.proof_in_production:
        problems.append(
            Problem(
                key="proof",
                what="is true, yet clerkPublishableKey is that of a production instance; "
                "each proof makes two users there and removes them again",
                write="pulumi config set proof false    # or, if that is meant: "
                "pulumi config set proofInProduction true",
            )
        )
    if parsed.user_role == "admin":
        problems.append(
            Problem(
                key="userRole",
                what="is admin, which Hasura lets do everything",
                write=set_command("userRole", "user"),
            )
        )
    return problems


def _place_problems(parsed: StackConfig) -> list[Problem]:
    """Where engine and database run, and what is said of them."""
    if parsed.engine_url:
        return external_engine_problems(parsed)
    return [
        *own_engine_problems(parsed),
        *(external_problems(parsed) if is_external(parsed) else container_problems(parsed)),
        *ingress_problems(parsed),
    ]


def _proof_row_problems(parsed: StackConfig) -> list[Problem]:
    taken = {parsed.proof_user_column: "proofUserColumn", parsed.proof_text_column: "proofTextColumn"}
    if len(taken) == 1:
        return [
            Problem(
                key="proofTextColumn",
                what="is the column of the user's id as well",
                write=set_command("proofTextColumn", "COLUMN    # any text that a user may read"),
            )
        ]
    return [
        Problem(
            key="proofRow",
            what=f"has the column {column}, which the proof fills itself ({taken[column]})",
            write=f"pulumi config rm --path proofRow.{column}",
        )
        for column in parsed.proof_row
        if column in taken
    ]
