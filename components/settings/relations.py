"""Rules between keys that are valid by themselves."""

from __future__ import annotations

from components.settings.clerk_keys import satellite_problems, signing_problems
from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig


def relation_problems(parsed: StackConfig) -> list[Problem]:
    problems = [*signing_problems(parsed), *satellite_problems(parsed)]
    ports = {"hasuraPort": parsed.hasura_port, "postgresPort": parsed.postgres_port}
    if parsed.local_clerk:
        ports["localClerkPort"] = parsed.local_clerk_port
    taken: dict[int, str] = {}
    for key, port in ports.items():
        if port in taken:
            problems.append(
                Problem(
                    key=key,
                    what=f"is {port}, which {taken[port]} uses as well",
                    write=set_command(key, "PORT"),
                )
            )
        taken.setdefault(port, key)
    if parsed.database_name == parsed.metadata_database_name:
        problems.append(
            Problem(
                key="metadataDatabaseName",
                what="is the data database as well; Hasura's catalog needs a database of its own",
                write=set_command("metadataDatabaseName", "hasura_metadata"),
            )
        )
    if parsed.hasura_connections >= parsed.postgres_max_connections:
        problems.append(
            Problem(
                key="hasuraConnections",
                what=f"is {parsed.hasura_connections}, not below postgresMaxConnections "
                f"({parsed.postgres_max_connections}); the engine would starve everybody else",
                write=set_command("hasuraConnections", str(max(1, parsed.postgres_max_connections // 2))),
            )
        )
    if parsed.local_clerk and not parsed.stand_ins:
        problems.append(
            Problem(
                key="localClerk",
                what="is true, yet standIns is false, and the local Clerk is a stand-in",
                write="pulumi config set localClerk false    # or, for development: pulumi config set standIns true",
            )
        )
    for key, is_set in (("localClerk", parsed.local_clerk), ("standIns", parsed.stand_ins)):
        if parsed.production and is_set:
            problems.append(
                Problem(
                    key=key,
                    what="is true on a production stack, yet a stand-in has none of the real thing's security",
                    write=f"pulumi config rm {key}    # or, if nobody real signs in: pulumi config rm production",
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
