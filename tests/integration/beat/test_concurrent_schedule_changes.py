"""Configs and entries that another process makes while this one syncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig
from tests.support.beat_rows import entries_for, entry_of, make_config, seconds_between
from tests.support.processes import event, forked, session, wait_until

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'
"""

pytestmark = pytest.mark.usefixtures("synced_beat")


def sync_while(deed: Callable[[], Any]) -> list[str]:
    """Sync, and have another process do the deed once the configs are read."""
    may_begin, has_ended = event(), event()

    def wait_and_do() -> None:
        assert may_begin.wait(30)
        try:
            deed()
        finally:
            has_ended.set()

    def let_it_do(execute: Any, statement: str, *rest: Any) -> Any:
        if '"django_celery_beat_periodictask"' in str(statement):
            may_begin.set()
            assert has_ended.wait(30)
        return execute(statement, *rest)

    with forked(wait_and_do, "another process") as other:
        with connection.execute_wrapper(let_it_do):
            changes = schedules.sync_all()
        other.result()
    return changes


def is_waiting(application: str) -> bool:
    """Whether a process of this name waits for somebody's lock."""
    with session("onlooker") as onlooker:
        onlooker.execute(WAITING, [application])
        return bool(onlooker.fetchone()[0])


def make_and_forget() -> None:
    """Stop where another process has made the entry, and has yet to remember its number."""
    config = make_config()
    PartitionConfig.objects.filter(pk=config.pk).update(schedule_id=None)


def make_again() -> None:
    PartitionConfig.objects.filter(model_label="made.thing").delete()
    make_config()


def test_a_config_that_is_made_meanwhile_keeps_its_entry() -> None:
    assert sync_while(make_config) == []
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")).enabled


def test_a_config_that_is_made_anew_meanwhile_keeps_its_entry() -> None:
    make_config()
    sync_while(make_again)
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")).enabled
    assert schedules.sync_all() == []


def test_an_entry_is_left_to_a_config_that_has_yet_to_remember_it() -> None:
    assert sync_while(make_and_forget) == []
    (entry,) = entries_for("made.thing")
    schedules.sync_all()
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")) == entry


def test_a_second_entry_of_a_config_that_has_one_is_removed() -> None:
    entry = entry_of(make_config())
    PeriodicTask.objects.create(
        name=f"{entry.name} 2", task=entry.task, args=entry.args, interval=entry.interval
    )
    assert schedules.sync_all() == [f"{entry.name} 2 is removed: its config is gone."]
    assert entries_for("made.thing") == [entry]


def test_an_entry_goes_on_where_one_transaction_disables_and_enables_its_config() -> None:
    config = make_config()
    with transaction.atomic():
        for enabled in (False, True):
            save(as_read(config), enabled=enabled)
    assert entry_of(config).enabled


def test_an_entry_is_paused_where_one_transaction_enables_and_disables_its_config() -> None:
    config = make_config()
    with transaction.atomic():
        enabling, disabling = as_read(config), as_read(config)
        save(disabling, enabled=False)
        save(enabling, premake=8, update_fields=["premake"])
    assert not entry_of(config).enabled


def test_an_entry_goes_on_where_a_config_that_was_read_before_its_pause_is_saved() -> None:
    config = make_config()
    stale = as_read(config)
    save(as_read(config), enabled=False)
    assert not entry_of(config).enabled
    save(stale, premake=9)
    assert entry_of(config).enabled


def test_an_entry_that_a_person_switched_off_stays_off_where_a_config_read_before_is_saved() -> (
    None
):
    config = make_config()
    save(as_read(config), enabled=False)
    stale = as_read(config)
    save(as_read(config), enabled=True)
    PeriodicTask.objects.filter(pk=entry_of(config).pk).update(enabled=False)
    save(stale, enabled=True)
    assert not entry_of(config).enabled


def test_an_entry_follows_the_period_of_a_config_that_was_read_before_and_is_saved() -> None:
    config = make_config(period="Minute")
    stale = as_read(config)
    save(as_read(config), period="Month")
    assert seconds_between(entry_of(config)) == 86_400
    save(stale, premake=1)
    assert seconds_between(entry_of(config)) == 15


def test_a_config_that_was_read_before_its_last_run_keeps_what_became_of_that() -> None:
    config = make_config()
    stale = as_read(config)
    PartitionConfig.objects.filter(pk=config.pk).update(last_message="No disk.")
    save(stale, premake=9)
    assert (as_read(config).premake, as_read(config).last_message) == (9, "No disk.")


def test_a_config_whose_row_went_meanwhile_is_not_made_again_by_a_save() -> None:
    config = make_config()
    PartitionConfig.objects.filter(pk=config.pk).delete()
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        save(config, premake=9)
    assert entries_for("made.thing") == []


def test_a_config_that_is_saved_and_deleted_in_one_transaction_leaves_no_entry() -> None:
    with transaction.atomic():
        config = make_config()
        PartitionConfig.objects.filter(pk=config.pk).delete()
    assert entries_for("made.thing") == []


def test_a_config_that_is_enabled_meanwhile_keeps_its_entry_going() -> None:
    config = make_config()
    save(config, enabled=False)
    sync_while(lambda: save(as_read(config), enabled=True))
    assert entry_of(config).enabled


def test_of_two_processes_that_sync_a_config_the_later_sees_what_the_earlier_did() -> None:
    """One has read that the config is disabled, and is slow to pause its entry."""
    config = make_config()
    is_pausing, has_ended = event(), event()

    def enable() -> None:
        assert is_pausing.wait(30)
        save(as_read(config), enabled=True)
        has_ended.set()

    def be_slow(execute: Any, statement: str, *rest: Any) -> Any:
        if statement.startswith('UPDATE "django_celery_beat_periodictask"'):
            is_pausing.set()
            wait_until(lambda: has_ended.is_set() or is_waiting("another process"))
        return execute(statement, *rest)

    with forked(enable, "another process") as other:
        with connection.execute_wrapper(be_slow):
            save(config, enabled=False)
        other.result()
    assert entry_of(config).enabled


def test_a_deleted_config_takes_a_renamed_entry_along_though_another_has_the_same_args() -> None:
    config = make_config()
    entry = entry_of(as_read(config))
    PeriodicTask.objects.filter(pk=entry.pk).update(name="Renamed")
    every = IntervalSchedule.objects.create(every=7, period="hours")
    theirs = PeriodicTask(name="At lunch", task=entry.task, args=entry.args, interval=every)
    theirs.save()
    config.delete()
    assert entries_for("made.thing") == [theirs]


def as_read(config: PartitionConfig) -> PartitionConfig:
    """Return what another program has of the row by now."""
    return PartitionConfig.objects.get(pk=config.pk)


def save(config: PartitionConfig, update_fields: list[str] | None = None, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(config, name, value)
    config.save(update_fields=update_fields)
