"""A project's own migrations of decorated models: back, forward, and while workers rotate."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from django.db import connection

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.plant.models import Reading
from tests.support.app_migrations import migrate

OLD = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FULL, EMPTY = "plant_reading_20240101_20240102", "plant_reading_20240102_20240103"


def tables() -> set[str]:
    """Return the tables named like readings."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND starts_with(relname, 'plant_reading')"
        )
        return {name for (name,) in cursor.fetchall()}


def detach(*names: str) -> None:
    for log in PartitionLog.objects.filter(table_name__in=names):
        log.detach()


def todays() -> PartitionLog:
    now = dt.datetime.now(tz=dt.UTC)
    logs = PartitionLog.objects.filter(config__model_label="plant.reading")
    return logs.get(start__lte=now, end__gt=now)


def test_back_the_table_goes_and_detached_rows_stay_and_forward_they_can_be_attached(
    migrated_database: None, caplog: pytest.LogCaptureFixture
) -> None:
    Reading.partitioning.create_range(OLD, OLD + 3 * DAY)
    Reading.objects.create(at=OLD, value=1)
    Reading.objects.create(at=OLD + 2 * DAY, value=2)
    detach(FULL, EMPTY)
    with caplog.at_level(logging.WARNING, "pg_timepart"):
        migrate("plant", "zero")
    assert FULL in caplog.text
    assert EMPTY not in caplog.text
    assert tables() == {FULL}
    assert not PartitionConfig.objects.filter(model_label__startswith="plant.").exists()
    migrate("plant")
    assert Reading.objects.count() == 0
    assert reconcile("plant.reading").outcome == "done"
    PartitionLog.objects.get(table_name=FULL).attach()
    assert Reading.objects.get().value == 1
    assert maintain("plant.reading").outcome == "unchanged"


def test_forward_a_detached_partition_of_today_is_not_in_the_way(migrated_database: None) -> None:
    Reading.objects.create(at=dt.datetime.now(tz=dt.UTC), value=1)
    log = todays()
    log.detach()
    migrate("plant", "zero")
    assert tables() == {log.table_name}
    migrate("plant")
    Reading.objects.create(at=dt.datetime.now(tz=dt.UTC), value=2)
    assert list(Reading.objects.values_list("value", flat=True)) == [2]
    reconcile("plant.reading")
    (kept,) = PartitionLog.objects.filter(is_attached=False)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT value FROM {kept.table_name}")
        assert cursor.fetchall() == [(1,)]
