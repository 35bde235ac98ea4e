"""The grace before a drop is counted from when a partition was detached, and no earlier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest
from django.db import connection

from pg_timepart.models import PartitionLog
from tests.plant.models import Reading
from tests.plant.observing import clear_plant, wipe
from tests.processes import session

pytestmark = pytest.mark.django_db(transaction=True)

OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def plant(transactional_db: None) -> Iterator[None]:
    yield
    clear_plant()


def the_old() -> PartitionLog:
    return PartitionLog.objects.get(config__model_label="plant.reading", start=OLD)


def clock() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
        return moment


def test_a_detach_that_waited_is_recorded_when_it_was_done() -> None:
    wipe(Reading)
    partitioning: Any = Reading.partitioning
    partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    ended: list[dt.datetime] = []
    with session("report") as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM plant_reading")

        def end() -> None:
            cursor.execute("SELECT clock_timestamp()")
            ended.extend(cursor.fetchone())
            cursor.execute("COMMIT")

        timer = Timer(1.0, end)
        timer.start()
        the_old().detach()
        timer.join()
    detached_at = the_old().detached_at
    assert detached_at is not None
    assert ended[0] < detached_at <= clock()
