"""Partitioned models for single operations: plain, by date, and with all that can hang on one."""

from __future__ import annotations

from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType


class Port(models.Model):
    name = models.CharField(max_length=50)


@TimeRangePartitioningSupport("sailed_at", default_premake=2)
class Ship(models.Model):
    """Nothing but a key."""

    sailed_at = models.DateTimeField()
    name = models.CharField(max_length=50, default="Calypso")


@TimeRangePartitioningSupport("day", default_period=PeriodType.Day, default_premake=2)
class Crossing(models.Model):
    """A date as key."""

    day = models.DateField()


@TimeRangePartitioningSupport("loaded_at", default_premake=2)
class Cargo(models.Model):
    """A foreign key out, keys, indexes, a check and a generated column."""

    loaded_at = models.DateTimeField()
    port = models.ForeignKey(Port, models.CASCADE)
    code = models.CharField(max_length=20, unique=True)
    tons = models.PositiveIntegerField(default=1)
    kilos = models.GeneratedField(
        expression=models.F("tons") * 1000, output_field=models.IntegerField(), db_persist=True
    )

    class Meta:
        indexes = (models.Index(fields=("port", "-loaded_at"), name="cargo_by_port"),)


@TimeRangePartitioningSupport("at", default_premake=1)
class Mooring(models.Model):
    """Lives in a schema of its own, written as people write it in Django."""

    at = models.DateTimeField(db_column="Größe o'clock")

    class Meta:
        db_table = 'fleet yard"."The Moorings'
