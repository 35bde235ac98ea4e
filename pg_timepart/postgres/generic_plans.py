"""Generic plans of recorded statements, which are planned and never executed.

The text comes from a view, so it is taken for hostile:

- It is refused where it has a semicolon anywhere, so that it cannot be more than one statement.
- ``PREPARE name AS`` takes a SELECT, INSERT, UPDATE, DELETE, MERGE or VALUES, and nothing else; a
  text that begins otherwise is not sent at all.
- ``EXPLAIN EXECUTE``, without ANALYZE, plans it in a READ ONLY transaction that is rolled back,
  with limits on its time and its waits for locks.
- Planning runs functions: ``recorded_statements`` says whose statements may be planned.

Every parameter is NULL and the plan a generic one. NULL is equal to nothing, so where a condition
on the key has a parameter, all partitions are pruned when execution would begin, and where
partitions are left, none of the parameters prunes. That needs no values, and no GENERIC_PLAN, which
comes with PostgreSQL 16 and shows no such pruning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import TimepartError
from pg_timepart.postgres.sqlstate import sqlstate
from pg_timepart.postgres.statement_plans import StatementPlan, read_plan

NAME = "pg_timepart_advice"
SAVEPOINT = "pg_timepart_advice"
STATEMENT_TIMEOUT_MS = 5000

BEGINNING = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/|\()*([A-Za-z]+)")
"""White space, comments that hold no other comment, parentheses; then the first word."""

SYNTAX_ERROR = "42601"

STATEMENTS = frozenset({"select", "with", "values", "insert", "update", "delete", "merge"})

# Without an operator, for it runs under the connection's own search_path.
PARAMETERS = f"""
SELECT pg_catalog.cardinality(parameter_types) FROM pg_catalog.pg_prepared_statements
WHERE pg_catalog.texteq(name, '{NAME}')
"""  # noqa: S608  # made of a constant


class NotPlanned(TimepartError):
    """The statement was refused before it was sent, or the server could not plan it."""


@contextmanager
def planning_connection(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection of one's own to the same database, as the same role; closed at the end."""
    own = connection.copy()
    own.set_autocommit(False)
    try:
        yield own
    finally:
        own.close()


def first_word(text: str) -> str:
    """Return the first word of a statement, in lower case, or nothing."""
    found = BEGINNING.match(text)
    return found.group(1).lower() if found else ""


def is_statement(text: str) -> bool:
    """Return whether the text begins as a statement that reads or writes rows."""
    return first_word(text) in STATEMENTS


def generic_plan(connection: BaseDatabaseWrapper, text: str, *, lock_ms: int) -> StatementPlan:
    """Return the generic plan of a statement with parameters ``$1``, ``$2``, ...

    ``connection`` is of ``planning_connection``; no transaction is left open. Raises NotPlanned
    where the text is refused or the server cannot plan it, and the database's error where the
    connection is lost.
    """
    if ";" in text or not is_statement(text):
        raise NotPlanned("there is a semicolon in it, or it is no SELECT, UPDATE or the like")
    try:
        with connection.cursor() as cursor:
            _begin(cursor, lock_ms)
            return read_plan(_explained(cursor, text))
    except InterfaceError:
        raise
    except Error as error:
        if sqlstate(error) is None:  # of the connection, not of the server
            raise
        raise NotPlanned(_why(error)) from error
    finally:
        _end(connection)


def _why(error: Error) -> str:
    """Return the reason in one line. Names in it are of the statement, never its values."""
    if sqlstate(error) == SYNTAX_ERROR:
        return "it is recorded with $1 where only a constant can stand, as in interval $1"
    return str(error).strip().partition("\n")[0]


def _begin(cursor: Any, lock_ms: int) -> None:
    cursor.execute("SET TRANSACTION READ ONLY")
    for name, value in (
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("lock_timeout", lock_ms),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
    ):
        cursor.execute(f"SET LOCAL {name} = {value}")


def _explained(cursor: Any, text: str) -> Any:
    """Return the plan. The prepared statement would outlive the transaction, so it is removed."""
    cursor.execute(f"SAVEPOINT {SAVEPOINT}")
    cursor.execute(f"PREPARE {NAME} AS {text}")
    try:
        cursor.execute(PARAMETERS)
        nulls = ", ".join(["NULL"] * cursor.fetchone()[0])
        arguments = f" ({nulls})" if nulls else ""
        cursor.execute(f"EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) EXECUTE {NAME}{arguments}")
        return cursor.fetchone()[0]
    finally:
        cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        cursor.execute(f"DEALLOCATE {NAME}")


def _end(connection: BaseDatabaseWrapper) -> None:
    if connection.connection is not None:
        connection.rollback()
