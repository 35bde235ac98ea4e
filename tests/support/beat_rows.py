"""The rows of django-celery-beat, as an operator and a test see and change them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Barrier
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from pg_timepart.beat import config_entries, schedules
from pg_timepart.models import PartitionConfig

PREFIX = "made."
WRITES = ("INSERT", "UPDATE", "DELETE")


def make_config(name: str = "thing", **facts: Any) -> PartitionConfig:
    """Save a config of a model that needs not be there."""
    return PartitionConfig.objects.create(model_label=f"{PREFIX}{name}", **facts)


def entry_of(config: PartitionConfig) -> PeriodicTask:
    """Return the only beat entry that maintains the table of this config, freshly read."""
    config.refresh_from_db()
    (entry,) = entries_for(config.model_label)
    assert entry.pk == config.schedule_id
    return entry


def entries_for(label: str) -> list[PeriodicTask]:
    """Return the entries that send the maintenance of this model."""
    return list(PeriodicTask.objects.filter(task=config_entries.MAINTAIN, args=f'["{label}"]'))


def seconds_between(entry: PeriodicTask) -> float:
    """Return how often an entry with an interval is due."""
    return float(entry.interval.schedule.run_every.total_seconds())


def last_change() -> datetime | None:
    """Return what beat compares to know that it must read its schedule again."""
    changed: datetime | None = PeriodicTasks.last_change()
    return changed


@contextmanager
def writes() -> Iterator[list[str]]:
    """Collect the statements of the block that write."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield found
    found += [each["sql"] for each in queries if each["sql"].startswith(WRITES)]


def sync_at_the_same_time(number: int = 4) -> None:
    """Sync all configs in so many threads, each with connections of its own, all at once."""
    barrier = Barrier(number)

    def race() -> None:
        try:
            barrier.wait(10)
            schedules.sync_all()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        for each in [pool.submit(race) for _ in range(number)]:
            each.result(30)


def tidy_up(intervals: set[int]) -> None:
    """Remove what a test made, but not these rows, and repair what it did to other entries."""
    PartitionConfig.objects.filter(model_label__startswith=PREFIX).delete()
    remembered = PartitionConfig.objects.exclude(schedule_id=None).values("schedule_id")
    PeriodicTask.objects.exclude(pk__in=remembered).delete()
    IntervalSchedule.objects.exclude(pk__in=intervals).delete()
    CrontabSchedule.objects.all().delete()
    schedules.sync_all()
