"""Entries of django-celery-beat, whose models exist only where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, router, transaction

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

BEAT_APP = "django_celery_beat"
SHORTEST_EXPIRY_SECONDS = 10_800
"""Messages expire by the worker's clock, and beat writes down when by its own: these may differ by
hours. A pass that comes late costs little; one that expires at once would never run."""

UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


def is_beat_installed() -> bool:
    """Return whether ``django_celery_beat`` is in INSTALLED_APPS and its tables are there."""
    if not apps.is_installed(BEAT_APP):
        return False
    return has_table(beat_alias(), periodic_task()._meta.db_table)


def periodic_task() -> type[PeriodicTask]:
    """Return the model of beat's entries."""
    return apps.get_model(BEAT_APP, "PeriodicTask")


def beat_alias() -> str:
    """Return the alias of the database that beat's rows are in."""
    return router.db_for_write(periodic_task())


def beat_entries() -> Any:
    """Return all entries of beat, also those that are not ours, with their schedules."""
    rows = periodic_task()._default_manager.using(beat_alias())
    return rows.select_related("interval", "crontab", "solar", "clocked")


def save_new(
    entry: PeriodicTask, find: Callable[[], PeriodicTask | None]
) -> tuple[PeriodicTask, bool]:
    """Save an entry; where another process was quicker, return the one that ``find`` finds.

    Returns the entry, and whether it was saved here. Raises the error of the save where nothing is
    found.
    """
    try:
        with transaction.atomic(using=beat_alias()):
            entry.save(using=beat_alias())
    except (IntegrityError, ValidationError):
        quicker = find()
        if quicker is None:
            raise
        return quicker, False
    return entry, True


def interval_of(seconds: int) -> Any:
    """Return an IntervalSchedule of this length; where there are several, any of them."""
    rows = apps.get_model(BEAT_APP, "IntervalSchedule")._default_manager.using(beat_alias())
    size, unit = next(each for each in UNITS if seconds % each[0] == 0)
    wanted = {"every": seconds // size, "period": unit}
    return rows.filter(**wanted).first() or rows.create(**wanted)


def seconds_of(entry: PeriodicTask) -> float | None:
    """Return the interval of an entry in seconds, or None for another kind of schedule."""
    if entry.interval is None:
        return None
    return float(entry.interval.schedule.run_every.total_seconds())


def expiry_of(seconds: int) -> int:
    """Return after how many seconds a message of an entry with this interval expires."""
    return max(seconds, SHORTEST_EXPIRY_SECONDS)


def is_json(text: str) -> bool:
    """Return whether beat can read the arguments of an entry."""
    try:
        json.loads(text or "null")
    except ValueError:
        return False
    return True


def has_table(alias: str, table: str) -> bool:
    """Return whether the database has a table that an unqualified name finds."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [connection.ops.quote_name(table)]
        )
        return bool(cursor.fetchone()[0])
