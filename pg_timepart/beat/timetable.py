"""Timetable of passes: when the next one of each table is due by beat, and which are late."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.beat.config_entries import MAINTAIN, TASK_PREFIX
from pg_timepart.beat.dispatcher import DISPATCH
from pg_timepart.beat.entries import beat_entries, is_beat_installed, seconds_of
from pg_timepart.beat.intervals import default_seconds, patience
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code
from pg_timepart.models import PartitionConfig

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

MAINTAIN_ALL = f"{TASK_PREFIX}maintain_all"
SHORTEST_GRACE = timedelta(minutes=5)
LONGEST_GRACE = timedelta(hours=1)
"""The delay in which a due pass is not late yet: workers have other tasks too."""

WRITTEN_WITHIN = timedelta(minutes=5)
"""The interval in which beat saves last_run_at, which it also does when it ends."""


class NeverDue(TimepartError):
    """Raised where a schedule has no next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A scheduled pass of a table that is late, or that will never come."""

    code: Code
    """The code of the finding that says why, as far as beat's entries tell."""

    due_at: datetime | None = None
    """When the pass was due; None where no schedule tells."""

    sent_at: datetime | None = None
    """When beat last sent a pass; None where it never did."""

    queue: str = ""
    """The queue that beat sends it to."""

    entry: str = ""
    """The name of the beat entry."""


class Timetable:
    """The entries of beat that send passes, as they were read at once."""

    def __init__(self, entries: Iterable[PeriodicTask] | None) -> None:
        """Take the entries; None where beat is not installed."""
        self.is_beat_installed = entries is not None
        self._by_key: dict[int, PeriodicTask] = {}
        self._by_arguments: dict[str, list[PeriodicTask]] = {}
        self._for_all: list[PeriodicTask] = []
        for each in entries or ():
            if each.task == MAINTAIN:
                self._by_key[each.pk] = each
                self._by_arguments.setdefault(each.args, []).append(each)
            elif each.task == MAINTAIN_ALL or conf.options().DISPATCHER:
                self._for_all.append(each)

    def delay(self, config: PartitionConfig, now: datetime) -> Delay | None:
        """Return the late pass of this table at ``now``, by the clock of its server; or None.

        None for a config that is disabled or not saved. Makes no query.
        """
        if not config.enabled or config._state.adding:
            return None
        if not self.is_beat_installed:
            return _unseen(config, now)
        entries = self._entries_of(config)
        senders = [each for each in entries if _sends(each, now)]
        return _longest(senders, config, now) if senders else _unscheduled(entries)

    def _entries_of(self, config: PartitionConfig) -> list[PeriodicTask]:
        if conf.options().DISPATCHER:  # which pauses the entries of single tables
            return self._for_all
        named = self._by_arguments.get(json.dumps([config.model_label]), [])
        own = self._by_key.get(config.schedule_id or 0)
        also = [own] if own is not None and own not in named else []
        return [*also, *named, *self._for_all]


def read_timetable() -> Timetable:
    """Return the entries of beat that send passes, in two queries."""
    if not is_beat_installed():
        return Timetable(None)
    rows = beat_entries().filter(task__in=(MAINTAIN, MAINTAIN_ALL, DISPATCH)).order_by("pk")
    return Timetable(rows.select_related("interval", "crontab", "solar", "clocked"))


def due_after(scheduled: Any, since: datetime) -> datetime:
    """Return when a beat entry or schedule that last ran ``since`` is due, to the nearest second.

    Raises NeverDue for the 30th of February and the like, for which beat logs no error.
    """
    try:
        # Celery says how long from now until then, by the clock as it is at the call.
        due_at: datetime = timezone.now() + scheduled.schedule.remaining_estimate(since)
        return (due_at + timedelta(milliseconds=500)).replace(microsecond=0)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise NeverDue(f"Beat would never send this: {' '.join(str(error).split())}") from error


def _sends(entry: PeriodicTask, now: datetime) -> bool:
    is_over = entry.expires is not None and entry.expires <= now
    schedule = (entry.interval_id, entry.crontab_id, entry.solar_id, entry.clocked_id)
    return entry.enabled and not is_over and any(schedule)


def _unscheduled(entries: list[PeriodicTask]) -> Delay:
    if not entries:
        return Delay(code=Code.NO_SCHEDULE)
    return Delay(code=Code.SCHEDULE_OFF, entry=entries[0].name)


def _unseen(config: PartitionConfig, now: datetime) -> Delay | None:
    """Return a delay where passes of another scheduler, such as cron, have not come for long.

    Their interval is not known, so only a very long delay is reported.
    """
    if config.last_checked_at is None:
        return None
    due_at = config.last_checked_at + patience(config)
    return Delay(code=Code.NO_PASS, due_at=due_at) if due_at < now else None


def _longest(senders: list[PeriodicTask], config: PartitionConfig, now: datetime) -> Delay | None:
    """Return the pass that has been late for longest, or None where none is."""
    found = [each for entry in senders if (each := _lateness(entry, config, now))]
    return min(found, key=lambda each: each.due_at or now, default=None)


def _lateness(entry: PeriodicTask, config: PartitionConfig, now: datetime) -> Delay | None:
    since = _since(entry, config, now)
    due_at = _due_at(entry, config, since)
    if due_at is None or now <= due_at + min(max(due_at - since, SHORTEST_GRACE), LONGEST_GRACE):
        return None
    is_sent = entry.last_run_at is not None and entry.last_run_at > since
    return Delay(
        code=Code.PASS_NOT_TAKEN if is_sent else Code.PASS_NOT_SENT,
        due_at=due_at,
        sent_at=entry.last_run_at,
        queue=_queue(entry),
        entry=entry.name,
    )


def _since(entry: PeriodicTask, config: PartitionConfig, now: datetime) -> datetime:
    """Return the start of the interval: the last pass, or a later change of the entry by a person.

    A moment in the future was saved by a clock that was ahead, and is ignored. For a table that was
    never checked, it is when its entry was first sent, as far as that can be told.
    """
    moments = [config.last_checked_at, _changed_at(entry)]
    past = [each for each in moments if each is not None and each <= now]
    if past:
        return max(past)
    if entry.last_run_at is None:
        return now
    between = timedelta(seconds=seconds_of(entry) or 0)
    first_sent: datetime = entry.last_run_at - entry.total_run_count * between
    return first_sent


def _changed_at(entry: PeriodicTask) -> datetime | None:
    """Return when a person last saved the entry, as far as can be told.

    Saving sets ``date_changed``, and so does beat, soon after it has sent the entry.
    """
    changed, sent = entry.date_changed, entry.last_run_at
    is_by_beat = changed is not None and sent is not None and changed <= sent + WRITTEN_WITHIN
    return None if is_by_beat else changed


def _due_at(entry: PeriodicTask, config: PartitionConfig, since: datetime) -> datetime | None:
    """Return when the next pass after ``since`` should begin; None where that is never."""
    if entry.task == DISPATCH:
        since += timedelta(seconds=default_seconds(config))
    seconds = seconds_of(entry)
    try:
        due_at = due_after(entry, since) if seconds is None else since + timedelta(seconds=seconds)
    except NeverDue:
        return None
    start: datetime | None = entry.start_time
    return due_at if start is None else max(due_at, start)


def _queue(entry: PeriodicTask) -> str:
    """Return the queue that the entry's messages go to, as the settings of this process say."""
    named = entry.queue or conf.options().QUEUE
    if named:
        return str(named)
    route = current_app.amqp.router.route({}, entry.task)
    queue = route.get("queue") or current_app.conf.task_default_queue
    return str(getattr(queue, "name", queue))
