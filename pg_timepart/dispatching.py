"""The one beat entry that sends what is due, in place of an entry per config."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import router
from django.utils import timezone

from pg_timepart import conf, punctuality
from pg_timepart.beat_rows import beat_alias, beat_entries, expiry_of, interval_of, periodic_task
from pg_timepart.frequency import is_due
from pg_timepart.models import PartitionConfig

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

DISPATCH = "pg_timepart.dispatch"
DISPATCHER_NAME = "pg_timepart: send what is due"
DISPATCHER_SECONDS = 60


def due_configs(now: datetime) -> list[PartitionConfig]:
    """Return the enabled configs that were last looked at longer ago than their interval."""
    return [each for each in _enabled_configs() if is_due(each, now)]


def sync_dispatcher() -> list[str]:
    """Make the dispatcher's entry where the settings want it, and remove it where they do not.

    Returns a sentence for each change. Beat must be installed.
    """
    wanted = conf.options().DISPATCHER
    entries = beat_entries().filter(task=DISPATCH)
    entry = entries.first()
    if wanted and entry is None:
        return _make()
    if not wanted and entry is not None:
        entry.delete()
        return [f"{entry.name} is removed."]
    return [] if entry is None else punctuality.catch_up(entry, timezone.now())


def _make() -> list[str]:
    entry: PeriodicTask = periodic_task()(
        name=DISPATCHER_NAME,
        task=DISPATCH,
        interval=interval_of(DISPATCHER_SECONDS),
        expire_seconds=expiry_of(DISPATCHER_SECONDS),
        queue=conf.options().QUEUE,
        description="Sends the maintenance of each table that is due.",
    )
    entry.save(using=beat_alias())
    return [f"{entry.name} is scheduled every {DISPATCHER_SECONDS} s."]


def _enabled_configs() -> list[PartitionConfig]:
    using = router.db_for_write(PartitionConfig)
    return list(PartitionConfig.objects.using(using).filter(enabled=True))
