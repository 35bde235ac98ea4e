"""Orphaned rows: those of a detached table that violate a foreign key which ATTACH must build."""

from __future__ import annotations

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Statement, named
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.foreign_key_columns import (
    ForeignKeyColumns,
    equal,
    foreign_key_named,
    not_null,
)
from pg_timepart.postgres.limited_queries import fetch_within

MOST = 1_000
"""Up to how many rows are counted."""

TIMEOUT_MS = 5_000


def described(connection: BaseDatabaseWrapper, table: Relation, constraint: str) -> str | None:
    """Return how many rows of ``table`` violate a foreign key, and a query that finds them.

    Counts up to ``MOST``, for no longer than ``TIMEOUT_MS``. None where that cannot be told.
    """
    key = foreign_key_named(connection, table, constraint)
    if key is None:
        return None
    query = as_text(_query(key), connection)
    found = _count(connection, query)
    if not found:
        return None
    count = f"More than {MOST:,} rows" if found > MOST else f"{found:,} of the rows"
    return (
        f"{count} of {table.name} refer by {key.names} to rows of {key.target.name} that are gone."
        f" Put those back, or change or delete the rows that refer to them: {query}"
    )


def _query(key: ForeignKeyColumns) -> Statement:
    own = (sql.Identifier("x", each.own) for each in key.columns)
    query: Statement = sql.SQL(
        "SELECT {} FROM {} x WHERE {} AND NOT EXISTS (SELECT FROM {} y WHERE {})"
    ).format(
        sql.SQL(", ").join(own),
        named(key.table),
        not_null("x", key.columns),
        named(key.target),
        equal("y", "x", key.columns),
    )
    return query


def _count(connection: BaseDatabaseWrapper, query: str) -> int:
    """Return how many the query finds; 0 where it takes too long."""
    try:
        return len(fetch_within(connection, f"{query} LIMIT {MOST + 1}", TIMEOUT_MS))
    except DatabaseError:  # the failure that led here is the one to report
        return 0
