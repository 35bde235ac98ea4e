"""A table whose primary key is a number that holds its time, and the partition key."""

from __future__ import annotations

import datetime as dt
import time
from itertools import count

from django.db import models

from pg_timepart import Snowflake, TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType

PULSE_EPOCH = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
PULSE_SHIFT = 22

_pulses = count()


def pulse_id() -> int:
    """Return a new id: milliseconds since 2010, above a number of this process."""
    passed = round((time.time() - PULSE_EPOCH.timestamp()) * 1000)
    return (passed << PULSE_SHIFT) + next(_pulses) % (1 << PULSE_SHIFT)


@TimeRangePartitioningSupport(
    "id",
    key_format=Snowflake(epoch=PULSE_EPOCH, shift=PULSE_SHIFT),
    default_period=PeriodType.Day,
    default_premake=1,
)
class Pulse(models.Model):
    """A number."""

    id = models.BigIntegerField(primary_key=True, default=pulse_id)
    value = models.IntegerField(db_index=True)
