"""Plain and partitioned models side by side."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType
from tests.apps.shop.nested.models import Visit

__all__ = ["Customer", "DataTable", "Event", "Invoice", "Order", "PageView", "Tag", "Visit"]


class Customer(models.Model):
    name = models.CharField(max_length=100)


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)


@TimeRangePartitioningSupport("timestamp")
class DataTable(models.Model):
    id = models.BigIntegerField(primary_key=True, serialize=False)
    timestamp = models.DateTimeField()
    data = models.TextField()

    class Meta:
        indexes = (models.Index(fields=("id",)),)


@TimeRangePartitioningSupport(
    "timestamp", default_period=PeriodType.Day, default_interval=30, default_premake=7
)
class Event(models.Model):
    """The usual case: an implicit id, a foreign key, tags, an index of its own."""

    timestamp = models.DateTimeField(default=timezone.now)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    kind = models.CharField(max_length=30, db_index=True)
    payload = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag, db_constraint=False)

    class Meta:
        indexes = (models.Index(fields=("customer", "-timestamp"), name="event_by_customer"),)


class PlacedQuerySet(models.QuerySet["Order"]):
    def open(self) -> PlacedQuerySet:
        return self.filter(is_closed=False)


class Numbered(models.Model):
    """An abstract base whose manager its children inherit."""

    number = models.CharField(max_length=20, unique=True)

    placed = PlacedQuerySet.as_manager()

    class Meta:
        abstract = True


@TimeRangePartitioningSupport("placed_on", default_period=PeriodType.Month)
class Order(Numbered):
    """A date as key, in a column of another name; unique declarations; an inherited manager."""

    placed_on = models.DateField(db_column="day")
    customer = models.ForeignKey(Customer, models.PROTECT)
    position = models.PositiveIntegerField(default=0)
    is_closed = models.BooleanField(default=False)

    class Meta:
        unique_together = (("customer", "position"),)
        constraints = (
            models.UniqueConstraint(
                fields=("customer",), condition=models.Q(is_closed=False), name="one_open_order"
            ),
        )


@TimeRangePartitioningSupport("issued_at", default_period=PeriodType.Year)
class Invoice(models.Model):
    """A composite primary key, honoured as written."""

    pk = models.CompositePrimaryKey("issued_at", "number")
    issued_at = models.DateTimeField()
    number = models.BigIntegerField()
    total = models.DecimalField(max_digits=12, decimal_places=2)


@TimeRangePartitioningSupport("seen_at", default_period=PeriodType.Hour, widen_keys=False)
class PageView(models.Model):
    """No index but those asked for."""

    seen_at = models.DateTimeField()
    path = models.CharField(max_length=200)
