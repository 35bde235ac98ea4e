"""The schedule of a config, edited on its page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Ship
from tests.support.admin_client import no_users_left, page_of, signed_in
from tests.support.beat_rows import writes
from tests.support.database import Database


@pytest.fixture
def config(database: Database) -> Iterator[PartitionConfig]:
    intervals = set(IntervalSchedule.objects.values_list("pk", flat=True))
    with no_users_left():
        yield database.configure(Ship, period="Day")
    PartitionConfig.objects.filter(model_label="fleet.ship").delete()
    IntervalSchedule.objects.exclude(pk__in=intervals).delete()
    CrontabSchedule.objects.all().delete()


@pytest.fixture
def client(config: PartitionConfig) -> Client:
    return signed_in("change_partitionconfig")


def entry_of(config: PartitionConfig) -> PeriodicTask:
    found = schedules.entry_of(config)
    assert found is not None
    return found


def change(client: Client, config: PartitionConfig, **facts: Any) -> list[str]:
    """Send the form with these facts; return what the next page says."""
    url = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    form = {"kind": "interval", "unit": "minutes", "is_on": "on", **facts}
    response = client.post(url, {f"schedule-{name}": value for name, value in form.items()})
    assert response.status_code == 302
    assert response["Location"] == page_of(config)
    return [str(each) for each in get_messages(response.wsgi_request)]


def test_an_interval_is_set_and_stays(client: Client, config: PartitionConfig) -> None:
    assert change(client, config, every=7) == ["The schedule is now: every 7 minutes."]
    assert str(entry_of(config).interval) == "every 7 minutes"
    schedules.sync_all()
    assert str(entry_of(config).interval) == "every 7 minutes"
    assert "every 7 minutes" in client.get(page_of(config)).content.decode()


def test_a_crontab_is_set_in_its_zone(client: Client, config: PartitionConfig) -> None:
    (said,) = change(client, config, kind="crontab", minute="30", hour="3", timezone="Asia/Tokyo")
    assert "03:30 AM" in said
    entry = entry_of(config)
    assert entry.interval is None
    assert (entry.crontab.minute, entry.crontab.hour) == ("30", "3")
    assert str(entry.crontab.timezone) == "Asia/Tokyo"
    page = client.get(page_of(config)).content.decode()
    assert 'value="Asia/Tokyo"' in page


def test_the_same_schedule_again_saves_nothing(client: Client, config: PartitionConfig) -> None:
    change(client, config, every=7)
    with writes() as statements:
        said = change(client, config, every=7)
    assert said[-1] == "The schedule is as it was."
    assert not [each for each in statements if "django_celery_beat" in each]


def test_a_schedule_is_switched_off_and_on(client: Client, config: PartitionConfig) -> None:
    change(client, config, every=7, is_on="")
    assert not entry_of(config).enabled
    assert "switched off" in client.get(page_of(config)).content.decode()
    change(client, config, every=7)
    assert entry_of(config).enabled


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"every": ""}, "Every: Say how many."),
        ({"every": 0}, "Every: Ensure this value is greater than or equal to 1."),
        ({"every": 1, "unit": "fortnights"}, "Unit: Select a valid choice."),
        ({"kind": "crontab", "hour": "25"}, "Hour: "),
        ({"kind": "crontab", "timezone": "Europe/Paradise"}, "Timezone: There is no time zone"),
        ({"kind": "never"}, "Kind: Select a valid choice."),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    client: Client, config: PartitionConfig, facts: dict[str, Any], words: str
) -> None:
    before = entry_of(config).interval
    assert any(each.startswith(words) for each in change(client, config, **facts))
    assert entry_of(config).interval == before


def test_only_who_may_change_configs_changes_schedules(config: PartitionConfig) -> None:
    url = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    client = signed_in("view_partitionconfig", "operate_partitionconfig", "drop_partitionconfig")
    assert client.post(url, {"schedule-kind": "interval"}).status_code == 403
    assert 'id="timepart-schedule"' not in client.get(page_of(config)).content.decode()
    assert signed_in("change_partitionconfig").get(url).status_code == 405


def test_a_schedule_needs_the_csrf_token(config: PartitionConfig) -> None:
    url = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    client = signed_in("change_partitionconfig", enforce_csrf_checks=True)
    assert client.post(url, {"schedule-kind": "interval"}).status_code == 403
