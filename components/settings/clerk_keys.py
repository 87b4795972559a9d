"""Rules about Clerk's keys, alone and together."""

from __future__ import annotations

from collections.abc import Mapping

from components.clerk import keys
from components.clerk.signing_key import verification_key
from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig


def key_problems(
    config: Mapping[str, object], invalid: set[str], environment: Mapping[str, str]
) -> list[Problem]:
    """What is wrong with Clerk's two keys, alone and together."""
    if {"localClerk", "clerkPublishableKey", "clerkSecretKey"} & invalid:
        return []
    local = str(config.get("localClerk", "false")).lower() == "true"
    publishable, configured = (
        str(config.get("clerkPublishableKey", "")),
        str(config.get("clerkSecretKey", "")),
    )
    secret = environment.get("CLERK_SECRET_KEY") or configured
    problems: list[Problem] = []
    if local:
        if publishable:
            problems.append(
                Problem(
                    key="localClerk",
                    what="is true, yet clerkPublishableKey names a Clerk application; only one can sign people in",
                    write="pulumi config set localClerk false    # or: pulumi config rm clerkPublishableKey",
                )
            )
        return problems
    kinds: dict[str, str] = {}
    if not publishable:
        problems.append(
            Problem(
                key="clerkPublishableKey",
                what="is not set, and this stack does not run the local Clerk",
                write=set_command("clerkPublishableKey", "pk_test_...    # Clerk dashboard, API keys"),
            )
        )
    else:
        try:
            kinds["clerkPublishableKey"] = keys.parse_publishable_key(publishable).kind
        except keys.KeyFormatError as error:
            problems.append(Problem(key="clerkPublishableKey", what=error.problem, write=error.remedy))
    if not secret:
        problems.append(
            Problem(
                key="clerkSecretKey",
                what="is not set, and CLERK_SECRET_KEY is not in the environment",
                write="pulumi config set --secret clerkSecretKey    # asks for the value; Clerk dashboard, API keys",
            )
        )
    else:
        try:
            kinds["clerkSecretKey"] = keys.parse_secret_key(secret)
        except keys.KeyFormatError as error:
            problems.append(Problem(key="clerkSecretKey", what=error.problem, write=error.remedy))
    if len(set(kinds.values())) > 1:
        problems.append(
            Problem(
                key="clerkSecretKey",
                what=f"is a {kinds['clerkSecretKey']} key and clerkPublishableKey is a "
                f"{kinds['clerkPublishableKey']} key; they belong to two Clerk instances",
                write="take both keys from the API keys page of one instance",
            )
        )
    return problems


def signing_problems(parsed: StackConfig) -> list[Problem]:
    """What is wrong with the template's own signing key. Never holds it."""
    key, algorithm = parsed.jwt_signing_key, parsed.jwt_signing_algorithm
    if not key and not algorithm:
        return []
    if not key:
        return [
            Problem(
                key="jwtSigningKey",
                what=f"is not set, and jwtSigningAlgorithm is {algorithm}; they belong together",
                write="pulumi config set --secret jwtSigningKey < key.pem   # or config rm jwtSigningAlgorithm",
            )
        ]
    if not algorithm:
        return [
            Problem(
                key="jwtSigningAlgorithm",
                what="is not set, and jwtSigningKey is; they belong together",
                write=set_command("jwtSigningAlgorithm", "RS256    # or: pulumi config rm jwtSigningKey"),
            )
        ]
    try:
        verification_key(key, algorithm)
    except keys.KeyFormatError as error:
        return [Problem(key="jwtSigningKey", what=error.problem, write=error.remedy)]
    return []


def issuer_problems(parsed: StackConfig) -> list[Problem]:
    if parsed.jwt_issuer != keys.ANY_ISSUER or not parsed.jwt_signing_key:
        return []
    return [
        Problem(
            key="jwtIssuer",
            what="is any, and tokens are signed by a key of one's own, which may sign for others as well",
            write=set_command(
                "jwtIssuer", "https://clerk.example.com    # or: pulumi config rm jwtSigningKey"
            ),
        )
    ]


def proxy_problems(parsed: StackConfig) -> list[Problem]:
    """Clerk's guide "Proxying the Clerk Frontend API": it does not work for development instances."""
    if not parsed.clerk_proxy_url or parsed.local_clerk:
        return []
    if not parsed.clerk_publishable_key.startswith("pk_test_"):
        return []
    return [
        Problem(
            key="clerkProxyUrl",
            what="is set, yet the frontend API of a development instance cannot be proxied",
            write="pulumi config rm clerkProxyUrl",
        )
    ]


def satellite_problems(parsed: StackConfig) -> list[Problem]:
    domain, publishable = parsed.clerk_satellite_domain, parsed.clerk_publishable_key
    if not domain or parsed.local_clerk:
        return []
    if parsed.clerk_proxy_url:
        return [
            Problem(
                key="clerkSatelliteDomain",
                what="is set, and so is clerkProxyUrl; only one of them can be the frontend API",
                write="pulumi config rm clerkSatelliteDomain    # or: pulumi config rm clerkProxyUrl",
            )
        ]
    try:
        key = keys.parse_publishable_key(publishable)
        keys.frontend_api_url(key, None, domain)
    except keys.KeyFormatError as error:
        return [Problem(key="clerkSatelliteDomain", what=error.problem, write=error.remedy)]
    if key.kind == "test":
        return [
            Problem(
                key="clerkSatelliteDomain",
                what="is set, yet satellites of a development instance use the publishable key's frontend API",
                write="pulumi config rm clerkSatelliteDomain",
            )
        ]
    return []
