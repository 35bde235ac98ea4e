"""Beat entries that a clock in the future has stopped, and how they go on.

Beat compares moments that it, or another host, has written down with its own clock. What lies in
the future it waits for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps

from pg_timepart.beat.entries import BEAT_APP, beat_alias, seconds_of

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

CLOSE = timedelta(minutes=1)
"""What lies no further in the future was written by a clock that is right."""


def catch_up(entry: PeriodicTask, now: datetime) -> list[str]:
    """Make an entry due that was last sent, or made, in the future; return a sentence if it was."""
    since = entry.last_run_at or entry.date_changed
    if not entry.enabled or since is None or since <= now + CLOSE:
        return []
    entry.last_run_at = now - timedelta(seconds=seconds_of(entry) or 0)
    entry.save(using=beat_alias())
    return [f"{entry.name} was sent in the future; it is due."]


def announce(before: datetime | None, using: str) -> None:
    """Have beat read its schedule anew also where the change ``before`` was by a clock ahead."""
    after = last_change(using)
    if before is not None and after is not None and after <= before:
        _changes(using).filter(ident=1).update(last_update=before + timedelta(milliseconds=1))


def last_change(using: str) -> datetime | None:
    """Return what beat compares to know that its schedule has changed."""
    found: datetime | None = _changes(using).values_list("last_update", flat=True).first()
    return found


def _changes(using: str) -> Any:
    return apps.get_model(BEAT_APP, "PeriodicTasks")._default_manager.using(using)
