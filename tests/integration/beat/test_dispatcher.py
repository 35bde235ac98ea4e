"""The one beat entry that sends what is due, on the real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from pg_timepart.beat import schedules
from pg_timepart.beat.dispatcher import DISPATCH, due_configs
from pg_timepart.beat.entries import SHORTEST_EXPIRY_SECONDS
from pg_timepart.models import PartitionConfig
from tests.support.beat_rows import (
    entries_for,
    entry_of,
    make_config,
    seconds_between,
    sync_at_the_same_time,
    writes,
)

pytestmark = pytest.mark.usefixtures("synced_beat")

NAME = "pg_timepart: send what is due"
dispatcher = override_settings(PG_TIMEPART={"DISPATCHER": True})


def test_the_dispatcher_takes_over_and_hands_back() -> None:
    config = make_config()
    off = make_config("off")
    edit(entry_of(off), enabled=False)
    with dispatcher:
        schedules.sync_all()
        assert not entry_of(config).enabled
        dispatch = the_dispatcher()
        assert (dispatch.enabled, seconds_between(dispatch), dispatch.expire_seconds) == (
            True,
            60,
            SHORTEST_EXPIRY_SECONDS,
        )
        assert schedules.sync_all() == []
        make_config("later")
        assert entries_for("made.later") == []
    schedules.sync_all()
    assert dispatchers() == []
    assert entry_of(config).enabled
    assert not entry_of(off).enabled
    assert [each.enabled for each in entries_for("made.later")] == [True]


@dispatcher
def test_sync_keeps_what_a_person_changed_of_the_dispatcher() -> None:
    schedules.sync_all()
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    edit(the_dispatcher(), interval=every, name="What is due", queue="slow")
    with writes() as found:
        assert schedules.sync_all() == []
    assert found == []


def test_what_is_due_for_the_dispatcher() -> None:
    now = timezone.now()
    moments = {
        "never": None,
        "long_ago": now - timedelta(seconds=61),
        "future": now + timedelta(days=1),
        "just_now": now - timedelta(seconds=5),
    }
    for name, moment in moments.items():
        make_config(name, period="Minute", last_checked_at=moment)
    make_config("off", enabled=False)
    labels = [each.model_label for each in due_configs(now)]
    assert [each for each in labels if each.startswith("made.")] == [
        "made.future",
        "made.long_ago",
        "made.never",
    ]


@dispatcher
def test_processes_that_sync_at_the_same_time_make_one_dispatcher() -> None:
    sync_at_the_same_time()
    assert the_dispatcher().name == NAME
    assert schedules.sync_all() == []


@dispatcher
def test_a_name_that_a_person_took_for_something_else_is_no_hindrance() -> None:
    theirs = [of_a_person(name, "mine").pk for name in (NAME, f"{NAME} 2")]
    assert schedules.sync_all()[-1:] == [f"{NAME} 3 is scheduled every 60 s."]
    assert the_dispatcher().name == f"{NAME} 3"
    assert {each.task for each in PeriodicTask.objects.filter(pk__in=theirs)} == {"mine"}
    assert schedules.sync_all() == []


@dispatcher
@pytest.mark.parametrize("is_first_on", [True, False])
def test_of_two_dispatchers_one_is_kept_that_is_switched_on(is_first_on: bool) -> None:
    schedules.sync_all()
    first = edit(the_dispatcher(), enabled=is_first_on)
    second = of_a_person(f"{NAME} 2", DISPATCH)
    kept, spare = (first, second) if is_first_on else (second, first)
    assert schedules.sync_all() == [f"{spare.name} is removed: {kept.name} does the same."]
    assert the_dispatcher() == kept
    assert schedules.sync_all() == []


@dispatcher
def test_an_entry_of_a_person_that_dispatches_too_stays() -> None:
    schedules.sync_all()
    of_a_person("What is due, at night", DISPATCH)
    assert schedules.sync_all() == []
    assert [each.name for each in dispatchers()] == [NAME, "What is due, at night"]


def test_all_dispatchers_go_when_the_setting_does() -> None:
    with dispatcher:
        schedules.sync_all()
        of_a_person(f"{NAME} 2", DISPATCH)
    schedules.sync_all()
    assert dispatchers() == []


@dispatcher
def test_the_dispatcher_comes_as_often_as_the_shortest_partitions_ask_for() -> None:
    make_config("quick", period="Minute", premake=1)
    make_config("off", period="Minute", premake=1, enabled=False)
    schedules.sync_all()
    assert seconds_between(the_dispatcher()) == 15


@dispatcher
def test_the_dispatcher_follows_when_a_config_is_made_changed_and_deleted() -> None:
    schedules.sync_all()
    assert seconds_between(the_dispatcher()) == 60
    config = make_config(period="Minute", premake=1)
    assert seconds_between(the_dispatcher()) == 15
    save(config, premake=4)
    assert seconds_between(the_dispatcher()) == 30
    save(config, enabled=False)
    assert seconds_between(the_dispatcher()) == 60
    save(config, enabled=True)
    assert seconds_between(the_dispatcher()) == 30
    config.delete()
    assert seconds_between(the_dispatcher()) == 60


@dispatcher
def test_the_dispatcher_of_an_older_release_is_made_quicker() -> None:
    schedules.sync_all()
    make_config(period="Minute", premake=1)
    every = IntervalSchedule.objects.create(every=1, period="minutes")
    edit(the_dispatcher(), interval=every)
    assert schedules.sync_all() == [f"{NAME} is scheduled every 15 s, as the shortest has changed."]
    assert schedules.sync_all() == []


@dispatcher
@pytest.mark.parametrize(
    ("model", "facts", "column"),
    [
        (IntervalSchedule, {"every": 20, "period": "seconds"}, "interval"),
        (IntervalSchedule, {"every": 5, "period": "minutes"}, "interval"),
        (CrontabSchedule, {"minute": "*"}, "crontab"),
    ],
)
def test_a_schedule_of_the_dispatcher_that_a_person_chose_stays(
    model: Any, facts: dict[str, Any], column: str
) -> None:
    schedules.sync_all()
    chosen = model.objects.create(**facts)
    edit(the_dispatcher(), **{"interval": None, column: chosen})
    make_config(period="Minute", premake=1)
    schedules.sync_all()
    assert getattr(the_dispatcher(), column) == chosen


@dispatcher
def test_what_was_sent_by_one_dispatch_and_ran_a_moment_later_is_sent_by_the_next() -> None:
    """Or else a table would be looked at every other time only."""
    now = timezone.now()
    for name, age in {"next": 14.5, "just_now": 0.5}.items():
        looked_at = now - timedelta(seconds=age)
        make_config(name, period="Minute", premake=1, last_checked_at=looked_at)
    labels = [each.model_label for each in due_configs(now)]
    assert [each for each in labels if each.startswith("made.")] == ["made.next"]


def dispatchers() -> list[PeriodicTask]:
    return list(PeriodicTask.objects.filter(task=DISPATCH).order_by("pk"))


def the_dispatcher() -> PeriodicTask:
    (entry,) = dispatchers()
    return entry


def of_a_person(name: str, task: str) -> PeriodicTask:
    every = IntervalSchedule.objects.create(every=7, period="hours")
    return PeriodicTask.objects.create(name=name, task=task, interval=every)


def edit(entry: PeriodicTask, **facts: Any) -> PeriodicTask:
    """Change the entry as the admin does."""
    for name, value in facts.items():
        setattr(entry, name, value)
    entry.save()
    return entry


def save(config: PartitionConfig, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(config, name, value)
    config.save()
