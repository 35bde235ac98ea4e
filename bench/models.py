"""Models of the benchmarks. They have no migrations: each benchmark makes what it needs."""

from __future__ import annotations

from typing import Any

from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType

# Left out of the schedule, so that a pass over all tables is one over the idle ones alone.
_unscheduled = TimeRangePartitioningSupport(
    "timestamp", default_period=PeriodType.Day, default_enabled=False
)


@_unscheduled
class Event(models.Model):
    """The usual table: an implicit id, an index, a text."""

    timestamp = models.DateTimeField()
    kind = models.CharField(max_length=30)
    payload = models.TextField()

    class Meta:
        indexes = (models.Index(fields=("timestamp",), name="bench_event_by_time"),)

    def __str__(self) -> str:
        return f"{self.kind} at {self.timestamp}"


class Customer(models.Model):
    """What a partitioned table refers to, and an application writes to all the time."""

    visits = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"customer {self.pk}"


@_unscheduled
class Sale(models.Model):
    """A table whose foreign key makes every ATTACH and DETACH lock another table too."""

    timestamp = models.DateTimeField()
    customer = models.ForeignKey(Customer, models.CASCADE)
    note = models.TextField()

    class Meta:
        indexes = (models.Index(fields=("timestamp",), name="bench_sale_by_time"),)

    def __str__(self) -> str:
        return f"sale at {self.timestamp}"


def idle_models(count: int) -> list[type[models.Model]]:
    """Return so many new models with daily partitions, of which a pass keeps 90."""
    return [_idle_model(f"Idle{number:03}") for number in range(count)]


def _idle_model(name: str) -> type[models.Model]:
    fields: dict[str, Any] = {
        "__module__": __name__,
        "timestamp": models.DateTimeField(),
        "value": models.IntegerField(),
    }
    model = type(name, (models.Model,), fields)
    scheduled = TimeRangePartitioningSupport(
        "timestamp", default_period=PeriodType.Day, default_interval=90
    )
    return scheduled(model)
