"""A config follows its table: to another app, to another name, and never to the defaults."""

from __future__ import annotations

import datetime as dt
import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.test.utils import override_settings
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from pg_timepart import tasks
from pg_timepart.beat import schedules
from pg_timepart.errors import Conflict, OperationFailed
from pg_timepart.findings import Code, sentences
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.schema.registry import decorated_classes, only_decorated
from pg_timepart.status import Health, status_of, statuses
from tests import settings as project
from tests.apps.plant.models import Reading
from tests.support.admin_client import page_of, signed_in
from tests.support.later_migrations import code_without, migrate, write_history

OLD, NEW = "plant.reading", "annex.reading"
DAYS = 8
W016 = "pg_timepart.W016"
DELETE = "admin:pg_timepart_partitionconfig_delete"
GONE = 'SeparateDatabaseAndState(state_operations=[DeleteModel("Reading")])'


@pytest.fixture
def held(migrated_database: None) -> PartitionConfig:
    """Readings of a week under a legal hold, with a pin, a history and a chosen schedule."""
    now = dt.datetime.now(tz=dt.UTC)
    config = Reading.partitioning.config
    config.interval, config.drop_after = None, dt.timedelta(0)
    config.save()
    Reading.partitioning.create_range(now - dt.timedelta(days=DAYS - 1), now)
    for day in range(DAYS):
        Reading.objects.create(at=now - dt.timedelta(days=day), value=day)
    pinned = config.logs.order_by("start")[0]
    pinned.detach_time = now + dt.timedelta(days=365)
    pinned.save()
    entry = schedules.entry_of(config)
    assert entry is not None
    entry.interval, entry.crontab = None, CrontabSchedule.objects.create(hour="3")
    entry.save()
    return config


@contextmanager
def new_code(*also: str) -> Iterator[Any]:
    """Be a process whose code has the readings in the annex, and yield the model.

    Of the plant's partitioned models it has those named.
    """
    labels = {"plant.measurement", "plant.shift", OLD} - set(also)
    with code_without(*labels):
        with override_settings(INSTALLED_APPS=[*project.INSTALLED_APPS, "tests.apps.annex"]):
            model = import_module("tests.apps.annex.models").Reading
            with only_decorated(*decorated_classes(), model):
                yield model


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The migrations that move the model: state alone, in both apps."""
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"plant": write_history(tmp_path, GONE)}


def two_passes(label: str = NEW) -> None:
    """Run what would detach in the first pass, and drop in the second."""
    for _ in range(2):
        maintain(label)


def migrate_all(**options: Any) -> None:
    call_command("migrate", "annex", verbosity=0, **options)
    migrate(**options)


def assert_nothing_is_lost(held: PartitionConfig, label: str = NEW) -> None:
    assert Reading.objects.count() == DAYS
    (config,) = PartitionConfig.objects.filter(model_label__in=[OLD, NEW])
    assert (config.pk, config.model_label, config.interval) == (held.pk, label, None)
    assert config.logs.filter(detach_time__isnull=False).count() == 1
    runs = PartitionRun.objects.filter(model_label__in=[OLD, NEW])
    assert runs.count() >= 2
    assert set(runs.values_list("model_label", "config")) == {(label, held.pk)}
    entry = PeriodicTask.objects.get(pk=held.schedule_id)
    assert json.loads(entry.args) == [label]
    assert entry.crontab is not None
    assert entry.crontab.hour == "3"
    sent = PeriodicTask.objects.filter(args__in=[json.dumps([OLD]), json.dumps([NEW])])
    assert [each.pk for each in sent] == [held.schedule_id]


def first_migrate() -> None:
    migrate_all()
    two_passes()


def first_a_pass() -> None:
    two_passes()
    migrate_all()
    two_passes()


def only_recorded() -> None:
    migrate_all(fake=True)
    two_passes()


def the_old_app_first() -> None:
    migrate()
    call_command("migrate", "annex", verbosity=0)
    two_passes()


@pytest.mark.parametrize("deploy", [first_migrate, first_a_pass, only_recorded, the_old_app_first])
def test_a_model_that_moved_to_another_app_keeps_what_was_wanted_of_its_table(
    held: PartitionConfig, moving: None, deploy: Callable[[], None]
) -> None:
    held.refresh_from_db()
    with new_code():
        deploy()
        assert_nothing_is_lost(held)


def test_an_old_worker_goes_by_the_same_config(held: PartitionConfig, moving: None) -> None:
    held.refresh_from_db()
    with new_code():
        first_migrate()
    two_passes(OLD)
    assert_nothing_is_lost(held, OLD)
    with new_code():
        two_passes()
        assert_nothing_is_lost(held)


def test_so_does_what_a_program_asks_of_the_model_first(
    held: PartitionConfig, moving: None
) -> None:
    with new_code() as model:
        assert model.partitioning.config.pk == held.pk
        model.partitioning.detach_partition()
    assert Reading.objects.count() == DAYS


def test_a_move_that_is_undone_is_followed_back(held: PartitionConfig, moving: None) -> None:
    held.refresh_from_db()
    with new_code():
        first_migrate()
        migrate("0001")
        call_command("migrate", "annex", "zero", verbosity=0)
    two_passes(OLD)
    assert_nothing_is_lost(held, OLD)


def test_a_table_whose_partitions_are_all_detached_is_found_by_its_name(
    held: PartitionConfig, moving: None
) -> None:
    for log in held.logs.all():
        log.detach()
    with new_code():
        two_passes()
    assert PartitionConfig.objects.get(model_label=NEW).pk == held.pk


def claimed_twice(held: PartitionConfig) -> PartitionConfig:
    """Leave what the last release did: a config of defaults, and a second row of each partition."""
    early = PartitionConfig.objects.create(
        model_label=NEW, period="Day", premake=1, interval=3, drop_after=dt.timedelta(0)
    )
    for log in held.logs.all():
        log.pk, log.config, log.detach_time = None, early, None
        log.save(force_insert=True)
    return early


def drop_the_newest() -> None:
    newest = Reading.partitioning.latest
    assert newest is not None
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {newest.table_name}")


def test_two_configs_of_one_table_retire_nothing_and_make_room(
    held: PartitionConfig, moving: None
) -> None:
    early = claimed_twice(held)
    drop_the_newest()
    with new_code() as model:
        report = maintain(NEW)
        assert [each.kind for each in report.actions] == ["create"]
        assert report.outcome == "failed"
        assert f"for another config too: {OLD} (its model is gone)" in report.reason
        assert OLD in PartitionRun.objects.filter(config=early)[0].message
        assert maintain(NEW).outcome == "failed"
        with pytest.raises(OperationFailed, match="is left, nothing is detached"):
            model.partitioning.detach_partition()
        log = early.logs.order_by("start")[0]
        model.partitioning.detach_partition(log)
        with pytest.raises(OperationFailed, match="is left, nothing is detached"):
            model.partitioning.delete_partition(log)
        model.partitioning.attach_partition(log)
    assert Reading.objects.count() == DAYS


def test_w016_two_configs_of_one_table_are_told_everywhere(
    held: PartitionConfig, moving: None
) -> None:
    early = claimed_twice(held)
    sentence = f"for another config too: {OLD} (its model is gone)"
    with new_code():
        status = status_of(NEW)
        assert status.health is Health.WARNING
        assert sentence in sentences(status.problems)
        warnings = [each for each in run_checks(databases=["default"]) if each.id == W016]
        assert [sentence in each.msg for each in warnings] == [True]
        call_command("migrate", "auth", verbosity=0)
        call_command("migrate", "admin", verbosity=0)
        call_command("migrate", "sessions", verbosity=0)
        client = signed_in("view_partitionconfig", "delete_partitionconfig", "drop_partitionconfig")
        assert sentence in html.unescape(client.get(page_of(early)).text)
        gone = client.post(reverse(DELETE, args=(early.pk,)), {"post": "yes"})
        assert gone.status_code == 302
        maintain(NEW)
        assert PartitionConfig.objects.get(pk=held.pk).model_label == NEW
        assert client.post(reverse(DELETE, args=(held.pk,)), {"post": "yes"}).status_code == 403


def test_before_the_next_pass_status_tells_of_no_dispute_and_changes_nothing(
    held: PartitionConfig, moving: None
) -> None:
    with new_code():
        assert Code.CONFIG_DISPUTED not in {each.code for each in status_of(NEW).problems}
        told = {each.label: each.problems for each in statuses()}
        assert f"The table of {OLD} is that of {NEW} by now." in told[OLD][0].sentence
    assert PartitionConfig.objects.get(pk=held.pk).model_label == OLD


def test_what_beat_still_sends_by_the_old_name_maintains_the_table(
    held: PartitionConfig, moving: None
) -> None:
    drop_the_newest()
    with new_code():
        result = tasks.maintain(OLD)
        assert (result["model"], result["outcome"]) == (NEW, "done")
    assert PartitionConfig.objects.get(pk=held.pk).model_label == NEW
    assert Reading.objects.count() == DAYS


def test_once_the_wrong_one_is_deleted_the_other_is_the_tables(
    held: PartitionConfig, moving: None
) -> None:
    held.refresh_from_db()
    early = claimed_twice(held)
    with new_code():
        early.delete()
        two_passes()
        assert_nothing_is_lost(held)


def test_a_table_of_two_models_gets_no_second_config(held: PartitionConfig) -> None:
    drop_the_newest()
    with new_code(OLD) as model:
        report = maintain(NEW)
        assert [each.kind for each in report.actions] == ["create"]
        assert report.outcome == "failed"
        assert f"for another config too: {OLD}." in report.reason
        assert PartitionRun.objects.get(model_label=NEW).config is None
        with pytest.raises(Conflict, match=OLD):
            _ = model.partitioning.config
        assert not PartitionConfig.objects.filter(model_label=NEW).exists()
    assert Reading.objects.count() == DAYS


def test_a_config_with_another_table_of_its_own_is_left_with_it(
    held: PartitionConfig, moving: None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE archive (LIKE plant_reading) PARTITION BY RANGE (at)")
        cursor.execute(
            "CREATE TABLE archived PARTITION OF archive"
            " FOR VALUES FROM ('1999-01-01') TO ('2000-01-01')"
        )
        cursor.execute("SELECT 'archived'::regclass::oid::bigint")
        (oid,) = cursor.fetchone()
    PartitionLog.objects.create(config=held, relid=oid, schema_name="public", table_name="archived")
    with new_code():
        assert maintain(NEW).outcome == "failed"
    assert Reading.objects.count() == DAYS
    assert PartitionConfig.objects.get(pk=held.pk).model_label == OLD


class OfAnotherDatabase:
    """The old label's table would be in the other database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "other" if app_label == "plant" else None


def test_rows_about_another_database_claim_nothing(
    held: PartitionConfig, moving: None, settings: Any
) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.OfAnotherDatabase"]
    with new_code() as model:
        assert model.partitioning.config.pk != held.pk


RENAMED = """
RunSQL(
    "DROP TABLE plant_reading; ALTER TABLE plant_probe RENAME TO plant_reading",
    state_operations=[DeleteModel("Probe")],
)
"""
PROBE = """
CreateModel("Probe", [
    ("id", models.BigAutoField(primary_key=True)),
    ("at", models.DateTimeField()),
    ("value", models.IntegerField(db_index=True)),
], managers=partitioned_by("at"))
"""


def test_a_table_that_took_the_name_of_another_models_is_not_retired_by_its_config(
    migrated_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"plant": write_history(tmp_path, PROBE, RENAMED)}
    migrate("0002")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE probe_1 PARTITION OF plant_probe FOR VALUES"
            " FROM ('2001-01-01 00:00+00') TO ('2001-01-02 00:00+00')"
        )
        cursor.execute("INSERT INTO plant_probe (at, value) VALUES ('2001-01-01 12:00+00', 7)")
        cursor.execute("SELECT 'probe_1'::regclass::oid::bigint")
        (oid,) = cursor.fetchone()
    probe = PartitionConfig.objects.create(model_label="plant.probe", period="Day")
    at = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    row = {"schema_name": "public", "table_name": "probe_1", "start": at}
    probe.logs.create(relid=oid, end=at + dt.timedelta(days=1), **row)
    PartitionConfig.objects.filter(model_label=OLD).update(interval=2, drop_after=dt.timedelta(0))
    migrate()
    two_passes(OLD)
    assert Reading.objects.get().value == 7
    now = dt.datetime.now(tz=dt.UTC)
    Reading.objects.create(at=now, value=8)
    assert "plant.probe" in PartitionRun.objects.filter(model_label=OLD)[0].message
    assert probe.logs.count() == 1
