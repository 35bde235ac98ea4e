"""The verdict and the report of one run. Needs Django set up."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import django

from deploy.demo.history import failures
from deploy.demo.place import Place
from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from proof.load import telling
from proof.load.accounting import Balance, Holding, Where, balance, find_rows
from proof.load.cast import Cast
from proof.load.course import Course
from proof.load.models import TABLES
from proof.load.options import Options
from proof.load.rotating import Rotations
from proof.load.samples import Sample, written
from proof.load.verdict import Verdict


def judge(
    course: Course, samples: list[Sample], cast: Cast, place: Place, options: Options
) -> Verdict:
    """Return the verdict, once all has ended."""
    done = Rotations.of(course.steps).by_worker
    return Verdict(
        samples=samples,
        balance=_balance(course, samples, place),
        shortfalls=course.shortfalls,
        broken_promises=course.witness.broken_promises(options.grace_seconds),
        failures=[*failures(), *cast.raised()],
        by_worker={name: done[name] for name in cast.worker_names()},
        by_beat=cast.sent(),
    )


def report(
    verdict: Verdict, course: Course, cast: Cast, place: Place, options: Options
) -> Iterator[str]:
    """Yield the lines of the report."""
    rotations = Rotations.of(course.steps)
    yield from _head(place, options)
    yield ""
    yield str(telling.rotation_table(course.goals, rotations))
    yield ""
    yield from telling.work_lines(verdict, course.steps, cast.retries(), _met_another())
    yield ""
    yield from telling.row_lines(verdict)
    yield ""
    table = telling.latency_table(verdict.samples, course.quiet, course.rotating, course.waits)
    yield str(table)
    yield ""
    yield from (f"Wrong: {each}" for each in verdict.complaints)
    if not verdict.complaints:
        yield "All as it must be."


def _head(place: Place, options: Options) -> Iterator[str]:
    yield (
        f"{place.server}, Python {platform.python_version()}, Django {django.__version__},"
        f" {os.cpu_count()} cores"
    )
    yield (
        f"{options.tables} tables, {options.rotations} rotations each in {options.minutes:g}"
        f" minutes: one every {options.step_seconds:.1f} s, by {options.workers} workers and"
        f" {options.beats} beats"
    )
    yield (
        f"{options.rate:g} rows a second by {options.writers} processes, {options.readers} that"
        f" read, and every {options.report_every_seconds:g} s a report that is open for"
        f" {options.report_seconds:g} s, each fourth one for {options.long_report_seconds:g} s"
    )


def _balance(course: Course, samples: list[Sample], place: Place) -> Balance:
    acknowledged = written(samples)
    wanted = {
        each.label: [*acknowledged.get(each.label, []), *range(-course.past[each.label], 0)]
        for each in TABLES
    }
    found = [held for each in TABLES for held in find_rows(each.label, each.name, place.archive)]
    return balance(wanted, [*found, *_dropped(course)])


def _dropped(course: Course) -> list[Holding]:
    """Return what the witness read before it was dropped."""
    labels = {each.name: each.label for each in TABLES}
    return [
        Holding(
            label=next(labels[name] for name in labels if each.name.startswith(f"{name}_")),
            where=Where.DROPPED,
            numbers=each.numbers or (),
        )
        for each in course.witness.dropped
    ]


def _met_another() -> int:
    """Return how many passes gave way to another one on their table."""
    return PartitionRun.objects.filter(outcome=Outcome.DEFERRED.value, actions=[]).count()
