"""Customers, their orders month by month, and their invoices day by day."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils import timezone

from pg_timepart import TimeRangePartitioningSupport, uuid7
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


@TimeRangePartitioningSupport(
    "id",
    key_format="uuid7",
    default_period=PeriodType.Day,
    default_interval=14,
    default_premake=3,
)
class Invoice(models.Model):
    """One invoice, whose id says when it was made. Two weeks are kept at hand."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"invoice {self.pk}: {self.total}"

    @property
    def made_at(self) -> datetime:
        """The moment that the first 48 bits of the id hold, in UTC."""
        return datetime.fromtimestamp((self.id.int >> 80) / 1000, UTC)


class InvoiceLine(models.Model):
    """One article of an invoice. While there is one, the invoice's partition stays attached."""

    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="lines")
    article = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.article}: {self.price}"
