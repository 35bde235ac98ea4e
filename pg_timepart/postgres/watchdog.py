"""Watchdog of DETACH CONCURRENTLY: a second session cancels it once it blocks others too long.

A statement that cannot run in a transaction can have no ``lock_timeout`` of its own: ``SET LOCAL``
needs a transaction, and a plain ``SET`` would outlive it on a pooled server connection. So a DO
block on another connection looks at the statement every few milliseconds, and cancels it. It runs
in the server, so that it works also while this process is frozen, or dead: a timer in this process
alone would let the application queue behind a detach whose worker was stopped.

That takes a third connection for as long as the detach lasts, beside the one that works and the one
that holds the advisory lock. It cannot be the working one, which is busy. It cannot be the one of
the advisory lock, whose transaction must stay open: a DO block inside it cannot COMMIT between two
looks and keeps a snapshot throughout (``backend_xmin`` is set; tried on PostgreSQL 18), for which
the FINALIZE of any other table waits while it holds ACCESS EXCLUSIVE; and cancelling the watchdog,
which is how it ends, would abort that transaction and let go of the lock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql
from django.db.backends.utils import CursorWrapper

from pg_timepart.errors import Deferred
from pg_timepart.postgres.cancel import cancelled_after, cancelling, repeat_until
from pg_timepart.postgres.ddl import Statement, dollar_quote
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.search_path import SET_SAFE_PATH
from pg_timepart.postgres.sqlstate import sentence
from pg_timepart.postgres.threads import Thread, new_event, started

LOOK_SECONDS = 0.01
"""How often the watchdog reads what the statement holds and waits for."""

BEGIN_SECONDS = 2.0
"""How long the watchdog waits for a statement to begin: the process that asked may be dead."""

# Locks up to SHARE UPDATE EXCLUSIVE conflict with no statement of an application. Each look is a
# transaction of its own, so that no snapshot is kept. A role that was assumed may not see, or
# cancel, what the session's own one runs. COMMIT undoes the path, so no operator comes before it is
# set again.
WATCH = """DO {token} {quote}
DECLARE
    begun_at pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    stalling pg_catalog.timestamptz;
    watched integer;
    is_strong boolean;
    is_waiting boolean;
    was_seen boolean := false;
BEGIN
    LOOP
        {path};
        SET LOCAL ROLE NONE;
        EXIT WHEN pg_catalog.clock_timestamp() > begun_at + {seconds} * interval '1 second';
        SELECT a.pid, pg_catalog.count(l.pid) > 0,
               COALESCE(pg_catalog.bool_or(NOT l.granted), false)
        INTO watched, is_strong, is_waiting
        FROM pg_catalog.pg_stat_activity a
        LEFT JOIN pg_catalog.pg_locks l ON l.pid = a.pid
            AND l.locktype = 'relation' AND l.mode NOT IN
            ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock')
        WHERE pg_catalog.strpos(a.query, {statement}) > 0 AND a.pid <> pg_catalog.pg_backend_pid()
        AND a.state = 'active' AND a.usename = session_user
        AND a.datname = pg_catalog.current_database()
        GROUP BY a.pid;
        EXIT WHEN watched IS NULL AND (was_seen OR pg_catalog.clock_timestamp()
            > begun_at + {begin_seconds} * interval '1 second');
        was_seen := watched IS NOT NULL;
        stalling := CASE WHEN is_strong
                    THEN COALESCE(stalling, pg_catalog.clock_timestamp()) END;
        IF pg_catalog.clock_timestamp() >= stalling + interval '1 millisecond'
            * (CASE WHEN is_waiting THEN {waiting_ms} ELSE {stalling_ms} END)
        THEN
            PERFORM pg_catalog.pg_cancel_backend(watched);
        END IF;
        COMMIT;
        PERFORM pg_catalog.pg_sleep({look_seconds});
    END LOOP;
END {quote}"""

IS_WATCHING = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
WHERE pg_catalog.strpos(a.query, %s) > 0 AND a.pid <> pg_catalog.pg_backend_pid()
AND a.state = 'active' AND a.usename = session_user)
"""


class NotWatched(Deferred):
    """The watchdog did not start, so the statement was not sent."""

    def __init__(self, error: Error | None, *, is_blind: bool = False) -> None:
        super().__init__(
            f"The server could not watch over the concurrent detach: {sentence(error)}"
            if error
            else "track_activities is off, so the server does not see the concurrent detach that it"
            " shall watch over: switch it on, for all or by ALTER ROLE for the role that"
            " maintains, which takes a superuser."
            if is_blind
            else f"There was no third connection within {BEGIN_SECONDS:.0f} s, by which the server"
            " watches that a concurrent detach stops nobody: let the pooler have more"
            " (default_pool_size of PgBouncer), or name a database past it in"
            " MAINTENANCE_DATABASES."
        )


@contextmanager
def guarded(
    connection: BaseDatabaseWrapper, statement: str, *, budget_ms: int, limit_seconds: float
) -> Iterator[None]:
    """Watch ``statement``, which the block runs, and cancel it before it blocks others too long.

    It is cancelled where it still waits for a lock ``budget_ms`` after it first held or requested
    one that conflicts with the application's queries, or has not ended in twice that; and after
    ``limit_seconds`` in any case. Where the watchdog fails, or ends before the block does, it is
    cancelled at once. Raises NotWatched where the watchdog does not start, before the block is
    entered.
    """
    guard = connection.copy()
    try:
        guard.ensure_connection()
        guard.inc_thread_sharing()
        token = f"/* {uuid4()} */"
        watch = _watch(token, statement, budget_ms, limit_seconds)
        with (
            _running(guard, connection, watch, token),
            cancelled_after(connection, limit_seconds),
        ):
            yield
    finally:
        guard.close()


def _watch(token: str, statement: str, budget_ms: int, limit_seconds: float) -> Statement:
    look_ms = LOOK_SECONDS * 1000
    watch: Statement = sql.SQL(WATCH).format(
        token=sql.SQL(token),
        path=sql.SQL(SET_SAFE_PATH),
        quote=sql.SQL(dollar_quote(statement)),
        statement=sql.Literal(statement),
        seconds=sql.Literal(limit_seconds + 1),
        begin_seconds=sql.Literal(BEGIN_SECONDS),
        waiting_ms=sql.Literal(max(budget_ms - look_ms, 0)),
        stalling_ms=sql.Literal(max(2 * budget_ms - look_ms, 0)),
        look_seconds=sql.Literal(LOOK_SECONDS),
    )
    return watch


@contextmanager
def _running(
    guard: BaseDatabaseWrapper, watched: BaseDatabaseWrapper, watch: Statement, token: str
) -> Iterator[None]:
    """Run ``watch`` beside the block, which begins once it is seen there, and end it with it."""
    is_begun, is_over = new_event(), new_event()
    cancel_watched = cancelling(watched)
    failures: list[Error] = []

    def run() -> None:
        try:
            with guard.cursor() as cursor:
                cursor.execute(as_text(watch, guard))
        except Error as error:
            failures.append(error)
        repeat_until(is_over.wait, lambda: is_begun.is_set() and cancel_watched())

    thread = started(run)
    try:
        _wait_until_it_watches(watched, token, failures)
        is_begun.set()
        yield
    finally:
        is_over.set()
        repeat_until(lambda seconds: _has_ended(thread, seconds), cancelling(guard))


def _wait_until_it_watches(
    connection: BaseDatabaseWrapper, token: str, failures: list[Error]
) -> None:
    """Wait on the connection that will work: behind a pooler, there must be one for each."""
    deadline = time.monotonic() + BEGIN_SECONDS
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(SET_SAFE_PATH)
        cursor.execute("SET LOCAL ROLE NONE")
        while not _is_watching(cursor, token):
            if failures or time.monotonic() >= deadline:
                raise NotWatched(failures[0] if failures else None, is_blind=_is_blind(cursor))
            time.sleep(LOOK_SECONDS)


def _is_blind(cursor: CursorWrapper) -> bool:
    """Whether pg_stat_activity shows no statement of this role's sessions."""
    cursor.execute("SELECT pg_catalog.current_setting('track_activities')")
    return bool(cursor.fetchone()[0] == "off")


def _is_watching(cursor: CursorWrapper, token: str) -> bool:
    cursor.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
    cursor.execute(IS_WATCHING, [token])
    return bool(cursor.fetchone()[0])


def _has_ended(thread: Thread, seconds: float) -> bool:
    thread.join(seconds)
    return not thread.is_alive()
