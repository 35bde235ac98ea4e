"""Take table locks with short timeouts and retries, so that queries never queue behind us long.

While a session has held a conflicting lock for long, no lock is requested: queries after a waiting
ACCESS EXCLUSIVE lock queue behind it. Each attempt is one transaction that waits for its locks, and
holds them, within a budget of milliseconds, and is rolled back beyond that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.cancel import cancelled_after
from pg_timepart.postgres.ddl import Lock
from pg_timepart.postgres.deferred_constraints import checked_now
from pg_timepart.postgres.driver import as_text, driver_connection, nothing_prepared
from pg_timepart.postgres.lock_holders import Holder, holders_of, oldest_snapshots
from pg_timepart.postgres.lock_waits import (
    Budget,
    HolderAges,
    LockTimeout,
    Waiting,
    advice_on,
    pause,
)
from pg_timepart.postgres.sqlstate import LOCK_NOT_OBTAINED, sqlstate

T = TypeVar("T")

IN_FAILED_TRANSACTION = 3
"""libpq's PQTRANS_INERROR, as both drivers report it."""

IDLE_TIMEOUT = "idle_in_transaction_session_timeout"
IDLE_SECONDS = 3
"""How long the server lets an attempt pause between two statements: a process that is frozen while
it holds locks loses them then, with its connection."""

HAS_TRANSACTION_TIMEOUT = 170_000
"""The first server version that has ``transaction_timeout``, which is switched off: set for a role,
it would end a move that lasts longer, in each pass again."""

BACKSTOP_SECONDS = 1.0
"""How many seconds after the server's timeouts the driver cancels an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[T]):
    """One attempt: a transaction with its locks and what runs under them."""

    what: str
    """What it does, in a few words, for the error."""

    body: Callable[[], T]
    """Runs under the locks."""

    setup: Callable[[], None] = lambda: None
    """Runs before the locks are taken."""

    locks: Sequence[Lock] = ()
    """Taken in this order."""

    implicit_locks: Sequence[Lock] = ()
    """Locks that ``body`` takes by itself; who holds them is waited for as with ``locks``."""

    altered: Sequence[Relation] = ()
    """Tables whose deferred checks run first, in a transaction of the caller."""

    awaits_snapshots: bool = False
    """Whether ``body`` waits for every older snapshot, whose holders are waited for first."""

    tablespace: str | None = None
    """The default tablespace for new objects; None leaves it to the caller's settings."""

    is_unhurried: bool = False
    """Whether the statements may run for longer than the budget."""

    @property
    def needed(self) -> tuple[Lock, ...]:
        """All locks that it takes."""
        return (*self.locks, *self.implicit_locks)


def bounded(
    connection: BaseDatabaseWrapper, attempt: Attempt[T], *, budget: Budget, waiting: Waiting
) -> T:
    """Run the attempt until it succeeds, and return what its body returned.

    The locks together are waited for no longer than the budget, and unless ``is_unhurried`` what
    runs under them takes no longer either; else all is rolled back and tried again. Inside a
    transaction of the caller an attempt is a savepoint, its locks stay until that transaction ends,
    and deferred constraints of ``altered`` are checked first. What was waited is added to
    ``waiting``. Raises LockTimeout, a Deferred, once ``budget.wait_seconds`` are over, and
    IntegrityError where a deferred constraint is violated.
    """
    deadline = time.monotonic() + budget.wait_seconds
    ages = HolderAges(budget.long_transaction_ms)
    # A request for that mode blocks no query, unless another lock is held meanwhile.
    can_stall = any(each.mode != "SHARE UPDATE EXCLUSIVE" for each in attempt.needed)
    while True:
        long = ages.long(_in_the_way(connection, attempt)) if can_stall else []
        waiting.holders = long
        if not long:
            try:
                return _try(connection, attempt, budget)
            except OperationalError as error:
                if sqlstate(error) not in LOCK_NOT_OBTAINED:
                    raise
                _end_failed_transaction(connection)
                waiting.tries += 1
                waiting.holders = _in_the_way(connection, attempt)
        if time.monotonic() >= deadline:
            advice = advice_on(ages, waiting.holders, budget, is_queued=not long)
            raise LockTimeout(attempt.what, waiting.seconds, waiting.holders, advice)
        pause(waiting)


def _in_the_way(connection: BaseDatabaseWrapper, attempt: Attempt[T]) -> list[Holder]:
    found = holders_of(connection, attempt.needed)
    return [*found, *oldest_snapshots(connection)] if attempt.awaits_snapshots else found


def _try(connection: BaseDatabaseWrapper, attempt: Attempt[T], budget: Budget) -> T:
    local = {"lock_timeout": f"{budget.lock_ms}ms", "statement_timeout": "0"}
    if not connection.in_atomic_block:
        local[IDLE_TIMEOUT] = f"{IDLE_SECONDS}s"
        if connection.pg_version >= HAS_TRANSACTION_TIMEOUT:  # type: ignore[attr-defined]
            local["transaction_timeout"] = "0"
    if attempt.tablespace:
        local["default_tablespace"] = attempt.tablespace
    altered = attempt.altered if connection.in_atomic_block else ()
    with (
        transaction.atomic(using=connection.alias),
        checked_now(connection, altered),
        _settings_restored(connection),
    ):
        _set_local(connection, local)
        attempt.setup()
        with cancelled_after(connection, 2 * budget.lock_ms / 1000 + BACKSTOP_SECONDS):
            _take(connection, attempt, budget)
            if not attempt.is_unhurried:
                return attempt.body()
        return attempt.body()


def _end_failed_transaction(connection: BaseDatabaseWrapper) -> None:
    """Roll back a transaction left open: psycopg2 takes a failed COMMIT for the end of it.

    A COMMIT that is cancelled before the server begins with it leaves the transaction open, and
    Django's rollback then does nothing.
    """
    raw = driver_connection(connection)
    if connection.in_atomic_block or raw is None:
        return
    if raw.info.transaction_status == IN_FAILED_TRANSACTION:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def _take(connection: BaseDatabaseWrapper, attempt: Attempt[T], budget: Budget) -> None:
    """Take the locks in one round trip, so that none is held while the next one is on its way.

    They share the budget: queries queue behind the first while we wait for the others.
    """
    lock_ms = share_of(budget.lock_ms, attempt.locks)
    statement_ms = 0 if attempt.is_unhurried else budget.lock_ms
    statements = [
        f"SET LOCAL lock_timeout = {lock_ms}",
        f"SET LOCAL statement_timeout = {statement_ms}",
        *(as_text(lock.statement, connection) for lock in attempt.locks),
    ]
    with connection.cursor() as cursor, nothing_prepared(connection):
        cursor.execute("; ".join(statements))


def share_of(budget_ms: int, locks: Sequence[Lock]) -> int:
    """Return how many milliseconds each of these locks may be waited for."""
    return max(budget_ms // max(len(locks), 1), 1)


@contextmanager
def _settings_restored(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Restore the settings of the caller's transaction; a rollback does so by itself."""
    names = ("lock_timeout", "statement_timeout", "default_tablespace")
    is_nested = len(connection.savepoint_ids) > 0
    before = _settings(connection, names) if is_nested else {}
    yield
    if before:
        _set_local(connection, before)


def _settings(connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        columns = ", ".join(["pg_catalog.current_setting(%s)"] * len(names))
        cursor.execute(f"SELECT {columns}", names)
        return dict(zip(names, cursor.fetchone(), strict=True))


def _set_local(connection: BaseDatabaseWrapper, values: Mapping[str, str]) -> None:
    with connection.cursor() as cursor:
        columns = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(values))
        cursor.execute(f"SELECT {columns}", [*chain.from_iterable(values.items())])
