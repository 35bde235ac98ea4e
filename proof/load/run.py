"""Run of the load proof: no rotation, rotation, no rotation again. Needs Django set up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from django.db import connection

from deploy.demo.environment import Environment
from deploy.demo.history import History, steps
from pg_timepart.postgres.lock_holders import NAMESPACE
from proof.load import table_setup
from proof.load.models import TABLES, Table
from proof.load.observations import Observations
from proof.load.options import Options
from proof.load.partitions import read_partitions
from proof.load.processes import Processes
from proof.load.rotations import Goal, Rotations
from proof.load.samples import Window

_POLL_SECONDS = 0.25
_OBSERVE_SECONDS = 1.0
_PRINT_EVERY_SECONDS = 10.0
_WARM_UP_SECONDS = 3.0
_SETTLE_SECONDS = 90.0
_END_SECONDS = 60.0
_PATIENT_PASSES = 6
"""How many passes a drop may take until it counts as missing."""

RUNNING = """
SELECT count(*) FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND classid = %s::bigint::oid
AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""


class Run:
    """The phases, one after the other."""

    def __init__(
        self,
        options: Options,
        environment: Environment,
        processes: Processes,
        initial_rows: dict[str, int],
    ) -> None:
        self._options, self._environment, self._processes = options, environment, processes
        self._observed = self._printed = float("-inf")
        self._history = History()
        self.observations = Observations(
            initial_rows=initial_rows,
            goals=_goals(options, has_archive=bool(environment.database.archive)),
        )

    def run(self) -> Observations:
        """Run to the end of the load and return what was seen; raise Stopped or DemoError."""
        self._processes.wait_until_ready()
        self._watch_for(_WARM_UP_SECONDS)
        self._run_without_rotation()
        self._rotate()
        self._wait_for_the_last_pass()
        self._run_without_rotation()
        self._processes.stop_application()
        self._processes.stop_service()
        self._observe(time.monotonic())
        self._rotations()
        return self.observations

    def _run_without_rotation(self) -> None:
        began = time.monotonic()
        self._watch_for(self._options.quiet_minutes * 60)
        self.observations.quiet.append(Window(began=began, ended=time.monotonic()))

    def _rotate(self) -> None:
        began = time.monotonic()
        table_setup.enable(self._options)
        for due, table in _timetable(self._options, time.monotonic()):
            self._watch_for(due - time.monotonic())
            table_setup.step(table)
        self._settle()
        table_setup.disable()
        self.observations.rotating = Window(began=began, ended=time.monotonic())

    def _settle(self) -> None:
        """Wait until all has happened that must, or far too long."""
        deadline = time.monotonic() + _SETTLE_SECONDS + self._options.grace_seconds
        while missing := self._missing():
            if time.monotonic() > deadline:
                self.observations.shortfalls = missing
                return
            self._watch_for(_OBSERVE_SECONDS)

    def _missing(self) -> list[str]:
        found = self._rotations().shortfalls(self.observations.goals)
        pending = [each.name for each in read_partitions(_names()) if each.is_pending]
        edge = time.monotonic() - self._options.grace_seconds
        overdue = self.observations.observer.overdue(
            edge - _PATIENT_PASSES * self._options.pass_seconds
        )
        return [
            *found,
            *(f"The detach of {name} is pending." for name in pending),
            *(f"{name} is past its grace." for name in overdue),
        ]

    def _wait_for_the_last_pass(self) -> None:
        self._watch_for(2 * _OBSERVE_SECONDS)
        deadline = time.monotonic() + _END_SECONDS
        while _passes_are_running():
            if time.monotonic() > deadline:
                self.observations.shortfalls.append("A pass does not end.")
                return
            self._watch_for(_POLL_SECONDS)

    def _watch_for(self, seconds: float) -> None:
        """Watch for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._environment.refuse_stop(min(_POLL_SECONDS, end - now))
            self._environment.children.refuse_deaths()
            self._watch(time.monotonic())

    def _watch(self, now: float) -> None:
        self.observations.waits.observe(now)
        if now - self._observed >= _OBSERVE_SECONDS:
            self._observed = now
            self._observe(now)
        if now - self._printed >= _PRINT_EVERY_SECONDS:
            self._printed = now
            self._print_lines()

    def _observe(self, now: float) -> None:
        names = _names(only_dropping=True)
        self.observations.observer.observe(read_partitions(names) if names else [], now)

    def _rotations(self) -> Rotations:
        self.observations.steps += steps(self._history.follow())
        return Rotations.of(self.observations.steps)

    def _print_lines(self) -> None:
        done = self._rotations().total
        said = ", ".join(f"{part} {count}" for part, count in done.items()) or "no rotation yet"
        print(f"{time.strftime('%H:%M:%S', time.gmtime())}  {said}", file=sys.stderr, flush=True)


def _goals(options: Options, *, has_archive: bool) -> list[Goal]:
    return [
        Goal(
            label=each.label,
            kind=each.kind,
            rotations=options.rotations,
            has_archive=has_archive,
        )
        for each in TABLES
    ]


def _timetable(options: Options, began: float) -> Iterator[tuple[float, Table]]:
    """Yield when each table takes its next step, one table after the other."""
    apart = options.step_seconds / len(TABLES)
    for number in range(options.rotations * len(TABLES)):
        yield began + number * apart, TABLES[number % len(TABLES)]


def _names(*, only_dropping: bool = False) -> list[str]:
    return [each.name for each in TABLES if each.kind.drops or not only_dropping]


def _passes_are_running() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(RUNNING, [NAMESPACE])
        return bool(cursor.fetchone()[0])
