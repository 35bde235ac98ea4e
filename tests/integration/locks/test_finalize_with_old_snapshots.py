"""Ending a pending detach, while old snapshots are about and a foreign key's target is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.shop.models import Event

STRONG_LOCKS = """
SELECT count(*) FROM pg_locks
WHERE relation = 'shop_customer'::regclass AND mode = 'ShareRowExclusiveLock' AND granted
"""


@contextmanager
def other_connection() -> Iterator[BaseDatabaseWrapper]:
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


@contextmanager
def transaction_of(other: BaseDatabaseWrapper, *statements: str) -> Iterator[None]:
    with other.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        for statement in statements:
            cursor.execute(statement)
        yield
        cursor.execute("ROLLBACK")


@contextmanager
def sampled(query: str) -> Iterator[Callable[[], set[int]]]:
    """Run the query again and again beside the block; what is given returns what was seen."""
    seen: set[int] = set()
    is_over = threading.Event()

    def look() -> None:
        with other_connection() as third, third.cursor() as cursor:
            while not is_over.wait(0.001):
                cursor.execute(query)
                seen.add(cursor.fetchone()[0])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: seen
    finally:
        is_over.set()
        thread.join()


def leave_pending(leaf: PartitionLog) -> None:
    """Detach concurrently, and be cancelled while somebody uses the parent."""
    with (
        other_connection() as other,
        transaction_of(other, "SELECT count(*) FROM shop_event"),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET statement_timeout = '100ms'")
        with pytest.raises(OperationalError):
            cursor.execute(
                f"ALTER TABLE shop_event DETACH PARTITION {leaf.table_name} CONCURRENTLY"
            )
        cursor.execute("RESET statement_timeout")


@pytest.mark.usefixtures("committing")
@override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.5})
def test_no_lock_on_the_target_is_held_while_waiting_for_snapshots() -> None:
    start = datetime(2001, 1, 1, tzinfo=UTC)
    Event.partitioning.create_range(start, start + timedelta(days=1))
    leaf = Event.partitioning.config.logs.get(start=start)
    leave_pending(leaf)
    with (
        other_connection() as other,
        transaction_of(other, "SELECT 1"),
        sampled(STRONG_LOCKS) as seen,
    ):
        assert maintain("shop.event").outcome is Outcome.DEFERRED
        assert seen() == {0}
    assert maintain("shop.event").outcome is Outcome.DONE
    leaf.refresh_from_db()
    assert not leaf.is_attached
    Event.partitioning.delete_partition(leaf)
