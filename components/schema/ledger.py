"""The ledger: which migration ran when, kept in the migrated database itself. Pure SQL builders and readers.

Table `migration_ledger.migration`, one row a migration: `source` (Hasura's name of the database),
`version`, `name`, `checksum` (of up.sql), `down_sql`, `recorded_at`, `stack`, `origin` (`applied` here,
`adopted` from the Hasura CLI, `baseline` taken over unseen), `state` (`done`; `started` for one outside a
transaction that has not been seen to end, `rolling back` for such a down; `rolled back` until Hasura's catalog state
has forgotten it, when the row goes), `in_catalog` (whether Hasura's catalog state has been told of it).

Row and migration are written in one transaction, hence there is no moment in which one is there
without the other. Nothing here uses the search path, which a migration may change.
"""

# Every value in these texts goes through `literal` or `int`, or is a constant of this module.
# ruff: noqa: S608

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from components.hasura.client import SqlPieces, SqlResult
from components.schema.migrations import SqlFile
from components.schema.problems import Problem, SchemaError

SCHEMA = "migration_ledger"
TABLE = f"{SCHEMA}.migration"
REFUSE = f"{SCHEMA}.refuse"
"""A function of two texts, SQLSTATE and message, that fails with them. So whatever must not be is a plain query that
finds no row; a `do` block would be compiled again for each migration."""
LOCK_KEYS = (0x636C6572, 0x6B686173)
"""Two integers that name the deployment lock among the advisory locks of a database ("clerkhas" in ASCII)."""

ALREADY_RECORDED = "MLDUP"
"""SQLSTATE (a class that Postgres does not use) of a guard that finds the version in the ledger."""
NEWER_RECORDED = "MLORD"
"""SQLSTATE of a guard that finds a newer version than the planned one."""
PREDECESSOR_GONE = "MLPRE"
"""SQLSTATE of a guard that does not find the version that the planned one was to follow."""
RECORD_GONE = "MLGON"
"""SQLSTATE of a migration that took its own record out of the ledger."""
SERIALIZATION_FAILURE = "40001"
UNIQUE_VIOLATION = "23505"
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNDEFINED_TABLE = "42P01"
INVALID_SCHEMA = "3F000"

Origin = Literal["applied", "adopted", "baseline"]
State = Literal["done", "started", "rolling back", "rolled back"]
FRESH = (
    "reset session authorization;\nreset role;\nreset all;\n"
    "set client_encoding = 'UTF8';\nset client_min_messages = warning;\n"
)
"""Make the session what it was when the engine opened it. A role or a setting outlives the transaction that made it,
and the engine serves requests, and runs other migrations, on the same connections. The last two settings are those
that the engine makes when it connects, and the only ones."""
LAZY_COMMIT = "set local synchronous_commit = off;\n"
"""Commit without waiting for the disk. Row and change are still one transaction, and commits reach the disk in
their order; but nothing outside of the database may be told before a later commit has waited."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A row without its down SQL (`has_down` tells whether there is one); `recorded_at` is ISO 8601 in
    UTC."""

    version: int
    name: str
    checksum: str
    origin: Origin = "applied"
    state: State = "done"
    in_catalog: bool = True
    has_down: bool = False
    recorded_at: str = ""
    stack: str = ""

    @property
    def key(self) -> str:
        return f"{self.version}_{self.name}"

    @property
    def ended(self) -> bool:
        """False for what runs outside a transaction, or did so and was not seen to end."""
        return self.state not in ("started", "rolling back")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds; 0 is without limit. `deployment` is how long to wait for another deployer's migration,
    `lock` for a lock of a table, `statement` for one statement."""

    deployment: float = 60
    lock: float = 5
    statement: float = 0

    def limits(self) -> str:
        """The migration's own limits as SQL, for the rest of a transaction."""
        return (
            f"set local lock_timeout = {_ms(self.lock)};\n"
            f"set local statement_timeout = {_ms(self.statement)};\n"
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def literal(text: str) -> str:
    """`text` as a SQL literal in dollar quotes, whatever it holds and however strings are configured."""
    tag = "t"
    while f"${tag}$" in text or text.endswith(f"${tag}"):
        tag = f"t{secrets.token_hex(8)}"
    return f"${tag}${text}${tag}$"


def read_sql(source: str) -> str:
    """All rows of `source`, oldest version first. Fails with `UNDEFINED_TABLE` where no ledger is."""
    return (
        "select version, name, checksum, origin, state, in_catalog, down_sql is not null as has_down, "
        "to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as recorded_at, stack "
        f"from {TABLE} where source = {literal(source)} order by version"
    )


def rows(result: SqlResult) -> tuple[LedgerRow, ...]:
    """What `read_sql` answered. Raises `SchemaError` for what this version of the project does not know."""
    found, problems = [], []
    for values in result.rows:
        row = dict(zip(result.columns, values, strict=True))
        problems += [
            Problem(
                path=TABLE,
                message=f"version {row['version']} has the {column} {row[column]!r}, which means nothing here",
                remedy=(
                    f"A newer version of this project wrote it, or a hand. Known are {', '.join(known)}: update the "
                    "project, or correct the row."
                ),
            )
            for column, known in (("origin", get_args(Origin)), ("state", get_args(State)))
            if row[column] not in known
        ]
        found.append(
            LedgerRow(
                version=int(row["version"]),
                name=row["name"],
                checksum=row["checksum"],
                origin=cast(Origin, row["origin"]),
                state=cast(State, row["state"]),
                in_catalog=row["in_catalog"] == "t",
                has_down=row["has_down"] == "t",
                recorded_at=row["recorded_at"],
                stack=row["stack"],
            )
        )
    if problems:
        raise SchemaError(problems)
    return tuple(found)


def down_sql(source: str, versions: Iterable[int]) -> str:
    """The kept down SQL of `versions`: columns version, down_sql."""
    listed = _listed(versions)
    return (
        f"select version, down_sql from {TABLE} where source = {literal(source)} "
        f"and version in ({listed}) and down_sql is not null"
    )


def lock(timeouts: Timeouts) -> str:
    """Wait for the deployment lock (held until the transaction ends), then set the migration's own limits. Whatever
    others have left in the session is gone then."""
    first, second = LOCK_KEYS
    return (
        f"{FRESH}discard temp;\nclose all;\nset local lock_timeout = {_ms(timeouts.deployment)};\n"
        f"select pg_catalog.pg_advisory_xact_lock({first}, {second});\n"
        f"{timeouts.limits()}"
    )


def lock_holder() -> str:
    """Who holds the deployment lock now: pid, usename, since. No row when nobody does."""
    first, second = LOCK_KEYS
    return (
        "select a.pid, a.usename, to_char(a.xact_start at time zone 'UTC', "
        '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\') as since '
        "from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid "
        "where l.locktype = 'advisory' and l.granted and l.objsubid = 2 "
        f"and l.classid = {first} and l.objid = {second} "
        "and l.database = (select oid from pg_catalog.pg_database where datname = current_database())"
    )


def create(timeouts: Timeouts) -> str:
    """Make the ledger where it is missing. Under the lock, because two `if not exists` can collide. Where it is there,
    rights to make it are not needed."""
    return lock(timeouts) + (
        # What others have committed while the lock was waited for is not known before a table is looked at:
        # the session may still remember that there was no such schema.
        "select from pg_catalog.pg_namespace limit 0;\n"
        + _unless_there(
            f"regclass('{TABLE}')",
            f"if pg_catalog.to_regnamespace('{SCHEMA}') is null then create schema {SCHEMA}; end if;\n"
            f"create table {TABLE} (\n"
            "    source text not null,\n"
            "    version bigint not null,\n"
            "    name text not null,\n"
            "    checksum text not null,\n"
            "    down_sql text,\n"
            "    recorded_at timestamptz not null default now(),\n"
            "    stack text not null,\n"
            "    origin text not null default 'applied',\n"
            "    state text not null default 'done',\n"
            "    in_catalog boolean not null default false,\n"
            "    primary key (source, version)\n"
            ");\n"
            f"comment on table {TABLE} is 'Migrations that ran here; written in their own transactions.';\n",
        )
        + _unless_there(
            f"regprocedure('{REFUSE}(text, text)')",
            f"create function {REFUSE}(code text, reason text) returns text language plpgsql as $refuse$ begin\n"
            "raise exception using errcode = code, message = reason;\nend $refuse$;\n"
            f"comment on function {REFUSE} is 'Fails with an SQLSTATE and a message.';\n",
        )
    )


def _unless_there(found: str, statements: str) -> str:
    """`found` is what `pg_catalog.to_` finds, or null."""
    return f"do $ledger$ begin\nif pg_catalog.to_{found} is null then\n{statements}end if;\nend $ledger$;\n"


def guard(source: str, versions: Sequence[int], *, out_of_order: bool, after: int | None = None) -> str:
    """Raise when one of `versions` (ascending) is recorded already, when `after` is not recorded (any more) or, unless
    `out_of_order`, when one is recorded that is newer than the first of them. What was rolled back counts as never
    recorded."""
    where, listed = _recorded(source), _listed(versions)
    recorded = f"{REFUSE}('{ALREADY_RECORDED}', 'version ' || version || ' is in the ledger already')"
    if out_of_order:
        refused = f"select {recorded} {where} and version in ({listed}) limit 1;\n"
    else:
        first = versions[0]
        newer = f"{REFUSE}('{NEWER_RECORDED}', 'a newer version than {first} is in the ledger')"
        refused = (
            f"select case when version in ({listed}) then {recorded} else {newer} end "
            f"{where} and version >= {first} order by version limit 1;\n"
        )
    if after is not None:
        gone = f"'{PREDECESSOR_GONE}', 'version {after} is not in the ledger any more'"
        refused += f"select {REFUSE}({gone}) where not exists (select 1 {where} and version = {after});\n"
    return refused + forget(source, versions)


def _listed(versions: Iterable[int]) -> str:
    return ", ".join(str(int(version)) for version in versions)


def _recorded(source: str) -> str:
    return f"from {TABLE} where source = {literal(source)} and state <> 'rolled back'"


def insert(
    source: str,
    version: int,
    name: str,
    checksum: str,
    *,
    stack: str,
    down: str | None,
    origin: Origin = "applied",
    state: State = "done",
    in_catalog: bool = False,
    unless_recorded: bool = False,
) -> str:
    """Write a row."""
    values = ", ".join(
        (
            literal(source),
            str(version),
            literal(name),
            literal(checksum),
            "null" if down is None else literal(down),
            literal(stack),
            literal(origin),
            literal(state),
            "true" if in_catalog else "false",
        )
    )
    ending = " on conflict do nothing" if unless_recorded else ""
    return (
        f"insert into {TABLE} (source, version, name, checksum, down_sql, stack, origin, state, in_catalog) "
        f"values ({values}){ending};\n"
    )


def finish(source: str, version: int) -> str:
    """Say that a migration's change is there, all of it."""
    return f"update {TABLE} set state = 'done' where source = {literal(source)} and version = {version};\n"


def untold(source: str, version: int) -> str:
    """Note that Hasura's catalog state is still to be told of a migration."""
    return (
        f"update {TABLE} set in_catalog = false where source = {literal(source)} and version = {version};\n"
    )


def accept(source: str, version: int, name: str, checksum: str, *, down: str | None) -> str:
    """Take another name, checksum and down SQL for those that ran."""
    kept = "null" if down is None else literal(down)
    return (
        f"update {TABLE} set name = {literal(name)}, checksum = {literal(checksum)}, down_sql = {kept} "
        f"where source = {literal(source)} and version = {version};\n"
    )


def forget(source: str, versions: Sequence[int]) -> str:
    """Take rows out."""
    return f"delete from {TABLE} where source = {literal(source)} and version in ({_listed(versions)});\n"


def told_catalog(source: str, versions: Iterable[int]) -> str:
    """Note that Hasura's catalog state now holds these versions. Answers how many rows are finished by now:
    others may have written further ones since the catalog state was put together."""
    listed = _listed(versions)
    return (
        f"update {TABLE} set in_catalog = true "
        f"where source = {literal(source)} and state = 'done' and version in ({listed});\n"
        f"delete from {TABLE} "
        f"where source = {literal(source)} and state = 'rolled back' and version in ({listed});\n"
        f"select count(*) from {TABLE} where source = {literal(source)} and state = 'done'"
    )


def flush(source: str) -> str:
    """Wait until what `LAZY_COMMIT` left to later is on the disk: a commit that waits takes with it all before."""
    told = f"{TABLE} where source = {literal(source)} and not in_catalog"
    return (
        f"update {TABLE} set in_catalog = false where source = {literal(source)} "
        f"and version = (select max(version) from {told});\n"
    )


def progress(source: str, versions: Sequence[int]) -> str:
    """How far a deployment has come: rows of `source`, those of them within the range of `versions`, and
    whether somebody holds the deployment lock (t or f)."""
    return (
        f"select count(*), count(*) filter (where version between {min(versions)} and {max(versions)}), "
        f"exists (select 1 from ({lock_holder()}) holder) from {TABLE} "
        f"where source = {literal(source)} and state <> 'rolled back'"
    )


def confirm(source: str, versions: Sequence[int]) -> str:
    """The last statement of migrations, which fails where one of their rows is not there any more. Its answer is empty,
    whatever a file's own last answer was."""
    kept = (
        f"select version from {TABLE} where source = {literal(source)} and version in ({_listed(versions)})"
    )
    gone = f"'{RECORD_GONE}', 'the migration took the record of version ' || version || ' out of the ledger'"
    values = ", ".join(f"({int(version)})" for version in versions)
    return (
        f"select {REFUSE}({gone}) from (values {values}) as ran (version) "
        f"where version not in ({kept}) limit 1;\n"
    )


_BACKEND = (
    "{b}.pid, {b}.usename, {b}.state, to_char({b}.query_start at time zone 'UTC', "
    '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\') as query_start, '
    # What stands in strings may be anybody's data.
    "regexp_replace(left({b}.query, 200), $q$'[^']*('|$)$q$, $q$'...'$q$, 'g') as query"
)


def blockers(tag: str) -> str:
    """Who holds the lock that the query with `tag` in it waits for: pid, usename, state, query_start, query."""
    return (
        f"select distinct {_BACKEND.format(b='b')} from pg_catalog.pg_stat_activity w "
        "cross join lateral unnest(pg_catalog.pg_blocking_pids(w.pid)) as blocker(pid) "
        "join pg_catalog.pg_stat_activity b on b.pid = blocker.pid "
        f"where w.pid <> pg_backend_pid() and strpos(w.query, {literal(tag)}) > 0"
    )


def lock_owners(at_most: int) -> str:
    """Who holds locks on tables, longest first: pid, usename, state, query_start, query."""
    return (
        f"select {_BACKEND.format(b='a')} from pg_catalog.pg_stat_activity a "
        "where a.datname = current_database() "
        "and a.pid <> pg_backend_pid() and a.xact_start is not null "
        "and exists (select 1 from pg_catalog.pg_locks l where l.pid = a.pid and l.granted "
        f"and l.locktype = 'relation') order by a.xact_start limit {int(at_most)}"
    )


def running_queries() -> str:
    """What others run in this database at this moment: pid, since, query (perhaps only its beginning)."""
    return (
        "select pid, to_char(query_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as since, query "
        "from pg_catalog.pg_stat_activity "
        "where state = 'active' and datname = current_database() and pid <> pg_backend_pid()"
    )


SEED_TABLE = f"{SCHEMA}.seed"


def create_seeds(timeouts: Timeouts) -> str:
    """Make the table of seeds where it is missing: one row a file, with the checksum that was last
    applied."""
    return create(timeouts) + _unless_there(
        f"regclass('{SEED_TABLE}')",
        f"create table {SEED_TABLE} (\n"
        "    source text not null,\n"
        "    name text not null,\n"
        "    checksum text not null,\n"
        "    recorded_at timestamptz not null default now(),\n"
        "    stack text not null,\n"
        "    primary key (source, name)\n"
        ");\n",
    )


def read_seeds_sql(source: str) -> str:
    """Columns name, checksum."""
    return f"select name, checksum from {SEED_TABLE} where source = {literal(source)} order by name"


def record_seed(source: str, name: str, checksum: str, *, stack: str) -> str:
    """Write a seed's row, raising when this checksum is there already."""
    where = f"where source = {literal(source)} and name = {literal(name)} and checksum = {literal(checksum)}"
    return (
        f"select {REFUSE}('{ALREADY_RECORDED}', 'the seed is applied already') from {SEED_TABLE} {where};\n"
        f"insert into {SEED_TABLE} (source, name, checksum, stack) "
        f"values ({literal(source)}, {literal(name)}, {literal(checksum)}, {literal(stack)}) "
        "on conflict (source, name) do update set checksum = excluded.checksum, "
        "recorded_at = excluded.recorded_at, stack = excluded.stack;\n"
    )


def invalid_indexes() -> str:
    """Names of indexes that a failed concurrent build left behind."""
    return "select i.indexrelid::regclass::text from pg_catalog.pg_index i where not i.indisvalid order by 1"


def remove(source: str, version: int) -> str:
    """Mark a row as rolled back, raising when it is not there (any more), or not the newest."""
    return _marked(source, version, "state = 'rolled back', in_catalog = false", "state <> 'rolled back'")


def begin_removal(source: str, version: int) -> str:
    """Mark a row whose down SQL is about to run outside a transaction, raising when it is not done (any more), or not
    the newest."""
    return _marked(source, version, "state = 'rolling back'", "state = 'done'")


def _marked(source: str, version: int, change: str, condition: str) -> str:
    newer = f"'{NEWER_RECORDED}', 'a newer version than {version} is in the ledger'"
    gone = f"'{ALREADY_RECORDED}', 'version {version} is not in the ledger any more'"
    return (
        f"select {REFUSE}({newer}) {_recorded(source)} and version > {version} limit 1;\n"
        f"with marked as (update {TABLE} set {change} "
        f"where source = {literal(source)} and version = {version} and {condition} returning version)\n"
        f"select {REFUSE}({gone}) where not exists (select 1 from marked);\n"
    )


class SqlParts(SqlPieces):
    """Texts and files, one after the other; a file is read anew each time and never held as a whole.

    In a migration, guard and ledger row come before the file: nothing at the end of the file, not even an
    open comment, can then keep the row from being written.
    """

    def __init__(self, *parts: str | SqlFile) -> None:
        self._parts = parts
        self.size = sum(len(part) if isinstance(part, str) else part.size for part in parts)

    def pieces(self) -> Iterable[str]:
        for part in self._parts:
            if isinstance(part, str):
                yield part
            else:
                yield from part.pieces()
                yield "\n;\n"
