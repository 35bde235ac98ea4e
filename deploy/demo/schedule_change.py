"""Change a table's schedule, as an operator does in the admin."""

from __future__ import annotations

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pg_timepart.models import PartitionConfig


def change_schedule(config: PartitionConfig, seconds: int) -> None:
    """Have beat send a pass over the table every so many seconds."""
    entry = PeriodicTask.objects.get(pk=config.schedule_id)  # which migrate has made
    wanted = {"every": seconds, "period": IntervalSchedule.SECONDS}
    rows = IntervalSchedule.objects
    entry.interval = rows.filter(**wanted).first() or rows.create(**wanted)
    entry.save()
