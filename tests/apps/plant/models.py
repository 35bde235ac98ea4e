"""Tables for tests that kill, race and block: one of each kind that takes other locks."""

from __future__ import annotations

from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType

__all__ = ["Machine", "Measurement", "Reading", "Shift"]


class Machine(models.Model):
    """What a partitioned table refers to."""

    name = models.CharField(max_length=100)


@TimeRangePartitioningSupport("at", default_period=PeriodType.Day, default_premake=1)
class Reading(models.Model):
    """No foreign key."""

    at = models.DateTimeField()
    value = models.IntegerField(db_index=True)


@TimeRangePartitioningSupport("at", default_period=PeriodType.Day, default_premake=1)
class Measurement(models.Model):
    """A foreign key, which makes ATTACH and DETACH lock its target."""

    at = models.DateTimeField()
    value = models.IntegerField(db_index=True)
    machine = models.ForeignKey(Machine, models.CASCADE)


@TimeRangePartitioningSupport("day", default_period=PeriodType.Day, default_premake=1)
class Shift(models.Model):
    """A date as key."""

    day = models.DateField()
    value = models.IntegerField(db_index=True)
