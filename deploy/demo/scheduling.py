"""Changing a table's schedule, as an operator does in the admin."""

from __future__ import annotations

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig


def change_schedule(config: PartitionConfig, seconds: int) -> None:
    """Have beat send a pass over the table every so many seconds."""
    entry: PeriodicTask | None = schedules.entry_of(config)
    assert entry is not None  # noqa: S101 - migrate has made it
    wanted = {"every": seconds, "period": IntervalSchedule.SECONDS}
    rows = IntervalSchedule.objects
    entry.interval = rows.filter(**wanted).first() or rows.create(**wanted)
    entry.save()
