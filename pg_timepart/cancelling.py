"""Cancelling what takes too long, by a clock that nobody sets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

GRACE_SECONDS = 0.05
"""How long what is over may take to end by itself."""


@contextmanager
def cancelled_after(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Cancel what runs on the connection when time is up, until it ends.

    The driver's cancel request needs no transaction, leaves no setting behind on a pooled server
    connection, and comes in time also where the server's clock is set back: by that clock, a
    ``lock_timeout`` under way ends as much later.
    """
    is_over = threading.Event()
    cancel = cancelling(connection)

    def run() -> None:
        if not is_over.wait(seconds):
            repeat_until(is_over.wait, cancel)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def cancelling(connection: BaseDatabaseWrapper) -> Callable[[], None]:
    """Return what cancels whatever runs on the connection, to be called from any thread."""
    raw, translated = connection.connection, connection.wrap_database_errors

    def cancel() -> None:
        with suppress(Error), translated:
            raw.cancel()

    return cancel


def repeat_until(is_over: Callable[[float], bool], cancel: Callable[[], None]) -> None:
    """Cancel again and again what runs there: a request that comes too early does nothing.

    So does one to a pooler that has not given the statement a server connection yet.
    """
    while not is_over(GRACE_SECONDS):
        cancel()
