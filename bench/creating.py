"""Benchmark of creating partitions, by a pass and by plain statements, alternating."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

from django.db import connection

from bench.database import tables_of
from bench.models import Event
from bench.plain_sql import find_psql, run_driver, run_psql, transactions
from bench.sizes import Sizes
from bench.table import Table, seconds
from pg_timepart.maintenance.manual import create_range
from pg_timepart.maintenance.target import Target, target_of, target_without_logs

START = datetime(2024, 1, 1, tzinfo=UTC)


def measure(sizes: Sizes) -> Iterator[Table]:
    """Yield how long each way takes for so many daily partitions."""
    ways = {
        _plain_name(): _plainly,
        "by us, rows not recorded": _without_rows,
        "by us, rows recorded": _with_rows,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(sizes.rounds):
        for name, way in ways.items():
            with tables_of(Event):
                taken[name].append(way(sizes.partitions))
    floor = taken[_plain_name()]
    yield Table(
        title=f"{sizes.partitions} daily partitions created, {sizes.rounds} times in turn",
        headers=("", "ratio", "median", "fastest", "slowest"),
        rows=tuple(_row(name, times, floor) for name, times in taken.items()),
        notes=("The ratio is the median of each round's own. Aim: at most 1.30.",),
    )


def _row(name: str, times: list[float], floor: list[float]) -> tuple[str, ...]:
    ratios = [own / plain for own, plain in zip(times, floor, strict=True)]
    figures = (median(times), min(times), max(times))
    return (name, f"{median(ratios):.2f}", *map(seconds, figures))


def _plain_name() -> str:
    return f"plain statements, {'through psql' if find_psql() else 'through the driver'}"


def _plainly(count: int) -> float:
    script = list(transactions(Event._meta.db_table, START, count))
    psql = find_psql()
    return run_psql(psql, "".join(script)) if psql else run_driver(script)


def _with_rows(count: int) -> float:
    return _ours(target_of(Event), count)


def _without_rows(count: int) -> float:
    return _ours(target_without_logs(Event, connection.alias), count)


def _ours(target: Target, count: int) -> float:
    begun = time.perf_counter()
    report = create_range(target, START, START + timedelta(days=count))
    taken = time.perf_counter() - begun
    if len(report.actions) != count:
        raise RuntimeError(f"{len(report.actions)} of {count} partitions were made.")
    return taken
