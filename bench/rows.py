"""Benchmark of rows: instances and queries on a partitioned table, beside a plain one in turn."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from django.db import transaction

from bench.database import execute, tables_of
from bench.keyed_models import KINDS, Kind
from bench.sizes import Sizes
from bench.table import Table
from pg_timepart.maintenance.manual import create_range
from pg_timepart.maintenance.target import target_without_logs

ROWS_EACH_DAY = 100
BULK = 1000
REPEATS = 40
"""How often each operation is measured in one round, each time on another row."""

BULK_REPEATS = 2
NONE = ""

Way = Callable[["Side"], float]


@dataclass(slots=True, kw_only=True)
class Side:
    """One of two tables with the same rows, and the means to pick one of them."""

    model: Any
    kind: Kind
    first: datetime
    days: int
    generator: random.Random

    @property
    def is_partitioned(self) -> bool:
        """Whether it is the partitioned one."""
        return self.model is self.kind.partitioned

    def day(self) -> datetime:
        """Return the start of one of the days."""
        return self.first + timedelta(days=self.generator.randrange(self.days))

    def during(self, start: datetime) -> Any:
        """Return the rows of a day: of the plain table by the same condition."""
        end = start + timedelta(days=1)
        partitioned = self.kind.partitioned.partitioning
        if self.is_partitioned:
            return partitioned.during(start, end)
        key = partitioned.declaration.key
        sides = {f"{key}__gte": partitioned.key_at(start), f"{key}__lt": partitioned.key_at(end)}
        return self.model.objects.filter(**sides)

    def instance(self) -> Any:
        """Return a row, loaded from the database."""
        return self.generator.choice(self.during(self.day())[:ROWS_EACH_DAY])

    def new(self) -> Any:
        """Return an instance that is not saved yet."""
        return self.model(**self.kind.key_of(self.day() + timedelta(hours=12)))


def measure(sizes: Sizes) -> Iterator[Table]:
    """Yield the medians of each operation for each kind of key.

    Without waiting for the disk at each commit, which would be the same for both tables and hide
    what differs.
    """
    execute("SET synchronous_commit = off")
    for kind in KINDS:
        with tables_of(kind.plain, kind.partitioned):
            yield _measured(kind, sizes)


def _measured(kind: Kind, sizes: Sizes) -> Table:
    sides = [
        Side(model=model, kind=kind, first=_first(sizes), days=sizes.partitions, generator=_dice())
        for model in (kind.plain, kind.partitioned)
    ]
    _fill(kind, sides)
    names = {name: way for name, way in WAYS.items() if not (way is _get and kind.name != "uuid7")}
    taken = {name: _taken(way, sides, _repeats(way, sizes)) for name, way in names.items()}
    return Table(
        title=(
            f"Key {kind.name}: {sizes.partitions} daily partitions of {ROWS_EACH_DAY} rows,"
            " beside a plain table in turn"
        ),
        headers=("", "ratio", "aim", "partitioned", "plain"),
        rows=tuple(_row(name, pairs) for name, pairs in taken.items()),
        notes=(
            "Medians; the ratio is the median of each pair's own.",
            "No commit waits for the disk, and the session has used every partition before.",
        ),
    )


def _dice() -> random.Random:
    """Return a generator of the same choices for both tables."""
    return random.Random(0)


def _first(sizes: Sizes) -> datetime:
    """Return the first of the days, the last of which is yesterday."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=sizes.partitions)


def _fill(kind: Kind, sides: list[Side]) -> None:
    """Put the same rows into both tables."""
    first, days = sides[0].first, sides[0].days
    target = target_without_logs(kind.partitioned, "default")
    create_range(target, first, first + timedelta(days=days + 1))
    step = timedelta(days=1) / ROWS_EACH_DAY
    moments = [first + number * step for number in range(days * ROWS_EACH_DAY)]
    keys = [kind.key_of(each) for each in moments]
    for side in sides:
        side.model.objects.bulk_create([side.model(**each) for each in keys], batch_size=2000)
        execute(f"VACUUM ANALYZE {side.model._meta.db_table}")
        _warm_up(side)


def _warm_up(side: Side) -> None:
    """Have the session load what it must know of each partition to read and write it."""
    for number in range(side.days):
        side.during(side.first + timedelta(days=number))[0].save()


def _repeats(way: Way, sizes: Sizes) -> int:
    return sizes.rounds * (BULK_REPEATS if way is _bulk_create else REPEATS)


def _taken(way: Way, sides: list[Side], repeats: int) -> list[tuple[float, float]]:
    """Return pairs of times, of the plain table and the partitioned one, each first in turn."""
    for side in sides:
        way(side)
    gc.collect()
    gc.disable()
    try:
        return [_pair(way, sides, is_plain_first=number % 2 == 0) for number in range(repeats)]
    finally:
        gc.enable()


def _pair(way: Way, sides: list[Side], *, is_plain_first: bool) -> tuple[float, float]:
    plain, partitioned = sides
    if is_plain_first:
        return way(plain), way(partitioned)
    second = way(partitioned)
    return way(plain), second


def _row(name: str, pairs: list[tuple[float, float]]) -> tuple[str, ...]:
    own = median(partitioned / plain for plain, partitioned in pairs)
    plain, partitioned = (median(times) for times in zip(*pairs, strict=True))
    shown = (f"{each * 1000:.2f} ms" for each in (partitioned, plain))
    return (name, f"{own:.2f}", AIMS.get(name, NONE), *shown)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _save(side: Side) -> float:
    instance = side.instance()
    instance.kind = "saved"
    return _timed(instance.save)


def _save_one_field(side: Side) -> float:
    instance = side.instance()
    instance.kind = "changed"
    return _timed(lambda: instance.save(update_fields=["kind"]))


def _refresh(side: Side) -> float:
    return _timed(side.instance().refresh_from_db)


def _delete(side: Side) -> float:
    """Delete a row; put it back afterwards."""
    instance = side.instance()
    key = instance.pk
    taken = _timed(instance.delete)
    instance.pk = key
    instance.save(force_insert=True)
    return taken


def _get(side: Side) -> float:
    key = side.instance().pk
    return _timed(lambda: side.model.objects.get(pk=key))


def _insert(side: Side) -> float:
    new = side.new()
    return _timed(lambda: new.save(force_insert=True))


def _bulk_create(side: Side) -> float:
    """Insert the rows of some day, and roll back."""
    start = side.day() + timedelta(hours=12)
    new = [side.model(**side.kind.key_of(start)) for _ in range(BULK)]
    with transaction.atomic():
        taken = _timed(lambda: side.model.objects.bulk_create(new))
        transaction.set_rollback(True)
    return taken


def _one_day(side: Side) -> float:
    rows = side.during(side.day())
    return _timed(lambda: list(rows))


WAYS: dict[str, Way] = {
    "save()": _save,
    "save(update_fields=...)": _save_one_field,
    "refresh_from_db()": _refresh,
    "delete()": _delete,
    "get(pk=...)": _get,
    "INSERT": _insert,
    f"bulk_create() of {BULK:,}": _bulk_create,
    "rows of one day": _one_day,
}
AIMS = {
    "save()": "1.3",
    "refresh_from_db()": "1.3",
    "delete()": "1.3",
    "get(pk=...)": "1.2",
    "INSERT": "1.2",
    f"bulk_create() of {BULK:,}": "1.2",
    "rows of one day": "1.2",
}
"""At most so many times the plain table's."""
