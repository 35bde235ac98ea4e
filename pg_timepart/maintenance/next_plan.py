"""Plan of the next pass, and the dry-run context (Work) that it is made in."""

from __future__ import annotations

from datetime import datetime

from pg_timepart.maintenance.clock_skew import without_skewed
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.other_tools import without_managed
from pg_timepart.maintenance.target import Target
from pg_timepart.partitions.plan import Plan, PlanInput, Planner
from pg_timepart.partitions.planner import plan_pass


def dry_work(target: Target, now: datetime | None = None) -> Work:
    """Return a Work of the table as it is, for a dry run: it takes no lock.

    ``now`` is by default the server's clock. Raises NotPartitioned and InvalidPolicy.
    """
    logs = target.logs()
    parent = target.read(logs)
    moment = now or parent.read_at
    return Work(
        target=target,
        policy=target.policy(parent),
        parent=parent,
        logs=logs,
        now=moment,
        latest=moment,
        is_dry=True,
    )


def plan_of(work: Work, now: datetime | None = None) -> Plan:
    """Return what a pass would do; ``now`` as in ``dry_work``."""
    plan = guarded_plan(work.target, plan_pass, work.plan_input(), is_by_clock=now is None)
    return work.target.agreed(plan, work.parent)


def guarded_plan(target: Target, planner: Planner, given: PlanInput, *, is_by_clock: bool) -> Plan:
    """Return the plan without what clock skew, or another tool that manages the table, forbids.

    The table was read just before. ``is_by_clock`` is false for a plan at a given moment, which no
    clock decides.
    """
    plan = planner(given)
    if is_by_clock:
        plan = without_skewed(plan, given.parent)
    return without_managed(plan, given.parent, target.connection)
