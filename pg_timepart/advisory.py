"""The advisory lock that keeps two workers from maintaining one table at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Deferred
from pg_timepart.holders import NAMESPACE, Holder, advisory_holders
from pg_timepart.relations import Relation

# The second exists from 17 on.
NO_TIMEOUT = """
SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""


CHECK_SECONDS = 1.0
"""How long it is believed, without asking, that the lock's connection is still there."""


class AdvisoryLockTaken(Deferred):
    """Another worker maintains the table; ``holders`` says which."""

    def __init__(self, table: str, holders: Sequence[Holder]) -> None:
        who = "; ".join(map(str, holders)) or "somebody who has just finished"
        super().__init__(f"Another run maintains {table}: {who} holds its advisory lock.")
        self.holders = tuple(holders)


@contextmanager
def advisory_lock(
    connection: BaseDatabaseWrapper, parent: Relation, *, wait_seconds: float = 0.0
) -> Iterator[Callable[[], bool]]:
    """Hold the advisory lock of ``parent``; raise AdvisoryLockTaken if it stays taken.

    Gives a function that tells whether the lock is still held: its connection may be lost.

    Outside a transaction, a second connection holds it at transaction level: right for statements
    that run in autocommit and behind a pooler, and gone when this process is. Inside a
    transaction of the caller, the same connection takes it and keeps it until that ends.
    """
    if connection.in_atomic_block:
        _take(connection, parent, wait_seconds)
        yield lambda: True
        return
    holder = connection.copy()
    try:
        with _transaction_of(holder):
            _take(holder, parent, wait_seconds)
            yield _asked_rarely(holder.is_usable)
    finally:
        holder.close()


def _asked_rarely(is_usable: Callable[[], bool]) -> Callable[[], bool]:
    """Ask the server at most once in CHECK_SECONDS: hundreds of quick actions need no more."""
    asked_at = time.monotonic()

    def is_held() -> bool:
        nonlocal asked_at
        now = time.monotonic()
        if now - asked_at < CHECK_SECONDS:
            return True
        asked_at = now
        return is_usable()

    return is_held


@contextmanager
def _transaction_of(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep a transaction open on a connection that is not in ``django.db.connections``."""
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        # At a higher level it would keep a snapshot, for which FINALIZE waits.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(NO_TIMEOUT)
    try:
        yield
    finally:
        if connection.connection is not None and connection.is_usable():
            connection.rollback()


def _take(connection: BaseDatabaseWrapper, parent: Relation, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not _try_advisory(connection, parent):
        if time.monotonic() >= deadline:
            raise AdvisoryLockTaken(parent.name, advisory_holders(connection, parent))
        time.sleep(random.uniform(0.02, 0.08))  # noqa: S311


def _try_advisory(connection: BaseDatabaseWrapper, parent: Relation) -> bool:
    signed = parent.oid - 2**32 if parent.oid >= 2**31 else parent.oid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_try_advisory_xact_lock(%s, %s)", [NAMESPACE, signed])
        return bool(cursor.fetchone()[0])
