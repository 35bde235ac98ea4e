"""Run catalog queries under ``search_path = pg_catalog, pg_temp``, away from others' functions.

Under the connection's ``search_path``, ``=`` or ``unnest()`` may be an object of another role, and
would run with the rights of the role that maintains tables. Queries that run without this module
have no operator (LIKE, IN, CASE x WHEN, NULLIF and IS DISTINCT FROM are some), and qualify every
name. https://www.postgresql.org/docs/current/typeconv-func.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3, mogrify
from django.db.backends.utils import CursorWrapper

from pg_timepart.postgres.driver import nothing_prepared

SAFE_PATH = "pg_catalog, pg_temp"
"""Named last, the schema of temporary tables is not searched first."""

SET_SAFE_PATH = f"SET LOCAL search_path = {SAFE_PATH}"

# Found as an unqualified statement would find them: before the path is changed. A name with a
# schema that the role may not use would make to_regclass() raise for all of them.
FIND_TABLES = """
SELECT
    pg_catalog.set_config('pg_timepart.tables', COALESCE(pg_catalog.array_agg(CASE
        WHEN pg_catalog.int4eq(pg_catalog.array_length(pg_catalog.parse_ident(w.name), 1), 2)
            AND NOT pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace(
            pg_catalog.quote_ident((pg_catalog.parse_ident(w.name))[1]))::pg_catalog.oid, 'USAGE')
        THEN NULL ELSE pg_catalog.to_regclass(w.name) END::pg_catalog.oid ORDER BY w.number), '{}'
        )::pg_catalog.text, true),
    pg_catalog.set_config('pg_timepart.schemas',
        pg_catalog.current_schemas(false)::pg_catalog.text, true)
FROM pg_catalog.unnest(%(tables)s::pg_catalog.text[]) WITH ORDINALITY AS w(name, number)
"""

FOUND_TABLES = "pg_catalog.current_setting('pg_timepart.tables')::oid[]"
"""In a query: the OIDs of the given tables, null where a table does not exist."""

FOUND_SCHEMAS = "pg_catalog.current_setting('pg_timepart.schemas')::text[]"
"""In such a query: the existing schemas on the connection's own search_path."""

SAVEPOINT = "pg_timepart_path"


def fetch_all(
    connection: BaseDatabaseWrapper,
    query: str,
    values: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    tables: Sequence[str] | None = None,
) -> list[Any]:
    """Return the rows of one query that changes nothing, parsed under ``SAFE_PATH``.

    ``tables`` are quoted names, found by the connection's own path, which the query reads as
    ``FOUND_TABLES``; ``values`` is a mapping then. What the server deparses names every schema but
    pg_catalog. Nothing of the path is left behind: outside a transaction all is one string, which
    the server takes for one transaction; inside, a savepoint is rolled back.
    """
    statements = [SET_SAFE_PATH, query]
    if tables is not None:
        statements.insert(0, FIND_TABLES)
        values = {**dict(values or {}), "tables": list(tables)}
    text = mogrify("; ".join(statements), values, connection)
    with connection.cursor() as cursor, nothing_prepared(connection):
        if connection.get_autocommit():
            return _last_rows(cursor, text)
        rows = _last_rows(cursor, f"SAVEPOINT {SAVEPOINT}; {text}")
        cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}")
        return rows


def fetch_one(
    connection: BaseDatabaseWrapper,
    query: str,
    values: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Any:
    """Return the first row of a query as ``fetch_all`` runs it, or None."""
    return next(iter(fetch_all(connection, query, values)), None)


def _last_rows(cursor: CursorWrapper, text: str) -> list[Any]:
    """Return the rows of the last of several statements; psycopg 2 keeps no others."""
    cursor.execute(text)
    while is_psycopg3 and cursor.nextset():
        pass
    return list(cursor.fetchall())
