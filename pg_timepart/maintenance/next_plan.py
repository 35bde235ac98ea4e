"""A look at a table for what the next pass would do, without doing it."""

from __future__ import annotations

from datetime import datetime

from pg_timepart.maintenance.clock_skew import cautious
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.other_tools import considerate
from pg_timepart.maintenance.target import Target
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.planner import plan_pass


def look(target: Target, now: datetime | None = None) -> Work:
    """Return the table as it is; ``now`` is by default what the server's clock says."""
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
    )


def plan_of(work: Work, now: datetime | None = None) -> Plan:
    """Return what a pass would do; ``now`` as for the look that ``work`` comes from."""
    planner = cautious(plan_pass) if now is None else plan_pass
    planner = considerate(planner, work.target.connection)
    plan = planner(work.plan_input())
    return work.target.agreed(plan, work.parent)
