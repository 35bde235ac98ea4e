"""Constraint checks that a transaction puts off until its end.

PostgreSQL refuses to alter, empty or drop a table while rows of it await such a check ("because it
has pending trigger events"). Django declares every foreign key so, and a TestCase never commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.drivers import as_text
from pg_timepart.relations import Relation

Name = tuple[str, str]
"""Schema and name of a constraint: all that SET CONSTRAINTS can say."""

# Foreign keys of other tables that refer to one of these put off checks of its own rows.
DEFERRABLE = """
SELECT DISTINCT n.nspname::pg_catalog.text, k.conname::pg_catalog.text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) k.connamespace
WHERE k.condeferrable
AND (k.conrelid OPERATOR(pg_catalog.=) ANY (%(tables)s::pg_catalog.oid[])
     OR k.confrelid OPERATOR(pg_catalog.=) ANY (%(tables)s::pg_catalog.oid[]))
ORDER BY 1, 2
"""

# A name is that of the constraints of all tables of the schema that have one so called.
DECLARED_DEFERRED = """
SELECT w.schema, w.name
FROM ROWS FROM (pg_catalog.unnest(%(schemas)s::pg_catalog.text[]),
                pg_catalog.unnest(%(names)s::pg_catalog.text[])) AS w(schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) w.schema
JOIN pg_catalog.pg_constraint k ON k.connamespace OPERATOR(pg_catalog.=) n.oid
    AND k.conname OPERATOR(pg_catalog.=) w.name
GROUP BY w.schema, w.name
HAVING pg_catalog.bool_and(k.condeferred)
ORDER BY 1, 2
"""


@contextmanager
def checked_now(connection: BaseDatabaseWrapper, tables: Sequence[Relation]) -> Iterator[None]:
    """Make the checks that this transaction has put off for ``tables``, and run the block.

    Afterwards those constraints wait for the end again that are declared INITIALLY DEFERRED. Must
    be in a savepoint, whose rollback undoes it all. Raises IntegrityError where a row is refused.
    """
    names = _names(connection, DEFERRABLE, tables=[each.oid for each in tables]) if tables else []
    _set(connection, names, "IMMEDIATE")
    yield
    if names:
        schemas, own = map(list, zip(*names, strict=True))
        declared = _names(connection, DECLARED_DEFERRED, schemas=schemas, names=own)
        _set(connection, declared, "DEFERRED")


def _names(connection: BaseDatabaseWrapper, query: str, **values: Any) -> list[Name]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [(schema, name) for schema, name in cursor.fetchall()]


def _set(connection: BaseDatabaseWrapper, names: Sequence[Name], mode: str) -> None:
    if not names:
        return
    listed = sql.SQL(", ").join(sql.Identifier(*each) for each in names)
    statement = sql.SQL("SET CONSTRAINTS {} {}").format(listed, sql.SQL(mode))
    with connection.cursor() as cursor:
        cursor.execute(as_text(statement, connection))
