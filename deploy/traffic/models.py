"""What visitors of a web site do, day by day."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType


@TimeRangePartitioningSupport(
    "happened_at", default_period=PeriodType.Day, default_interval=30, default_premake=7
)
class WebEvent(models.Model):
    """One request of one visitor. A month is kept at hand."""

    happened_at = models.DateTimeField(default=timezone.now)
    visitor = models.UUIDField()
    path = models.CharField(max_length=200)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = (models.Index(fields=("visitor", "-happened_at"), name="event_by_visitor"),)

    def __str__(self) -> str:
        return f"{self.path} at {self.happened_at}"
