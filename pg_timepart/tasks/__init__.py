"""Celery tasks: one for each operation, and two that send one for each table.

Arguments and results are JSON. A label is ``"app.model"``; a partition is its table name or
``schema.table``, or either with the OID that was shown with it, ``{"name": ..., "oid": ...}``; a
moment is ISO 8601, read in ``PARTITION_TIMEZONE`` where it has no offset. Any task may run twice,
out of order, or at the same time as another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import beat_init
from django.utils import timezone

from pg_timepart.beat import dispatcher, schedules
from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import enabled_labels, maintain_unattended
from pg_timepart.maintenance.operation_registry import operations
from pg_timepart.tasks.base import BaseTask, Result, TimepartTask
from pg_timepart.tasks.operation_tasks import task_of

maintain = task_of("maintain")
create_partitions = task_of("create")
detach_partitions = task_of("detach")
attach_partitions = task_of("attach")
set_tablespace = task_of("move")
drop_partitions = task_of("drop")
reconcile = task_of("reconcile")

if not TYPE_CHECKING:  # or else a misspelt task would pass for one

    def __getattr__(name: str) -> BaseTask:
        """Return the task of an operation that has no name above."""
        for each in operations():
            if each.task == name:
                return task_of(each.name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@shared_task(name="pg_timepart.maintain_all", base=TimepartTask, bind=True)
def maintain_all(self: TimepartTask) -> Result:
    """Send one ``maintain`` for each enabled config, so that each ends by itself."""
    return _send(enabled_labels(), self.schedule)


@shared_task(name=dispatcher.DISPATCH, base=TimepartTask, bind=True)
def dispatch(self: TimepartTask) -> Result:
    """Send one ``maintain`` for each config that is due; see ``PG_TIMEPART["DISPATCHER"]``.

    One whose model is gone is recorded as failed.
    """
    installed = set(enabled_labels())
    due = [each.model_label for each in dispatcher.due_configs(timezone.now())]
    for label in set(due) - installed:
        maintain_unattended(label, replace(self.origin, is_scheduled=True))
    return _send([label for label in due if label in installed], self.schedule)


@beat_init.connect(dispatch_uid="pg_timepart")
def _sync_schedules(**_kwargs: Any) -> None:
    """Repair the beat entries when beat starts."""
    schedules.sync_all()


def _send(labels: Sequence[str], schedule: str) -> Result:
    headers = {"periodic_task_name": schedule} if schedule else {}
    for label in labels:
        maintain.apply_async((label,), headers=headers)
    outcome = Outcome.DONE if labels else Outcome.UNCHANGED
    return {"outcome": outcome.value, "sent": list(labels)}
