"""The Celery surface: parse, delegate, report.

Arguments and results are JSON. A label is ``"app.model"``, a partition is its table name or
``schema.table``, or with that name the OID that it was shown with, ``{"name": ..., "oid": ...}``; a
moment is ISO 8601; without an offset it is read in ``PARTITION_TIMEZONE``. Any task may run twice,
out of order, or beside itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from celery import Task, shared_task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import beat_init
from celery.utils.time import get_exponential_backoff_interval
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.beat import dispatcher, schedules
from pg_timepart.constants import Outcome
from pg_timepart.errors import InvalidPolicy, OperationDeferred, OperationFailed, UnknownName
from pg_timepart.maintenance import maintain as passes
from pg_timepart.maintenance import manual
from pg_timepart.maintenance import reconcile as reconciling
from pg_timepart.maintenance.history import LONGEST_NAME, Origin, dropped_by
from pg_timepart.maintenance.lookup import Shown, as_shown, logs_named, tablespace_named
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target, decorated, target_named
from pg_timepart.maintenance.task_arguments import Partitions, moment_in, names_in, without
from pg_timepart.models import PartitionLog
from pg_timepart.postgres.sqlstate import is_passing_fault
from pg_timepart.text import storable

if TYPE_CHECKING:
    BaseTask = Task[Any, Any]
else:
    BaseTask = Task

Result = dict[str, Any]

FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 600
SCHEDULED_RETRIES = 5
"""A scheduled pass gives up after these: the next one on the schedule goes on."""


class TimepartTask(BaseTask):
    """What all tasks share: they survive their worker, and go to the configured queue.

    A task that gives way to another run or to a lock, or loses its connection, is sent again with
    exponential backoff and jitter; what was asked for by hand is never dropped.
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    max_retries = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; one that meets a passing fault of the server is sent again."""
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        try:
            return self.run(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            if self.request.is_eager or not is_passing_fault(error):
                raise
            raise self._again(error) from error

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, to ``PG_TIMEPART["QUEUE"]`` unless another queue is named."""
        queue = conf.options().QUEUE
        if queue is not None:
            options.setdefault("queue", queue)
        return super().apply_async(*args, **options)

    @property
    def schedule(self) -> str:
        """The name of the beat entry that sent this, or nothing."""
        return str(self.request.get("periodic_task_name") or "")

    @property
    def _sender(self) -> str:
        """The name of the person whom the admin sent this for, else ``task``."""
        return str(self.request.get("started_by") or "task")

    @property
    def comes_again(self) -> bool:
        """Whether this very task was begun before, and retried or delivered again."""
        delivery = self.request.delivery_info or {}
        return bool(self.request.retries or delivery.get("redelivered"))

    @property
    def origin(self) -> Origin:
        """Who or what started the run, for its record."""
        return Origin(
            started_by=f"beat: {self.schedule}" if self.schedule else self._sender,
            worker=str(self.request.hostname or ""),
            task_id=str(self.request.id or ""),
            interruptions=(SoftTimeLimitExceeded,),
        )

    def carry_out(self, work: Callable[[], Report]) -> Result:
        """Return what ``work`` did, or send the task again if another try may do more."""
        try:
            report = work()
        except (OperationDeferred, OperationFailed) as error:
            if not isinstance(error.report, Report):
                raise
            report = error.report
        if self._may_try_again(report):
            raise self._again(OperationDeferred(report.reason))
        return report.as_json()

    def logs(
        self, target: Target, names: Sequence[str | Shown], *, may_be_gone: bool = False
    ) -> Callable[[], list[PartitionLog]]:
        """Return what looks the named partitions up, as a part of the work to carry out.

        What a name means is settled once: another try is for these very tables, whatever has their
        names by then.
        """

        def look_up() -> list[PartitionLog]:
            found = logs_named(target, names, origin=self.origin, may_be_gone=may_be_gone)
            if not self.request.called_directly:
                self._keep_to(as_shown(found))
            return found

        return look_up

    def _keep_to(self, shown: Sequence[Shown]) -> None:
        """Have the message of another try carry the OIDs."""
        args, kwargs = list(self.request.args or ()), dict(self.request.kwargs or {})
        entries = [asdict(each) for each in shown]
        if "partitions" in kwargs:
            kwargs["partitions"] = entries
        else:
            args[1] = entries  # after the label, in each task that takes partitions
        self.request.args, self.request.kwargs = args, kwargs

    def _may_try_again(self, report: Report) -> bool:
        # An eager one would be tried again at once, in its caller, for as long as the lock is held.
        if self.request.called_directly or self.request.is_eager:
            return False
        if report.outcome is not Outcome.DEFERRED and not report.is_passing:
            return False
        if self.schedule:
            return not report.is_taken and self.request.retries < SCHEDULED_RETRIES
        return True

    def _again(self, error: Exception) -> Exception:
        countdown = get_exponential_backoff_interval(
            factor=FIRST_RETRY_SECONDS,
            retries=min(self.request.retries, 16),
            maximum=LONGEST_RETRY_SECONDS,
            full_jitter=True,
        )
        try:
            retry: Exception = self.retry(exc=error, countdown=max(countdown, 1), throw=False)
        except Reject as rejected:  # the broker does not take it, and would forget it so
            return Reject(rejected.args[0], requeue=True)
        return retry


@shared_task(name="pg_timepart.maintain", base=TimepartTask, bind=True)
def maintain(self: TimepartTask, model_label: str) -> Result:
    """Run one whole pass; see ``maintenance.passes.maintain``.

    A scheduled pass that finds another run on the table ends ``deferred`` at once; one that was
    sent by hand waits its turn. One for a model that is gone is recorded as failed, if it has a
    config or a schedule goes on sending it.
    """
    try:
        target = _target(model_label)
    except UnknownName:
        return _maintain_unattended(self, model_label)
    if self.schedule and not target.config.enabled:
        return Report(
            label=target.label,
            operation="maintain",
            outcome=Outcome.UNCHANGED,
            message="The config is disabled.",
        ).as_json()
    return self.carry_out(lambda: passes.maintain(target.label, origin=self.origin))


@shared_task(name="pg_timepart.maintain_all", base=TimepartTask, bind=True)
def maintain_all(self: TimepartTask) -> Result:
    """Send one ``maintain`` for each enabled config; each ends by itself."""
    return _send(passes.enabled_labels(), self.schedule)


@shared_task(name=dispatcher.DISPATCH, base=TimepartTask, bind=True)
def dispatch(self: TimepartTask) -> Result:
    """Send one ``maintain`` for each config that is due; see ``PG_TIMEPART["DISPATCHER"]``.

    One whose model is gone is recorded as failed.
    """
    installed = set(passes.enabled_labels())
    due = [each.model_label for each in dispatcher.due_configs(timezone.now())]
    for label in set(due) - installed:
        passes.maintain_unattended(label, is_scheduled=True, origin=self.origin)
    return _send([label for label in due if label in installed], self.schedule)


@shared_task(name="pg_timepart.create_partitions", base=TimepartTask, bind=True)
def create_partitions(
    self: TimepartTask,
    model_label: str,
    days: int | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Result:
    """Create what follows until ``days`` from now (1), or what is missing in ``[start, end)``."""
    target = _target(model_label)
    if (start is None) != (end is None) or (days is not None and start is not None):
        raise InvalidPolicy("create_partitions takes days, or both start and end.")
    if start is None or end is None:
        ahead = 1 if days is None else days
        return self.carry_out(lambda: manual.create_next(target, ahead, origin=self.origin))
    first, last = moment_in(start), moment_in(end)
    return self.carry_out(lambda: manual.create_range(target, first, last, origin=self.origin))


@shared_task(name="pg_timepart.detach_partitions", base=TimepartTask, bind=True)
def detach_partitions(
    self: TimepartTask, model_label: str, partitions: Partitions | None = None
) -> Result:
    """Detach these partitions, or all that are past retention."""
    target = _target(model_label)
    if partitions is None:
        return self.carry_out(lambda: manual.detach_expired(target, origin=self.origin))
    named = self.logs(target, names_in(partitions))
    return self.carry_out(lambda: manual.detach(target, named(), origin=self.origin))


@shared_task(name="pg_timepart.attach_partitions", base=TimepartTask, bind=True)
def attach_partitions(
    self: TimepartTask,
    model_label: str,
    partitions: Partitions | None = None,
    detach_time: str | None = None,
) -> Result:
    """Attach these detached partitions, or all; ``detach_time`` pins them until then."""
    target = _target(model_label)
    pin = None if detach_time is None else moment_in(detach_time)
    named = (lambda: None) if partitions is None else self.logs(target, names_in(partitions))
    return self.carry_out(
        lambda: manual.attach(target, named(), detach_time=pin, origin=self.origin)
    )


@shared_task(name="pg_timepart.set_tablespace", base=TimepartTask, bind=True)
def set_tablespace(
    self: TimepartTask, model_label: str, partitions: Partitions, tablespace: str
) -> Result:
    """Move these partitions and all their indexes to a tablespace."""
    target = _target(model_label)
    named, place = self.logs(target, names_in(partitions)), tablespace_named(target, tablespace)
    return self.carry_out(lambda: manual.move(target, named(), place, origin=self.origin))


@shared_task(name="pg_timepart.drop_partitions", base=TimepartTask, bind=True)
def drop_partitions(self: TimepartTask, model_label: str, partitions: Partitions) -> Result:
    """Drop these tables, which must be detached, and for as long as the config's grace says.

    One that is gone already counts as dropped when this very task comes again.
    """
    target, names, again = _target(model_label), names_in(partitions), self.comes_again
    if again:
        names = without(names, dropped_by(self.origin.task_id, target.label))
    named = self.logs(target, names, may_be_gone=again)
    return self.carry_out(lambda: manual.drop(target, named(), origin=self.origin))


@shared_task(name="pg_timepart.reconcile", base=TimepartTask, bind=True)
def reconcile(self: TimepartTask, model_label: str) -> Result:
    """Bring our rows in step with the catalog; see ``maintenance.reconciling.reconcile``."""
    label = _target(model_label).label
    result = self.carry_out(lambda: reconciling.reconcile(label, origin=self.origin))
    return {**result, "schedules": schedules.sync_all()}


@beat_init.connect(dispatch_uid="pg_timepart")
def _sync_schedules(**_kwargs: Any) -> None:
    """Repair the beat entries when beat starts."""
    schedules.sync_all()


def _maintain_unattended(task: TimepartTask, model_label: str) -> Result:
    """Return how the pass of a model ended that is not installed; raises UnknownName."""
    label = storable(str(model_label).lower())[:LONGEST_NAME]
    is_scheduled = bool(task.schedule)
    report = passes.maintain_unattended(label, is_scheduled=is_scheduled, origin=task.origin)
    if report is None:
        decorated(model_label)
    return report.as_json() if report else {}


def _target(model_label: str) -> Target:
    return target_named(model_label)


def _send(labels: Sequence[str], schedule: str) -> Result:
    headers = {"periodic_task_name": schedule} if schedule else {}
    for label in labels:
        maintain.apply_async((label,), headers=headers)
    outcome = Outcome.DONE if labels else Outcome.UNCHANGED
    return {"outcome": outcome.value, "sent": list(labels)}
