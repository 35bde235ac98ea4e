"""Pace of a schedule: the shortest interval between its next due times."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

from celery.schedules import crontab
from django.utils import timezone

from pg_timepart.admin.schedule_display import pace_of


def test_a_slow_page_finds_the_same_pace() -> None:
    every_five_minutes = SimpleNamespace(schedule=crontab(minute="*/5"))
    began = timezone.now() - timedelta(seconds=30)
    pace = pace_of(every_five_minutes, began, began)
    assert pace is not None
    assert pace.shortest == timedelta(minutes=5)
