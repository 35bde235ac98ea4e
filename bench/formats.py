"""Benchmark of each key format beside timestamps: creating partitions, and an idle pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from bench.database import tables_of
from bench.keyed_models import KINDS, Kind
from bench.sizes import Sizes
from bench.table import Table, milliseconds
from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.manual import create_range
from pg_timepart.maintenance.target import target_of

FEWEST = 12
"""Partitions up to a week from now that leave a pass nothing to do."""

IDLE_REPEATS = 10
"""How many idle passes are measured in one round."""


def measure(sizes: Sizes) -> Iterator[Table]:
    """Yield how long creating and idle passes take, by key format, in turn."""
    created: dict[str, list[float]] = {each.name: [] for each in KINDS}
    idle: dict[str, list[float]] = {each.name: [] for each in KINDS}
    count = max(sizes.partitions, FEWEST)
    for _ in range(sizes.rounds):
        with ExitStack() as tables:
            for kind in _each_first_in_turn(len(created[KINDS[0].name])):
                tables.enter_context(tables_of(kind.partitioned))
                created[kind.name].append(_create(kind, count))
            for number in range(IDLE_REPEATS):
                for kind in _each_first_in_turn(number):
                    idle[kind.name].append(_pass(kind))
    yield _table(f"{count} partitions created and recorded", created, sizes)
    yield _table(f"maintain() of one table of {count}, nothing to do", idle, sizes)


def _table(title: str, taken: dict[str, list[float]], sizes: Sizes) -> Table:
    floor = taken[KINDS[0].name]
    return Table(
        title=f"{title}, {sizes.rounds} rounds in turn, by key format",
        headers=("", "ratio", "median", "fastest", "slowest"),
        rows=tuple(_row(name, times, floor) for name, times in taken.items()),
        notes=("The ratio is the median of each turn's own. Aim: no slower than timestamps.",),
    )


def _row(name: str, times: list[float], floor: list[float]) -> tuple[str, ...]:
    own = median(time / base for time, base in zip(times, floor, strict=True))
    figures = (median(times), min(times), max(times))
    return (name, f"{own:.2f}", *map(milliseconds, figures))


def _each_first_in_turn(number: int) -> tuple[Kind, ...]:
    start = number % len(KINDS)
    return KINDS[start:] + KINDS[:start]


def _create(kind: Kind, count: int) -> float:
    """Create daily partitions up to some days ahead, so that a pass has nothing to do."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = today + timedelta(days=7)
    target = target_of(kind.partitioned)
    begun = perf_counter()
    report = create_range(target, end - timedelta(days=count), end)
    taken = perf_counter() - begun
    if len(report.actions) != count:
        raise RuntimeError(f"{len(report.actions)} of {count} partitions were made.")
    return taken


def _pass(kind: Kind) -> float:
    begun = perf_counter()
    report = maintain(kind.partitioned._meta.label_lower)
    taken = perf_counter() - begun
    if report.outcome is not Outcome.UNCHANGED:
        raise RuntimeError(f"The pass was not idle: it ended {report.outcome}.")
    return taken
