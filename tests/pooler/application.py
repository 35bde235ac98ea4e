"""An application with sessions at the pooler, which looks at what it gets from the pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from django.db import DatabaseError, connections

from tests.pooler.pooled_deployment import PooledInstallation
from tests.support.processes import session, wait_until

TIMEOUTS = """
SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout',
    'idle_in_transaction_session_timeout', 'transaction_timeout', 'default_tablespace',
    'search_path', 'default_transaction_isolation', 'client_min_messages')
"""


class Application:
    """Threads with a session each that run the same statements over and over."""

    def __init__(self, installation: PooledInstallation, *statements: str, count: int = 3) -> None:
        self.errors: list[str] = []
        self.rounds = 0
        self._statements = statements
        self._usual: dict[str, str] = {}
        self._is_over = Event()
        self._installation = installation
        self._threads = [Thread(target=self._work, args=(n,)) for n in range(count)]

    @contextmanager
    def at_work(self) -> Iterator[Application]:
        """Be at work for as long as the block runs, and longer than a round."""
        with self._installation.database(), session("newcomer") as newcomer:
            self._usual = _settings(newcomer)
        with self._installation.through():
            for each in self._threads:
                each.start()
            wait_until(lambda: self.rounds or self.errors)
        try:
            yield self
        finally:
            self._is_over.set()
            for each in self._threads:
                each.join(20)
        assert not any(each.is_alive() for each in self._threads), "it is blocked for good"

    def _work(self, number: int) -> None:
        try:
            with session(f"application-{number}") as cursor:
                while not self._is_over.wait(0.005):
                    self._round(cursor)
        except DatabaseError as error:
            self.errors.append(str(error))
        finally:
            connections.close_all()

    def _round(self, cursor: Any) -> None:
        for each in self._statements:
            cursor.execute(each)
        found = _settings(cursor)
        if found != self._usual:
            self.errors.append(f"got a connection with {found}")
        self.rounds += 1


def _settings(cursor: Any) -> dict[str, str]:
    cursor.execute(TIMEOUTS)
    return dict(cursor.fetchall())
