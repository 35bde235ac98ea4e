"""Sensors and what they measure, minute by minute."""

from __future__ import annotations

from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType


@TimeRangePartitioningSupport(
    "measured_at", default_period=PeriodType.Minute, default_interval=2, default_premake=3
)
class Reading(models.Model):
    """One value of one sensor. A partition a minute, so that a short show has much to show."""

    sensor = models.PositiveIntegerField()
    measured_at = models.DateTimeField()
    celsius = models.FloatField()

    class Meta:
        indexes = (models.Index(fields=("sensor", "-measured_at"), name="reading_by_sensor"),)

    def __str__(self) -> str:
        return f"sensor {self.sensor}: {self.celsius:.1f} °C"
