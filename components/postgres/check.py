"""What a database that somebody else runs must have before anything is deployed onto it.

Asked of the database itself where the deployment reaches it. Often only the engine does; then nothing is asked, and
that is said.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from components.postgres.tls import CA_FILE, tls_parameters
from components.settings import DatabaseUrl, ExternalPostgresSettings, Problem

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS: Final = 5
OLDEST_VERSION: Final = 12
"""Major version of PostgreSQL that Hasura's own builds still test with."""

Purpose = Literal["data", "metadata"]

_OUT_OF_REACH: Final = re.compile(
    r"refused|timeout expired|timed out|no route to host|unreachable|resolve host|translate host"
    r"|not known|name resolution|no address associated|reset by peer|closed the connection unexpectedly",
    re.IGNORECASE,
)
_NOT_FROM_HERE: Final = re.compile(r"no pg_hba\.conf entry(?!.*no encryption)", re.IGNORECASE | re.DOTALL)
_REMEDIES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"certificate verify failed",
        "pulumi config set databaseCaCertificate < ca.pem    # the authority that the server's certificate is from",
    ),
    (
        r"does not match host name",
        "connect by a name that the certificate holds, or: pulumi config set databaseTls verify-ca",
    ),
    (
        r"no encryption|SSL required|SSL connection is required",
        "pulumi config rm databaseTls    # the server takes encrypted connections only",
    ),
    (
        r"does not support SSL",
        "let the server speak TLS, or, on a network that nobody listens on: pulumi config set databaseTls disable",
    ),
    (
        r"password authentication failed|SASL authentication failed",
        "pulumi config set --secret {secret}    # asks for the value",
    ),
    (r"database .* does not exist|no such database", "create database {database};    -- as a role that may"),
)


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """What one database says of itself and of the role that the engine would log in as.

    ``own_schemas`` says whether the role may make schemas; ``public_schema`` whether it may make tables in public.
    ``through_pooler`` is true where the session's server process is not the one that the connection was made to.
    """

    version: int
    user: str
    installed: frozenset[str]
    own_schemas: bool
    public_schema: bool
    through_pooler: bool


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """Why a database was not asked. ``out_of_reach`` where that says nothing of the engine's own connection."""

    reason: str
    out_of_reach: bool


Answers = dict[Purpose, DatabaseFacts | NoAnswer]
LookAtDatabases = Callable[[ExternalPostgresSettings], Answers]


def findings(external: ExternalPostgresSettings, answers: Answers) -> tuple[list[Problem], list[str]]:
    """What stands in the way of a deployment, and what is only told. Pure."""
    problems: list[Problem] = []
    notices: list[str] = []
    for purpose, answer in answers.items():
        url = external.data if purpose == "data" else external.metadata
        key = external.data_key if purpose == "data" else external.metadata_key
        if isinstance(answer, NoAnswer):
            if purpose == "metadata" and _said_already(answer, answers.get("data"), external):
                continue
            if answer.out_of_reach:
                notices.append(
                    f"{key}: {url.place} was not looked at, since it cannot be reached from here "
                    f"({answer.reason}). Its engine will say what is wrong, if anything is."
                )
            else:
                problems.append(
                    Problem(
                        key=key,
                        what=f"{url.place}: {answer.reason}",
                        write=_remedy(answer.reason, key, url, external),
                    )
                )
            continue
        problems += _rights(key, purpose, url, external, answer)
        if answer.through_pooler and not external.pooler:
            notices.append(
                f"{key}: a connection pooler stands before {url.place}. If it pools transactions, run: pulumi config "
                "set databasePooler true"
            )
    return problems, notices


def gather(external: ExternalPostgresSettings) -> Answers:
    """Asks both databases, with the engine's login and the engine's TLS."""
    import certifi

    answers: Answers = {}
    with _authority(external) as ca_file:
        tls = tls_parameters(external, ca_file=ca_file, authorities=certifi.where())
        answers["data"] = _ask(external.data, **tls)
        known = answers["data"]
        answers["metadata"] = (
            known
            if _one_place(external) and isinstance(known, NoAnswer) and known.out_of_reach
            else _ask(external.metadata, **tls)
        )
    return answers


@contextmanager
def _authority(external: ExternalPostgresSettings) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="clerk-hasura-") as folder:
        file = Path(folder) / CA_FILE
        file.write_text(external.ca_certificate, encoding="ascii")
        yield str(file)


def _ask(url: DatabaseUrl, **tls: str) -> DatabaseFacts | NoAnswer:
    import psycopg

    try:
        with psycopg.connect(
            url.text(**tls),
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
            prepare_threshold=None,
            application_name="clerk-hasura",
        ) as connection:
            return _facts(connection)
    except psycopg.Error as error:
        reason = " ".join(str(error).split()).replace(url.password, "[secret]")
        reason = re.sub(r"^connection failed: |Multiple connection attempts failed\. .*", "", reason).rstrip(
            "."
        )
        out_of_reach = isinstance(error, psycopg.OperationalError) and bool(
            _OUT_OF_REACH.search(reason) or _NOT_FROM_HERE.search(reason)
        )
        return NoAnswer(reason=reason, out_of_reach=out_of_reach)


def _facts(connection: psycopg.Connection[tuple[object, ...]]) -> DatabaseFacts:
    row = connection.execute(
        "select current_setting('server_version_num')::int / 10000, current_user::text, pg_backend_pid(),"
        " has_database_privilege(current_database(), 'create'),"
        " coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'create')"
        "          and has_schema_privilege(to_regnamespace('public')::oid, 'usage'), false),"
        " coalesce(array_agg(extname::text), '{}') from pg_extension"
    ).fetchone()
    assert row is not None  # noqa: S101 (an aggregate without groups has one row)
    version, user, process, own_schemas, public_schema, installed = row
    return DatabaseFacts(
        version=int(str(version)),
        user=str(user),
        installed=frozenset(map(str, installed)) if isinstance(installed, list) else frozenset(),
        own_schemas=bool(own_schemas),
        public_schema=bool(public_schema),
        through_pooler=process != connection.info.backend_pid,
    )


def _rights(
    key: str, purpose: Purpose, url: DatabaseUrl, external: ExternalPostgresSettings, facts: DatabaseFacts
) -> list[Problem]:
    found = []
    if facts.version < OLDEST_VERSION:
        found.append(
            (f"is PostgreSQL {facts.version}, and Hasura needs {OLDEST_VERSION} or newer", "upgrade it")
        )
    found += [
        (
            f"has no extension {name}",
            f'create extension "{name}";    -- in {url.database}, as a role that may',
        )
        for name in external.extensions
        if name not in facts.installed
    ]
    if not facts.own_schemas:
        what = "Hasura's catalog" if purpose == "metadata" else "the ledger of migrations"
        found.append(
            (
                f"lets {facts.user} make no schema, and {what} lives in one",
                f'grant create on database "{url.database}" to "{facts.user}";',
            )
        )
    if purpose == "data" and not facts.public_schema:
        found.append(
            (
                f"lets {facts.user} make nothing in the schema public, and migrations do",
                f'grant usage, create on schema public to "{facts.user}";    -- in {url.database}',
            )
        )
    return [Problem(key=key, what=f"{url.place} {what}", write=write) for what, write in found]


def _said_already(
    answer: NoAnswer, of_data: DatabaseFacts | NoAnswer | None, external: ExternalPostgresSettings
) -> bool:
    """Whether the data database has the same to say, but for its own name."""
    if not isinstance(of_data, NoAnswer) or not _one_place(external):
        return False
    names = (f'"{external.metadata.database}"', f'"{external.data.database}"')
    return answer.reason.replace(*names) == of_data.reason and "not exist" not in answer.reason


def _one_place(external: ExternalPostgresSettings) -> bool:
    return external.data.hosts == external.metadata.hosts


def _remedy(reason: str, key: str, url: DatabaseUrl, external: ExternalPostgresSettings) -> str:
    named_by = key if key == "metadataDatabaseUrl" else external.data_key
    secret = "databasePassword" if named_by == "databaseHost" else named_by
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, reason, re.IGNORECASE):
            return remedy.format(secret=secret, database=f'"{url.database}"')
    return "mend that, or see the server's log"
