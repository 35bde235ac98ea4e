"""Cancel requests of the driver, for statements that outlast a monotonic clock of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.postgres.driver import driver_connection
from pg_timepart.postgres.threads import unless_over_within

GRACE_SECONDS = 0.05
"""Seconds until a statement must have ended by itself, and between cancel requests."""

IS_ACTIVE = 1
"""libpq's PQTRANS_ACTIVE, as both drivers report it."""


@contextmanager
def cancelled_after(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Cancel the statement on the connection after this time, until it ends.

    The driver's cancel request needs no transaction, leaves no setting on a pooled server
    connection, and comes in time also where the server's clock is set back: a running
    ``lock_timeout`` would then end later by that much.
    """
    cancel = cancelling(connection)
    with unless_over_within(seconds, lambda is_over: repeat_until(is_over.wait, cancel)):
        yield


@contextmanager
def nothing_left_running(*connections: BaseDatabaseWrapper) -> Iterator[None]:
    """Cancel what runs on these connections when a signal's exception interrupts the driver.

    Celery's soft time limit is such an exception. psycopg 3 leaves the statement running then, and
    the connection unusable: it is closed, and its next use opens a new one. psycopg 2 raises the
    exception only once the statement has ended.
    """
    with ExitStack() as stack:
        for each in connections:
            stack.enter_context(each.execute_wrapper(_end_if_interrupted))
        yield


def _end_if_interrupted(
    execute: Callable[..., Any], query: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    try:
        return execute(query, params, many, context)
    except BaseException:
        connection = context["connection"]
        raw = driver_connection(connection)
        if raw is not None and raw.info.transaction_status == IS_ACTIVE:
            cancelling(connection)()
            connection.close()
        raise


def cancelling(connection: BaseDatabaseWrapper) -> Callable[[], None]:
    """Return a function that cancels what runs on the connection, callable from any thread."""
    raw, translated = driver_connection(connection), connection.wrap_database_errors

    def cancel() -> None:
        with suppress(Error), translated:
            raw.cancel()

    return cancel


def repeat_until(is_over: Callable[[float], bool], cancel: Callable[[], object]) -> None:
    """Cancel repeatedly: a request that comes before the statement has no effect.

    Neither has one to a pooler that has not given the statement a server connection yet.
    """
    while not is_over(GRACE_SECONDS):
        cancel()
