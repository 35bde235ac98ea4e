"""A partitioned model that other models refer to: its partition key is its primary key."""

from __future__ import annotations

from django.db import models

from pg_timepart import TimeRangePartitioningSupport, uuid7
from pg_timepart.constants import PeriodType


@TimeRangePartitioningSupport(
    "id", key_format="uuid7", default_period=PeriodType.Day, default_premake=1
)
class Parcel(models.Model):
    """Has one more unique field, which is widened by the key."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    value = models.IntegerField(default=0, db_index=True)
    code = models.CharField(max_length=20, null=True, unique=True)

    def __str__(self) -> str:
        return f"parcel {self.value}"


class Scan(models.Model):
    """Goes with its parcel."""

    parcel = models.ForeignKey(Parcel, models.CASCADE)
    grams = models.IntegerField(default=1)


class Receipt(models.Model):
    """Keeps its parcel."""

    parcel = models.OneToOneField(Parcel, models.PROTECT)


class Van(models.Model):
    """Many parcels, in a table that Django makes and in one that is a model."""

    parcels = models.ManyToManyField(Parcel)
    loaded = models.ManyToManyField(Parcel, through="Load", related_name="loaders")


class Load(models.Model):
    """A parcel in a van."""

    van = models.ForeignKey(Van, models.CASCADE)
    parcel = models.ForeignKey(Parcel, models.CASCADE)
    place = models.IntegerField(default=1)


@TimeRangePartitioningSupport(
    "id", key_format="uuid7", default_period=PeriodType.Day, default_premake=1
)
class Pallet(models.Model):
    """One table alone refers to it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    value = models.IntegerField(default=0, db_index=True)


class Weighing(models.Model):
    """What a pallet weighed."""

    pallet = models.ForeignKey(Pallet, models.CASCADE)
    grams = models.IntegerField(default=1)
