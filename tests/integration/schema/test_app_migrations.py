"""The app's migrations forward and backward, one by one, under tables and rows that are in use."""

from __future__ import annotations

import datetime as dt

from django.core.management import call_command

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.app_migrations import (
    APP,
    apply_only,
    fill,
    lost,
    migrate,
    our_migrations,
    our_rows,
)
from tests.support.table_state import observe_tables

OLD = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
OLDEST, SECOND = "plant_reading_20240101_20240102", "plant_reading_20240102_20240103"


def use_the_plant() -> None:
    """Leave rows in old partitions of a table, one of them detached, and in the newest ones."""
    Reading.partitioning.create_range(OLD, OLD + 3 * DAY)
    for day in range(3):
        Reading.objects.create(at=OLD + day * DAY, value=day)
    now = dt.datetime.now(tz=dt.UTC)
    Reading.objects.create(at=now, value=10)
    Measurement.objects.create(at=now, value=11, machine=Machine.objects.create(name="press"))


def partitions() -> set[tuple[object, ...]]:
    """Return what our rows say of the plant's partitions."""
    rows = PartitionLog.objects.filter(config__model_label__startswith="plant.")
    return set(rows.values_list("table_name", "start", "end", "is_attached"))


def test_each_migration_of_ours_carries_tables_and_rows_over(migrated_database: None) -> None:
    use_the_plant()
    PartitionLog.objects.get(table_name=OLDEST).detach()
    names, tables = our_migrations(), observe_tables(Reading)
    for later, earlier in zip(reversed(names), [*reversed(names[:-1]), None], strict=True):
        before = our_rows(later)
        apply_only(earlier)
        assert earlier is None or lost(before, our_rows(earlier)) == []
        migrate(APP, earlier or "zero")
        assert not tables.difference(observe_tables(Reading))
    for earlier, later in zip([None, *names], names, strict=False):
        before = {} if earlier is None else our_rows(earlier)
        apply_only(later)
        assert lost(before, our_rows(later)) == []
        migrate(APP, later)
        assert not tables.difference(observe_tables(Reading))
        fill(later, "plant.reading", SECOND, OLD + DAY)
    assert reconcile("plant.reading").outcome == "done"
    assert maintain("plant.reading").outcome == "unchanged"
    pins = PartitionLog.objects.exclude(detach_time=None).values_list("table_name", flat=True)
    assert list(pins) == [SECOND]
    assert not tables.difference(observe_tables(Reading))


def test_zero_and_forward_find_every_partition_and_every_row(migrated_database: None) -> None:
    use_the_plant()
    PartitionLog.objects.get(table_name=OLDEST).detach()
    known, tables = partitions(), observe_tables(Reading)
    migrate(APP, "zero")
    Reading.objects.create(at=dt.datetime.now(tz=dt.UTC), value=12)
    assert Reading.objects.count() == 4
    migrate(APP)
    assert reconcile("plant.reading").outcome == "done"
    assert partitions() == known
    for label in ("plant.reading", "plant.measurement", "plant.shift"):
        report = maintain(label)
        assert (report.outcome, report.actions) == ("unchanged", ())
    Reading.objects.get(value=12).delete()
    assert not tables.difference(observe_tables(Reading))
    PartitionLog.objects.get(table_name=OLDEST).attach()
    assert set(Reading.objects.values_list("value", flat=True)) == {0, 1, 2, 10}


def test_tables_that_were_there_before_ours_are_found(empty_database: None) -> None:
    migrate("plant")
    Reading.objects.create(at=dt.datetime.now(tz=dt.UTC), value=1)
    tables = observe_tables(Reading)
    migrate(APP)
    assert not tables.difference(observe_tables(Reading))
    assert PartitionConfig.objects.filter(model_label__startswith="plant.").count() == 3
    assert maintain("plant.reading").outcome == "unchanged"
    assert len(partitions()) == 3 * 2
    assert Reading.objects.get().value == 1


def test_ours_need_no_new_migration(migrated_database: None) -> None:
    call_command("makemigrations", APP, check=True, dry_run=True, verbosity=0)
