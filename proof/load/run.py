"""One run: quiet, rotation, quiet again. Needs Django set up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from django.db import connection

from deploy.demo.history import History, steps
from deploy.demo.stage import Stage
from pg_timepart.postgres.lock_holders import NAMESPACE
from proof.load import preparing
from proof.load.cast import Cast
from proof.load.course import Course
from proof.load.leaves import read_leaves
from proof.load.models import TABLES, Table
from proof.load.options import Options
from proof.load.rotating import Goal, Rotations
from proof.load.samples import Window

_POLL_SECONDS = 0.25
_LOOK_SECONDS = 1.0
_TOLD_EVERY_SECONDS = 10.0
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

    def __init__(self, options: Options, stage: Stage, cast: Cast, past: dict[str, int]) -> None:
        self._options, self._stage, self._cast = options, stage, cast
        self._looked = self._told = float("-inf")
        self._history = History()
        self.course = Course(
            past=past, goals=_goals(options, has_archive=bool(stage.place.archive))
        )

    def go(self) -> Course:
        """Run to the end of the load and return what was seen; raise Stopped or DemoError."""
        self._cast.wait_until_ready()
        self._pass_time(_WARM_UP_SECONDS)
        self._be_quiet()
        self._rotate()
        self._wait_for_the_last_pass()
        self._be_quiet()
        self._cast.stop_application()
        self._cast.stop_service()
        self._look(time.monotonic())
        self._rotations()
        return self.course

    def _be_quiet(self) -> None:
        began = time.monotonic()
        self._pass_time(self._options.quiet_minutes * 60)
        self.course.quiet.append(Window(began=began, ended=time.monotonic()))

    def _rotate(self) -> None:
        began = time.monotonic()
        preparing.enable(self._options)
        for due, table in _timetable(self._options, time.monotonic()):
            self._pass_time(due - time.monotonic())
            preparing.step(table)
        self._settle()
        preparing.disable()
        self.course.rotating = Window(began=began, ended=time.monotonic())

    def _settle(self) -> None:
        """Wait until all has happened that must, or far too long."""
        deadline = time.monotonic() + _SETTLE_SECONDS + self._options.grace_seconds
        while missing := self._missing():
            if time.monotonic() > deadline:
                self.course.shortfalls = missing
                return
            self._pass_time(_LOOK_SECONDS)

    def _missing(self) -> list[str]:
        found = self._rotations().shortfalls(self.course.goals)
        pending = [each.name for each in read_leaves(_names()) if each.is_pending]
        edge = time.monotonic() - self._options.grace_seconds
        overdue = self.course.witness.overdue(edge - _PATIENT_PASSES * self._options.pass_seconds)
        return [
            *found,
            *(f"The detach of {name} is pending." for name in pending),
            *(f"{name} is past its grace." for name in overdue),
        ]

    def _wait_for_the_last_pass(self) -> None:
        self._pass_time(2 * _LOOK_SECONDS)
        deadline = time.monotonic() + _END_SECONDS
        while _passes_at_work():
            if time.monotonic() > deadline:
                self.course.shortfalls.append("A pass does not end.")
                return
            self._pass_time(_POLL_SECONDS)

    def _pass_time(self, seconds: float) -> None:
        """Watch for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._stage.refuse_stop(min(_POLL_SECONDS, end - now))
            self._stage.children.refuse_deaths()
            self._watch(time.monotonic())

    def _watch(self, now: float) -> None:
        self.course.waits.look(now)
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look(now)
        if now - self._told >= _TOLD_EVERY_SECONDS:
            self._told = now
            self._tell()

    def _look(self, now: float) -> None:
        names = _names(only_dropping=True)
        self.course.witness.look(read_leaves(names) if names else [], now)

    def _rotations(self) -> Rotations:
        self.course.steps += steps(self._history.follow())
        return Rotations.of(self.course.steps)

    def _tell(self) -> None:
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


def _passes_at_work() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(RUNNING, [NAMESPACE])
        return bool(cursor.fetchone()[0])
