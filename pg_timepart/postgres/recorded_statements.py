"""Statements on a table that the extension pg_stat_statements has recorded.

Reads the extension's own view, in whatever schema: another of that name may be made by any role.
Whose statement may be planned by us is decided here, for planning runs functions that the
statement names: only one whose role has all our rights, so that whatever runs has run with these
rights already; and only one that a client sent, not one from within a function, which the server
may count under another role than the one that has run it.
https://www.postgresql.org/docs/current/pgstatstatements.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import TimepartError
from pg_timepart.postgres.search_path import FOUND_TABLES, fetch_all, fetch_one
from pg_timepart.postgres.sqlstate import INSUFFICIENT_PRIVILEGE, sqlstate

NOT_PRELOADED = "55000"
"""SQLSTATE of the view where the library was not loaded when the server started."""

HOW_TO_LOAD = (
    "add pg_stat_statements to shared_preload_libraries in postgresql.conf, restart the server, and"
    " as a superuser run CREATE EXTENSION pg_stat_statements in this database"
)

EXTENSION = """
SELECT quote_ident(n.nspname), EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objid AND a.attname = 'toplevel'
    WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""

IS_AVAILABLE = """
SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements'
"""

# Statements that name the table, or a view that reads it. USAGE: the role has our rights
# as it is, as we have ourselves and a superuser has. A role that is gone has none.
STATEMENTS = """
WITH RECURSIVE readers AS (
    SELECT w.oid FROM unnest({tables}) AS w(oid) WHERE w.oid IS NOT NULL
    UNION
    SELECT r.ev_class FROM readers x
    JOIN pg_catalog.pg_depend d ON d.refobjid = x.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
), named AS (
    SELECT DISTINCT lower(c.relname) AS name
    FROM readers x JOIN pg_catalog.pg_class c ON c.oid = x.oid
), recorded AS (
    SELECT s.queryid, s.query, s.calls, s.total_exec_time, r.rolname,
           CASE WHEN r.oid IS NULL THEN false
                ELSE pg_has_role(r.oid, current_user, 'USAGE') END AS has_our_rights
    FROM {schema}.pg_stat_statements s
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
    WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND s.calls > 0 AND s.toplevel
)
SELECT queryid, min(query), sum(calls)::bigint, sum(total_exec_time), has_our_rights,
       array_agg(DISTINCT rolname::text)
FROM recorded s
WHERE queryid IS NULL
OR EXISTS (SELECT FROM named n WHERE strpos(lower(s.query), n.name) > 0)
GROUP BY queryid, has_our_rights
ORDER BY sum(total_exec_time) DESC, queryid
"""

SINCE = "SELECT stats_reset FROM {schema}.pg_stat_statements_info"


class NotRecorded(TimepartError):
    """The server does not record statements, or does not show them to this role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStatement:
    """A statement, with constants as ``$1``, ``$2``, ..., and what it has cost."""

    query_id: int
    text: str
    calls: int
    total_ms: float


@dataclass(slots=True, kw_only=True)
class RecordedStatements:
    """What is recorded of one table, the most time first."""

    since: datetime | None
    ours: list[RecordedStatement] = field(default_factory=list)
    """Those of roles that have our rights: see above."""

    others: int = 0
    """How many there are of other roles."""

    other_roles: set[str] = field(default_factory=set)

    hidden: int = 0
    """How many roles there are whose statements this role may not see."""


def read_statements(connection: BaseDatabaseWrapper, table: str) -> RecordedStatements:
    """Return the statements that name the table (its quoted name), or a view that reads it.

    Raises NotRecorded with what to do where there is no pg_stat_statements, or no right to use it.
    """
    schema = _schema(connection)
    try:
        rows = fetch_all(
            connection, STATEMENTS.format(schema=schema, tables=FOUND_TABLES), {}, tables=[table]
        )
        (since,) = fetch_one(connection, SINCE.format(schema=schema))
    except Error as error:
        raise _unreadable(error, schema) from error
    found = RecordedStatements(since=since)
    for row in rows:
        _add(found, *row)
    return found


def _add(
    found: RecordedStatements,
    query_id: int | None,
    text: str,
    calls: int,
    total_ms: float,
    has_our_rights: bool,
    roles: list[Any],
) -> None:
    """Add one row of ``STATEMENTS``."""
    if query_id is None:
        found.hidden += len(roles)
    elif has_our_rights:
        found.ours.append(
            RecordedStatement(query_id=query_id, text=text, calls=calls, total_ms=total_ms)
        )
    else:
        found.others += 1
        found.other_roles.update(each or "(dropped)" for each in roles)


def _schema(connection: BaseDatabaseWrapper) -> str:
    """Return the extension's schema, quoted."""
    found = fetch_one(connection, EXTENSION)
    if found is None:
        is_available = fetch_one(connection, IS_AVAILABLE) is not None
        first = "" if is_available else "install PostgreSQL's contrib package on the server, "
        raise NotRecorded(
            "The database has no extension pg_stat_statements, which records what statements cost."
            f" To have it: {first}{HOW_TO_LOAD}. Then wait until the application has worked for a"
            " while."
        )
    schema, is_new = found
    if not is_new:
        raise NotRecorded(
            "The extension pg_stat_statements is of an older version than its library: as a"
            " superuser run ALTER EXTENSION pg_stat_statements UPDATE in this database."
        )
    return str(schema)


def _unreadable(error: Error, schema: str) -> Exception:
    """Return NotRecorded with what to do, or the error itself."""
    if sqlstate(error) == NOT_PRELOADED:
        return NotRecorded(
            "The extension pg_stat_statements is there, but its library is not loaded: add it to"
            " shared_preload_libraries in postgresql.conf, and restart the server."
        )
    if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
        return NotRecorded(
            f"This role may not read {schema}.pg_stat_statements: GRANT USAGE ON SCHEMA {schema}"
            f" and SELECT ON {schema}.pg_stat_statements, {schema}.pg_stat_statements_info to it."
        )
    return error
