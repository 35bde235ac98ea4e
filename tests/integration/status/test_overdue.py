"""``timepart status``, the admin and ``/healthz`` say that a scheduled pass has not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from deploy.health import ask_database
from pg_timepart.beat import schedules
from pg_timepart.beat.dispatcher import DISPATCH
from pg_timepart.findings import sentences
from pg_timepart.maintenance import maintain
from pg_timepart.models import PartitionConfig
from pg_timepart.status import Health, status_of, statuses
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Ship
from tests.support.admin_client import CONFIGS, no_users_left, page_of, signed_in
from tests.support.command_line import timepart
from tests.support.database import Database

LABEL = "fleet.ship"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
OVERDUE = "Its scheduled pass is overdue: it should have come "
WITHOUT_BEAT = [each for each in settings.INSTALLED_APPS if each != "django_celery_beat"]


@pytest.fixture
def ship(database: Database, synced_beat: None) -> Iterator[PartitionConfig]:
    """The config of a table that is well: a pass each day, and one just now."""
    maintain.maintain(LABEL)
    yield PartitionConfig.objects.get(model_label=LABEL)
    schedules.sync_all()


def ago(past: timedelta) -> datetime:
    return datetime.now(tz=UTC) - past


def set_entry(config: PartitionConfig, **facts: Any) -> None:
    """Change the entry as beat or time does; the date of the change goes with it."""
    config.refresh_from_db()
    PeriodicTask.objects.filter(pk=config.schedule_id).update(**facts)


def looked_at(config: PartitionConfig, past: timedelta, sent: timedelta | None = None) -> None:
    """Let the last pass be so long ago, and the last that beat sent."""
    PartitionConfig.objects.filter(pk=config.pk).update(last_checked_at=ago(past))
    at = None if sent is None else ago(sent)
    set_entry(config, date_changed=at or ago(30 * DAY), last_run_at=at)


def problems(label: str = LABEL) -> list[str]:
    return [each.sentence for each in status_of(label).problems]


def test_nothing_is_late_within_an_interval_and_an_hour(ship: PartitionConfig) -> None:
    looked_at(ship, DAY + 59 * MINUTE)
    assert problems() == []
    assert status_of(LABEL).overdue_since is None


def test_without_a_running_beat(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR)
    ended = timepart("status", LABEL)
    assert ended.status == 1
    assert ended.lines[0] == "fleet.ship: warning"
    assert OVERDUE in ended.out
    assert "beat has not sent it (never did). See that beat runs" in ended.out
    assert "a worker takes the queue 'celery'" in ended.out


def test_beat_that_has_ended(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR, sent=26 * HOUR + MINUTE)
    assert "beat has not sent it (the last one was sent " in problems()[0]


def test_without_a_worker_on_the_queue(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR, sent=HOUR)
    assert "Beat sends it (the last one was sent " in problems()[0]
    assert "no worker runs it: see that one takes the queue 'celery'" in problems()[0]
    set_entry(ship, queue="night")
    assert "takes the queue 'night'" in problems()[0]


def test_the_queue_is_that_of_the_settings(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR, sent=HOUR)
    with override_settings(PG_TIMEPART={"QUEUE": "maintenance"}):
        assert "takes the queue 'maintenance'" in problems()[0]


def test_json_says_since_when(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR)
    (told,) = timepart("status", LABEL, "--json").json
    assert told["health"] == "warning"
    since = datetime.fromisoformat(told["overdue_since"])
    assert abs(ago(2 * HOUR) - since) < MINUTE


def test_a_pass_by_hand_ends_it(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR)
    maintain.maintain(LABEL)
    assert problems() == []


def test_the_admin_and_the_probe_say_so(ship: PartitionConfig) -> None:
    looked_at(ship, 26 * HOUR)
    with no_users_left():
        client = signed_in("view_partitionconfig")
        for address in (reverse(CONFIGS), page_of(ship)):
            assert OVERDUE in client.get(address).content.decode()
    with override_settings(CELERY_BROKER_URL="", CELERY_RESULT_BACKEND=""):
        told = " ".join(str(each) for each in (ask_database(),))
    assert f"fleet.ship: {OVERDUE}" in told


def test_a_crontab_that_a_person_chose(ship: PartitionConfig) -> None:
    due = ago(3 * HOUR)
    crontab = CrontabSchedule.objects.create(minute=due.minute, hour=due.hour, timezone="UTC")
    set_entry(ship, interval=None, crontab=crontab)
    looked_at(ship, 5 * HOUR)
    assert abs((status_of(LABEL).overdue_since or due + DAY) - due) < 2 * MINUTE
    looked_at(ship, 2 * HOUR)
    assert problems() == []


def test_a_schedule_that_was_just_changed_gets_its_time(ship: PartitionConfig) -> None:
    """From a day to five minutes, an hour after the last pass."""
    looked_at(ship, HOUR, sent=HOUR)
    often, _ = IntervalSchedule.objects.get_or_create(every=5, period="minutes")
    set_entry(ship, interval=often, date_changed=ago(MINUTE))
    assert problems() == []
    set_entry(ship, date_changed=ago(11 * MINUTE))
    assert OVERDUE in problems()[0]


def test_what_beat_writes_down_is_no_change(ship: PartitionConfig) -> None:
    looked_at(ship, 50 * HOUR)
    set_entry(ship, last_run_at=ago(4 * MINUTE), date_changed=ago(MINUTE))
    assert "no worker runs it" in problems()[0]


def test_a_table_that_was_never_looked_at(ship: PartitionConfig) -> None:
    PartitionConfig.objects.update(last_checked_at=None)
    set_entry(ship, date_changed=ago(HOUR), last_run_at=None)
    assert problems() == []
    set_entry(ship, date_changed=ago(26 * HOUR))
    assert "beat has not sent it (never did)" in problems()[0]
    set_entry(ship, last_run_at=ago(HOUR), date_changed=ago(HOUR), total_run_count=3)
    assert "no worker runs it" in problems()[0]


def test_a_moment_in_the_future_hides_nothing(ship: PartitionConfig) -> None:
    """The server's clock was ahead for a while, in the last pass."""
    looked_at(ship, -400 * DAY)
    assert OVERDUE in problems()[0]


def test_an_entry_that_is_switched_off(ship: PartitionConfig) -> None:
    set_entry(ship, enabled=False)
    (problem,) = problems()
    assert problem == (
        "Its entry in beat, 'pg_timepart: maintain fleet.ship', is switched off or over: no"
        " schedule makes or retires partitions until it is switched on."
    )
    set_entry(ship, enabled=True, expires=ago(MINUTE))
    assert "is switched off or over" in problems()[0]


def test_a_config_that_is_switched_off_says_just_that(ship: PartitionConfig) -> None:
    ship.enabled = False
    ship.save()
    looked_at(ship, 26 * HOUR)
    assert [each for each in problems() if "maintenance is switched off" not in each] == []


def test_a_table_without_an_entry(ship: PartitionConfig) -> None:
    PeriodicTask.objects.filter(pk=ship.schedule_id).delete()
    (problem,) = problems()
    assert problem.startswith("No entry of beat sends its passes. One is made when beat starts")


def test_one_entry_for_all_tables_does_too(ship: PartitionConfig) -> None:
    set_entry(ship, enabled=False)
    nightly, _ = IntervalSchedule.objects.get_or_create(every=1, period="days")
    PeriodicTask.objects.create(
        name="nightly", task="pg_timepart.maintain_all", interval=nightly, queue="night"
    )
    assert problems() == []
    looked_at(ship, 26 * HOUR)
    PeriodicTask.objects.filter(name="nightly").update(date_changed=ago(26 * HOUR))
    assert "takes the queue 'night'" in problems()[0]


def test_the_dispatcher(ship: PartitionConfig) -> None:
    with override_settings(PG_TIMEPART={"DISPATCHER": True}):
        schedules.sync_all()
        assert problems() == []
        looked_at(ship, 26 * HOUR)
        dispatcher = PeriodicTask.objects.filter(task=DISPATCH)
        dispatcher.update(date_changed=ago(26 * HOUR))
        assert OVERDUE in problems()[0]
        dispatcher.update(enabled=False)
        assert "'pg_timepart: send what is due', is switched off or over" in problems()[0]


@override_settings(INSTALLED_APPS=WITHOUT_BEAT)
def test_where_beat_is_not_installed(ship: PartitionConfig) -> None:
    """Nobody knows how often cron runs a pass; two months without one are too many."""
    for past, told in ((timedelta(days=50), False), (timedelta(days=70), True)):
        PartitionConfig.objects.filter(pk=ship.pk).update(last_checked_at=ago(past))
        found = [each for each in problems() if "Beat is not installed here" in each]
        assert bool(found) is told


def test_the_number_of_queries_is_the_same_when_all_are_late(ship: PartitionConfig) -> None:
    labels = [model._meta.label_lower for model in (Ship, Crossing, Cargo, Mooring)]
    for label in labels:
        maintain.maintain(label)
    PartitionConfig.objects.update(last_checked_at=ago(40 * DAY))
    PeriodicTask.objects.update(date_changed=ago(40 * DAY))
    with CaptureQueriesContext(connection) as for_one:
        statuses([LABEL])
    with CaptureQueriesContext(connection) as for_four:
        found = statuses(labels)
    assert all(OVERDUE in sentences(each.problems) for each in found)
    assert {each.health for each in found} == {Health.WARNING}
    assert len(for_four) == len(for_one)
