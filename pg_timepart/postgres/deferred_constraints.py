"""Deferred constraints: run their checks before DDL of the same transaction.

PostgreSQL refuses to alter, empty or drop a table while rows of it await such a check ("because it
has pending trigger events"). Django declares every foreign key so, and a TestCase never commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.search_path import fetch_all

Name = tuple[str, str]
"""Schema and name of a constraint, which are all that SET CONSTRAINTS takes."""

# Foreign keys from other tables to one of these defer checks on its rows as well.
DEFERRABLE = """
SELECT DISTINCT n.nspname::text, k.conname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
WHERE k.condeferrable
AND (k.conrelid = ANY (%(tables)s::oid[])
     OR k.confrelid = ANY (%(tables)s::oid[]))
ORDER BY 1, 2
"""

# One name may mean constraints of several tables of the schema.
DECLARED_DEFERRED = """
SELECT w.schema, w.name
FROM ROWS FROM (unnest(%(schemas)s::text[]),
                unnest(%(names)s::text[])) AS w(schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
JOIN pg_catalog.pg_constraint k ON k.connamespace = n.oid
    AND k.conname = w.name
GROUP BY w.schema, w.name
HAVING bool_and(k.condeferred)
ORDER BY 1, 2
"""


@contextmanager
def checked_now(connection: BaseDatabaseWrapper, tables: Sequence[Relation]) -> Iterator[None]:
    """Run the checks that this transaction has deferred for ``tables``, then the block.

    Afterwards constraints that are INITIALLY DEFERRED are deferred again. Must be in a savepoint,
    whose rollback undoes it all. Raises IntegrityError where a row is refused.
    """
    names = _names(connection, DEFERRABLE, tables=[each.oid for each in tables]) if tables else []
    _set(connection, names, "IMMEDIATE")
    yield
    if names:
        schemas, own = map(list, zip(*names, strict=True))
        declared = _names(connection, DECLARED_DEFERRED, schemas=schemas, names=own)
        _set(connection, declared, "DEFERRED")


def _names(connection: BaseDatabaseWrapper, query: str, **values: Any) -> list[Name]:
    return [(schema, name) for schema, name in fetch_all(connection, query, values)]


def _set(connection: BaseDatabaseWrapper, names: Sequence[Name], mode: str) -> None:
    if not names:
        return
    listed = sql.SQL(", ").join(sql.Identifier(*each) for each in names)
    statement = sql.SQL("SET CONSTRAINTS {} {}").format(listed, sql.SQL(mode))
    with connection.cursor() as cursor:
        cursor.execute(as_text(statement, connection))
