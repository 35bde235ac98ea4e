"""W002 and W003: nothing rotates by itself unless beat reads its schedules from the database."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core import checks

from pg_timepart.beat.entries import BEAT_APP

SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


def check_beat(**_: Any) -> list[checks.CheckMessage]:
    """Return a warning where no schedule would be made, or where beat would not read it."""
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
    """Return what Django's settings and Celery's say; either may be what beat will read."""
    return [
        str(getattr(settings, "CELERY_BEAT_SCHEDULER", "")),
        str(current_app.conf.beat_scheduler),
    ]
