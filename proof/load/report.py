"""Verdict and report of one run. Needs Django set up."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import django

from deploy.demo.history import failures
from deploy.demo.own_database import OwnDatabase
from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from proof.load import report_tables
from proof.load.models import TABLES
from proof.load.observations import Observations
from proof.load.options import Options
from proof.load.processes import Processes
from proof.load.rotations import Rotations
from proof.load.row_balance import Location, PartitionRows, RowBalance, balance, find_rows
from proof.load.samples import Sample, written
from proof.load.verdict import Verdict


def judge(
    observations: Observations,
    samples: list[Sample],
    processes: Processes,
    database: OwnDatabase,
    options: Options,
) -> Verdict:
    """Return the verdict, once all has ended."""
    done = Rotations.of(observations.steps).by_worker
    return Verdict(
        samples=samples,
        balance=_balance(observations, samples, database),
        shortfalls=observations.shortfalls,
        early_drops=observations.observer.early_drops(options.grace_seconds),
        failures=[*failures(), *processes.raised()],
        by_worker={name: done[name] for name in processes.worker_names()},
        by_beat=processes.sent(),
    )


def report(
    verdict: Verdict,
    observations: Observations,
    processes: Processes,
    database: OwnDatabase,
    options: Options,
) -> Iterator[str]:
    """Yield the lines of the report."""
    rotations = Rotations.of(observations.steps)
    yield from _head(database, options)
    yield ""
    yield str(report_tables.rotation_table(observations.goals, rotations))
    yield ""
    yield from report_tables.work_lines(
        verdict, observations.steps, processes.retries(), _met_another()
    )
    yield ""
    yield from report_tables.row_lines(verdict)
    yield ""
    table = report_tables.latency_table(
        verdict.samples, observations.quiet, observations.rotating, observations.waits
    )
    yield str(table)
    yield ""
    yield from (f"Wrong: {each}" for each in verdict.complaints)
    if not verdict.complaints:
        yield "All as it must be."


def _head(database: OwnDatabase, options: Options) -> Iterator[str]:
    yield (
        f"{database.server}, Python {platform.python_version()}, Django {django.__version__},"
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


def _balance(
    observations: Observations, samples: list[Sample], database: OwnDatabase
) -> RowBalance:
    acknowledged = written(samples)
    wanted = {
        each.label: [
            *acknowledged.get(each.label, []),
            *range(-observations.initial_rows[each.label], 0),
        ]
        for each in TABLES
    }
    found = [held for each in TABLES for held in find_rows(each.label, each.name, database.archive)]
    return balance(wanted, [*found, *_dropped(observations)])


def _dropped(observations: Observations) -> list[PartitionRows]:
    """Return what the observer read before it was dropped."""
    labels = {each.name: each.label for each in TABLES}
    return [
        PartitionRows(
            label=next(labels[name] for name in labels if each.name.startswith(f"{name}_")),
            location=Location.DROPPED,
            numbers=each.numbers or (),
        )
        for each in observations.observer.dropped
    ]


def _met_another() -> int:
    """Return how many passes gave way to another one on their table."""
    return PartitionRun.objects.filter(outcome=Outcome.DEFERRED.value, actions=[]).count()
