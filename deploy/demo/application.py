"""Application of the demo: ``python -m deploy.demo.application`` inserts rows until SIGTERM.

It appends to the file that its argument names: what it has done so far, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import django

TOLD_EVERY_SECONDS = 0.5
_MAX_LATENESS_SECONDS = 5.0
_SENSORS = 10
_LINES = 2


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one writer has done so far."""

    written: int = 0
    """Rows whose INSERT was committed."""

    refused: int = 0
    """INSERTs that ended in an error."""

    worst_ms: float = 0.0
    """The slowest INSERT, as the application saw it."""

    error: str = ""
    """The latest error."""

    def as_json(self) -> dict[str, int | float | str]:
        """Return it in JSON types."""
        return {
            "written": self.written,
            "refused": self.refused,
            "worst_ms": round(self.worst_ms, 2),
            "error": self.error,
        }


class Writer(threading.Thread):
    """Repeats one INSERT, with a pause after each."""

    def __init__(self, insert: Callable[[], int], pause_seconds: float) -> None:
        super().__init__(daemon=True)
        self.tally = Tally()
        self._insert, self._pause_seconds = insert, pause_seconds
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Insert until asked to stop."""
        from django.db import connection

        # What comes next is measured, and connecting is no INSERT.
        connection.ensure_connection()
        while not self._stop_asked.wait(self._pause_seconds):
            self._insert_once()
        connection.close()

    def end(self) -> None:
        """Stop after the INSERT that is under way."""
        self._stop_asked.set()
        self.join()

    def _insert_once(self) -> None:
        from django.db import Error, connection

        begun = time.perf_counter()
        try:
            written = self._insert()
        except Error as error:
            self.tally.refused += 1
            self.tally.error = " ".join(str(error).split())
            connection.close()
        else:
            self.tally.written += written
        self.tally.worst_ms = max(self.tally.worst_ms, (time.perf_counter() - begun) * 1_000)


def main() -> int:
    """Write until SIGTERM, telling on the way; return the exit status."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    writers = _writers()
    for each in writers.values():
        each.start()
    with Path(sys.argv[1]).open("a", buffering=1) as told:
        while not stop.wait(TOLD_EVERY_SECONDS):
            _tell(told.write, writers)
        for each in writers.values():
            each.end()
        _tell(told.write, writers)
    return 0


def _writers() -> dict[str, Writer]:
    from deploy.sensors.models import Reading
    from deploy.shop.models import Customer, Invoice, Order
    from deploy.traffic.models import WebEvent

    customers = list(Customer._default_manager.values_list("pk", flat=True))
    return {
        Reading._meta.label_lower: Writer(_insert_readings, 0.04),
        WebEvent._meta.label_lower: Writer(_insert_web_event, 0.02),
        Order._meta.label_lower: Writer(lambda: _insert_order(random.choice(customers)), 0.1),
        Invoice._meta.label_lower: Writer(lambda: _insert_invoice(random.choice(customers)), 0.1),
    }


def _insert_readings() -> int:
    from django.utils import timezone

    from deploy.sensors.models import Reading

    late = timedelta(seconds=random.uniform(0, _MAX_LATENESS_SECONDS))
    rows = [
        Reading(sensor=sensor, measured_at=timezone.now() - late, celsius=random.gauss(20, 3))
        for sensor in range(_SENSORS)
    ]
    return len(Reading._default_manager.bulk_create(rows))


def _insert_web_event() -> int:
    from deploy.traffic.models import WebEvent

    visitor = UUID(int=random.randrange(1_000))
    WebEvent._default_manager.create(visitor=visitor, path="/shop", details={"agent": "demo"})
    return 1


def _insert_order(customer: int) -> int:
    from deploy.shop.models import Order

    Order._default_manager.create(
        customer_id=customer, total=Decimal(random.randrange(100, 99_900)) / 100
    )
    return 1


def _insert_invoice(customer: int) -> int:
    """Insert one invoice with its lines."""
    from django.db import transaction

    from deploy.shop.models import Invoice, InvoiceLine

    prices = [Decimal(random.randrange(100, 9_900)) / 100 for _ in range(_LINES)]
    with transaction.atomic():
        invoice = Invoice._default_manager.create(customer_id=customer, total=sum(prices))
        InvoiceLine._default_manager.bulk_create(
            InvoiceLine(invoice=invoice, article="a book", price=price) for price in prices
        )
    return 1


def _tell(write: Callable[[str], object], writers: dict[str, Writer]) -> None:
    tallies = {label: each.tally.as_json() for label, each in writers.items()}
    write(f"{json.dumps(tallies)}\n")


if __name__ == "__main__":
    sys.exit(main())
