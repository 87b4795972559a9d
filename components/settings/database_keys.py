"""Rules about the database: a container of the stack's own, or one that somebody else runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from components.settings.database_url import (
    STRICTNESS,
    DatabaseUrl,
    DatabaseUrlError,
    ReadUrl,
    read_database_url,
)
from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig
from components.settings.values import ExternalPostgresSettings

_ENGINES_LEAST_OVERHEAD: Final = 32
"""Processes of PostgreSQL beside those of its clients: its own helpers, and parallel workers."""


def is_external(parsed: StackConfig) -> bool:
    """Whether somebody else runs the database: a URL or a host of it is configured."""
    return bool(parsed.database_url or parsed.database_host)


def container_problems(parsed: StackConfig) -> list[Problem]:
    """What is wrong with the keys of a container, and which keys make no sense beside one."""
    problems = [
        Problem(
            key=key,
            what="is set, yet neither databaseUrl nor databaseHost names a database that somebody else runs",
            write=f"pulumi config rm {key}    # or: pulumi config set --secret databaseUrl",
        )
        for key, value in (
            ("metadataDatabaseUrl", parsed.metadata_database_url),
            ("databaseUser", parsed.database_user),
            ("databasePassword", parsed.database_password),
            ("databaseCaCertificate", parsed.database_ca_certificate),
            ("databasePooler", parsed.database_pooler),
        )
        if value
    ]
    if parsed.database_name == parsed.metadata_database_name:
        problems.append(_one_database(set_command("metadataDatabaseName", "hasura_metadata")))
    # While a service is updated, one engine more than its replicas is at work.
    engines = parsed.replicas + 1 if parsed.replicas else 1
    if parsed.hasura_connections * engines >= parsed.postgres_max_connections:
        held = (
            f"is {parsed.hasura_connections}, which makes {parsed.hasura_connections * engines} for {parsed.replicas} "
            "replicas and the one that takes another's place,"
            if parsed.replicas
            else f"is {parsed.hasura_connections},"
        )
        problems.append(
            Problem(
                key="hasuraConnections",
                what=f"{held} not below postgresMaxConnections ({parsed.postgres_max_connections}); "
                "the engine would starve everybody else",
                write=set_command(
                    "hasuraConnections", str(max(1, parsed.postgres_max_connections // (engines + 1)))
                ),
            )
        )
    processes = parsed.postgres_max_connections + _ENGINES_LEAST_OVERHEAD
    if 0 < parsed.pids_limit < processes:
        problems.append(
            Problem(
                key="pidsLimit",
                what=f"is {parsed.pids_limit}, yet Postgres runs a process for each of "
                f"postgresMaxConnections ({parsed.postgres_max_connections}) and some of its own",
                write=set_command("pidsLimit", str(processes)),
            )
        )
    return problems


def external_problems(parsed: StackConfig) -> list[Problem]:
    """What is wrong with the keys of a database that somebody else runs. Never holds a part of a URL's login."""
    problems = _login_problems(parsed)
    for key, text in (
        ("databaseUrl", parsed.database_url),
        ("metadataDatabaseUrl", parsed.metadata_database_url),
    ):
        if text:
            problems += _url_problems(key, text, parsed)
    problems += _certificate_problems(parsed)
    if not problems:
        external = external_postgres(parsed)
        if external.data.place == external.metadata.place:
            problems.append(_one_database("pulumi config set --secret metadataDatabaseUrl"))
    return problems


def external_postgres(parsed: StackConfig) -> ExternalPostgresSettings:
    """The database of a configuration in which nothing is wrong."""
    if parsed.database_url:
        data = read_database_url(parsed.database_url).url
    else:
        host = f"[{parsed.database_host}]" if ":" in parsed.database_host else parsed.database_host
        data = DatabaseUrl(
            hosts=f"{host}:{parsed.database_port}",
            user=parsed.database_user,
            password=parsed.database_password,
            database=parsed.database_name,
        )
    return ExternalPostgresSettings(
        data=data,
        data_key="databaseUrl" if parsed.database_url else "databaseHost",
        metadata_key="metadataDatabaseUrl" if parsed.metadata_database_url else "metadataDatabaseName",
        metadata=read_database_url(parsed.metadata_database_url).url
        if parsed.metadata_database_url
        else data.of(parsed.metadata_database_name),
        tls=parsed.database_tls,
        ca_certificate=parsed.database_ca_certificate,
        pooler=parsed.database_pooler,
        extensions=parsed.database_extensions,
    )


def _one_database(write: str) -> Problem:
    return Problem(
        key="metadataDatabaseName",
        what="is the data database as well; Hasura's catalog needs a database of its own",
        write=write,
    )


def _login_problems(parsed: StackConfig) -> list[Problem]:
    if parsed.database_url:
        return [
            Problem(
                key=key,
                what="is set, and so is databaseUrl, which says it already",
                write=f"pulumi config rm {key}    # or: pulumi config rm databaseUrl",
            )
            for key, value in (
                ("databaseHost", parsed.database_host),
                ("databaseUser", parsed.database_user),
                ("databasePassword", parsed.database_password),
            )
            if value
        ]
    return [
        Problem(key=key, what="is not set, and databaseHost is; they belong together", write=write)
        for key, value, write in (
            ("databaseUser", parsed.database_user, set_command("databaseUser", "NAME")),
            (
                "databasePassword",
                parsed.database_password,
                "pulumi config set --secret databasePassword    # asks for the value",
            ),
        )
        if not value
    ]


def _url_problems(key: str, text: str, parsed: StackConfig) -> list[Problem]:
    try:
        read: ReadUrl = read_database_url(text)
    except DatabaseUrlError as error:
        return [
            Problem(
                key=key, what=str(error), write=f"pulumi config set --secret {key}    # asks for the value"
            )
        ]
    if read.sslmode and STRICTNESS[read.sslmode] > STRICTNESS[parsed.database_tls]:
        return [
            Problem(
                key="databaseTls",
                what=f"is {parsed.database_tls}, and {key} asks for more with sslmode={read.sslmode}",
                write=set_command("databaseTls", read.sslmode),
            )
        ]
    return []


def _certificate_problems(parsed: StackConfig) -> list[Problem]:
    text, tls = parsed.database_ca_certificate, parsed.database_tls
    key, write = "databaseCaCertificate", "pulumi config set databaseCaCertificate < ca.pem"
    if not text:
        if tls == "verify-ca":
            return [
                Problem(
                    key=key,
                    what="is not set, and databaseTls is verify-ca; any certificate of any public authority "
                    "would do",
                    write=f"{write}    # or: pulumi config set databaseTls verify-full",
                )
            ]
        return []
    if not tls.startswith("verify"):
        return [
            Problem(
                key=key,
                what=f"is set, yet databaseTls is {tls}, which looks at no certificate",
                write=f"{set_command('databaseTls', 'verify-full')}    # or: pulumi config rm {key}",
            )
        ]
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return [Problem(key=key, what="is not a certificate in PEM form", write=write)]
    expired = [each for each in certificates if each.not_valid_after_utc < datetime.now(UTC)]
    if len(expired) == len(certificates):
        last = max(each.not_valid_after_utc for each in expired)
        return [Problem(key=key, what=f"expired on {last:%Y-%m-%d}", write=write)]
    return []
