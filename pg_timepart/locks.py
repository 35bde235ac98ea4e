"""Never a queue in front of the application.

``bounded`` runs statements that need a lock which the application's queries conflict with: it
looks from afar while somebody holds the table for long, tries within a budget of milliseconds,
and gives up rather than wait.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.ddl import Lock
from pg_timepart.errors import Deferred
from pg_timepart.faults import GAVE_WAY, sqlstate
from pg_timepart.holders import Holder, holders_of

T = TypeVar("T")


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

    def long(self, holders: list[Holder]) -> list[Holder]:
        """Return those whose transactions have been open for longer than the limit."""
        now = time.monotonic()
        found = [each for each in holders if self._age(each, now) > self._limit_seconds]
        self._since = now
        return found

    def _age(self, holder: Holder, now: float) -> float:
        if holder.open_seconds is not None:
            return holder.open_seconds
        return now - self._first_seen.setdefault(holder.transaction, self._since)


class LockTimeout(Deferred):
    """The locks could not be had in time; ``holders`` says who had them when last seen."""

    def __init__(self, what: str, waited: float, holders: Sequence[Holder]) -> None:
        who = "; ".join(f"{each} holds {each.mode} on {each.relation}" for each in holders)
        super().__init__(
            f"{what} gave way after {waited:.1f} s: "
            + (who or "nobody was seen to hold it for long, but no try ended within the budget")
            + "."
        )
        self.holders = tuple(holders)


def wait_for_short(
    look: Callable[[], list[Holder]], budget: Budget, waiting: Waiting, what: str
) -> None:
    """Wait from afar until nobody that ``look`` finds has been there for long.

    Raises LockTimeout when the budget's time is up.
    """
    deadline = time.monotonic() + budget.wait_seconds
    watch = Watch(budget.long_transaction_ms)
    while long := watch.long(look()):
        waiting.holders = long
        if time.monotonic() >= deadline:
            raise LockTimeout(what, waiting.seconds, long)
        _pause(waiting)


def bounded(
    connection: BaseDatabaseWrapper,
    locks: Sequence[Lock],
    body: Callable[[], T],
    *,
    budget: Budget,
    waiting: Waiting,
    what: str,
    setup: Callable[[], None] = lambda: None,
    is_unhurried: bool = False,
) -> T:
    """Run ``setup``, take ``locks``, run ``body``, all in one transaction, and return its result.

    No lock is waited for longer than the budget, and unless ``is_unhurried`` no statement under
    them runs longer either; then all is rolled back and tried again. ``setup`` runs before the
    locks. Inside a transaction of the caller a try is a savepoint, and the locks that succeed stay
    until that transaction ends. Raises LockTimeout, a Deferred, when time is up.
    """
    deadline = time.monotonic() + budget.wait_seconds
    watch = Watch(budget.long_transaction_ms)
    stalling = [each for each in locks if each.mode != "SHARE UPDATE EXCLUSIVE"]
    while True:
        long = watch.long(holders_of(connection, stalling)) if stalling else []
        waiting.holders = long
        if not long:
            try:
                return _try(connection, locks, setup, body, budget, is_unhurried)
            except OperationalError as error:
                if sqlstate(error) not in GAVE_WAY:
                    raise
                waiting.tries += 1
                waiting.holders = holders_of(connection, locks)
        if time.monotonic() >= deadline:
            raise LockTimeout(what, waiting.seconds, waiting.holders)
        _pause(waiting)


def _try(
    connection: BaseDatabaseWrapper,
    locks: Sequence[Lock],
    setup: Callable[[], None],
    body: Callable[[], T],
    budget: Budget,
    is_unhurried: bool,
) -> T:
    with transaction.atomic(using=connection.alias), _timeouts_restored(connection):
        _set_timeouts(connection, lock_ms=budget.lock_ms, statement_ms=0)
        setup()
        _set_timeouts(
            connection,
            lock_ms=budget.lock_ms,
            statement_ms=0 if is_unhurried else budget.lock_ms,
        )
        with connection.cursor() as cursor:
            for lock in locks:
                cursor.execute(lock.statement.as_string(connection.connection))
        return body()


@contextmanager
def _timeouts_restored(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give the caller's transaction its timeouts back; a rollback does that by itself."""
    names = ("lock_timeout", "statement_timeout", "default_tablespace")
    is_nested = len(connection.savepoint_ids) > 0
    before = _settings(connection, names) if is_nested else {}
    yield
    for name, value in before.items():
        _set_local(connection, name, value)


def _settings(connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_catalog.current_setting(name) FROM unnest(%s::text[]) AS u(name)",
            [list(names)],
        )
        return dict(cursor.fetchall())


def _set_timeouts(connection: BaseDatabaseWrapper, *, lock_ms: int, statement_ms: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true),"
            " pg_catalog.set_config('statement_timeout', %s, true)",
            [f"{lock_ms}ms", f"{statement_ms}ms"],
        )


def _set_local(connection: BaseDatabaseWrapper, name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])


def set_default_tablespace(connection: BaseDatabaseWrapper, tablespace: str) -> None:
    """Send tables and indexes of the current ``bounded`` transaction there."""
    _set_local(connection, "default_tablespace", tablespace)


def _pause(waiting: Waiting) -> None:
    pause = random.uniform(0.02, 0.08)  # noqa: S311
    time.sleep(pause)
    waiting.seconds += pause
