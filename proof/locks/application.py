"""Application of the lock proof: sessions that each repeat one kind of statement.

Its ``lock_timeout`` is the bound: the server ends a statement that waits longer with an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from django.db import DatabaseError, ProgrammingError

from pg_timepart.postgres.sqlstate import sqlstate
from proof.locks.tables import Table, insert_weighing
from tests.apps.depot.models import Weighing
from tests.apps.plant.models import Machine
from tests.support.processes import session, wait_until
from tests.support.table_setup import a_machine

PAUSE_SECONDS = 0.004
UNDEFINED_TABLE = "42P01"
APPLICATION = "application, "
"""Begins the name of each session; its job follows."""

LOCKS = """
SELECT relation::bigint, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one session of the application does all the time."""

    title: str
    statements: tuple[str, ...]


def jobs(table: Table) -> tuple[Job, ...]:
    """Return what an application does with the table."""
    name, leaf, today = table.name, table.leaf(), table.today
    own = (
        Job(
            title="SELECT of a day",
            statements=(f"SELECT count(*) FROM {name} WHERE {today} AND value = 7",),
        ),
        Job(title="SELECT of all", statements=(f"SELECT count(*) FROM {name} WHERE value = 7",)),
        Job(title="INSERT", statements=(table.insert(5),)),
        Job(
            title="UPDATE, DELETE",
            statements=(
                f"UPDATE {name} SET value = 7 WHERE {today} AND value = 7",
                f"DELETE FROM {name} WHERE {today} AND value = 8",
            ),
        ),
        Job(title="SELECT by name", statements=(f"SELECT count(*) FROM {leaf}",)),
    )
    if table.is_referred:
        return own + _jobs_on_referring()
    return own + (_jobs_on_referenced() if table.refers else ())


def _jobs_on_referring() -> tuple[Job, ...]:
    name = Weighing._meta.db_table
    return (
        Job(title="referring: SELECT", statements=(f"SELECT count(*) FROM {name}",)),
        Job(title="referring: INSERT", statements=(insert_weighing(),)),
        Job(
            title="referring: UPDATE, DELETE",
            statements=(
                f"UPDATE {name} SET grams = 6 WHERE grams = 5",
                f"DELETE FROM {name} WHERE grams = 6",
            ),
        ),
    )


def _jobs_on_referenced() -> tuple[Job, ...]:
    name, changed = Machine._meta.db_table, a_machine("changed").pk
    return (
        Job(title="referenced: SELECT", statements=(f"SELECT count(*) FROM {name}",)),
        Job(
            title="referenced: INSERT, UPDATE",
            statements=(
                f"INSERT INTO {name} (name) VALUES ('new')",
                f"UPDATE {name} SET name = 'changed' WHERE id = {changed}",
            ),
        ),
        # Nothing refers to the row, and that is looked for wherever something could.
        Job(
            title="referenced: DELETE",
            statements=(
                f"INSERT INTO {name} (name) VALUES ('gone')",
                f"DELETE FROM {name} WHERE name = 'gone'",
            ),
        ),
    )


@dataclass(slots=True, kw_only=True)
class Client:
    """One session of the application."""

    job: Job
    bound_ms: int
    is_over: Event
    runs: int = 0
    errors: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Do the job until it is over, or its table is dropped."""
        with session(APPLICATION + self.job.title) as cursor:
            cursor.execute(f"SET lock_timeout = {self.bound_ms}")
            while not self.is_over.wait(PAUSE_SECONDS) and self._once(cursor):
                self.runs += 1

    def _once(self, cursor: Any) -> bool:
        for statement in self.job.statements:
            try:
                cursor.execute(statement)
            except ProgrammingError as error:
                if sqlstate(error) == UNDEFINED_TABLE:
                    return False
                raise
            except DatabaseError as error:
                self.errors.append(f"{statement}: {error}")
        return True


@dataclass(slots=True, kw_only=True)
class Application:
    """All its sessions."""

    clients: list[Client]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What they do."""
        return tuple(client.job for client in self.clients)

    @property
    def errors(self) -> list[str]:
        """What went wrong, such as a wait beyond the bound."""
        return [each for client in self.clients for each in client.errors]

    def go_round(self) -> None:
        """Wait until each session that still has its table has done its whole job once more."""
        before = {client.job.title: client.runs for client in self.clients}
        wait_until(lambda: all(each.runs > before[each.job.title] for each in self.clients), 30)


@contextmanager
def working(some: tuple[Job, ...], bound_ms: int) -> Iterator[Application]:
    """Run the jobs side by side, each in a session of its own."""
    is_over = Event()
    application = Application(
        clients=[Client(job=each, bound_ms=bound_ms, is_over=is_over) for each in some]
    )
    threads = [Thread(target=client.run) for client in application.clients]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join, 60)
        stack.callback(is_over.set)
        yield application


def locks_of(some: Iterable[Job]) -> dict[str, frozenset[tuple[int, str]]]:
    """Return for each job which tables it locks now, and how, by asking the server.

    Without those whose table is gone.
    """
    with session("application") as cursor:
        found = {job.title: _locks_of(job, cursor) for job in some}
    return {title: locks for title, locks in found.items() if locks is not None}


def _locks_of(job: Job, cursor: Any) -> frozenset[tuple[int, str]] | None:
    cursor.execute("BEGIN")
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    try:
        for statement in job.statements:
            cursor.execute(statement)
        cursor.execute(LOCKS)
        return frozenset((oid, mode) for oid, mode in cursor.fetchall())
    except ProgrammingError as error:
        if sqlstate(error) != UNDEFINED_TABLE:
            raise
        return None
    finally:
        cursor.execute("ROLLBACK")
