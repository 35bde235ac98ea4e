"""What django-celery-beat demands of whoever makes its rows, on the real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations import RenameModel
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from pg_timepart.beat import config_entries, schedules
from pg_timepart.beat.entries import SHORTEST_EXPIRY_SECONDS
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig
from pg_timepart.post_migrate.provision import after_migrate
from tests.apps.fleet.models import Ship
from tests.celery_app import app
from tests.support.beat_rows import (
    entries_for,
    entry_of,
    last_change,
    make_config,
    seconds_between,
    sync_at_the_same_time,
    writes,
)

pytestmark = pytest.mark.usefixtures("synced_beat")

BEAT_TABLES = ("django_celery_beat_periodictask", "django_celery_beat_periodictasks")


def test_an_enabled_config_gets_one_entry_that_beat_can_read() -> None:
    config = make_config(period="Day", premake=4)
    entry = entry_of(config)
    assert entry.name == "pg_timepart: maintain made.thing"
    assert entry.enabled
    read_by_beat = ModelEntry(entry, app=app)
    assert read_by_beat.task == "pg_timepart.maintain"
    assert read_by_beat.args == ["made.thing"]
    assert read_by_beat.kwargs == {}
    assert read_by_beat.options["expires"] == entry.expire_seconds == seconds_between(entry)
    assert read_by_beat.options["headers"]["periodic_task_name"] == entry.name


def test_a_disabled_config_gets_none() -> None:
    make_config(enabled=False)
    assert entries_for("made.thing") == []


def test_an_entry_is_paused_and_resumed_with_its_config() -> None:
    config = make_config()
    key = entry_of(config).pk
    _save(config, enabled=False)
    assert not entry_of(config).enabled
    _save(config, enabled=True)
    assert entry_of(config).enabled
    assert entry_of(config).pk == key


def test_an_entry_that_a_person_switched_off_stays_off_when_its_config_comes_back() -> None:
    config = make_config()
    _edit(config, enabled=False)
    _save(config, enabled=False)
    _save(config, enabled=True)
    schedules.sync_all()
    assert not entry_of(config).enabled


@pytest.mark.parametrize("in_bulk", [True, False])
def test_an_entry_is_removed_with_its_config(in_bulk: bool) -> None:
    config = make_config()
    entry_of(config)
    if in_bulk:
        PartitionConfig.objects.filter(pk=config.pk).delete()
    else:
        config.delete()
    assert entries_for("made.thing") == []


def test_a_renamed_entry_is_removed_with_its_config() -> None:
    config = make_config()
    _edit(config, name="At night")
    config.delete()
    assert not PeriodicTask.objects.filter(name="At night").exists()


def test_an_entry_whose_config_went_by_sql_is_removed_by_the_next_sync() -> None:
    config = make_config()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_timepart_partitionconfig WHERE id = %s", [config.pk])
    assert schedules.sync_all() == [
        "pg_timepart: maintain made.thing is removed: its config is gone."
    ]
    assert entries_for("made.thing") == []


def test_an_entry_of_a_person_with_another_task_or_name_is_never_removed() -> None:
    interval = IntervalSchedule.objects.create(every=7, period="hours")
    mine = [
        PeriodicTask.objects.create(name="pg_timepart: maintain x", task="mine", interval=interval),
        PeriodicTask.objects.create(
            name="Event at lunch",
            task=config_entries.MAINTAIN,
            args='["shop.event"]',
            interval=interval,
        ),
    ]
    schedules.sync_all()
    assert PeriodicTask.objects.filter(pk__in=[each.pk for each in mine]).count() == 2


@pytest.mark.parametrize("premake", [1, 2, 4, 50])
@pytest.mark.parametrize(
    ("period", "seconds"),
    [
        ("Minute", 60),
        ("Hour", 3_600),
        ("Day", 86_400),
        ("Week", 7 * 86_400),
        ("Month", 28 * 86_400),
        ("Quarter", 90 * 86_400),
        ("Year", 365 * 86_400),
    ],
)
def test_by_default_the_runway_stays_above_half_of_premake(
    period: str, seconds: int, premake: int
) -> None:
    """Right before a pass, it is ``premake`` periods less what went by since the one before."""
    entry = entry_of(make_config(period=period, premake=premake))
    assert seconds_between(entry) <= seconds * premake / 2
    assert seconds_between(entry) <= seconds / 2
    assert entry.expire_seconds >= seconds_between(entry)


def test_the_default_interval_follows_multiples_of_a_period() -> None:
    quarter = entry_of(make_config("quarter", period="Minute", periods_per_partition=15))
    single = entry_of(make_config("single", period="Minute", periods_per_partition=1))
    assert seconds_between(quarter) == 300
    assert seconds_between(single) == 30


def test_the_default_interval_is_a_day_at_most() -> None:
    assert seconds_between(entry_of(make_config(period="Year", premake=50))) == 86_400


def test_a_default_interval_follows_a_change_of_the_period() -> None:
    config = make_config(period="Month")
    assert seconds_between(entry_of(config)) == 86_400
    _save(config, period="Hour")
    entry = entry_of(config)
    assert seconds_between(entry) == 1800
    assert entry.expire_seconds == SHORTEST_EXPIRY_SECONDS
    _save(config, period="Month")
    assert seconds_between(entry_of(config)) == 86_400


def test_an_entry_that_was_sent_in_the_future_is_due() -> None:
    """The clock of beat's host was ahead: beat would wait until it is as late again."""
    config = make_config()
    _edit(config, last_run_at=timezone.now() + timedelta(days=1))
    (change,) = schedules.sync_all()
    assert change == "pg_timepart: maintain made.thing was sent in the future; it is due."
    assert ModelEntry(entry_of(config), app=app).is_due().is_due
    assert schedules.sync_all() == []


def test_beat_hears_of_a_repair_also_after_a_change_by_a_clock_ahead() -> None:
    config = make_config()
    ahead = timezone.now() + timedelta(hours=1)
    PeriodicTasks.objects.update(last_update=ahead)
    schedules.sync_all()
    assert last_change() == ahead
    PeriodicTask.objects.filter(pk=entry_of(config).pk).update(kwargs='{"too": "many"}')
    assert schedules.sync_all() == ["pg_timepart: maintain made.thing is repaired."]
    change = last_change()
    assert change is not None
    assert change > ahead


def test_an_interval_that_a_person_chose_stays_when_the_period_changes() -> None:
    config = make_config(period="Month")
    _edit(config, interval=IntervalSchedule.objects.create(every=11, period="minutes"))
    _save(config, period="Hour")
    schedules.sync_all()
    assert seconds_between(entry_of(config)) == 11 * 60


def test_sync_keeps_what_a_person_changed() -> None:
    config = make_config()
    choices: dict[str, Any] = {
        "name": "Events, at night",
        "interval": None,
        "crontab": CrontabSchedule.objects.create(minute="7", hour="3", timezone="Asia/Tokyo"),
        "queue": "slow",
        "priority": 3,
        "expire_seconds": 77,
        "description": "Agreed with Ann.",
        "enabled": False,
    }
    _edit(config, **choices)
    schedules.sync_all()
    config.save()
    entry = entry_of(config)
    assert {name: getattr(entry, name) for name in choices} == choices


def test_a_second_sync_saves_nothing() -> None:
    config = make_config()
    entry, changed = entry_of(config), last_change()
    with writes() as found:
        assert schedules.sync_all() == []
        assert schedules.sync(config) == []
    assert found == []
    assert entry_of(config).date_changed == entry.date_changed
    assert last_change() == changed


def test_a_save_of_the_config_saves_no_unchanged_entry() -> None:
    config = make_config()
    entry, changed = entry_of(config), last_change()
    with writes() as found:
        _save(config, interval=9)
    assert [each for each in found if "celery_beat" in each] == []
    assert entry_of(config).date_changed == entry.date_changed
    assert last_change() == changed


def test_beat_hears_of_an_entry_that_is_made_paused_resumed_and_removed() -> None:
    moments = [last_change()]
    config = make_config()
    moments.append(last_change())
    for enabled in (False, True):
        _save(config, enabled=enabled)
        moments.append(last_change())
    config.delete()
    moments.append(last_change())
    assert None not in moments[1:]
    assert len(set(moments)) == 5


def test_a_deleted_entry_is_made_anew_by_the_next_sync() -> None:
    config = make_config()
    entry_of(config).delete()
    assert schedules.sync_all() == ["pg_timepart: maintain made.thing is scheduled every 86400 s."]
    assert entry_of(config).enabled


def test_args_that_were_changed_are_set_right_and_nothing_else() -> None:
    config = make_config()
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    _edit(config, args='["shop.event"]', kwargs='{"x": 1}', interval=every, name="Renamed")
    assert schedules.sync_all() == ["Renamed is repaired."]
    entry = entry_of(config)
    assert (entry.args, entry.kwargs) == ('["made.thing"]', "{}")
    assert (entry.interval, entry.name) == (every, "Renamed")


@pytest.mark.parametrize("field", ["args", "kwargs"])
def test_an_entry_that_beat_disabled_for_malformed_json_is_switched_on_again(field: str) -> None:
    config = make_config()
    _edit(config, **{field: "[oops"})
    ModelEntry(entry_by_name(config), app=app)
    assert not entry_by_name(config).enabled
    schedules.sync_all()
    assert entry_of(config).enabled
    assert ModelEntry(entry_of(config), app=app).args == ["made.thing"]


def test_an_entry_with_changed_args_that_a_person_switched_off_stays_off() -> None:
    config = make_config()
    _edit(config, args='["shop.event"]', enabled=False)
    schedules.sync_all()
    entry = entry_of(config)
    assert entry.args == '["made.thing"]'
    assert not entry.enabled


def test_shared_schedule_rows_are_never_deleted() -> None:
    config = make_config(period="Month")
    shared = entry_of(config).interval
    PeriodicTask.objects.create(name="somebody's", task="mine", interval=shared)
    config.delete()
    schedules.sync_all()
    assert PeriodicTask.objects.get(name="somebody's").interval == shared


def test_an_interval_row_that_no_entry_uses_any_more_stays() -> None:
    config = make_config(period="Minute", premake=1)
    row = entry_of(config).interval
    config.delete()
    assert IntervalSchedule.objects.filter(pk=row.pk).exists()


def test_several_equal_interval_rows_are_no_hindrance() -> None:
    rows = [IntervalSchedule.objects.create(every=1, period="days") for _ in range(3)]
    before = IntervalSchedule.objects.count()
    assert entry_of(make_config(period="Month")).interval.every == 1
    assert IntervalSchedule.objects.count() == before
    assert len(rows) == 3


def test_names_of_long_labels_fit_and_differ() -> None:
    labels = [f"{'x' * 230}{end}" for end in ("a", "b")]
    names = [entry_of(make_config(label)).name for label in labels]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 200
    assert schedules.sync_all() == []


def test_a_name_that_a_person_took_for_something_else_is_no_hindrance() -> None:
    interval = IntervalSchedule.objects.create(every=7, period="hours")
    theirs = PeriodicTask.objects.create(
        name="pg_timepart: maintain made.thing", task="mine", interval=interval
    )
    ours = entry_of(make_config())
    assert ours.pk != theirs.pk
    theirs.refresh_from_db()
    assert theirs.task == "mine"
    assert schedules.sync_all() == []


def test_a_config_that_lost_its_number_finds_its_renamed_entry() -> None:
    config = make_config()
    _edit(config, name="Renamed")
    PartitionConfig.objects.filter(pk=config.pk).update(schedule_id=None)
    schedules.sync(config)
    assert entry_of(config).name == "Renamed"


def test_nothing_is_saved_inside_a_transaction_that_saves_a_config() -> None:
    with transaction.atomic():
        with writes() as found:
            config = make_config()
        assert [each for each in found if "celery_beat" in each] == []
        assert entries_for("made.thing") == []
    assert entry_of(config).enabled


def test_nothing_is_saved_after_a_transaction_that_was_rolled_back() -> None:
    with transaction.atomic():
        make_config()
        transaction.set_rollback(True)
    schedules.sync_all()
    assert entries_for("made.thing") == []


def test_a_pass_and_its_ddl_write_nothing_of_beat() -> None:
    target_of(Ship)
    with writes() as found:
        Ship.partitioning.create_partition(0)
    assert found != []
    assert [each for each in found if "celery_beat" in each] == []


def test_processes_that_sync_at_the_same_time_make_one_entry() -> None:
    configs = [make_config(f"thing{number}") for number in range(5)]
    PeriodicTask.objects.all().delete()
    sync_at_the_same_time()
    schedules.sync_all()
    assert [entry_of(each).enabled for each in configs] == [True] * 5


def test_a_renamed_model_keeps_its_entry_with_new_args() -> None:
    config = make_config("old")
    key = entry_of(config).pk
    _edit(config, interval=IntervalSchedule.objects.create(every=5, period="minutes"))
    _rename("Old", "New")
    config.refresh_from_db()
    assert config.model_label == "made.new"
    entry = entry_of(config)
    assert (entry.pk, entry.interval.every) == (key, 5)
    assert entries_for("made.old") == []


def test_a_new_model_with_the_old_name_of_a_renamed_one_gets_an_entry_of_its_own() -> None:
    renamed = make_config("old")
    _rename("Old", "New")
    newcomer = make_config("old")
    schedules.sync_all()
    assert entry_of(renamed).args == '["made.new"]'
    assert entry_of(newcomer).args == '["made.old"]'
    assert schedules.sync_all() == []


@override_settings(PG_TIMEPART={"QUEUE": "partitions"})
def test_a_new_entry_goes_to_the_queue_of_the_settings() -> None:
    assert entry_of(make_config()).queue == "partitions"


def test_without_django_celery_beat_nothing_breaks() -> None:
    with override_settings(INSTALLED_APPS=["pg_timepart", "tests.apps.fleet"]):
        config = make_config()
        assert schedules.sync_all() == []
        assert schedules.entry_of(config) is None
        _save(config, enabled=False)
        config.delete()
    assert entries_for("made.thing") == []


def test_before_the_tables_of_beat_are_migrated_nothing_breaks() -> None:
    call_command("migrate", "django_celery_beat", "zero", verbosity=0)
    try:
        config = make_config()
        assert schedules.sync_all() == []
        assert schedules.entry_of(config) is None
        config.delete()
        config = make_config()
    finally:
        call_command("migrate", "django_celery_beat", verbosity=0)
    assert entry_of(config).enabled


def entry_by_name(config: PartitionConfig) -> PeriodicTask:
    return PeriodicTask.objects.get(name=config_entries.entry_name(config.model_label))


def _save(config: PartitionConfig, **facts: Any) -> None:
    config.refresh_from_db()
    for name, value in facts.items():
        setattr(config, name, value)
    config.save()


def _edit(config: PartitionConfig, **facts: Any) -> None:
    """Change the entry as the admin does."""
    entry = entry_of(config)
    for name, value in facts.items():
        setattr(entry, name, value)
    entry.save()


def _rename(old: str, new: str) -> None:
    """Run what follows a migration that renames a model."""
    operation = RenameModel(old, new)
    migration = type("Migration", (), {"app_label": "made", "operations": [operation]})
    after_migrate(
        target_of(Ship).config._meta.app_config, using="default", plan=[(migration, False)]
    )
