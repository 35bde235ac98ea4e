"""Benchmark of a pass that finds nothing to do, over many tables and over one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.database import execute, make_tables, rows
from bench.models import idle_models
from bench.sizes import Sizes
from bench.table import Table, milliseconds, ratio
from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain, maintain_all

AHEAD = 6
"""Periods ahead of the current one: two more than a pass needs, should midnight come meanwhile."""

FLOOR = """
SELECT i.inhparent, c.oid, c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = ANY(%s::regclass[])
"""


def measure(sizes: Sizes) -> Iterator[Table]:
    """Yield how long an idle pass over all tables takes, and one over a single table."""
    tables = idle_models(sizes.tables)
    begun = time.perf_counter()
    make_tables(tables)
    for model in tables:
        _fill(model._meta.db_table, sizes.partitions_each)
    made = time.perf_counter() - begun
    first = _timed(maintain_all)
    execute("ANALYZE")
    names = [model._meta.db_table for model in tables]
    label = tables[0]._meta.label_lower
    ways: dict[str, Callable[[], object]] = {
        "one raw catalog query for all": lambda: rows(FLOOR, names),
        "maintain_all()": _idle_pass,
        "maintain() of one table": lambda: _expect_idle(maintain(label).outcome),
    }
    _see_that_all_is_idle(len(tables))
    yield _compared(ways, sizes, f"tables made in {made:.1f} s, rows recorded in {first:.1f} s")


def _compared(ways: dict[str, Callable[[], object]], sizes: Sizes, setup: str) -> Table:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(sizes.rounds):
        for name, way in ways.items():
            taken[name].append(_timed(way))
    floor = median(next(iter(taken.values())))
    return Table(
        title=(
            f"Idle pass over {sizes.tables} tables of {sizes.partitions_each} partitions,"
            f" {sizes.rounds} times in turn"
        ),
        headers=("", "ratio", "median", "fastest", "slowest", "queries"),
        rows=tuple(_row(name, taken[name], floor, ways[name]) for name in ways),
        notes=(
            "Aim: maintain_all() under 500 ms; maintain() with at most 4 queries.",
            f"Before it: {setup}.",
        ),
    )


def _row(name: str, times: list[float], floor: float, way: Callable[[], object]) -> tuple[str, ...]:
    with CaptureQueriesContext(connection) as queries:
        way()
    figures = (median(times), min(times), max(times))
    return (name, ratio(median(times), floor), *map(milliseconds, figures), str(len(queries)))


def _fill(table: str, count: int) -> None:
    """Create daily partitions around now, in one transaction and without recording them."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=count - AHEAD - 1)
    days = (first + timedelta(days=number) for number in range(count))
    execute(
        ";".join(
            f"CREATE TABLE {table}_{day:%Y%m%d} PARTITION OF {table}"
            f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            for day in days
        )
    )


def _see_that_all_is_idle(count: int) -> None:
    reports = maintain_all()
    if len(reports) != count:
        raise RuntimeError(f"A pass looked at {len(reports)} tables, not at {count}.")


def _idle_pass() -> None:
    for report in maintain_all():
        _expect_idle(report.outcome)


def _expect_idle(outcome: Outcome) -> None:
    if outcome is not Outcome.UNCHANGED:
        raise RuntimeError(f"The pass was not idle: it ended {outcome}.")


def _timed(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun
