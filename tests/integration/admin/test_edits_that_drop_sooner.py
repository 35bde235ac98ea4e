"""What passes drop after a grace is lost: who may not drop does not bring that nearer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Ship
from tests.integration.admin.test_config_page import settings
from tests.support.admin_client import CONFIGS, PREFIX, no_users_left, page_of, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database

EDITOR = ("view_partitionconfig", "change_partitionconfig", "operate_partitionconfig")
PERMISSION = "pg_timepart.drop_partitionconfig"


@pytest.fixture
def config(database: Database) -> Iterator[PartitionConfig]:
    """A table whose detached partitions passes drop."""
    before = set(IntervalSchedule.objects.values_list("pk", flat=True))
    with no_users_left():
        yield database.configure(
            Ship, period="Month", interval=12, drop_after=timedelta(days=3), max_retire_per_pass=5
        )
    PartitionConfig.objects.filter(model_label__startswith="fleet.").delete()
    PartitionConfig.objects.filter(model_label__startswith=PREFIX).delete()
    IntervalSchedule.objects.exclude(pk__in=before).delete()
    CrontabSchedule.objects.all().delete()


@pytest.fixture
def editor(config: PartitionConfig) -> Client:
    return signed_in(*EDITOR)


@pytest.fixture
def dropper(config: PartitionConfig) -> Client:
    return signed_in(*EDITOR, "drop_partitionconfig")


def saved(config: PartitionConfig) -> dict[str, Any]:
    return dict(PartitionConfig.objects.filter(pk=config.pk).values().get())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"interval": 11}, "interval"),
        ({"period": "Week"}, "period"),
        ({"period": "Day", "interval": 360}, "interval"),
        ({"period": "Day", "periods_per_partition": 30, "interval": 12}, "period"),
        ({"max_retire_per_pass": 6}, "max_retire_per_pass"),
    ],
)
def test_an_edit_that_takes_away_sooner_takes_the_permission_to_drop(
    config: PartitionConfig,
    editor: Client,
    dropper: Client,
    changes: dict[str, Any],
    field: str,
) -> None:
    before = saved(config)
    for extra in ({}, {"_confirmed": "1"}):
        form = settings(config, premake=9, **changes) | extra
        response = editor.post(page_of(config), form)
        assert response.status_code == 200
        errors = response.context["adminform"].form.errors
        assert PERMISSION in errors[field][0]
        assert 'name="premake" value="9"' in response.content.decode()
        assert saved(config) == before
    form = settings(config, **changes, _confirmed="1")
    assert dropper.post(page_of(config), form).status_code == 302
    assert all(saved(config)[name] == value for name, value in changes.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"interval": 13},
        {"interval": ""},
        {"period": "Day", "interval": 400},
        {"period": "Year"},
        {"max_retire_per_pass": 4},
        {"enabled": ""},
        {"premake": 9},
    ],
)
def test_an_edit_that_takes_nothing_away_sooner_does_not(
    config: PartitionConfig, editor: Client, changes: dict[str, Any]
) -> None:
    form = settings(config, _confirmed="1", **changes)
    assert editor.post(page_of(config), form).status_code == 302
    (name, value), *_ = changes.items()
    assert saved(config)[name] == (value or (None if name == "interval" else False))


def test_an_interval_where_all_was_kept_takes_away_sooner(
    config: PartitionConfig, editor: Client, database: Database
) -> None:
    database.configure(Ship, interval=None)
    response = editor.post(page_of(config), settings(config, interval=100_000, _confirmed="1"))
    assert PERMISSION in response.context["adminform"].form.errors["interval"][0]
    assert saved(config)["interval"] is None


def test_a_config_is_not_switched_on_by_who_may_not_drop(
    config: PartitionConfig, editor: Client, database: Database
) -> None:
    database.configure(Ship, enabled=False)
    config.refresh_from_db()
    response = editor.post(page_of(config), settings(config, enabled="on", _confirmed="1"))
    assert PERMISSION in response.context["adminform"].form.errors["enabled"][0]
    assert not saved(config)["enabled"]


def test_a_grace_that_was_set_meanwhile_counts(
    config: PartitionConfig, editor: Client, database: Database
) -> None:
    database.configure(Ship, drop_after=None)
    config.refresh_from_db()
    form = settings(config, interval=1)
    assert "Nothing is saved yet." in editor.post(page_of(config), form).content.decode()
    database.configure(Ship, drop_after=timedelta(0))
    response = editor.post(page_of(config), form | {"_confirmed": "1"})
    assert PERMISSION in response.context["adminform"].form.errors["interval"][0]
    assert saved(config)["interval"] == 12


def test_without_a_grace_before_drop_who_may_change_changes(
    config: PartitionConfig, editor: Client, database: Database
) -> None:
    database.configure(Ship, drop_after=None)
    config.refresh_from_db()
    form = settings(config, interval=1, max_retire_per_pass=100, _confirmed="1")
    assert editor.post(page_of(config), form).status_code == 302
    assert saved(config)["interval"] == 1


def told(response: Any) -> str:
    """Return the last message of those that wait for the next page."""
    return [str(each) for each in get_messages(response.wsgi_request)][-1]


def reschedule(client: Client, config: PartitionConfig, **facts: Any) -> str:
    url = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    form = {"kind": "interval", "unit": "hours", "is_on": "on", **facts}
    response = client.post(url, {f"schedule-{name}": value for name, value in form.items()})
    return told(response)


def the_schedule(config: PartitionConfig) -> tuple[str, bool]:
    entry = schedules.entry_of(config)
    assert entry is not None
    return str(entry.interval or entry.crontab), entry.enabled


@pytest.mark.parametrize(
    ("facts", "is_sooner"),
    [
        ({"every": 1}, True),
        ({"every": 5}, False),
        ({"every": 4, "is_on": ""}, False),
        ({"every": 1, "is_on": ""}, False),
        ({"kind": "crontab", "minute": "*/5"}, True),
        ({"kind": "crontab", "minute": "0", "hour": "3", "day_of_month": "1,15"}, None),
    ],
)
def test_a_schedule_is_not_made_faster_by_who_may_not_drop(
    config: PartitionConfig,
    editor: Client,
    dropper: Client,
    facts: dict[str, Any],
    is_sooner: bool | None,
) -> None:
    reschedule(dropper, config, every=4)
    entry = schedules.entry_of(config)
    assert entry is not None
    type(entry).objects.filter(pk=entry.pk).update(last_run_at=timezone.now())
    before, rows = the_schedule(config), CrontabSchedule.objects.count()
    said = reschedule(editor, config, **facts)
    if is_sooner is None:  # the 1st or 15th may be within four hours
        is_sooner = PERMISSION in said
    assert (PERMISSION in said) == is_sooner
    assert (the_schedule(config) == before) == is_sooner
    assert not is_sooner or CrontabSchedule.objects.count() == rows
    reschedule(dropper, config, **facts)
    assert the_schedule(config) != before


def test_a_crontab_is_not_made_faster_by_who_may_not_drop(
    config: PartitionConfig, editor: Client, dropper: Client
) -> None:
    weekly = {"kind": "crontab", "minute": "0", "hour": "3", "day_of_week": "1"}
    reschedule(dropper, config, **weekly)
    before = the_schedule(config)
    for facts in ({**weekly, "day_of_week": "1,2"}, {"every": 23}, {**weekly, "hour": "3,4"}):
        said = reschedule(editor, config, **facts)
        assert PERMISSION in said
        assert the_schedule(config) == before
    assert reschedule(editor, config, **weekly) == "The schedule is as it was."
    said = reschedule(editor, config, **weekly, day_of_month="13")
    assert said.startswith("The schedule is now") == (the_schedule(config) != before)


def test_a_schedule_that_is_off_is_not_switched_on_by_who_may_not_drop(
    config: PartitionConfig, editor: Client
) -> None:
    reschedule(editor, config, every=24, is_on="")
    said = reschedule(editor, config, every=24)
    assert PERMISSION in said
    assert not the_schedule(config)[1]


def press(client: Client, config: PartitionConfig, operation: str, **facts: Any) -> str:
    url = reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))
    return told(client.post(url, {"operation": operation, **facts}))


def test_what_is_switched_off_is_not_run_by_who_may_not_drop(
    config: PartitionConfig,
    editor: Client,
    dropper: Client,
    celery_in_memory: CeleryInMemory,
    database: Database,
) -> None:
    assert "Follow the run" in press(editor, config, "maintain")
    reschedule(editor, config, every=4, is_on="")
    celery_in_memory.sent()
    action = {"action": "maintain", "_selected_action": [config.pk]}
    assert PERMISSION in press(editor, config, "maintain")
    reschedule(dropper, config, every=4)
    database.configure(Ship, enabled=False)
    assert PERMISSION in press(editor, config, "maintain")
    assert PERMISSION in told(editor.post(reverse(CONFIGS), action))
    assert celery_in_memory.sent() == []
    press(dropper, config, "maintain")
    dropper.post(reverse(CONFIGS), action)
    assert len(celery_in_memory.sent()) == 2


def test_what_is_not_past_retention_is_not_detached_by_who_may_not_drop(
    config: PartitionConfig,
    editor: Client,
    dropper: Client,
    celery_in_memory: CeleryInMemory,
    database: Database,
) -> None:
    database.cover(Ship, "2020-01-01", "2020-02-01")
    now = timezone.now()
    Ship.partitioning.create_range(now, now + timedelta(seconds=1))
    old, new = (each.table_name for each in database.logs(Ship))
    said = press(editor, config, "detach", partitions=[old, new])
    assert said.startswith(f"{new}: ")
    assert PERMISSION in said
    assert celery_in_memory.sent() == []
    press(editor, config, "detach", partitions=[old])
    press(dropper, config, "detach", partitions=[new])
    assert len(celery_in_memory.sent()) == 2
    database.configure(Ship, drop_after=None)
    press(editor, config, "detach", partitions=[new])
    assert len(celery_in_memory.sent()) == 1


def test_a_pin_is_not_taken_off_by_who_may_not_drop(
    config: PartitionConfig,
    editor: Client,
    dropper: Client,
    celery_in_memory: CeleryInMemory,
    database: Database,
) -> None:
    """Neither by a detach of what is past retention, nor by an attach, which sets the pin."""
    attached, detached = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    detached.detach()
    config.logs.update(detach_time=timezone.now() + timedelta(days=30))
    for operation, log in (("detach", attached), ("attach", detached)):
        wanted = {"partitions": [log.table_name], "pinned_until": "2024-01-01"}
        said = press(editor, config, operation, **wanted)
        assert said.startswith(f"{log.table_name}: ")
        assert PERMISSION in said
        assert celery_in_memory.sent() == []
        press(dropper, config, operation, **wanted)
        assert len(celery_in_memory.sent()) == 1
    press(editor, config, "attach", partitions=[detached.table_name], pinned_until="2300-01-01")
    assert len(celery_in_memory.sent()) == 1


def test_pins_of_a_model_that_is_gone_are_not_deleted_by_who_may_not_drop(
    database: Database,
) -> None:
    orphan = PartitionConfig.objects.create(model_label=f"{PREFIX}pinned")
    PartitionLog.objects.create(config=orphan, relid=1, schema_name="public", table_name="pinned")
    url = reverse("admin:pg_timepart_partitionconfig_delete", args=(orphan.pk,))
    codenames = ("view_partitionconfig", "delete_partitionconfig")
    with no_users_left():
        assert signed_in(*codenames).post(url, {"post": "yes"}).status_code == 403
        assert PartitionLog.objects.filter(config=orphan).exists()
        client = signed_in(*codenames, "drop_partitionconfig")
        assert client.post(url, {"post": "yes"}).status_code == 302
    assert not PartitionConfig.objects.filter(pk=orphan.pk).exists()


def test_an_interval_of_three_thousand_years_is_previewed(
    config: PartitionConfig, dropper: Client
) -> None:
    form = settings(config, period="Year", interval=3_000)
    page = dropper.post(page_of(config), form).content.decode()
    assert "<td>interval</td><td>12</td><td>3000</td>" in page
    assert "outside the years" not in page
    dropper.post(page_of(config), form | {"_confirmed": "1"})
    assert dropper.get(page_of(config)).status_code == 200
