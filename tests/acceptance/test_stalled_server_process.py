"""A server process that stalls at any moment: what it was doing is tried again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.db import connection

from pg_timepart.postgres.lock_attempts import Attempt, bounded
from pg_timepart.postgres.lock_waits import Budget, Waiting

pytestmark = pytest.mark.usefixtures("database")

CANCELLED = 15
LONGEST_SECONDS = 60.0
# A try is cancelled wherever it was when the process stalled for longer than this, also in COMMIT.
BUDGET = Budget(lock_ms=1, wait_seconds=30.0, long_transaction_ms=250)


@contextmanager
def stalling(pid: int) -> Iterator[None]:
    """Stop the process for some milliseconds, again and again."""
    over = Event()

    def stall() -> None:
        while not over.wait(random.uniform(0, 0.0005)):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.003)
            os.kill(pid, signal.SIGCONT)

    thread = Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def execute(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def test_a_try_that_is_cancelled_anywhere_is_tried_again() -> None:
    attempt = Attempt(what="A look at nothing", body=lambda: execute("SELECT 7"))
    waiting = Waiting()
    deadline = time.monotonic() + LONGEST_SECONDS
    with stalling(execute("SELECT pg_backend_pid()")):
        while waiting.tries < CANCELLED:
            assert bounded(connection, attempt, budget=BUDGET, waiting=waiting) == 7
            assert time.monotonic() < deadline, f"only {waiting.tries} tries were cancelled"
