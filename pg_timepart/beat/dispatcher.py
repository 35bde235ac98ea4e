"""Dispatcher: one beat entry that sends the pass of every config that is due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from pg_timepart import conf
from pg_timepart.beat import future_entries
from pg_timepart.beat.entries import (
    beat_alias,
    beat_entries,
    expiry_of,
    interval_of,
    periodic_task,
    save_new,
    seconds_of,
)
from pg_timepart.beat.intervals import NICE_SECONDS, default_seconds, is_due
from pg_timepart.models import PartitionConfig
from pg_timepart.models.database import configs
from pg_timepart.partitions.names import free_name

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django_celery_beat.models import PeriodicTask

DISPATCH = "pg_timepart.dispatch"
DISPATCHER_NAME = "pg_timepart: send what is due"
LONGEST_SECONDS = 60
OWN_SECONDS = frozenset(each for each in NICE_SECONDS if each <= LONGEST_SECONDS)
"""Intervals that we set; an entry with another one was changed by a person."""


def due_configs(now: datetime) -> list[PartitionConfig]:
    """Return the enabled configs whose last check was about their interval ago, or longer.

    A pass begins a moment after it was sent. So a config counts as due if it will be within half of
    the dispatch interval: otherwise it would be checked only every other time.
    """
    early = dispatcher_seconds() / 2
    return [each for each in _enabled_configs() if is_due(each, now, early)]


def dispatcher_seconds() -> int:
    """Return the dispatch interval: the shortest of the enabled configs, at most a minute.

    A person may have chosen another interval for the entry.
    """
    columns = ("period", "periods_per_partition", "premake")
    rows = _enabled_configs().order_by().values(*columns).distinct()
    asked_for = [default_seconds(PartitionConfig(**row)) for row in rows]
    return min([LONGEST_SECONDS, *asked_for])


def sync_dispatcher() -> list[str]:
    """Make the dispatcher's entry where the settings want it, and remove it where they do not.

    Its interval is the shortest of the enabled configs, unless a person chose its schedule. Returns
    a sentence for each change. Beat must be installed.
    """
    entries = _entries()
    if not conf.options().DISPATCHER:
        return [_removed(each, "nothing is dispatched any more") for each in entries]
    if not entries:
        return _make()
    kept, *others = entries
    spares = [each for each in others if each.name.startswith(DISPATCHER_NAME)]
    changes = [_removed(each, f"{kept.name} does the same") for each in spares]
    return [*changes, *_follow_shortest(kept), *future_entries.catch_up(kept, timezone.now())]


def _entries() -> list[PeriodicTask]:
    """Return the entries of the dispatcher's task, the one to keep (an enabled one) first."""
    return list(beat_entries().filter(task=DISPATCH).order_by("-enabled", "pk"))


def _make() -> list[str]:
    seconds = dispatcher_seconds()
    entry = periodic_task()(
        name=_free_name(),
        task=DISPATCH,
        interval=interval_of(seconds),
        expire_seconds=expiry_of(seconds),
        queue=conf.options().QUEUE,
        description="Sends the maintenance of each table that is due.",
    )
    entry, is_ours = save_new(entry, lambda: next(iter(_entries()), None))
    return [f"{entry.name} is scheduled every {seconds} s."] if is_ours else []


def _follow_shortest(entry: PeriodicTask) -> list[str]:
    seconds = dispatcher_seconds()
    if seconds_of(entry) not in OWN_SECONDS - {seconds}:
        return []
    entry.interval = interval_of(seconds)
    entry.save(using=beat_alias())
    return [f"{entry.name} is scheduled every {seconds} s, as the shortest has changed."]


def _removed(entry: PeriodicTask, reason: str) -> str:
    entry.delete()
    return f"{entry.name} is removed: {reason}."


def _free_name() -> str:
    """Return the plain name, or a numbered one where an entry for another task has it.

    Two processes that make one at once choose the same name: only one succeeds.
    """
    others = beat_entries().filter(name__startswith=DISPATCHER_NAME).exclude(task=DISPATCH)
    taken = set(others.values_list("name", flat=True))
    return free_name(DISPATCHER_NAME, taken, separator=" ")


def _enabled_configs() -> QuerySet[PartitionConfig]:
    return configs().filter(enabled=True)
