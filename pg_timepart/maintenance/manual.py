"""Manual operations on one table: create, detach, attach, move, drop, truncate.

Each waits for the table's advisory lock while another run has it, up to LOCK_WAIT_SECONDS. Each
returns a report if all went well, and otherwise raises OperationDeferred or OperationFailed, which
carry the report. ``now`` is the moment to plan for, by default the server's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pg_timepart import conf
from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.errors import (
    InvalidPolicy,
    OperationDeferred,
    OperationFailed,
)
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.context import ABSENT, Work
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.log_arguments import names_by_oid
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import keep
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Action, Known, Plan, PlanInput, Planner
from pg_timepart.partitions.planner import (
    plan_attach,
    plan_detach,
    plan_next,
    plan_range,
    plan_retirement,
)
from pg_timepart.partitions.recovery import unlinkings
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.partitions.time_zones import refuse_no_moment, representable


def create_next(
    target: Target, days: int, *, origin: Origin | None = None, now: datetime | None = None
) -> Report:
    """Create following partitions until the newest ends more than ``days`` from now."""

    def planner(given: PlanInput) -> Plan:
        return plan_next(given, days)

    return ask(target, "create", planner, origin=origin, now=now)


def create_range(
    target: Target,
    start: datetime,
    end: datetime,
    *,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Create the missing partitions of ``[start, end)``, widened to whole periods."""
    refuse_no_moment("start", start)
    refuse_no_moment("end", end)

    def planner(given: PlanInput) -> Plan:
        return plan_range(given, start, end)

    return ask(target, "create", planner, origin=origin, now=now)


def detach_expired(
    target: Target,
    *,
    concurrently: bool = True,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Detach everything past retention; the fuse is for passes and does not apply."""
    return ask(target, "detach", plan_retirement, concurrently=concurrently, origin=origin, now=now)


def detach(
    target: Target,
    logs: Sequence[PartitionLog],
    *,
    concurrently: bool = True,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Detach these partitions; a recorded attach of one that is detached already is called off.

    Foreign keys that an earlier detach left on them are dropped, if the config asks for it.
    """
    names = names_by_oid(target, logs)

    def planner(given: PlanInput) -> Plan:
        begun = {each.oid for each in given.known if each.unfinished is ActionKind.ATTACH}
        present = _present(given.parent, names)
        found = [each for each in present if each.is_attached or each.oid in begun]
        plan = plan_detach(given, found)
        others = [each for each in given.known if each.oid in names and each.oid not in begun]
        left = unlinkings(replace(given, known=others))
        return replace(plan, actions=(*plan.actions, *left), problems=_gone(given.parent, names))

    return ask(target, "detach", planner, concurrently=concurrently, origin=origin, now=now)


def attach(
    target: Target,
    logs: Sequence[PartitionLog] | None,
    *,
    detach_time: datetime | None = None,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Attach these, or all detached partitions, and pin them until ``detach_time``.

    Those that are attached already are pinned too, once we have the advisory lock.
    """
    if detach_time is not None:
        refuse_no_moment("detach_time", detach_time)
        representable("detach_time", detach_time, conf.zone())
    names = None if logs is None else names_by_oid(target, logs)

    def planner(given: PlanInput) -> Plan:
        wanted = {each.oid: each for each in given.known if names is None or each.oid in names}
        present = _present(given.parent, wanted)
        found = [each for each in present if _is_off(each, wanted[each.oid])]
        plan = plan_attach(given, [(each, wanted[each.oid].bounds) for each in found])
        return replace(plan, problems=_gone(given.parent, names or {}))

    def pin(work: Work) -> None:
        """Pin under the advisory lock: a running pass may yet detach them, by the logs it read."""
        for log in work.logs:
            if not log.is_attached if names is None else log.relid in names:
                keep(log, detach_time=detach_time)

    return ask(target, "attach", planner, on_locked=pin, origin=origin, now=now)


def move(
    target: Target,
    logs: Sequence[PartitionLog],
    tablespace: str | None,
    *,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Move these tables with their indexes to ``tablespace``."""
    if not isinstance(tablespace, str):
        raise InvalidPolicy(f"A tablespace is given by its name, not by {tablespace!r}.")
    planner = _each(target, logs, ActionKind.MOVE, tablespace)
    return ask(target, "move", planner, origin=origin, now=now)


def drop(
    target: Target,
    logs: Sequence[PartitionLog],
    *,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Drop these tables, which must be detached and past the grace of the config."""
    return ask(target, "drop", _each(target, logs, ActionKind.DROP), origin=origin, now=now)


def truncate(
    target: Target,
    logs: Sequence[PartitionLog],
    *,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Empty these tables."""
    return ask(target, "truncate", _each(target, logs, ActionKind.TRUNCATE), origin=origin, now=now)


def truncate_all(
    target: Target, *, origin: Origin | None = None, now: datetime | None = None
) -> Report:
    """Empty every attached partition, a default partition included, each by itself."""

    def planner(given: PlanInput) -> Plan:
        return Plan(
            actions=tuple(
                _action(ActionKind.TRUNCATE, each)
                for each in given.parent.partitions
                if not each.is_pending
            )
        )

    return ask(target, "truncate", planner, origin=origin, now=now)


def ask(
    target: Target,
    operation: str,
    planner: Planner,
    *,
    concurrently: bool = True,
    on_locked: Callable[[Work], None] | None = None,
    origin: Origin | None = None,
    now: datetime | None = None,
) -> Report:
    """Run what a person asked for; raises OperationDeferred or OperationFailed."""
    request = Request(
        operation=operation,
        planner=planner,
        origin=origin or Origin(),
        now=now,
        wait_seconds=conf.options().LOCK_WAIT_SECONDS,
        concurrently=concurrently,
        is_by_hand=True,
        on_locked=on_locked,
    )
    report = run(target, request)
    sentence = f"{operation} of {report.label} ended {report.outcome}: {report.reason}"
    if report.outcome is Outcome.DEFERRED:
        raise OperationDeferred(sentence, report)
    if report.outcome is Outcome.FAILED:
        raise OperationFailed(sentence, report)
    return report


def _each(
    target: Target, logs: Sequence[PartitionLog], kind: ActionKind, tablespace: str | None = None
) -> Planner:
    names = names_by_oid(target, logs)

    def planner(given: PlanInput) -> Plan:
        parent, bounds = given.parent, {each.oid: each.bounds for each in given.known}
        return Plan(
            actions=tuple(
                _action(kind, each, bounds.get(each.oid), tablespace)
                for each in _present(parent, names)
            ),
            problems=() if kind is ActionKind.DROP else _gone(parent, names),
            notes=_dropped_before(parent, names) if kind is ActionKind.DROP else (),
        )

    return planner


def _action(
    kind: ActionKind,
    partition: Partition,
    bounds: Bounds | None = None,
    tablespace: str | None = None,
) -> Action:
    return Action(
        kind=kind,
        partition=partition.name,
        bounds=partition.bounds or bounds,
        oid=partition.oid,
        tablespace=tablespace,
        reason="asked for",
        is_asked=True,
    )


def _present(parent: Parent, oids: Container[int]) -> list[Partition]:
    return [each for each in (*parent.partitions, *parent.detached) if each.oid in oids]


def _gone(parent: Parent, names: Mapping[int, str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(Code.PARTITION_IS_GONE, f"{names[oid]} {ABSENT}") for oid in _absent(parent, names)
    )


def _dropped_before(parent: Parent, names: Mapping[int, str]) -> tuple[Finding, ...]:
    """Return those that are gone, each with its OID: another table may have the name by now."""
    return tuple(
        Finding(Code.DROPPED_BEFORE, f"{names[oid]}, OID {oid}, {ABSENT}")
        for oid in _absent(parent, names)
    )


def _absent(parent: Parent, oids: Iterable[int]) -> list[int]:
    present = {each.oid for each in (*parent.partitions, *parent.detached)}
    return [oid for oid in oids if oid not in present]


def _is_off(partition: Partition, known: Known) -> bool:
    """Whether there is something to attach; also a begun detach is finalized or called off."""
    is_begun = known.unfinished is ActionKind.DETACH
    return not partition.is_attached or partition.is_pending or is_begun
