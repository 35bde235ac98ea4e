"""The form of a schedule, whole but for a hostile value or two: refused, or of use to beat."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig
from tests.hostile.markup_names import Fields, pairs, submit, values
from tests.support.admin_client import CONFIGS, page_of

pytest_plugins = ("tests.hostile.fixtures",)

CRON = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
CRON_VALUES = (
    *("*/0", "*/99", "0", "7", "30", "31", "2", "1-5/2", "30-1", "mon", "-1", "1,,2", "* *"),
    *("@daily", "\u0663", "sun-mon", "*/2,*/3", "5/5", "1-", "L", "#"),
)
WHOLE: Fields = {
    "kind": "interval",
    "every": "5",
    "unit": "minutes",
    "is_on": "on",
    "timezone": "UTC",
    **dict.fromkeys(CRON, "*"),
}

whole = st.fixed_dictionaries(
    {"kind": st.sampled_from(("interval", "crontab")), "every": st.sampled_from(("7", "100000"))}
).map(lambda each: {**WHOLE, **each})
of_interval = st.dictionaries(st.sampled_from(("unit", "timezone", "is_on", *CRON)), values)
of_crontab = st.dictionaries(
    st.sampled_from((*CRON, "timezone")),
    st.one_of(st.sampled_from(CRON_VALUES), values),
    min_size=1,
    max_size=2,
)
forms = st.builds(
    lambda form, over: {**form, **over}, whole, st.one_of(of_crontab, of_interval, st.just({}))
)


def entry_of(config: PartitionConfig) -> PeriodicTask:
    found = schedules.entry_of(config)
    assert found is not None
    return found


def facts_of(config: PartitionConfig) -> Any:
    entry = entry_of(config)
    return (entry.interval_id, entry.crontab_id, entry.enabled)


def assert_usable(client: Client, config: PartitionConfig) -> None:
    """Beat can tell when the entry is due, and the pages can say it."""
    entry_of(config).schedule.is_due(entry_of(config).date_changed)
    for address in (page_of(config), reverse(CONFIGS)):
        assert client.get(address).status_code == 200


def test_schedules_of_any_kind(client: Client, config: PartitionConfig) -> None:
    address = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    ends = Counter[str]()

    @settings(settings.get_profile("hostile"))
    @given(form=forms)
    @example(form={**WHOLE, "every": "7"})
    @example(form={**WHOLE, "kind": "crontab", "minute": "7"})
    @example(form={**WHOLE, "kind": "crontab", "day_of_month": "30", "month_of_year": "2"})
    @example(form={**WHOLE, "unit": ""})
    def sent(form: Fields) -> None:
        before = facts_of(config)
        answer = submit(client, address, [(f"schedule-{k}", v) for k, v in pairs(form)])
        assert answer["Location"] == page_of(config)
        ends["same" if facts_of(config) == before else str(form["kind"])] += 1
        assert_usable(client, config)

    sent()
    assert ends["interval"]
    assert ends["crontab"]
    assert ends["same"]


def test_a_schedule_that_never_comes_may_be_there_already(
    client: Client, config: PartitionConfig
) -> None:
    """The admin of django-celery-beat itself takes it."""
    entry = entry_of(config)
    entry.interval = None
    entry.crontab = CrontabSchedule.objects.create(day_of_month="30", month_of_year="2")
    entry.save()
    for address in (page_of(config), reverse(CONFIGS)):
        assert client.get(address).status_code == 200
