"""Advisory lock of a table, which keeps two workers from maintaining it at once.

A second connection holds it, in a transaction that stays open during the run. The working
connection cannot: its actions are transactions of their own, and DETACH CONCURRENTLY runs in none,
while a lock of session level would stay with a pooled server connection that another client gets
next. When the process dies, its connection and so the lock end by themselves.

So a run needs two connections at once. Behind a pooler where every run has its first one and waits
for its second, none would continue until the pooler's ``query_wait_timeout``, two minutes by
default, and the application's queries would wait in the same pool. To keep the guarantee that the
application waits no longer than the lock budget, a timer releases the lock: the waiting statement
has no server connection yet, so neither ``statement_timeout`` nor a cancel request reaches it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Deferred
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.driver import driver_connection
from pg_timepart.postgres.lock_attempts import HAS_TRANSACTION_TIMEOUT, IDLE_TIMEOUT
from pg_timepart.postgres.lock_holders import NAMESPACE, Holder, advisory_holders
from pg_timepart.postgres.threads import Event, new_event, unless_over_within

CHECK_SECONDS = 1.0
"""For how many seconds the lock's connection is assumed to be alive without asking it."""

SECOND_CONNECTION_SECONDS = (2.0, 4.0)
"""How many seconds the working connection may wait in a pooler while the lock is held.

The limit is a random moment in between, so that of two runs that wait for each other's connection
one gives up first.
"""


class AdvisoryLockTaken(Deferred):
    """Another worker maintains the table; ``holders`` says which."""

    def __init__(self, table: str, holders: Sequence[Holder]) -> None:
        who = "; ".join(map(str, holders)) or "somebody who has just finished"
        super().__init__(f"Another run maintains {table}: {who} holds its advisory lock.")
        self.holders = tuple(holders)


class NoSecondConnection(Deferred):
    """The pooler has no connection to work with beside the one that holds the lock."""

    def __init__(self, table: str, seconds: float) -> None:
        super().__init__(
            f"There was no second connection within {seconds:.1f} s while this run held the"
            f" advisory lock of {table}. A run needs two at once: let the pooler have more"
            " (default_pool_size of PgBouncer), or name a database past it in"
            " MAINTENANCE_DATABASES."
        )


@contextmanager
def advisory_lock(
    connection: BaseDatabaseWrapper, parent: Relation, *, wait_seconds: float = 0.0
) -> Iterator[Callable[[], bool]]:
    """Hold the advisory lock of ``parent``; raise AdvisoryLockTaken if it stays taken.

    Yields a function that tells whether the lock is still held: its connection may be lost. Inside
    a transaction of the caller, ``connection`` itself takes it, and keeps it until that transaction
    ends. Releases the lock and raises NoSecondConnection where a pooler has no connection left to
    work with.
    """
    if connection.in_atomic_block:
        _take(connection, parent, wait_seconds)
        yield lambda: True
        return
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        # Between two tries it has no transaction, so the pool can use its server connection.
        _take(holder, parent, wait_seconds, begin=lambda: _begin(holder), between=holder.rollback)
        _see_that_there_are_two(connection, holder, parent)
        yield _asked_rarely(holder.is_usable)
    finally:
        _end(holder)


def _asked_rarely(is_usable: Callable[[], bool]) -> Callable[[], bool]:
    """Return a check that asks the server at most once in CHECK_SECONDS, else says yes."""
    asked_at = time.monotonic()

    def is_held() -> bool:
        nonlocal asked_at
        now = time.monotonic()
        if now - asked_at < CHECK_SECONDS:
            return True
        asked_at = now
        return is_usable()

    return is_held


def _begin(holder: BaseDatabaseWrapper) -> None:
    """Open a transaction on a connection that is not in ``django.db.connections``."""
    with holder.cursor() as cursor:
        # At a higher isolation level it would keep a snapshot, for which FINALIZE waits.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(f"SET LOCAL {IDLE_TIMEOUT} = 0")
        if holder.pg_version >= HAS_TRANSACTION_TIMEOUT:  # type: ignore[attr-defined]
            cursor.execute("SET LOCAL transaction_timeout = 0")


def _end(holder: BaseDatabaseWrapper) -> None:
    try:
        with suppress(Error):  # lost, and so rolled back
            holder.rollback()
    finally:
        holder.close()


def _take(
    connection: BaseDatabaseWrapper,
    parent: Relation,
    wait_seconds: float,
    *,
    begin: Callable[[], None] = lambda: None,
    between: Callable[[], None] = lambda: None,
) -> None:
    deadline = time.monotonic() + wait_seconds
    begin()
    while not _try_advisory(connection, parent):
        if time.monotonic() >= deadline:
            raise AdvisoryLockTaken(parent.name, advisory_holders(connection, parent))
        between()
        time.sleep(random.uniform(0.02, 0.08))  # noqa: S311
        begin()


def _see_that_there_are_two(
    connection: BaseDatabaseWrapper, holder: BaseDatabaseWrapper, parent: Relation
) -> None:
    """Test the working connection while the lock is held; else release the lock.

    Only the end of the lock's transaction can end that wait: a cancel request does not reach a
    statement that has no server connection yet.
    """
    seconds = random.uniform(*SECOND_CONNECTION_SECONDS)  # noqa: S311
    is_let_go = new_event()

    def let_go(_: Event) -> None:
        is_let_go.set()
        with suppress(Error), holder.wrap_database_errors:  # lost, and so let go
            driver_connection(holder).rollback()

    with unless_over_within(seconds, let_go), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if is_let_go.is_set():
        raise NoSecondConnection(parent.name, seconds)


def _try_advisory(connection: BaseDatabaseWrapper, parent: Relation) -> bool:
    signed = parent.oid - 2**32 if parent.oid >= 2**31 else parent.oid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_try_advisory_xact_lock(%s, %s)", [NAMESPACE, signed])
        return bool(cursor.fetchone()[0])
