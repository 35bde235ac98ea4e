"""W002 and W003: schedules need django-celery-beat, and a beat that reads them from there."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core import checks

from pg_timepart.beat.entries import BEAT_APP

SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


def check_beat(**_: Any) -> list[checks.CheckMessage]:
    """Return a warning where beat is not installed, or its scheduler is not the database's."""
    if not apps.is_installed(BEAT_APP):
        return [
            checks.Warning(
                f"{BEAT_APP} is not installed, so nothing schedules the maintenance of partitions.",
                hint=f"Add {BEAT_APP!r} to INSTALLED_APPS, or run `timepart maintain` from cron and"
                " silence this check.",
                id="pg_timepart.W002",
            )
        ]
    if any("DatabaseScheduler" in each for each in _schedulers()):
        return []
    return [
        checks.Warning(
            "Beat is not set to read its schedules from the database, where those of the"
            " partitions are.",
            hint=f'Set CELERY_BEAT_SCHEDULER = "{SCHEDULER}". If beat is started with'
            " --scheduler, silence this check.",
            id="pg_timepart.W003",
        )
    ]


def _schedulers() -> list[str]:
    """Return the scheduler by Django's settings and by Celery's; beat may use either."""
    return [
        str(getattr(settings, "CELERY_BEAT_SCHEDULER", "")),
        str(current_app.conf.beat_scheduler),
    ]
