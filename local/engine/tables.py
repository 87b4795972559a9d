"""The tables and views of a Postgres database, read from its system catalog."""

from __future__ import annotations

import json
from dataclasses import dataclass

import psycopg

TableName = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `type_sql` is fit for a cast; `base_type` is the name in pg_type, domains resolved."""

    name: str
    number: int
    type_sql: str
    base_type: str
    nullable: bool
    generated: bool
    """Whether Postgres computes the value, so that nobody may write it."""
    is_array: bool = False


@dataclass(frozen=True, kw_only=True)
class Unique:
    """A primary key or unique constraint."""

    name: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key: pairs of a column here and a column there."""

    name: str
    target: TableName
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DatabaseTable:
    """A table, view, materialised view, partitioned or foreign table."""

    oid: int
    name: TableName
    columns: tuple[Column, ...]
    uniques: tuple[Unique, ...]
    foreign_keys: tuple[ForeignKey, ...]
    insertable: bool
    updatable: bool

    def column(self, name: str) -> Column | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> Unique | None:
        """The primary key, where there is one."""
        return next((unique for unique in self.uniques if unique.primary), None)


_QUERY = """
select c.oid::int8, n.nspname, c.relname,
    (pg_relation_is_updatable(c.oid, true) & 8) = 8 as insertable,
    (pg_relation_is_updatable(c.oid, true) & 4) = 4 as updatable,
    coalesce((
        select json_agg(json_build_object(
            'name', a.attname, 'number', a.attnum,
            'type_sql', format_type(a.atttypid, null),
            'base_type', coalesce(b.typname, t.typname),
            'is_array', coalesce(b.typcategory, t.typcategory) = 'A',
            'nullable', not a.attnotnull,
            'generated', a.attgenerated <> '' or a.attidentity = 'a') order by a.attnum)
        from pg_attribute a join pg_type t on t.oid = a.atttypid
        left join pg_type b on b.oid = nullif(t.typbasetype, 0)
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]')::text as columns,
    coalesce((
        select json_agg(json_build_object('name', k.conname, 'primary', k.contype = 'p', 'columns', (
            select json_agg(a.attname order by key.position)
            from unnest(k.conkey) with ordinality key (number, position)
            join pg_attribute a on a.attrelid = c.oid and a.attnum = key.number)) order by k.conname)
        from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'u')), '[]')::text as uniques,
    coalesce((
        select json_agg(json_build_object(
            'name', k.conname, 'schema', fn.nspname, 'table', f.relname, 'pairs', (
            select json_agg(json_build_array(a.attname, fa.attname) order by key.position)
            from unnest(k.conkey, k.confkey) with ordinality key (here, there, position)
            join pg_attribute a on a.attrelid = c.oid and a.attnum = key.here
            join pg_attribute fa on fa.attrelid = k.confrelid and fa.attnum = key.there)) order by k.conname)
        from pg_constraint k join pg_class f on f.oid = k.confrelid
        join pg_namespace fn on fn.oid = f.relnamespace
        where k.conrelid = c.oid and k.contype = 'f'), '[]')::text as foreign_keys
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'p', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'hdb_catalog', 'hdb_views')
    and n.nspname !~ '^pg_(toast|temp)'
"""


def read_tables(connection: psycopg.Connection[tuple[object, ...]]) -> dict[TableName, DatabaseTable]:
    """Every table that metadata may track, by name."""
    tables: dict[TableName, DatabaseTable] = {}
    for oid, schema, name, insertable, updatable, columns, uniques, foreign_keys in connection.execute(
        _QUERY
    ):
        key = (str(schema), str(name))
        tables[key] = DatabaseTable(
            oid=int(str(oid)),
            name=key,
            columns=tuple(Column(**column) for column in json.loads(str(columns))),
            uniques=tuple(
                Unique(name=each["name"], primary=each["primary"], columns=tuple(each["columns"]))
                for each in json.loads(str(uniques))
            ),
            foreign_keys=tuple(
                ForeignKey(
                    name=each["name"],
                    target=(each["schema"], each["table"]),
                    pairs=tuple((here, there) for here, there in each["pairs"]),
                )
                for each in json.loads(str(foreign_keys))
            ),
            insertable=bool(insertable),
            updatable=bool(updatable),
        )
    return tables
