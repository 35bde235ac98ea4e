"""The plant's readings, as they are called after they have moved."""

from __future__ import annotations

import datetime as dt

from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType


@TimeRangePartitioningSupport(
    "at",
    default_period=PeriodType.Day,
    default_premake=1,
    default_interval=3,
    default_drop_after=dt.timedelta(0),
)
class Reading(models.Model):
    at = models.DateTimeField()
    value = models.IntegerField(db_index=True)

    class Meta:
        db_table = "plant_reading"
