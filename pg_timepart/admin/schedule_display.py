"""Beat entries in words, and the next times at which they are due, for the list and the pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pg_timepart import conf
from pg_timepart.beat.entries import beat_entries, is_beat_installed
from pg_timepart.beat.timetable import NeverDue, time_left
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
        left = time_left(entry, since)
    except NeverDue:
        return None
    start = entry.start_time or now
    return max(now, now + left, start)


def pace_of(scheduled: Any, since: datetime, now: datetime) -> Pace | None:
    """Return the pace of an entry or a schedule that last ran at ``since``.

    None where it is never due, or only once.
    """
    moments: list[datetime] = []
    try:
        for _ in range(LOOK_AHEAD):
            since = _to_the_second(now + time_left(scheduled, since))
            moments.append(since)
    except (NeverDue, OverflowError):
        return None
    shortest = min(later - earlier for earlier, later in pairwise(moments))
    return Pace(next_due=max(moments[0], now), shortest=shortest) if shortest else None


def _to_the_second(moment: datetime) -> datetime:
    """Return the nearest whole second: the time left was computed a moment before."""
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
