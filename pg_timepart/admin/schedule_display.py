"""Beat entries in words, and the next times at which they are due, for the list and the pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pg_timepart import conf
from pg_timepart.beat.entries import beat_entries, is_beat_installed
from pg_timepart.beat.timetable import NeverDue, due_after
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.retention import Pace

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask


LOOK_AHEAD = 8
"""How many of the next due times are compared to find the shortest interval."""


def entries_of(configs: Iterable[PartitionConfig]) -> dict[int, PeriodicTask]:
    """Return the beat entries of these configs, by their keys, in one query."""
    if not is_beat_installed():
        return {}
    keys = [each.schedule_id for each in configs if each.schedule_id is not None]
    return {row.pk: row for row in beat_entries().filter(pk__in=keys)}


def in_words(entry: PeriodicTask | None) -> str:
    """Return when an entry is due, such as ``every 30 minutes``."""
    if entry is None:
        return "sent by the dispatcher" if conf.options().DISPATCHER else "no schedule"
    if entry.crontab is not None:
        words = str(entry.crontab.human_readable)
    else:
        words = str(entry.scheduler or "no schedule")
    return words if entry.enabled else f"{words} (switched off)"


def next_run(entry: PeriodicTask | None, now: datetime) -> datetime | None:
    """Return about when beat sends an entry next; None where it does not, or that is unknown."""
    if entry is None or not entry.enabled or (entry.expires and entry.expires <= now):
        return None
    if entry.interval is None and entry.crontab is None:
        return None
    since = entry.last_run_at or entry.date_changed or now
    try:
        due_at = due_after(entry, since)
    except NeverDue:
        return None
    start = entry.start_time or now
    return max(now, due_at, start)


def pace_of(scheduled: Any, since: datetime, now: datetime) -> Pace | None:
    """Return the pace of an entry or a schedule that last ran at ``since``.

    None where it is never due, or only once.
    """
    moments: list[datetime] = []
    try:
        for _ in range(LOOK_AHEAD):
            since = due_after(scheduled, since)
            moments.append(since)
    except NeverDue:
        return None
    shortest = min(later - earlier for earlier, later in pairwise(moments))
    return Pace(next_due=max(moments[0], now), shortest=shortest) if shortest else None
