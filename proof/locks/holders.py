"""Lock holders: transactions that stay open on the tables until they are let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from django.db import OperationalError, connection

from proof.locks.tables import Table, insert_weighing
from tests.apps.depot.models import Weighing
from tests.apps.plant.models import Machine
from tests.support.processes import backends, session, wait_until
from tests.support.table_setup import a_machine

HOLDER = "who holds it"
LONG_MS = 250
"""The default of LONG_TRANSACTION_MS."""

AGE = """
SELECT state, extract(epoch FROM clock_timestamp() - xact_start) * 1000 FROM pg_stat_activity
WHERE pid = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody in a transaction."""

    title: str
    statements: Callable[[Table], tuple[str, ...]]
    runs: Callable[[Table], str] | None = None
    """What goes on running for as long as it holds; else it is idle in its transaction."""

    of_referenced: bool = False
    """Whether it uses nothing but the referenced table."""

    of_referring: bool = False
    """Whether it uses nothing but the referring table, and what its rows refer to."""

    def may_meet(self, table: Table) -> bool:
        """Whether there can be such a one beside this table."""
        is_there = table.refers or not self.of_referenced
        return is_there and (table.is_referred or not self.of_referring)

    @contextmanager
    def holding(self, table: Table, *, for_long: bool) -> Iterator[None]:
        """Hold for the length of the block, which begins once it is as old as is said."""
        with session(HOLDER) as cursor:
            for each in self.statements(table):
                cursor.execute(each)
            (pid,) = backends(HOLDER)
            with self._running(cursor, pid, table):
                if for_long:
                    wait_until(lambda: _age_ms(pid) > LONG_MS + 50)
                yield
            cursor.execute("ROLLBACK")

    @contextmanager
    def _running(self, cursor: Any, pid: int, table: Table) -> Iterator[None]:
        if self.runs is None:
            yield
            return
        thread = Thread(target=_until_cancelled, args=(cursor, self.runs(table)))
        thread.start()
        wait_until(lambda: _state(pid) == "active")
        try:
            yield
        finally:
            _ask("SELECT pg_cancel_backend(%s)", pid)
            thread.join(30)


def _reader(table: Table) -> tuple[str, ...]:
    return ("BEGIN", f"SELECT count(*) FROM {table.name}")


def _writer(table: Table) -> tuple[str, ...]:
    return (
        "BEGIN",
        table.insert(3),
        f"UPDATE {table.name} SET value = 0 WHERE value = -1",
    )


def _referenced_writer(table: Table) -> tuple[str, ...]:
    held = a_machine("held").pk
    return ("BEGIN", f"UPDATE {Machine._meta.db_table} SET name = 'held' WHERE id = {held}")


READER = Holder(title="an open reader", statements=_reader)
WRITER = Holder(title="an open writer", statements=_writer)
LEAF_READER = Holder(
    title="an open reader of the partition by name",
    statements=lambda table: ("BEGIN", f"SELECT count(*) FROM {table.leaf()}"),
)
REFERENCED_WRITER = Holder(
    title="an open writer of the referenced table",
    statements=_referenced_writer,
    of_referenced=True,
)
REFERRING_READER = Holder(
    title="an open reader of the referring table",
    statements=lambda _table: ("BEGIN", f"SELECT count(*) FROM {Weighing._meta.db_table}"),
    of_referring=True,
)
REFERRING_WRITER = Holder(
    title="an open writer of the referring table",
    statements=lambda _table: ("BEGIN", insert_weighing()),
    of_referring=True,
)
REPORT = Holder(
    title="a running report",
    statements=lambda table: (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        f"SELECT count(*) FROM {table.name}",
    ),
    runs=lambda table: f"SELECT count(*) FROM {table.name}, pg_sleep(600)",
)

HOLDERS = (
    READER,
    WRITER,
    LEAF_READER,
    REFERENCED_WRITER,
    REFERRING_READER,
    REFERRING_WRITER,
    REPORT,
)


def _until_cancelled(cursor: Any, statement: str) -> None:
    with suppress(OperationalError):
        cursor.execute(statement)


def _age_ms(pid: int) -> float:
    return float(_ask(AGE, pid)[1])


def _state(pid: int) -> str:
    return str(_ask(AGE, pid)[0])


def _ask(query: str, pid: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, [pid])
        return cursor.fetchone()
