"""Never a queue in front of the application.

``bounded`` runs statements that need a lock which the application's queries conflict with: it
looks from afar while somebody holds the table for long, tries within a budget of milliseconds,
and gives up rather than wait.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Deferred
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.cancel import cancelled_after
from pg_timepart.postgres.ddl import Lock
from pg_timepart.postgres.deferred_constraints import checked_now
from pg_timepart.postgres.driver import as_text, driver_connection, nothing_prepared
from pg_timepart.postgres.lock_holders import Holder, holders_of, oldest_snapshots
from pg_timepart.postgres.sqlstate import GAVE_WAY, sqlstate

T = TypeVar("T")

IN_FAILED_TRANSACTION = 3
"""libpq's PQTRANS_INERROR, which both drivers hand on."""

IDLE_TIMEOUT = "idle_in_transaction_session_timeout"
IDLE_SECONDS = 3
"""How long the server lets us pause between two statements of a try: a process that is frozen while
it holds locks loses them then, with its connection."""

HAS_TRANSACTION_TIMEOUT = 170_000
"""From this version on. A role's would end a move that lasts longer, in each pass again."""

BACKSTOP_SECONDS = 1.0
"""How much later than by the server's timeouts a try ends in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long others may wait for us, and we for others."""

    lock_ms: int
    wait_seconds: float
    long_transaction_ms: int


@dataclass(slots=True)
class Waiting:
    """Counts what a run waited, for its record."""

    seconds: float = 0.0
    tries: int = 0
    holders: list[Holder] = field(default_factory=list)


class Watch:
    """Tells long transactions from short ones over several looks.

    A role without ``pg_read_all_stats`` does not see how old others' transactions are. What it
    sees at its first look may be of any age, so it counts as long until it is gone; what comes
    later is as old as the look that saw it first.
    """

    def __init__(self, limit_ms: int) -> None:
        self._limit_seconds = limit_ms / 1000
        self._first_seen: dict[str, float] = {}
        self._since = float("-inf")
        self._begun = time.monotonic()

    def long(self, holders: list[Holder]) -> list[Holder]:
        """Return those whose transactions have been open for longer than the limit."""
        now = time.monotonic()
        found = [each for each in holders if self._age(each, now) > self._limit_seconds]
        self._since = now
        return found

    def saw_all_come(self, holders: Sequence[Holder]) -> bool:
        """Return whether each of them came after the first look: nobody held it all the time."""
        now = time.monotonic()
        return all(self._age(each, now) < now - self._begun for each in holders)

    def _age(self, holder: Holder, now: float) -> float:
        if holder.open_seconds is not None:
            return holder.open_seconds
        return now - self._first_seen.setdefault(holder.transaction, self._since)


class LockTimeout(Deferred):
    """The locks could not be had in time; ``holders`` says who had them when last seen."""

    def __init__(
        self, what: str, waited: float, holders: Sequence[Holder], advice: str = ""
    ) -> None:
        last = {each.transaction: each for each in reversed(holders)}
        who = "; ".join(f"{each} holds {each.mode} on {each.relation}" for each in last.values())
        super().__init__(
            f"{what} gave way after {waited:.1f} s: "
            + (who or "nobody was seen to hold it, but no try ended within the budget")
            + f".{advice}"
        )
        self.holders = tuple(holders)


def wait_for_short(
    find_holders: Callable[[], list[Holder]], budget: Budget, waiting: Waiting, what: str
) -> None:
    """Wait from afar until nobody that ``find_holders`` finds has been there for long.

    Raises LockTimeout when the budget's time is up.
    """
    deadline = time.monotonic() + budget.wait_seconds
    watch = Watch(budget.long_transaction_ms)
    while long := watch.long(find_holders()):
        waiting.holders = long
        if time.monotonic() >= deadline:
            advice = _advice(watch, long, budget, is_queued=False)
            raise LockTimeout(what, waiting.seconds, long, advice)
        _pause(waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[T]):
    """What one try does, in one transaction."""

    what: str
    """In a few words, for the error."""

    body: Callable[[], T]
    """Runs under the locks."""

    setup: Callable[[], None] = lambda: None
    """Runs before the locks are taken."""

    locks: Sequence[Lock] = ()
    """Taken in this order."""

    implicit_locks: Sequence[Lock] = ()
    """What ``body`` takes by itself: its holders are looked at as those of ``locks`` are."""

    altered: Sequence[Relation] = ()
    """Tables whose checks a transaction of the caller must not put off any longer."""

    awaits_snapshots: bool = False
    """Whether ``body`` waits for every older snapshot: who has one is looked at too."""

    tablespace: str | None = None
    """Where new tables and indexes go; None leaves that to the caller's settings."""

    is_unhurried: bool = False
    """Whether the statements may run for longer than the budget."""

    @property
    def needed(self) -> tuple[Lock, ...]:
        """All locks that it takes."""
        return (*self.locks, *self.implicit_locks)


def bounded(
    connection: BaseDatabaseWrapper, attempt: Attempt[T], *, budget: Budget, waiting: Waiting
) -> T:
    """Try until it succeeds, and return what the body returned.

    The locks together are waited for no longer than the budget, and unless ``is_unhurried`` what
    runs under them takes no longer either; else all is rolled back and tried again. Inside a
    transaction of the caller a try is a savepoint, the locks that succeed stay until that
    transaction ends, and checks that it has put off for ``altered`` are made first. Raises
    LockTimeout, a Deferred, when time is up, and IntegrityError where such a check fails.
    """
    deadline = time.monotonic() + budget.wait_seconds
    watch = Watch(budget.long_transaction_ms)
    # Who only waits for that mode stalls nobody, unless another lock is held meanwhile.
    can_stall = any(each.mode != "SHARE UPDATE EXCLUSIVE" for each in attempt.needed)
    while True:
        long = watch.long(_in_the_way(connection, attempt)) if can_stall else []
        waiting.holders = long
        if not long:
            try:
                return _try(connection, attempt, budget)
            except OperationalError as error:
                if sqlstate(error) not in GAVE_WAY:
                    raise
                _end_failed_transaction(connection)
                waiting.tries += 1
                waiting.holders = _in_the_way(connection, attempt)
        if time.monotonic() >= deadline:
            advice = _advice(watch, waiting.holders, budget, is_queued=not long)
            raise LockTimeout(attempt.what, waiting.seconds, waiting.holders, advice)
        _pause(waiting)


def _advice(watch: Watch, holders: Sequence[Holder], budget: Budget, *, is_queued: bool) -> str:
    """Return which setting helps where others follow one upon the other, and no one stays."""
    if not watch.saw_all_come(holders):
        return ""
    if is_queued:
        return (
            " No one held it all the time, but they left no gap: a larger LOCK_BUDGET_MS (now"
            f" {budget.lock_ms:g} ms for all locks of a try) lets it queue for longer, and so"
            " whoever comes after it; URGENT_LOCK_BUDGET_MS does so only for creates, when room"
            " runs out."
        )
    return (
        " No one held it all the time: where transactions of that length follow one upon the other,"
        f" raise LONG_TRANSACTION_MS (now {budget.long_transaction_ms:g}), and LOCK_BUDGET_MS to"
        " their length."
    )


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
    """Roll back what the server has not ended: psycopg2 takes a COMMIT that failed for an end.

    One that is cancelled before the server begins with it leaves the transaction open, and the
    rollback that Django asks for then does nothing.
    """
    raw = driver_connection(connection)
    if connection.in_atomic_block or raw is None:
        return
    if raw.info.transaction_status == IN_FAILED_TRANSACTION:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def _take(connection: BaseDatabaseWrapper, attempt: Attempt[T], budget: Budget) -> None:
    """Take the locks in one round trip, so that none is held while the next one is on its way.

    They share the budget: who queues behind the first waits while we wait for the others.
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
    """Return for how many milliseconds each of these locks may be waited for."""
    return max(budget_ms // max(len(locks), 1), 1)


@contextmanager
def _settings_restored(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give the caller's transaction its settings back; a rollback does that by itself."""
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


def _pause(waiting: Waiting) -> None:
    pause = random.uniform(0.02, 0.08)  # noqa: S311
    time.sleep(pause)
    waiting.seconds += pause
