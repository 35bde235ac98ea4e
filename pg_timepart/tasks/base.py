"""Base class of all tasks: acknowledged late, and retried where that can help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval
from django.db import DatabaseError, InterfaceError

from pg_timepart import conf
from pg_timepart.errors import OperationDeferred, UnknownName
from pg_timepart.maintenance.history import Origin, dropped_by
from pg_timepart.maintenance.lookup import Shown, as_shown, logs_named
from pg_timepart.maintenance.operation_registry.operation import Operation
from pg_timepart.maintenance.report import Report, report_of
from pg_timepart.maintenance.target import Target, target_named
from pg_timepart.maintenance.task_arguments import Names, names_in, without
from pg_timepart.models import PartitionLog
from pg_timepart.postgres.sqlstate import is_passing_fault

if TYPE_CHECKING:
    BaseTask = Task[Any, Any]
else:
    BaseTask = Task

Result = dict[str, Any]

FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 600
SCHEDULED_RETRIES = 5
"""Retries of a scheduled pass; after these, the next one on the schedule continues."""


class TimepartTask(BaseTask):
    """Task that is acknowledged late, and goes to the configured queue.

    A task that is deferred by another run or by a lock, or loses its connection, is sent again with
    exponential backoff and jitter; tasks that a person asked for are retried without limit.
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
            is_scheduled=bool(self.schedule),
            interruptions=(SoftTimeLimitExceeded,),
        )

    def carry_out(self, work: Callable[[], Report]) -> Result:
        """Return the result of ``work``, or retry the task if that may do more."""
        report = report_of(work)
        if self._may_try_again(report):
            raise self._again(OperationDeferred(report.reason))
        return report.as_json()

    def operate(self, operation: Operation, label: str, given: Mapping[str, Any]) -> Result:
        """Run an operation with what a message carries, and return its report as JSON.

        Raises UnknownName and InvalidPolicy, before anything is changed, for what is no model, no
        partition or no value of an argument.
        """
        try:
            target = target_named(label)
        except UnknownName:
            report = operation.unknown_model(label, self.origin)
            if report is None:
                raise
            return report.as_json()
        return {**self.carry_out(self._work(operation, target, given)), **operation.also()}

    def _work(
        self, operation: Operation, target: Target, given: Mapping[str, Any]
    ) -> Callable[[], Report]:
        """Return the operation with its arguments read; partitions are looked up as a part of it.

        Names are resolved once: a retry is for these very tables, whatever has their names by then.
        """
        names = self._names(operation, target, given) if operation.selection is not None else None
        arguments = {
            each.name: each.parsed(target, given[each.name]) for each in operation.task_arguments
        }
        run = partial(operation.run, origin=self.origin, **arguments)
        if operation.selection is None:
            return lambda: run(target)
        if names is None:
            return lambda: run(target, None)
        return lambda: run(target, self._logs(operation, target, names))

    def _names(
        self, operation: Operation, target: Target, given: Mapping[str, Any]
    ) -> Names | None:
        """Return the partitions that a message names; None where it names none, and need not."""
        partitions = given["partitions"]
        takes_all = operation.selection is not None and operation.selection.without_names
        if partitions is None and takes_all:
            return None
        names = names_in(partitions)
        if operation.removes_tables and self.comes_again:
            return without(names, dropped_by(self.origin.task_id, target.label))
        return names

    def _logs(self, operation: Operation, target: Target, names: Names) -> list[PartitionLog]:
        may_be_gone = operation.removes_tables and self.comes_again
        found = logs_named(target, names, origin=self.origin, may_be_gone=may_be_gone)
        if not self.request.called_directly:
            self._keep_to(as_shown(found))
        return found

    def _keep_to(self, shown: Sequence[Shown]) -> None:
        """Put the OIDs into the message of a retry."""
        args, kwargs = list(self.request.args or ()), dict(self.request.kwargs or {})
        entries = [asdict(each) for each in shown]
        if "partitions" in kwargs:
            kwargs["partitions"] = entries
        else:
            args[1] = entries  # after the label, in each task that takes partitions
        self.request.args, self.request.kwargs = args, kwargs

    def _may_try_again(self, report: Report) -> bool:
        # An eager task would be retried at once, in its caller, for as long as the lock is held.
        if self.request.called_directly or self.request.is_eager:
            return False
        if not report.gave_way and not report.is_passing:
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
        except Reject as rejected:  # the broker does not take it, and the task would be lost
            return Reject(rejected.args[0], requeue=True)
        return retry
