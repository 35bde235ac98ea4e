"""Data of the demo: an admin, old partitions with rows, and an operator's choices."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from deploy.demo.schedule_change import change_schedule
from deploy.sensors.models import Reading
from deploy.shop.models import Customer, Invoice, InvoiceLine, Order
from deploy.traffic.models import WebEvent
from pg_timepart import uuid7
from pg_timepart.models import PartitionConfig

ADMIN = "demo"
PASS_EVERY_SECONDS = 5
_ROWS_A_TABLE = 2_000

OLDEST_ROWS = {
    Reading: timedelta(minutes=6),
    WebEvent: timedelta(days=33),
    Order: timedelta(days=30 * 15),
    Invoice: timedelta(days=17),
}
"""How far back each table goes: further than it keeps, so that there is something to retire."""

OLDEST_LINES = timedelta(days=15, hours=12)
"""How far back invoices have lines: longer than invoices are kept."""

RANDOM_BITS = (1 << 80) - 1


def make_admin() -> str:
    """Make a superuser and return the password."""
    password = secrets.token_urlsafe(9)
    get_user_model().objects.create_superuser(ADMIN, password=password)
    return password


def make_old_partitions(now: datetime) -> int:
    """Create partitions of the past, by hand, and fill them; return how many rows they got."""
    for model, past in OLDEST_ROWS.items():
        _partitioning(model).create_range(now - past, now)
    customers = Customer._default_manager.bulk_create(
        Customer(name=f"customer {n}") for n in range(100)
    )
    count = sum(
        (
            _fill(Reading, now, lambda at: Reading(sensor=0, measured_at=at, celsius=20.0)),
            _fill(WebEvent, now, lambda at: WebEvent(happened_at=at, visitor=UUID(int=0))),
            _fill(Order, now, lambda at: _order(random.choice(customers), at)),
            _fill(Invoice, now, lambda at: _invoice(random.choice(customers), at)),
        )
    )
    InvoiceLine._default_manager.bulk_create(
        InvoiceLine(invoice=each, article="a book", price=each.total)
        for each in _partitioning(Invoice).during(now - OLDEST_LINES, now)
    )
    return count


def apply_operator_choices(archive: str | None) -> list[str]:
    """Do what an operator does in the admin, and return a sentence for each.

    More room ahead for the readings, a tablespace for what is retired, and quick schedules.
    """
    done = [_raise_premake(_partitioning(Reading).config)]
    if archive:
        PartitionConfig.objects.update(detach_tablespace=archive)
        done.append(f"retired partitions of all tables shall move to the tablespace {archive}")
    for config in PartitionConfig.objects.all():
        change_schedule(config, PASS_EVERY_SECONDS)
    done.append(f"the schedule of each table is changed to every {PASS_EVERY_SECONDS} seconds")
    return done


def delete_old_lines(now: datetime) -> str:
    """Delete the lines of invoices that are past retention; return a sentence about it."""
    config = _partitioning(Invoice).config
    policy = config.policy()
    end = policy.period.shift(now, -config.interval, policy.zone)
    first_kept = _partitioning(Invoice).key_at(end)
    deleted, _ = InvoiceLine._default_manager.filter(invoice_id__lt=first_kept).delete()
    return f"{deleted:,} invoice lines are deleted, of invoices before {end:%Y-%m-%d %H:%M}"


def count_rows() -> int:
    """Return how many rows the tables hold, retired partitions included."""
    return sum(_count(model) for model in OLDEST_ROWS)


def _raise_premake(config: PartitionConfig) -> str:
    before = config.premake
    config.premake = before + 1
    config.full_clean()
    config.save()
    return f"premake of {config} is raised from {before} to {config.premake}"


def _fill(
    model: type[models.Model], now: datetime, row_at: Callable[[datetime], models.Model]
) -> int:
    past = OLDEST_ROWS[model] / _ROWS_A_TABLE
    rows = [row_at(now - past * number) for number in range(_ROWS_A_TABLE)]
    return len(model._default_manager.bulk_create(rows))


def _order(customer: Customer, at: datetime) -> Order:
    return Order(customer=customer, placed_at=at, total=Decimal("12.50"))


def _invoice(customer: Customer, at: datetime) -> Invoice:
    """Return an invoice whose id has the time of ``at``, and all else of a new one."""
    time: UUID = _partitioning(Invoice).key_at(at)
    id_then = UUID(int=time.int | uuid7().int & RANDOM_BITS)
    return Invoice(id=id_then, customer=customer, total=Decimal("12.50"))


def _count(model: type[models.Model]) -> int:
    from django.db import connection

    tables = [model._meta.db_table]
    retired = _partitioning(model).config.logs.filter(is_attached=False)
    tables += retired.values_list("table_name", flat=True)
    with connection.cursor() as cursor:
        counts = []
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            counts.append(int(cursor.fetchone()[0]))
    return sum(counts)


def _partitioning(model: type[models.Model]) -> Any:
    return model.partitioning  # type: ignore[attr-defined]


def now() -> datetime:
    """Return the clock of this machine, which is the servers' too."""
    return timezone.now()
