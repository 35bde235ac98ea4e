"""What random sequences of drift have found, each in as few steps as show it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionLog
from tests.apps.plant.models import Reading
from tests.support.table_state import reset_plant_tables, reset_table

pytestmark = pytest.mark.usefixtures("committing")

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TODAY = "plant_reading_20240310_20240311"
AFTER = "plant_reading_20240312_20240313"


@pytest.fixture(autouse=True)
def table(committing: None) -> Iterator[None]:
    """Partitions for today and tomorrow."""
    reset_table(Reading)
    run_pass()
    yield
    reset_plant_tables()


def run_pass(now: dt.datetime = NOW) -> Report:
    return maintain("plant.reading", now=now)


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def row_of(name: str) -> PartitionLog:
    return PartitionLog.objects.get(config__model_label="plant.reading", table_name=name)


def copy_of(log: PartitionLog, **changes: Any) -> None:
    """Save a second row about the same partition."""
    log.pk = None
    log._state.adding = True
    for name, value in changes.items():
        setattr(log, name, value)
    log.save()


def test_a_second_row_about_a_detached_partition_goes() -> None:
    row_of(TODAY).detach()
    oid = row_of(TODAY).relid
    copy_of(row_of(TODAY), relid=4)
    assert reconcile("plant.reading").outcome == "done"
    assert row_of(TODAY).relid == oid
    run_pass()
    assert run_pass().outcome == "unchanged"


def test_a_partition_that_has_the_next_name_is_not_in_the_way() -> None:
    execute(f"ALTER TABLE {TODAY} RENAME TO {AFTER}")
    report = run_pass(NOW + DAY)
    assert [(each.partition, each.outcome) for each in report.actions] == [(f"{AFTER}_2", "done")]
    assert run_pass(NOW + DAY).outcome == "unchanged"


def test_rows_of_detached_partitions_follow_the_names_when_oids_change_places() -> None:
    """As they may after a dump and restore."""
    bounds = {}
    for name in (TODAY, "plant_reading_20240311_20240312"):
        row_of(name).detach()
        bounds[row_of(name).relid] = row_of(name).bounds
    one, other = PartitionLog.objects.filter(is_attached=False)
    PartitionLog.objects.filter(pk=one.pk).update(relid=1)
    PartitionLog.objects.filter(pk=other.pk).update(relid=one.relid)
    PartitionLog.objects.filter(pk=one.pk).update(relid=other.relid)
    reconcile("plant.reading")
    assert {
        row.relid: row.bounds for row in PartitionLog.objects.filter(is_attached=False)
    } == bounds


def test_a_recorded_partition_without_a_comment_is_not_in_the_way() -> None:
    row_of(TODAY).detach()
    execute(f"COMMENT ON TABLE {TODAY} IS NULL")
    report = run_pass()
    assert [(each.partition, each.outcome) for each in report.actions] == [(f"{TODAY}_2", "done")]
