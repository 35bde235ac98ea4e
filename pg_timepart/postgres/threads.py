"""Threads that run while the driver waits for the server, also under gevent and eventlet.

Both replace threads by green ones, all of which stop while a driver waits in C: then a thread of
the operating system is started instead. Green threads continue where psycopg2 has a wait callback
(such as psycogreen's), and with psycopg 3 under gevent.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.db.backends.postgresql.psycopg_any import is_psycopg3


class Event(Protocol):
    """As threading.Event."""

    def set(self) -> None:
        """Wake all threads that wait."""

    def is_set(self) -> bool:
        """Return whether it was set."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many seconds; return whether it is set."""


class Thread(Protocol):
    """As threading.Thread, once it was started."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until it ends, or so many seconds."""

    def is_alive(self) -> bool:
        """Return whether it has not ended."""


def new_event() -> Event:
    """Return an event by which the threads that are started here can wait for each other."""
    originals = _originals()
    return _OriginalEvent(originals) if originals else threading.Event()


def started(run: Callable[[], object]) -> Thread:
    """Run the function in a thread; return the thread."""
    originals = _originals()
    if originals:
        return _OriginalThread(originals, run)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


@contextmanager
def unless_over_within(seconds: float, act: Callable[[Event], object]) -> Iterator[None]:
    """Have ``act`` called in a thread if the block takes longer; it gets what is set at the end."""
    is_over = new_event()
    thread = started(lambda: is_over.wait(seconds) or act(is_over))
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _originals() -> Any:
    """Return functions that start real threads and make real locks; None where any will do."""
    if _has_wait_callback():
        return None
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading") and not is_psycopg3:
        return tuple(monkey.get_original("_thread", ["start_new_thread", "allocate_lock"]))
    patcher: Any = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        original = patcher.original("_thread")
        return original.start_new_thread, original.allocate_lock
    return None


def _has_wait_callback() -> bool:
    if is_psycopg3:
        return False
    from psycopg2.extensions import get_wait_callback

    return get_wait_callback() is not None


class _OriginalEvent:
    """Made of a lock, which is held until it is set."""

    def __init__(self, originals: Any) -> None:
        _, allocate_lock = originals
        self._lock = allocate_lock()
        self._lock.acquire()
        self._is_set = False

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._lock.release()

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        if self._lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            self._lock.release()
        return self._is_set


class _OriginalThread:
    """Started at once."""

    def __init__(self, originals: Any, run: Callable[[], object]) -> None:
        start_new_thread, _ = originals
        self._run = run
        self._has_ended = _OriginalEvent(originals)
        start_new_thread(self._main, ())

    def _main(self) -> None:
        try:
            self._run()
        finally:
            self._has_ended.set()

    def join(self, timeout: float | None = None) -> None:
        self._has_ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self._has_ended.is_set()
