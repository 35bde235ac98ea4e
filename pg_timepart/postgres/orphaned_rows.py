"""Orphaned rows: those of a detached table that violate a foreign key which ATTACH must build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Statement, named
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.search_path import fetch_all

MOST = 1_000
"""Up to how many rows are counted."""

TIMEOUT_MS = 5_000

# Columns and operators of one foreign key, and the table that it refers to.
KEY = """
SELECT f.oid::int8, n.nspname, f.relname, a.attname, b.attname, s.nspname, o.oprname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
CROSS JOIN ROWS FROM (unnest(k.conkey), unnest(k.confkey),
                      unnest(k.conpfeqop)) AS u(own, other, equal)
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own
JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.other
JOIN pg_catalog.pg_operator o ON o.oid = u.equal
JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
WHERE k.conrelid = %(table)s AND k.conname = %(name)s AND k.contype = 'f'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One column of a foreign key."""

    own: str
    other: str
    operator: tuple[str, str]


def described(connection: BaseDatabaseWrapper, table: Relation, constraint: str) -> str | None:
    """Return how many rows of ``table`` violate a foreign key, and a query that finds them.

    Counts up to ``MOST``, for no longer than ``TIMEOUT_MS``. None where that cannot be told.
    """
    target, columns = _key(connection, table, constraint)
    if target is None:
        return None
    query = as_text(_query(table, target, columns), connection)
    found = _count(connection, query)
    if not found:
        return None
    count = f"More than {MOST:,} rows" if found > MOST else f"{found:,} of the rows"
    names = ", ".join(each.own for each in columns)
    return (
        f"{count} of {table.name} refer by {names} to rows of {target.name} that are gone. Put"
        f" those back, or change or delete the rows that refer to them: {query}"
    )


def _key(
    connection: BaseDatabaseWrapper, table: Relation, constraint: str
) -> tuple[Relation | None, list[_Column]]:
    rows = fetch_all(connection, KEY, {"table": table.oid, "name": constraint})
    columns = [_Column(own=own, other=other, operator=(s, o)) for *_, own, other, s, o in rows]
    target = next((Relation(oid=row[0], schema=row[1], name=row[2]) for row in rows), None)
    return target, columns


def _query(table: Relation, target: Relation, columns: Sequence[_Column]) -> Statement:
    own = [sql.Identifier("x", each.own) for each in columns]
    present = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(each) for each in own)
    equal = sql.SQL(" AND ").join(
        sql.SQL("{} OPERATOR({}.{}) {}").format(
            sql.Identifier("y", each.other),
            sql.Identifier(each.operator[0]),
            sql.SQL(each.operator[1]),
            sql.Identifier("x", each.own),
        )
        for each in columns
    )
    query: Statement = sql.SQL(
        "SELECT {} FROM {} x WHERE {} AND NOT EXISTS (SELECT FROM {} y WHERE {})"
    ).format(sql.SQL(", ").join(own), named(table), present, named(target), equal)
    return query


def _count(connection: BaseDatabaseWrapper, query: str) -> int:
    """Return how many the query finds; 0 where it takes too long. Leaves no setting behind."""
    try:
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
                cursor.execute(f"{query} LIMIT {MOST + 1}")
                found = len(cursor.fetchall())
            transaction.set_rollback(True, using=connection.alias)
    except DatabaseError:  # the failure that led here is the one to report
        return 0
    return found
