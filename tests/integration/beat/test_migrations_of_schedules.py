"""What becomes of beat's entries when the migrations of those who own them go back and forth."""

from __future__ import annotations

import json

from django.db import connection
from django.test import override_settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pg_timepart import tasks
from pg_timepart.beat import dispatcher, schedules
from pg_timepart.beat.config_entries import MAINTAIN
from pg_timepart.models import PartitionConfig
from tests.apps.plant.models import Reading
from tests.support.app_migrations import APP, migrate
from tests.support.beat_rows import last_change

OURS = {"plant.reading", "plant.measurement", "plant.shift"}


def entries() -> dict[str, str]:
    """Return which models' maintenance is scheduled, by which entry."""
    sent = PeriodicTask.objects.filter(task=MAINTAIN, enabled=True)
    return {json.loads(each.args)[0]: each.name for each in sent}


def of_a_person(name: str, task: str, *args: str) -> PeriodicTask:
    interval = IntervalSchedule.objects.create(every=7, period="hours")
    return PeriodicTask.objects.create(
        name=name, task=task, args=json.dumps(args), interval=interval
    )


def test_back_to_zero_nothing_is_sent_any_more_and_forward_it_is(migrated_database: None) -> None:
    assert set(entries()) == OURS
    config = PartitionConfig.objects.get(model_label="plant.reading")
    PeriodicTask.objects.filter(pk=config.schedule_id).update(name="At night")
    before = last_change()
    migrate(APP, "zero")
    assert not PeriodicTask.objects.filter(task__startswith="pg_timepart.").exists()
    assert last_change() != before, "beat does not hear of it"
    migrate(APP)
    assert set(entries()) == OURS
    assert entries()["plant.reading"] == "pg_timepart: maintain plant.reading"


def test_back_to_zero_a_persons_entries_stay_and_those_that_send_our_tasks_are_switched_off(
    migrated_database: None,
) -> None:
    theirs = of_a_person("Report", "shop.report")
    sending = of_a_person("All at night", tasks.maintain_all.name)
    migrate(APP, "zero")
    theirs.refresh_from_db()
    sending.refresh_from_db()
    assert theirs.enabled
    assert not sending.enabled


def test_back_to_an_older_state_of_ours_the_schedules_stay(migrated_database: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE pg_timepart_partitionconfig DROP COLUMN last_message")
    before = entries()
    migrate()
    assert entries() == before != {}


@override_settings(PG_TIMEPART={"DISPATCHER": True})
def test_back_to_zero_the_dispatcher_goes_too(migrated_database: None) -> None:
    schedules.sync_all()
    assert PeriodicTask.objects.filter(task=dispatcher.DISPATCH).exists()
    migrate(APP, "zero")
    assert not PeriodicTask.objects.filter(task=dispatcher.DISPATCH).exists()
    migrate(APP)
    assert PeriodicTask.objects.filter(task=dispatcher.DISPATCH).exists()


def test_back_to_zero_without_beats_tables_nothing_breaks(migrated_database: None) -> None:
    migrate("django_celery_beat", "zero")
    migrate(APP, "zero")
    migrate(APP)
    migrate("django_celery_beat")
    assert set(entries()) == OURS


def test_after_beat_itself_went_back_and_forth_each_config_has_its_own_entry(
    migrated_database: None,
) -> None:
    """The numbers that configs remember come again, for other configs' entries."""
    configs = PartitionConfig.objects.order_by("model_label")
    for number, config in enumerate(reversed(configs), start=1):
        PartitionConfig.objects.filter(pk=config.pk).update(schedule_id=number)
    migrate("django_celery_beat", "zero")
    migrate("django_celery_beat")
    for _ in range(2):
        schedules.sync_all()
        assert set(entries()) == OURS
        keys = {each.model_label: each.schedule_id for each in PartitionConfig.objects.all()}
        named = PeriodicTask.objects.filter(task=MAINTAIN).values_list("pk", "name")
        assert {f"pg_timepart: maintain {label}": key for label, key in keys.items()} == {
            name: key for key, name in named
        }


def test_a_message_that_arrives_after_its_model_went_leaves_no_config_and_no_entry(
    migrated_database: None,
) -> None:
    migrate("plant", "zero")
    result = tasks.maintain("plant.reading")
    assert result["outcome"] == "failed"
    assert "does not exist" in result["message"]
    assert not PartitionConfig.objects.exists()
    assert entries() == {}


def test_a_model_that_goes_takes_its_entry_along_and_comes_back_with_one(
    migrated_database: None,
) -> None:
    migrate("plant", "zero")
    assert entries() == {}
    assert not PartitionConfig.objects.exists()
    migrate("plant")
    assert set(entries()) == OURS
    assert Reading.partitioning.config.schedule_id is not None
