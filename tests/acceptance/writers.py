"""An application that writes all the time, and knows what was acknowledged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

INSERT = "INSERT INTO plant_reading (at, value) VALUES (now(), %s)"
PAUSE_SECONDS = 0.01


class Writers:
    """Threads with a connection each, which they open anew whenever it is lost."""

    def __init__(self, count: int) -> None:
        self.acknowledged: list[int] = []
        self.refused: list[str] = []
        self.losses = 0
        self._numbers = itertools.count()
        self._is_over = Event()
        self._connections = [connection.copy() for _ in range(count)]
        self._threads = [Thread(target=self._write, args=(each,)) for each in self._connections]

    @contextmanager
    def at_work(self) -> Iterator[Writers]:
        """Write for as long as the block runs."""
        for each in self._threads:
            each.start()
        try:
            yield self
        finally:
            self._is_over.set()
            for each in self._threads:
                each.join(20)

    def _write(self, mine: BaseDatabaseWrapper) -> None:
        mine.inc_thread_sharing()
        while not self._is_over.wait(PAUSE_SECONDS):
            number = next(self._numbers)
            try:
                with mine.cursor() as cursor:
                    cursor.execute(INSERT, [number])
            except (DatabaseError, InterfaceError) as error:
                self._note(error, mine)
            else:
                self.acknowledged.append(number)
        mine.close()

    def _note(self, error: Exception, mine: BaseDatabaseWrapper) -> None:
        self.losses += 1
        if "no partition of relation" in str(error):
            self.refused.append(str(error))
        mine.close()


def missing(acknowledged: list[int]) -> set[int]:
    """Return the numbers that were acknowledged and are not in the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM plant_reading")
        rows: list[Any] = cursor.fetchall()
    return set(acknowledged) - {number for (number,) in rows}
