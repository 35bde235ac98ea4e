"""Plan of the next pass, and the dry run that makes it."""

from __future__ import annotations

from datetime import datetime

from pg_timepart.maintenance.clock_skew import cautious
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.other_tools import considerate
from pg_timepart.maintenance.target import Target
from pg_timepart.partitions.plan import Plan, PlanInput, Planner
from pg_timepart.partitions.planner import plan_pass


def dry_work(target: Target, now: datetime | None = None) -> Work:
    """Return the table as it is, for a run that does nothing and takes no lock.

    ``now`` is by default what the server's clock says. Raises NotPartitioned and InvalidPolicy.
    """
    rows = target.rows()
    parent = target.read(rows)
    moment = now or parent.read_at
    return Work(
        target=target,
        policy=target.policy(parent),
        parent=parent,
        rows=rows,
        now=moment,
        latest=moment,
        is_dry=True,
    )


def plan_of(work: Work, now: datetime | None = None) -> Plan:
    """Return what a pass would do; ``now`` as given to ``dry_work``."""
    plan = guarded_plan(work.target, plan_pass, work.plan_input(), is_by_clock=now is None)
    return work.target.agreed(plan, work.parent)


def guarded_plan(target: Target, planner: Planner, given: PlanInput, *, is_by_clock: bool) -> Plan:
    """Return the plan, without what another manager of the table does by itself.

    ``is_by_clock``: the moment is the server's clock, so the clock-skew guard holds too.
    """
    planner = cautious(planner) if is_by_clock else planner
    return considerate(planner, target.connection)(given)
