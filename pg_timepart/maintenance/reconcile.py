"""Reconcile our logs with the catalog: repair the rows, and report what only a person decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pg_timepart import conf
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import Target, target_named
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.coverage import uncovered
from pg_timepart.partitions.plan import Plan, PlanInput, Policy
from pg_timepart.partitions.tables import Parent, Partition


def reconcile(label: str, *, now: datetime | None = None, origin: Origin | None = None) -> Report:
    """Reconcile the model ``label``; see reconcile_target(). Raises UnknownName."""
    return reconcile_target(target_named(label), now=now, origin=origin)


def reconcile_target(
    target: Target, *, now: datetime | None = None, origin: Origin | None = None
) -> Report:
    """Update our logs of the target from the catalog; of tables, change comments alone.

    Records what was created, attached, detached, renamed, moved or dropped by hand, and makes logs
    for detached partitions of ours that have none. What a person must decide (a gap, a partition
    that is not aligned with the period, a default partition) is in the report's notes. Errors are
    in the report too.
    """
    request = Request(
        operation="reconcile",
        planner=_plan_nothing,
        origin=origin or Origin(),
        now=now,
        wait_seconds=conf.options().LOCK_WAIT_SECONDS,
        is_thorough=True,
    )
    return run(target, request)


def questions(parent: Parent, policy: Policy) -> Iterator[Finding]:
    """Yield the findings on the table that only a person can decide."""
    yield from (_gap(each) for each in gaps(parent))
    yield from (_unaligned(each) for each in parent.ranged if not _is_aligned(each, parent, policy))
    if parent.default is not None:
        yield Finding(
            Code.DEFAULT_PARTITION,
            f"{parent.default.name} is a default partition. Rows in it can block new partitions:"
            " keep it empty, or detach it.",
        )


def gaps(parent: Parent) -> list[Bounds]:
    """Return the ranges between the first and the last partition that no partition covers."""
    sides = [each.bounds for each in parent.ranged if each.bounds is not None]
    starts = [each.start or each.end for each in sides]
    ends = [each.end or each.start for each in sides]
    first = min((each for each in starts if each is not None), default=None)
    last = max((each for each in ends if each is not None), default=None)
    if first is None or last is None or not first < last:
        return []
    return list(uncovered(parent.partitions, first, last))


def _plan_nothing(given: PlanInput) -> Plan:
    return Plan(notes=tuple(questions(given.parent, given.policy)))


def _is_aligned(partition: Partition, parent: Parent, policy: Policy) -> bool:
    bounds, key_format = partition.bounds, parent.key_format
    if bounds is None or bounds.start is None or key_format is None:
        return bounds is None
    if bounds.end is None and key_format.span.end is None:
        return False
    whole = policy.period.bounds_at(bounds.start, policy.zone)
    return key_format.clip(whole) == bounds


def _gap(bounds: Bounds) -> Finding:
    return Finding(
        Code.GAP,
        f"Nothing covers [{bounds.start}, {bounds.end}): rows of this range are refused. Create"
        " the partitions (timepart create --from ... --to ...) if there shall be any.",
    )


def _unaligned(partition: Partition) -> Finding:
    bounds = partition.bounds
    assert bounds is not None  # noqa: S101
    return Finding(
        Code.NOT_ALIGNED,
        f"{partition.name} is [{bounds.start or 'MINVALUE'}, {bounds.end or 'MAXVALUE'}), which is"
        " not one period of the config. That is right after a change of period; otherwise see who"
        " made it.",
    )
