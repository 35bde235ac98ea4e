"""Customers and their orders, month by month."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import PeriodType


class Customer(models.Model):
    """Who orders."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


@TimeRangePartitioningSupport(
    "placed_at", default_period=PeriodType.Month, default_interval=12, default_premake=2
)
class Order(models.Model):
    """One order. A year is kept at hand."""

    placed_at = models.DateTimeField(default=timezone.now)
    customer = models.ForeignKey(Customer, models.PROTECT)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"order {self.pk}: {self.total}"
