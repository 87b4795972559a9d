"""What a database holds: each table's rows, as a count and a sum over their content, and the names of all objects."""

# ruff: noqa: S608 - names are quoted, texts are literals

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from components.backup.postgres_tools import Session, literal

_SHOWN: Final = 5
"""How many differences of one kind are named."""
_BY: Final = 200
"""Tables that are read in one statement."""

_OURS: Final = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'"
_NOT_OF_AN_EXTENSION: Final = (
    "not exists (select from pg_depend e where e.classid = {class}::regclass and e.objid = {oid}"
    " and e.deptype = 'e')"
)

_TABLES: Final = f"""
select format('%I.%I', n.nspname, c.relname) as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and {_OURS} and {_NOT_OF_AN_EXTENSION.format(**{"class": "'pg_class'", "oid": "c.oid"})}
order by 1
"""
"""Tables with rows of their own: partitions, but not what they are partitions of, and no views."""

_OBJECTS: Final = f"""
select i.type || ' ' || i.identity as name
from (
  select 'pg_class'::regclass as class, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f') and {_OURS}
  union all
  select 'pg_proc'::regclass, p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_OURS}
  union all
  select 'pg_type'::regclass, t.oid from pg_type t join pg_namespace n on n.oid = t.typnamespace
  where t.typtype in ('d', 'e', 'r') and {_OURS}
  union all
  select 'pg_constraint'::regclass, k.oid from pg_constraint k join pg_namespace n on n.oid = k.connamespace
  where k.contype <> 'n' and {_OURS}
  union all
  select 'pg_trigger'::regclass, t.oid from pg_trigger t where not t.tgisinternal
  union all
  select 'pg_policy'::regclass, p.oid from pg_policy p
  union all
  select 'pg_namespace'::regclass, n.oid from pg_namespace n where {_OURS}
  union all
  select 'pg_extension'::regclass, e.oid from pg_extension e
) o, lateral pg_identify_object(o.class, o.oid, 0) i
where {_NOT_OF_AN_EXTENSION.format(**{"class": "o.class", "oid": "o.oid"})}
order by 1
"""


@dataclass(frozen=True, kw_only=True)
class TableContent:
    """Number of rows, and the sum of a hash of each row's text: the same rows in any order have the same sum."""

    rows: int
    content: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Table to its content, and every object as PostgreSQL identifies it. Names are quoted where SQL needs it."""

    tables: Mapping[str, TableContent]
    objects: frozenset[str]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def read(session: Session, told: Callable[[str], None]) -> Contents:
    """What the session's database holds, as the session's transaction sees it.

    :param told: takes lines about how far it has come.
    :raises BackupError: with the server's own words.
    """
    names = [str(row["name"]) for row in session.rows(_TABLES)]
    tables: dict[str, TableContent] = {}
    for first in range(0, len(names), _BY):
        if first:
            told(f"{first} of {len(names)} tables")
        for row in session.rows(_rows_of(names[first : first + _BY])):
            tables[str(row["name"])] = TableContent(rows=int(str(row["rows"])), content=str(row["content"]))
    objects = frozenset(str(row["name"]) for row in session.rows(_OBJECTS))
    return Contents(tables=tables, objects=objects)


def _rows_of(names: Iterable[str]) -> str:
    # The row as a whole, by a name that no column has.
    return "\nunion all\n".join(
        f"select {literal(name)} as name, count(*) as rows,"
        ' coalesce(sum(hashtextextended("the whole row"::text collate "C", 0)), 0)::text as content'
        f' from only {name} as "the whole row"'
        for name in names
    )


def differences(expected: Contents, found: Contents) -> list[str]:
    """What ``found`` has not, has too much, or has otherwise; empty where nothing differs. Pure."""
    told = []
    for what, names in (
        ("is missing", expected.objects - found.objects),
        ("was not there", found.objects - expected.objects),
    ):
        told += _few(f"{name} {what}" for name in sorted(names))
    told += _few(
        f"{name} has {found.tables[name].rows} rows, not {table.rows}"
        if found.tables[name].rows != table.rows
        else f"{name} has other content in its {table.rows} rows"
        for name, table in sorted(expected.tables.items())
        if name in found.tables and found.tables[name] != table
    )
    return told


def _few(lines: Iterable[str]) -> list[str]:
    known = list(lines)
    more = len(known) - _SHOWN
    return [*known[:_SHOWN], f"and {more} more"] if more > 0 else known
