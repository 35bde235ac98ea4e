"""Foreign keys column by column: what joins a referring table with the one that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Statement
from pg_timepart.postgres.search_path import FOUND_TABLES, fetch_all
from pg_timepart.postgres.table_detail_queries import FOR_A_PARTITION

COLUMNS = """
SELECT k.oid::int8, o.oid::int8, m.nspname, o.relname, f.oid::int8, n.nspname, f.relname,
       a.attname, b.attname, s.nspname, e.oprname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class o ON o.oid = k.conrelid
JOIN pg_catalog.pg_namespace m ON m.oid = o.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
CROSS JOIN ROWS FROM (unnest(k.conkey), unnest(k.confkey),
                      unnest(k.conpfeqop)) WITH ORDINALITY AS u(own, other, equal, number)
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own
JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.other
JOIN pg_catalog.pg_operator e ON e.oid = u.equal
JOIN pg_catalog.pg_namespace s ON s.oid = e.oprnamespace
WHERE k.contype = 'f' AND {which}
ORDER BY o.oid, k.oid, u.number
"""

BY_NAME = COLUMNS.format(which="k.conrelid = %(table)s AND k.conname = %(name)s")

# Of a partitioned table that refers to the target, the one on its root speaks for its partitions.
TO_TARGET = COLUMNS.format(which="k.confrelid = %(target)s AND k.conparentid = 0")


# What a foreign key has on its own table for each partition of its target is dropped with it.
INHERITED = f"""
SELECT k.conname::text
FROM pg_catalog.pg_constraint k
WHERE k.conrelid = ({FOUND_TABLES})[1] AND k.contype = 'f' AND {FOR_A_PARTITION}
"""  # noqa: S608  # made of constants


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """One column of a foreign key."""

    own: str
    other: str
    operator: tuple[str, str]
    """Schema and name of the operator that compares both, the target's on its left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKeyColumns:
    """One foreign key: its table, its target, and its columns in order."""

    oid: int
    table: Relation
    target: Relation
    columns: tuple[KeyColumn, ...]

    @property
    def names(self) -> str:
        """The names of its own columns, for people."""
        return ", ".join(each.own for each in self.columns)


def foreign_key_named(
    connection: BaseDatabaseWrapper, table: Relation, name: str
) -> ForeignKeyColumns | None:
    """Return the foreign key of this name on ``table``, or None."""
    found = _read(connection, BY_NAME, {"table": table.oid, "name": name})
    return next(iter(found), None)


def foreign_keys_to(
    connection: BaseDatabaseWrapper, target: Relation
) -> tuple[ForeignKeyColumns, ...]:
    """Return the foreign keys that refer to ``target``, its own among them, by the table's OID."""
    return tuple(_read(connection, TO_TARGET, {"target": target.oid}))


def without_inherited(
    connection: BaseDatabaseWrapper, db_table: str, names: Iterable[str]
) -> list[str]:
    """Return the names of foreign keys of ``db_table`` without those for partitions of a target."""
    tables = [connection.ops.quote_name(db_table)]
    inherited = {name for (name,) in fetch_all(connection, INHERITED, tables=tables)}
    return [each for each in names if each not in inherited]


def not_null(alias: str, columns: Iterable[KeyColumn]) -> Statement:
    """Return the condition that the referring row, by its alias, refers to something."""
    condition: Statement = sql.SQL(" AND ").join(
        sql.SQL("{} IS NOT NULL").format(sql.Identifier(alias, each.own)) for each in columns
    )
    return condition


def equal(target_alias: str, alias: str, columns: Iterable[KeyColumn]) -> Statement:
    """Return the condition that the referring row refers to that row of the target."""
    condition: Statement = sql.SQL(" AND ").join(
        sql.SQL("{} OPERATOR({}.{}) {}").format(
            sql.Identifier(target_alias, each.other),
            sql.Identifier(each.operator[0]),
            sql.SQL(each.operator[1]),
            sql.Identifier(alias, each.own),
        )
        for each in columns
    )
    return condition


def _read(
    connection: BaseDatabaseWrapper, query: str, values: Mapping[str, Any]
) -> Iterable[ForeignKeyColumns]:
    rows = fetch_all(connection, query, values)
    for oid, group in groupby(rows, key=lambda row: row[0]):
        same = list(group)
        _, *ends = same[0][:7]
        yield ForeignKeyColumns(
            oid=oid,
            table=Relation(oid=ends[0], schema=ends[1], name=ends[2]),
            target=Relation(oid=ends[3], schema=ends[4], name=ends[5]),
            columns=tuple(
                KeyColumn(own=own, other=other, operator=(schema, name))
                for *_, own, other, schema, name in same
            ),
        )
