"""Lock observer: which locks an operation takes, and who waits for how long, by pg_locks.

An event trigger notes the locks of every transaction of ours at the end of each of its
statements; what is rolled back leaves no note. A session beside looks at what ours holds and asks
for whenever it waits for who holds the tables, and at the application's waits for a table, which
the server has timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Thread

from django.db import connection

from proof.locks.application import APPLICATION
from proof.locks.holders import HOLDER
from proof.locks.tables import execute
from proof.locks.worker import MAINTENANCE
from tests.support.processes import session

LOOK_SECONDS = 0.005

# What may run for as long as it takes has no statement_timeout; a concurrent detach cannot have
# one and is watched from outside.
NOTE = f"""
IF current_setting('application_name') = '{MAINTENANCE}' THEN
    INSERT INTO locks_noted
    SELECT l.relation::bigint, l.mode, current_setting('statement_timeout') = '0'
           AND current_query() NOT LIKE '%CONCURRENTLY'
    FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
    AND l.relation >= 16384 AND l.relation <> 'locks_noted'::regclass;
END IF;
"""

SET_UP = (
    "CREATE TABLE locks_noted (relation bigint, mode text, is_endless boolean)",
    f"""CREATE FUNCTION locks_note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN {NOTE} END $$""",
    f"""CREATE FUNCTION locks_note_statement() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {NOTE} RETURN NULL; END $$""",
    "CREATE EVENT TRIGGER locks_note ON ddl_command_end EXECUTE FUNCTION locks_note()",
)

TEAR_DOWN = (
    "DROP EVENT TRIGGER locks_note",
    "DROP FUNCTION locks_note(), locks_note_statement() CASCADE",
    "DROP TABLE locks_noted",
)

WAITING = f"""
SELECT l.relation::bigint, l.mode FROM pg_locks l
WHERE l.locktype = 'relation' AND l.relation >= 16384 AND l.pid IN (
    SELECT w.pid FROM pg_locks w JOIN pg_stat_activity a ON a.pid = w.pid
    WHERE NOT w.granted AND a.application_name = '{MAINTENANCE}'
    AND a.datname = current_database() AND pg_blocking_pids(w.pid) && ARRAY(
        SELECT pid FROM pg_stat_activity WHERE application_name = '{HOLDER}'))
"""

WAITS = f"""
SELECT a.application_name, l.relation::bigint, a.query_start, l.waitstart,
       extract(epoch FROM clock_timestamp() - l.waitstart)::float8 * 1000
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND l.locktype = 'relation' AND l.waitstart IS NOT NULL
AND starts_with(a.application_name, '{APPLICATION}') AND a.datname = current_database()
"""

STOPPED_BY = {
    "AccessShareLock": frozenset({"AccessExclusiveLock"}),
    "RowShareLock": frozenset({"ExclusiveLock", "AccessExclusiveLock"}),
    "RowExclusiveLock": frozenset(
        {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}
    ),
}
"""What an application's statements take, and what makes those wait.

https://www.postgresql.org/docs/current/explicit-locking.html, table 13.2
"""

Locks = frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One statement of the application that had to wait, and for how long in all."""

    title: str
    oids: frozenset[int]
    """What it waited for."""

    milliseconds: float
    """As last seen."""


@dataclass(slots=True, kw_only=True)
class TakenLocks:
    """The locks of ours, as OID and mode, since the last ``take``."""

    while_waiting: set[tuple[int, str]] = field(default_factory=set)
    """Held or asked for by a session of ours that waited for the holder."""

    held: set[tuple[int, str]] = field(default_factory=set)
    """Held at the end of what was committed."""

    endless: set[tuple[int, str]] = field(default_factory=set)
    """Those of ``held`` whose holding no timeout ends."""

    def add(self, other: TakenLocks) -> None:
        """Have these too."""
        self.while_waiting |= other.while_waiting
        self.held |= other.held
        self.endless |= other.endless


def hits(wanted: Locks, ours: Iterable[tuple[int, str]]) -> bool:
    """Return whether who wants these locks waits for ours."""
    return any(
        oid == our_oid and our_mode in STOPPED_BY[mode]
        for oid, mode in wanted
        for our_oid, our_mode in ours
    )


@dataclass(slots=True, kw_only=True)
class LockObserver:
    """What looks at our locks all the time."""

    is_over: Event = field(default_factory=Event)
    seen: set[tuple[int, str]] = field(default_factory=set)
    waits: dict[tuple[str, datetime], dict[tuple[int, datetime], float]] = field(
        default_factory=dict
    )
    """By job and begin of the statement: by table and begin of the wait, milliseconds."""

    def run(self) -> None:
        """Look again and again until it is over."""
        with session("observer") as cursor:
            while not self.is_over.wait(LOOK_SECONDS):
                cursor.execute(WAITING)
                self.seen.update(cursor.fetchall())
                cursor.execute(WAITS)
                for name, oid, begun, since, milliseconds in cursor.fetchall():
                    statement = (name.removeprefix(APPLICATION), begun)
                    self.waits.setdefault(statement, {})[oid, since] = milliseconds

    def waited(self) -> set[str]:
        """Return which jobs have waited since the last ``take_waits``."""
        return {title for title, _ in self.waits.copy()}

    def take_waits(self) -> list[Wait]:
        """Return the application's waits since this was asked last."""
        taken, self.waits = self.waits, {}
        return [
            Wait(
                title=title,
                oids=frozenset(oid for oid, _ in each),
                milliseconds=sum(each.values()),
            )
            for (title, _), each in taken.items()
        ]

    def take(self) -> TakenLocks:
        """Return what was seen and noted since this was asked last."""
        seen = set(self.seen)
        self.seen.clear()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM locks_noted RETURNING relation, mode, is_endless")
            noted = cursor.fetchall()
        return TakenLocks(
            while_waiting=seen,
            held={(oid, mode) for oid, mode, _ in noted},
            endless={(oid, mode) for oid, mode, is_endless in noted if is_endless},
        )


@contextmanager
def observing() -> Iterator[LockObserver]:
    """Look at our locks for the length of the block."""
    observer = LockObserver()
    thread = Thread(target=observer.run)
    thread.start()
    try:
        yield observer
    finally:
        observer.is_over.set()
        thread.join(30)


@contextmanager
def noting() -> Iterator[None]:
    """Have the server note our locks."""
    for each in SET_UP:
        execute(each)
    try:
        yield
    finally:
        for each in TEAR_DOWN:
            execute(each)
