"""Repair of beat entries whose last_run_at lies in the future, because a clock was wrong.

Beat compares moments that it, or another host, has saved by its own clock: an entry is not due
before a ``last_run_at`` in the future.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps

from pg_timepart.beat.entries import BEAT_APP, beat_alias, seconds_of

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

CLOSE = timedelta(minutes=1)
"""Up to this difference, the clocks count as the same."""


def catch_up(entry: PeriodicTask, now: datetime) -> list[str]:
    """Make an entry due whose last run or creation lies in the future; return a sentence if so."""
    since = entry.last_run_at or entry.date_changed
    if not entry.enabled or since is None or since <= now + CLOSE:
        return []
    entry.last_run_at = now - timedelta(seconds=seconds_of(entry) or 0)
    entry.save(using=beat_alias())
    return [f"{entry.name} was sent in the future; it is due."]


def announce(before: datetime | None, using: str) -> None:
    """Make beat read its schedule again, also where its last change lies in the future."""
    after = last_change(using)
    if before is not None and after is not None and after <= before:
        _changes(using).filter(ident=1).update(last_update=before + timedelta(milliseconds=1))


def last_change(using: str) -> datetime | None:
    """Return ``PeriodicTasks.last_update``, by which beat notices a changed schedule."""
    found: datetime | None = _changes(using).values_list("last_update", flat=True).first()
    return found


def _changes(using: str) -> Any:
    return apps.get_model(BEAT_APP, "PeriodicTasks")._default_manager.using(using)
