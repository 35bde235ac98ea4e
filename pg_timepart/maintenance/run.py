"""Run an operation on one table: read, plan, lock, read and plan again, apply, record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import DatabaseError, IntegrityError, InterfaceError
from django.utils import timezone

from pg_timepart.constants import Outcome
from pg_timepart.errors import Conflict, Deferred, Refused, TimepartError
from pg_timepart.findings import Finding
from pg_timepart.logger import logger
from pg_timepart.maintenance import config_claims, log_sync
from pg_timepart.maintenance.actions.handlers import in_order
from pg_timepart.maintenance.announce import announce
from pg_timepart.maintenance.apply import apply
from pg_timepart.maintenance.clock_skew import by_later_clock
from pg_timepart.maintenance.comments import outdated_comments, update_comments
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.history import TIME_IS_UP, Origin, is_deleted, record, record_alone
from pg_timepart.maintenance.next_plan import guarded_plan
from pg_timepart.maintenance.report import ActionResult, Report, overall
from pg_timepart.maintenance.target import CONFIG_IS_GONE, Target
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import connection_of_rows
from pg_timepart.partitions.plan import Action, Plan, Planner
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.advisory_lock import AdvisoryLockTaken, advisory_lock
from pg_timepart.postgres.cancel import nothing_left_running
from pg_timepart.postgres.catalog import tablespaces
from pg_timepart.postgres.sqlstate import defect, ends_the_run, in_words, renew


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Request of a run: the operation, its planner, who asked, and how long it may wait."""

    operation: str
    """Its name in records: ``maintain``, ``create``, ..."""

    planner: Planner
    origin: Origin = field(default_factory=Origin)
    now: datetime | None = None
    """The moment to plan for; by default the server's clock, so that all hosts agree."""

    wait_seconds: float = 0.0
    """How long to wait while another run has the table."""

    concurrently: bool = True
    """Whether DETACH CONCURRENTLY, which cannot run in a transaction, may be used."""

    is_thorough: bool = False
    """Whether to look for detached partitions without a log, which only reconcile does."""

    is_by_hand: bool = False
    """Whether a person asked for this operation: other problems of the table do not fail it."""

    on_locked: Callable[[Work], None] | None = None
    """Called first under the advisory lock, which it requires whatever the plan is."""

    @property
    def needs_lock(self) -> bool:
        """Whether the advisory lock is needed whatever the plan is."""
        return self.is_thorough or self.on_locked is not None

    def plan(self, target: Target, parent: Parent, logs: list[PartitionLog], now: datetime) -> Plan:
        """Return the plan at ``now`` for the table as it was just read.

        A run plans twice, for the same moment, by which its actions are judged too.
        """
        given = target.plan_input(parent, logs, now)
        return guarded_plan(target, self.planner, given, is_by_clock=self.now is None)


@dataclass(slots=True, kw_only=True)
class Course:
    """Progress of a run, for its record, however it ends."""

    started_at: datetime | None = None
    """By the server's clock, whatever moment was planned for."""

    begun: float = field(default_factory=time.monotonic)
    read: float = 0.0
    """Just before the table was first read, by ``time.monotonic``: a grace begins no earlier."""

    results: list[ActionResult] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)


def run(target: Target, request: Request) -> Report:
    """Run the request, record the run and return its report.

    Errors end in the report, also those that are defects of this package. A lost connection, and
    a server that takes no writes, are recorded if that is still possible, and raised as the errors
    of Django that they are; so is what keeps a run from being recorded. Celery's time limit is
    raised where ``request`` does not name it as an interruption.
    """
    course = Course()
    ending: tuple[type[Exception], ...] = (TimepartError, *request.origin.interruptions)
    try:
        with nothing_left_running(target.connection, connection_of_rows()):
            report = _run(target, request, course)
    except AdvisoryLockTaken as error:
        report = replace(_ended(target, request, course, error), is_taken=True)
    except ending as error:
        report = _ended(target, request, course, error)
    except (DatabaseError, InterfaceError) as error:
        if not _lost_its_config(target, error):
            _record_lost(target, request, course, error)
            raise
        gone = Conflict(CONFIG_IS_GONE)
        report = _ended(target, request, course, gone)
    except TIME_IS_UP:
        raise
    except Exception as error:  # a defect of ours is recorded, and stops no other table
        logger.error("%s of %s", request.operation, target.label, exc_info=error)
        _renew_connections(target)
        report = replace(_ended(target, request, course, error), message=defect(error))
    _record_anyhow(target, request, course, report)
    if report.outcome in (Outcome.FAILED, Outcome.DEFERRED):
        level = logging.ERROR if report.outcome is Outcome.FAILED else logging.WARNING
        logger.log(level, "%s of %s: %s", report.operation, report.label, report.reason)
    return report


def _run(target: Target, request: Request, course: Course) -> Report:
    _require_commits(target)
    logs = target.logs()
    course.read = time.monotonic()
    parent = target.read(logs)
    course.started_at = parent.read_at
    now = request.now or parent.read_at
    plan = request.plan(target, parent, logs, now)
    is_needed = request.needs_lock or target.is_disputed or plan.actions
    is_right = not (_drifted(logs, parent, target, now) or outdated_comments(target, parent, logs))
    if is_needed or not is_right:
        with advisory_lock(target.connection, parent, wait_seconds=request.wait_seconds) as is_held:
            plan = _run_locked(target, request, course, now, is_held)
    return Report(
        label=target.label,
        operation=request.operation,
        outcome=overall(course.results, plan.problems, course.repaired),
        actions=tuple(course.results),
        problems=plan.problems,
        repairs=tuple(course.repaired),
        notes=plan.notes,
    )


def _require_commits(target: Target) -> None:
    """Raise Refused where a connection has no autocommit and is not in ``atomic()``."""
    for each in (target.connection, connection_of_rows()):
        if not each.in_atomic_block and not each.get_autocommit():
            raise Refused(
                f"The connection to the database {each.alias!r} commits nothing by itself, so"
                f" nothing was done. Set DATABASES[{each.alias!r}]['AUTOCOMMIT'] to True, which is"
                " Django's default, and call no set_autocommit(False) before."
            )


def _run_locked(
    target: Target, request: Request, course: Course, now: datetime, is_held: Callable[[], bool]
) -> Plan:
    """Read and plan again under the lock, since the first reading may be out of date; apply."""
    target.read_config()
    logs = target.logs()
    parent = target.read(logs)
    work = Work(
        target=target,
        policy=target.policy(parent),
        parent=parent,
        logs=logs,
        now=now,
        latest=by_later_clock(now, parent) if request.now is None else now,
        begun=course.read,
        is_lock_held=is_held,
        concurrently=request.concurrently,
        retires_left=None if request.is_by_hand else target.policy(parent).max_retire,
        known_tablespaces=frozenset(tablespaces(target.connection)),
        interruptions=(*TIME_IS_UP, *request.origin.interruptions),
        rivals=target.rivals(parent),
    )
    course.repaired += work.repair(thoroughly=request.is_thorough)
    if not work.rivals:  # comments name the parent that a partition belongs to
        course.repaired += update_comments(work)
    if request.on_locked is not None:
        request.on_locked(work)
    plan = request.plan(target, work.parent, work.logs, now)
    plan = config_claims.without_retirement(
        plan, target.label, work.rivals, is_by_hand=request.is_by_hand
    )
    for group in in_order(plan.actions):
        _apply_group(work, group, course)
    return replace(plan, notes=(*plan.notes, *work.notes))


def _apply_group(work: Work, group: list[Action], course: Course) -> None:
    """Apply these actions and send the signals of those that were done, also if interrupted."""
    begun = len(course.results)
    try:
        for result in apply(work, group):
            course.results.append(result)
    except Exception:
        _announce_anyhow(work, course.results[begun:])
        raise
    work.refresh()
    announce(work, course.results[begun:])


def _drifted(logs: list[PartitionLog], parent: Parent, target: Target, now: datetime) -> bool:
    return target.keeps_logs and bool(log_sync.repairs(logs, parent, target, now))


def _ended(target: Target, request: Request, course: Course, error: Exception) -> Report:
    is_deferred = isinstance(error, (Deferred, *request.origin.interruptions))
    return Report(
        label=target.label,
        operation=request.operation,
        outcome=Outcome.DEFERRED if is_deferred else Outcome.FAILED,
        actions=tuple(course.results),
        repairs=tuple(course.repaired),
        message=in_words(error),
    )


def _lost_its_config(target: Target, error: Exception) -> bool:
    if not isinstance(error, IntegrityError) or target.connection.in_atomic_block:
        return False
    return is_deleted(target.config)


def _announce_anyhow(work: Work, results: list[ActionResult]) -> None:
    """Send the signals of committed actions of an interrupted run, if the logs can be read."""
    _renew_connections(work.target)
    with suppress(DatabaseError, InterfaceError, TimepartError):
        if work.is_lock_held():
            work.refresh()
    announce(work, results)


def _record(target: Target, request: Request, course: Course, report: Report) -> None:
    started_at = course.started_at or _clock(target)
    seconds = time.monotonic() - course.begun
    if target.is_disputed:
        record_alone(report, request.origin, started_at=started_at, seconds=seconds)
    else:
        record(report, target.config, request.origin, started_at=started_at, seconds=seconds)


def _record_anyhow(target: Target, request: Request, course: Course, report: Report) -> None:
    """Record what was done; over a new connection where the old one is lost."""
    try:
        _record(target, request, course, report)
    except (DatabaseError, InterfaceError) as error:
        if not ends_the_run(error) or target.connection.in_atomic_block:
            raise
        _renew_connections(target)
        _record(target, request, course, report)


def _record_lost(
    target: Target, request: Request, course: Course, error: DatabaseError | InterfaceError
) -> None:
    """Record a run whose connection was lost, over a new one if the server accepts it."""
    report = _ended(target, request, course, error)
    logger.error("%s of %s: %s", request.operation, target.label, report.message)
    if target.connection.in_atomic_block:
        return
    _renew_connections(target)
    course.started_at = course.started_at or timezone.now()  # there may be no server to ask
    # The database of our records may be down too: the caller gets the first error.
    with suppress(DatabaseError, InterfaceError):
        _record(target, request, course, report)


def _renew_connections(target: Target) -> None:
    """Close lost connections: the next table, and this run's record, get new ones."""
    renew(target.connection)
    renew(connection_of_rows())


def _clock(target: Target) -> datetime:
    with target.connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment
